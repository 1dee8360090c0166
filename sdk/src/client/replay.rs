//! Replay: a secret and a lookup's id in, the key under which the gateway keeps the answer out.

use std::path::Path;

use aws_lc_rs::hmac::{Context, HMAC_SHA256, Key};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::HeaderValue;
use uuid::Uuid;

use super::error::{Error, Result};
use crate::sensitive::Sensitive;

/// The least that can't be guessed.
const LEAST: usize = 32;

/// What the keys of a client's lookups are derived from.
pub(super) struct Secret(Key);

impl Secret {
    /// Taken if there is one; made otherwise, for as long as the client lives.
    pub(super) fn new(given: Option<&Sensitive<Vec<u8>>>, file: Option<&Path>) -> Result<Self> {
        let read;
        let secret = match (given, file) {
            (Some(secret), _) => secret.expose().as_slice(),
            (None, Some(file)) => {
                read = std::fs::read(file).map_err(|error| {
                    let file = file.display();
                    Error::usage(format!("the replay secret {file} can't be read: {error}"))
                })?;
                read.trim_ascii()
            }
            (None, None) => return Self::random(),
        };
        if secret.len() < LEAST {
            let what = format!("the replay secret has less than {LEAST} bytes");
            return Err(Error::usage(what));
        }
        Ok(Self(Key::new(HMAC_SHA256, secret)))
    }

    fn random() -> Result<Self> {
        let mut bytes = [0; LEAST];
        aws_lc_rs::rand::fill(&mut bytes)
            .map_err(|_| Error::usage("the system has no random numbers"))?;
        Ok(Self(Key::new(HMAC_SHA256, &bytes)))
    }

    /// The header's value for a lookup.
    pub(super) fn key(&self, request_id: Uuid) -> Option<HeaderValue> {
        let mut context = Context::with_key(&self.0);
        context.update(b"loket replay v1\0");
        context.update(request_id.as_bytes());
        let text = BASE64_STANDARD.encode(context.sign().as_ref());
        let mut value = HeaderValue::try_from(text).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}
