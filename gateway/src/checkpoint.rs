//! Checkpoint: a tree's size and root in, a signed checkpoint out, and the other way round.
//!
//! Checkpoints are those of C2SP's `tlog-checkpoint`, signed notes under Ed25519, so that tools made by
//! others can verify them. The name of every key is the log's origin.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::prelude::{BASE64_STANDARD, Engine};
use http::Uri;
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject;
use signed_note::{
    Note, Signature, StandardVerifier, VerificationError, Verifier, Verifiers, is_key_name_valid,
    key_id,
};
use tlog_tiles::checkpoint::Checkpoint;
use tlog_tiles::tlog::Hash;

/// The algorithm of signed notes that is Ed25519.
const ED25519: u8 = 1;

/// Someone who watches a log, and cosigns the checkpoints of one that only grows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Witness {
    /// Its public key, `name+id+key`.
    pub key: String,
    /// Where it takes checkpoints: `/add-checkpoint` is put behind.
    pub url: Uri,
}

/// What signs a log's checkpoints.
#[derive(Debug)]
pub struct Signer {
    origin: String,
    keys: Vec<(u32, Ed25519KeyPair)>,
}

/// Why a key can't sign.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignerError {
    /// A key's name has no spaces and no `+`.
    #[error("the log's origin is empty or has a space or a plus in it")]
    Origin,
    /// It isn't what OpenSSL writes for `genpkey -algorithm ed25519`.
    #[error("it isn't an Ed25519 private key in PEM (PKCS #8)")]
    Key,
}

impl Signer {
    /// Signs for the log called `origin`, first with the first of `keys`, each PKCS #8 in PEM. While a
    /// key is replaced by another, both sign.
    ///
    /// # Errors
    /// [`SignerError`].
    pub fn new<'a>(
        origin: &str,
        keys: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<Self, SignerError> {
        if !is_key_name_valid(origin) {
            return Err(SignerError::Origin);
        }
        let keys = keys.into_iter().map(|pem| {
            let der = PrivatePkcs8KeyDer::from_pem_slice(pem).map_err(|_| SignerError::Key)?;
            let key = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der.secret_pkcs8_der());
            let key = key.map_err(|_| SignerError::Key)?;
            Ok((key_id(origin, &encoded(&key)), key))
        });
        let keys: Vec<_> = keys.collect::<Result<_, _>>()?;
        if keys.is_empty() {
            return Err(SignerError::Key);
        }
        Ok(Self {
            origin: origin.to_owned(),
            keys,
        })
    }

    /// The name of the log.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The public keys, `name+id+key` as signed notes write them.
    pub fn verifier_keys(&self) -> impl Iterator<Item = String> {
        self.keys.iter().map(|(id, key)| {
            let key = BASE64_STANDARD.encode(encoded(key));
            format!("{}+{id:08x}+{key}", self.origin)
        })
    }

    /// The signed checkpoint of a tree.
    #[must_use]
    pub fn sign(&self, size: u64, root: Hash) -> String {
        let text = format!("{}\n{size}\n{root}\n", self.origin);
        let signatures = self.keys.iter().filter_map(|(id, key)| {
            let signature = key.sign(text.as_bytes()).as_ref().to_vec();
            Signature::new(self.origin.clone(), *id, signature).ok()
        });
        let signatures: Vec<Signature> = signatures.collect();
        let note = Note::new(text.as_bytes(), &signatures).map(|note| note.to_bytes());
        // The origin was checked, and the rest is text.
        String::from_utf8(note.unwrap_or_default()).unwrap_or_default()
    }
}

fn encoded(key: &Ed25519KeyPair) -> Vec<u8> {
    let mut encoded = vec![ED25519];
    encoded.extend_from_slice(key.public_key().as_ref());
    encoded
}

/// The keys under which a log's checkpoints are believed.
#[derive(Clone)]
pub struct Keys {
    origin: String,
    keys: Vec<StandardVerifier>,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ids = self.keys.iter().map(|key| format!("{:08x}", key.key_id()));
        f.debug_struct("Keys")
            .field("origin", &self.origin)
            .field("ids", &ids.collect::<Vec<_>>())
            .finish()
    }
}

impl Verifiers for Keys {
    fn verifier(&self, name: &str, id: u32) -> Result<&dyn Verifier, VerificationError> {
        let found = self
            .keys
            .iter()
            .find(|key| key.name() == name && key.key_id() == id);
        found.map(|key| key as &dyn Verifier).ok_or_else(|| {
            let name = name.to_owned();
            VerificationError::UnknownKey { name, id }
        })
    }
}

