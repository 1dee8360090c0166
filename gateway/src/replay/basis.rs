//! Basis: what was decided about a lookup in, a digest out: an answer is given again only if the
//! same would be decided today.

use aws_lc_rs::digest::{Context, SHA256};

use crate::directory::{Directory, KeyUse, Source};
use crate::policy::{Allowed, Permit, Permitted};

pub(super) const LENGTH: usize = 16;

/// What an answer rests on: every source with the keys that it signs by, the grants as they were signed
/// and the fields, or why it isn't asked. Values of claims are the body's, which is the same anyway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Basis(pub(super) [u8; LENGTH]);

impl Basis {
    /// Of a lookup that was decided upon.
    #[must_use]
    pub fn of(permitted: &Permitted, directory: &Directory) -> Self {
        let mut digest = Context::new(&SHA256);
        let legs = permitted.routed().legs().iter();
        for (leg, decision) in legs.zip(permitted.decisions()) {
            word(&mut digest, &leg.schema.record.to_string());
            match leg.source.map(|index| &directory.sources()[index]) {
                Some(source) => vouched(&mut digest, source, directory),
                None => word(&mut digest, ""),
            }
            match decision {
                Ok(permit) => granted(&mut digest, permit, directory),
                Err(reason) => word(&mut digest, reason.as_str()),
            }
            digest.update(&[0]);
        }
        digest.update(&[u8::from(permitted.breaks_glass())]);
        let mut out = [0; LENGTH];
        out.copy_from_slice(&digest.finish().as_ref()[..LENGTH]);
        Self(out)
    }
}

/// Whose word it is, and what shows that.
pub(crate) fn vouched(digest: &mut Context, source: &Source, directory: &Directory) {
    let agency = source.agency.as_str();
    word(digest, agency);
    digest.update(&[u8::from(source.requires_signature)]);
    let members = directory.members().iter();
    let own = members.filter(|member| member.id.as_str() == agency);
    let keys = own.flat_map(|member| &member.keys);
    for key in keys.filter(|key| key.allows == KeyUse::Answer) {
        word(digest, &key.id);
        // Ed25519's and P-256's differ in length.
        digest.update(key.public.as_bytes());
        for day in [key.from, key.to] {
            let (year, month, day) = day.map_or((0, 0, 0), |it| (it.year(), it.month(), it.day()));
            digest.update(&year.to_le_bytes());
            digest.update(&month.to_le_bytes());
            digest.update(&day.to_le_bytes());
        }
    }
    word(digest, "");
}

fn granted(digest: &mut Context, permit: &Permit, directory: &Directory) {
    for &grant in permit.grants() {
        let grant = &directory.grants()[grant];
        word(digest, &grant.id);
        let signature = grant.signature.as_ref();
        word(digest, signature.map_or("", |signature| &signature.kid));
        let serial = signature.map_or(0, |signature| signature.serial);
        digest.update(&serial.to_le_bytes());
    }
    word(digest, "");
    digest.update(&[u8::from(permit.stale_ok())]);
    match permit.allowed() {
        Allowed::Fields(fields) => {
            word(digest, "fields");
            fields.iter().for_each(|field| word(digest, field));
        }
        Allowed::Claims(claims) => {
            word(digest, "claims");
            claims.iter().for_each(|claim| word(digest, &claim.field));
        }
    }
}

/// With its length, so that two words can't pass for another two.
fn word(digest: &mut Context, word: &str) {
    digest.update(&(word.len() as u64).to_le_bytes());
    digest.update(word.as_bytes());
}
