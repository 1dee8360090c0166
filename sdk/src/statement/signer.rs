//! The agency's side: an answer in, its signature out.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use aws_lc_rs::rand;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;

use super::{Asked, Error, Question, TYPE, Wire, digest};
use crate::ids::{AgencyId, SystemId};
use crate::jws::{self, PublicKey, SigningKey};
use crate::message::{SourceAnswer, SourceSignature};
use crate::sensitive::Sensitive;

const SALT: usize = 16;

/// Signs answers for one system of an agency.
pub struct Signer {
    pub(super) agency: AgencyId,
    pub(super) system: SystemId,
    kid: String,
    pub(super) key: SigningKey,
}

impl Signer {
    /// Signs with this key, enrolled with the gateway under this id.
    ///
    /// # Errors
    /// [`Error::KeyId`] when the id isn't one.
    pub fn new(
        agency: AgencyId,
        system: SystemId,
        id: &str,
        key: SigningKey,
    ) -> Result<Self, Error> {
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
        if !(1..=40).contains(&id.len()) || !id.bytes().all(is_name) {
            return Err(Error::KeyId);
        }
        Ok(Self {
            kid: format!("{agency}/{id}"),
            agency,
            system,
            key,
        })
    }

    /// What verifies it.
    #[must_use]
    pub fn public_key(&self) -> &PublicKey {
        self.key.public_key()
    }

    /// What a verifier finds the key by: `<agency>/<id>`.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// Signs an answer as of now: what was asked of it, and nothing that came along.
    ///
    /// # Errors
    /// [`Error::AheadOfItself`] when its `as_of` is still to come, [`Error::Number`] when a number
    /// has no canonical form, [`Error::Twice`] when a field is claimed twice.
    pub fn sign(
        &self,
        answer: &SourceAnswer,
        question: &Question<'_>,
        asked: Asked<'_>,
        now: Timestamp,
    ) -> Result<SourceSignature, Error> {
        let iat = now.as_second();
        if answer.as_of.is_some_and(|at| at.as_second() > iat) {
            return Err(Error::AheadOfItself);
        }
        let wanted = asked.names();
        let given = answer.record.iter().flat_map(|record| record.expose());
        let given = given.filter(|(name, _)| wanted.contains(name.as_str()));
        let mut names: BTreeSet<&str> = given.clone().map(|(name, _)| name.as_str()).collect();
        if let (Asked::Claims(claims), Some(_)) = (asked, &answer.claims) {
            for claim in claims {
                if !names.insert(&claim.field) {
                    return Err(Error::Twice(claim.field.clone()));
                }
            }
        }
        let (salt, salts) = salts(&names)?;
        let fields = given
            .map(|(name, value)| Ok((name.clone(), digest::field(name, value, &salts)?)))
            .collect::<Result<_, Error>>()?;
        let mut claims = BTreeMap::new();
        if let (Asked::Claims(asked), Some(answers)) = (asked, &answer.claims) {
            for (claim, answer) in asked.iter().zip(answers) {
                let digest = digest::claim(claim, answer.result, &salts)?;
                claims.insert(claim.field.clone(), digest);
            }
        }
        let wire = Wire {
            v: 1,
            agency: self.agency.clone(),
            system: self.system.clone(),
            record: question.record.clone(),
            status: answer.status,
            as_of: answer.as_of,
            iat,
            question: digest::question(question, &salt)?,
            asked: wanted.into_iter().map(str::to_owned).collect(),
            fields,
            claims,
        };
        let payload = serde_json::to_vec(&wire).map_err(|_| Error::Malformed)?;
        Ok(SourceSignature {
            jws: jws::sign_compact(&self.key, TYPE, &self.kid, &payload)?,
            salt: Sensitive::new(salt),
            salts: Sensitive::new(salts),
        })
    }
}

/// One for the question, and one for each name.
fn salts(names: &BTreeSet<&str>) -> Result<(String, BTreeMap<String, String>), Error> {
    let mut bytes = vec![0; SALT * (names.len() + 1)];
    rand::fill(&mut bytes).map_err(|_| Error::Random)?;
    let mut salts = bytes.chunks(SALT).map(|salt| URL_SAFE_NO_PAD.encode(salt));
    let own = salts.next().ok_or(Error::Random)?;
    let named = names.iter().map(|name| (*name).to_owned()).zip(salts);
    Ok((own, named.collect()))
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Signer").field(&self.kid).finish()
    }
}