/// Why a checkpoint isn't believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// It isn't a signed note about a tree.
    #[error("it isn't a signed checkpoint")]
    Malformed,
    /// It names another log.
    #[error("it is of another log")]
    Origin,
    /// No known key signed it, or one didn't sign this.
    #[error(
        "no known key of this log signed it; if an earlier key did, its public key has to stay in \
         verifier_keys (or --key)"
    )]
    Signature,
    /// What is given isn't a public key of the log.
    #[error("it isn't a public key of this log (name+id+key, as `loket audit key` prints it)")]
    Key,
}

impl Keys {
    /// Those of the log called `origin`, each `name+id+key`.
    ///
    /// # Errors
    /// [`NoteError::Key`].
    pub fn new(
        origin: &str,
        keys: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> Result<Self, NoteError> {
        let keys = keys.into_iter().map(|key| {
            let key = StandardVerifier::new(key.as_ref()).map_err(|_| NoteError::Key)?;
            (key.name() == origin).then_some(key).ok_or(NoteError::Key)
        });
        Ok(Self {
            origin: origin.to_owned(),
            keys: keys.collect::<Result<_, _>>()?,
        })
    }

    /// The name of the log.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// What a signed checkpoint says.
    ///
    /// # Errors
    /// When it isn't one of this log, signed by one of the keys.
    pub fn open(&self, note: &[u8]) -> Result<Checkpoint, NoteError> {
        let note = Note::from_bytes(note).map_err(|_| NoteError::Malformed)?;
        let said = Checkpoint::from_bytes(note.text()).map_err(|_| NoteError::Malformed)?;
        if said.origin() != self.origin {
            return Err(NoteError::Origin);
        }
        note.verify(self).map_err(|_| NoteError::Signature)?;
        Ok(said)
    }
}

/// What a checkpoint says, whoever signed it.
#[must_use]
pub fn unverified(note: &[u8]) -> Option<Checkpoint> {
    let note = Note::from_bytes(note).ok()?;
    Checkpoint::from_bytes(note.text()).ok()
}

#[cfg(test)]
mod tests {
    use tlog_tiles::tlog::record_hash;

    use super::*;

    /// RFC 8410 section 10.3: a key of Ed25519 as PKCS #8.
    const FIRST: &[u8] = b"-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC
-----END PRIVATE KEY-----
";
    const ORIGIN: &str = "loket.example/audit";

    #[test]
    fn what_is_signed_is_believed_under_its_own_key_only() {
        let second = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
        let second = second.serialize_pem();
        let signer = Signer::new(ORIGIN, [FIRST, second.as_bytes()]).unwrap();
        let [first, second]: [String; 2] = {
            let keys: Vec<String> = signer.verifier_keys().collect();
            keys.try_into().unwrap()
        };
        let root = record_hash(b"leaf");
        let note = signer.sign(7, root);
        assert_eq!(note.lines().count(), 6, "{note}");
        for keys in [vec![&first], vec![&second], vec![&first, &second]] {
            let said = Keys::new(ORIGIN, keys)
                .unwrap()
                .open(note.as_bytes())
                .unwrap();
            assert_eq!((said.size(), *said.hash()), (7, root));
        }
        let keys = Keys::new(ORIGIN, [&first]).unwrap();
        let altered = note.replace("\n7\n", "\n8\n");
        assert_eq!(keys.open(altered.as_bytes()), Err(NoteError::Signature));
        assert_eq!(keys.open(b"7"), Err(NoteError::Malformed));
        let none = Keys::new(ORIGIN, [""; 0]).unwrap();
        assert_eq!(none.open(note.as_bytes()), Err(NoteError::Signature));
        let other = Signer::new("other.example", [FIRST]).unwrap();
        let note = other.sign(7, root);
        assert_eq!(keys.open(note.as_bytes()), Err(NoteError::Origin));
    }

    #[test]
    fn keys_that_are_none_are_refused() {
        let signer = |origin, key| Signer::new(origin, [key]).map(|_| ());
        assert_eq!(signer("a b", FIRST), Err(SignerError::Origin));
        assert_eq!(signer("a+b", FIRST), Err(SignerError::Origin));
        assert_eq!(signer(ORIGIN, b"key".as_slice()), Err(SignerError::Key));
        let rsa = rcgen::KeyPair::generate().unwrap().serialize_pem();
        assert_eq!(signer(ORIGIN, rsa.as_bytes()), Err(SignerError::Key));
        assert_eq!(Signer::new(ORIGIN, []).map(|_| ()), Err(SignerError::Key));
        let theirs = Signer::new("other.example", [FIRST]).unwrap();
        let theirs = theirs.verifier_keys();
        assert!(matches!(Keys::new(ORIGIN, theirs), Err(NoteError::Key)));
    }
}
