//! Whose signatures count: the log's keys, and its witnesses'.

use std::collections::BTreeSet;
use std::fmt;

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use signed_note::{StandardVerifier, VerificationError, Verifier, Verifiers};

/// Algorithm byte of a timestamped Ed25519 cosignature.
const COSIGNATURE_V1: u8 = 4;
const TIMESTAMP: usize = 8;

/// The keys of one log: its origin, its own keys, and witnesses of whom some must have cosigned.
///
/// A key is text as Go's `sumdb/note` has it: name, `+`, 8 hexadecimal digits, `+`, base64. Give all
/// keys that the log has had: a checkpoint counts when one of them signed it.
pub struct LogKeys {
    origin: String,
    own: Vec<StandardVerifier>,
    witnesses: Vec<Witness>,
    quorum: usize,
}

/// Why a key can't be used. It names the key's name at most.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// Not a key in text form, or its digits don't fit.
    #[error(
        "{name:?}: not a verifier key (name+hash+base64): copy it whole from the operator's page"
    )]
    Malformed {
        /// What stands before the first `+`.
        name: String,
    },
    /// A key of the log must have the log's name.
    #[error("the key is of {name:?} and the log is {origin:?}: a log's key bears its origin")]
    OtherName {
        /// The key's name.
        name: String,
        /// The log's.
        origin: String,
    },
    /// The same key twice.
    #[error("{name:?}: the key is given twice")]
    Twice {
        /// The key's name.
        name: String,
    },
    /// No key of the log.
    #[error("give at least one key of the log")]
    None,
    /// A quorum that can't be reached.
    #[error(
        "{quorum} witnesses must have cosigned, and {witnesses} are known: lower the quorum or add keys"
    )]
    Quorum {
        /// How many must.
        quorum: usize,
        /// How many there are.
        witnesses: usize,
    },
}

impl LogKeys {
    /// The keys of the log with this origin, the first line of its checkpoints.
    ///
    /// # Errors
    /// When there is none, one isn't a key, or one bears another name than the origin.
    pub fn new<K: AsRef<str>>(
        origin: impl Into<String>,
        keys: impl IntoIterator<Item = K>,
    ) -> Result<Self, KeyError> {
        let origin = origin.into();
        let mut own: Vec<StandardVerifier> = Vec::new();
        for key in keys {
            let key = key.as_ref();
            let verifier = StandardVerifier::new(key).map_err(|_| malformed(key))?;
            let name = verifier.name().to_owned();
            if name != origin {
                return Err(KeyError::OtherName { name, origin });
            }
            if own.iter().any(|one| one.key_id() == verifier.key_id()) {
                return Err(KeyError::Twice { name });
            }
            own.push(verifier);
        }
        if own.is_empty() {
            return Err(KeyError::None);
        }
        Ok(Self {
            origin,
            own,
            witnesses: Vec::new(),
            quorum: 0,
        })
    }

    /// Adds witnesses, of whom `quorum` must have cosigned a checkpoint that proves anything. Their
    /// keys are of cosignature/v1, type 4; one witness may have several and counts once.
    ///
    /// # Errors
    /// When one isn't such a key, or there are fewer witnesses than the quorum.
    pub fn witnessed<K: AsRef<str>>(
        mut self,
        keys: impl IntoIterator<Item = K>,
        quorum: usize,
    ) -> Result<Self, KeyError> {
        for key in keys {
            let key = key.as_ref();
            let witness = Witness::new(key).ok_or_else(|| malformed(key))?;
            let (name, id) = (witness.name.as_str(), witness.id);
            if self.verifier(name, id).is_ok() {
                return Err(KeyError::Twice { name: witness.name });
            }
            self.witnesses.push(witness);
        }
        let names: BTreeSet<_> = self.witnesses.iter().map(|one| &one.name).collect();
        let witnesses = names.len();
        if quorum > witnesses {
            return Err(KeyError::Quorum { quorum, witnesses });
        }
        self.quorum = quorum;
        Ok(self)
    }

    /// The log's name, first line of its checkpoints.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// How many witnesses must have cosigned.
    #[must_use]
    pub fn quorum(&self) -> usize {
        self.quorum
    }

    pub(super) fn is_own(&self, name: &str, id: u32) -> bool {
        name == self.origin && self.own.iter().any(|key| key.key_id() == id)
    }
}

impl Verifiers for LogKeys {
    fn verifier(&self, name: &str, id: u32) -> Result<&dyn Verifier, VerificationError> {
        let fits = |key: &dyn Verifier| key.name() == name && key.key_id() == id;
        let own = self.own.iter().map(|key| key as &dyn Verifier);
        let witnesses = self.witnesses.iter().map(|key| key as &dyn Verifier);
        own.chain(witnesses)
            .find(|key| fits(*key))
            .ok_or_else(|| VerificationError::UnknownKey {
                name: name.to_owned(),
                id,
            })
    }
}

impl fmt::Debug for LogKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogKeys")
            .field("origin", &self.origin)
            .field("quorum", &self.quorum)
            .finish_non_exhaustive()
    }
}

fn malformed(key: &str) -> KeyError {
    let name = key.split('+').next().unwrap_or_default();
    KeyError::Malformed {
        name: name.chars().take(100).collect(),
    }
}

/// Whether the text is the public key of a witness: cosignature/v1 of Ed25519, type 4.
#[must_use]
pub fn is_witness_key(key: &str) -> bool {
    Witness::new(key).is_some()
}

/// A witness's key: it signs the checkpoint with the time at which it saw it.
struct Witness {
    name: String,
    id: u32,
    key: UnparsedPublicKey<Vec<u8>>,
}

impl Witness {
    fn new(text: &str) -> Option<Self> {
        let (name, rest) = text.split_once('+')?;
        let (digits, encoded) = rest.split_once('+')?;
        let key = STANDARD.decode(encoded).ok()?;
        let is_hex = digits.len() == 8 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        let id = u32::from_str_radix(digits, 16).ok()?;
        let fits = is_hex
            && signed_note::is_key_name_valid(name)
            && key.len() == 33
            && key[0] == COSIGNATURE_V1
            && id == signed_note::key_id(name, &key);
        fits.then(|| Self {
            name: name.to_owned(),
            id,
            key: UnparsedPublicKey::new(&ED25519, key[1..].to_vec()),
        })
    }
}

impl Verifier for Witness {
    fn name(&self) -> &str {
        &self.name
    }

    fn key_id(&self) -> u32 {
        self.id
    }

    fn verify(&self, text: &[u8], signature: &[u8]) -> bool {
        let (Some(seen), Some(signature)) = (seen(signature), signature.get(TIMESTAMP..)) else {
            return false;
        };
        let mut signed = format!("cosignature/v1\ntime {seen}\n").into_bytes();
        signed.extend_from_slice(text);
        self.key.verify(&signed, signature).is_ok()
    }
}

/// When a witness saw the checkpoint, in seconds since 1970.
pub(super) fn seen(signature: &[u8]) -> Option<u64> {
    signature
        .first_chunk()
        .map(|bytes| u64::from_be_bytes(*bytes))
}
