//! Keys: PEM in, keys that sign or verify out. Refuses whatever isn't Ed25519 or P-256.

use std::fmt;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ED25519, EcdsaKeyPair,
    Ed25519KeyPair, KeyPair, ParsedPublicKey,
};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{PrivatePkcs8KeyDer, SubjectPublicKeyInfoDer};

use crate::sensitive::Sensitive;

/// How a document is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// Ed25519 (RFC 8037, RFC 9864).
    Ed25519,
    /// ECDSA on P-256 with SHA-256 (RFC 7518).
    Es256,
}

impl Algorithm {
    /// As it is written in a header.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ed25519 => "Ed25519",
            Self::Es256 => "ES256",
        }
    }

    /// RFC 9864 replaces `EdDSA` by the curve's name; libraries of before write the former.
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            "Ed25519" | "EdDSA" => Some(Self::Ed25519),
            "ES256" => Some(Self::Es256),
            _ => None,
        }
    }

    /// What stands in a `SubjectPublicKeyInfo` before the key itself; DER has one way to write it.
    fn spki_prefix(self) -> &'static [u8] {
        match self {
            Self::Ed25519 => &[
                0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
            ],
            Self::Es256 => &[
                0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06,
                0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
            ],
        }
    }

    /// Length of the key itself; of P-256 it is a point, uncompressed.
    fn key_bytes(self) -> usize {
        match self {
            Self::Ed25519 => 32,
            Self::Es256 => 65,
        }
    }
}

/// Why a key can't be used. Never quotes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// Not a PEM file of the kind.
    #[error("isn't a PEM file with a {0}")]
    Pem(&'static str),
    /// Another kind of key, or a broken one.
    #[error("is neither an Ed25519 nor a P-256 key, or a broken one")]
    Kind,
    /// The machine can't make one.
    #[error("can't be made: the machine has no randomness")]
    Random,
}

enum Pair {
    Ed25519(Ed25519KeyPair),
    Es256(EcdsaKeyPair),
}

/// A private key that signs documents.
pub struct SigningKey {
    pair: Pair,
    public: PublicKey,
}

impl SigningKey {
    /// Reads a PKCS#8 key, not encrypted, as `openssl genpkey` writes it.
    ///
    /// # Errors
    /// When it isn't PKCS#8 in PEM, or neither Ed25519 nor P-256.
    pub fn from_pem(pem: &[u8]) -> Result<Self, KeyError> {
        let der = PrivatePkcs8KeyDer::from_pem_slice(pem)
            .map_err(|_| KeyError::Pem("PRIVATE KEY (PKCS#8)"))?;
        let der = der.secret_pkcs8_der();
        let pair = match Ed25519KeyPair::from_pkcs8(der) {
            Ok(pair) => Pair::Ed25519(pair),
            Err(_) => EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der)
                .map(Pair::Es256)
                .map_err(|_| KeyError::Kind)?,
        };
        Self::of(pair)
    }

    /// A new Ed25519 key.
    ///
    /// # Errors
    /// When the machine has no randomness.
    pub fn generate() -> Result<Self, KeyError> {
        let pair = Ed25519KeyPair::generate().map_err(|_| KeyError::Random)?;
        Self::of(Pair::Ed25519(pair))
    }

    fn of(pair: Pair) -> Result<Self, KeyError> {
        let public = match &pair {
            Pair::Ed25519(pair) => {
                PublicKey::new(Algorithm::Ed25519, pair.public_key().as_ref().into())
            }
            Pair::Es256(pair) => {
                PublicKey::new(Algorithm::Es256, pair.public_key().as_ref().into())
            }
        }?;
        Ok(Self { pair, public })
    }

    /// The key as PKCS#8 in PEM, as OpenSSL reads it.
    ///
    /// # Errors
    /// When the machine can't write it.
    pub fn to_pem(&self) -> Result<Sensitive<String>, KeyError> {
        let der = match &self.pair {
            Pair::Ed25519(pair) => pair.to_pkcs8v1(),
            Pair::Es256(pair) => pair.to_pkcs8v1(),
        }
        .map_err(|_| KeyError::Kind)?;
        Ok(Sensitive::new(pem("PRIVATE KEY", der.as_ref())))
    }

    /// The key that verifies what this one signs.
    #[must_use]
    pub fn public_key(&self) -> &PublicKey {
        &self.public
    }

    pub(super) fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        let signature = match &self.pair {
            Pair::Ed25519(pair) => pair.try_sign(message),
            Pair::Es256(pair) => pair.sign(&SystemRandom::new(), message),
        };
        Some(signature.ok()?.as_ref().to_vec())
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({}, …)", self.public.algorithm.as_str())
    }
}

/// A public key that verifies documents. Cheap to clone.
#[derive(Clone)]
pub struct PublicKey {
    algorithm: Algorithm,
    bytes: Box<[u8]>,
    parsed: ParsedPublicKey,
}

impl PublicKey {
    /// Reads a `SubjectPublicKeyInfo` in PEM, as `openssl pkey -pubout` writes it.
    ///
    /// # Errors
    /// When it isn't a public key in PEM, or neither Ed25519 nor P-256.
    pub fn from_pem(pem: &[u8]) -> Result<Self, KeyError> {
        let der = SubjectPublicKeyInfoDer::from_pem_slice(pem)
            .map_err(|_| KeyError::Pem("PUBLIC KEY"))?;
        for algorithm in [Algorithm::Ed25519, Algorithm::Es256] {
            match der.strip_prefix(algorithm.spki_prefix()) {
                Some(key) if key.len() == algorithm.key_bytes() => {
                    return Self::new(algorithm, key.into());
                }
                _ => {}
            }
        }
        Err(KeyError::Kind)
    }

    /// The key as a `SubjectPublicKeyInfo` in PEM.
    #[must_use]
    pub fn to_pem(&self) -> String {
        let der = [self.algorithm.spki_prefix(), &self.bytes].concat();
        pem("PUBLIC KEY", &der)
    }

    /// How documents of this key are signed.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The key itself: 32 bytes of Ed25519, 65 of P-256, uncompressed.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// From the key itself.
    pub(super) fn new(algorithm: Algorithm, bytes: Box<[u8]>) -> Result<Self, KeyError> {
        let parsed = match algorithm {
            Algorithm::Ed25519 => ParsedPublicKey::new(&ED25519, &bytes),
            Algorithm::Es256 => ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &bytes),
        };
        Ok(Self {
            algorithm,
            bytes,
            parsed: parsed.map_err(|_| KeyError::Kind)?,
        })
    }

    pub(super) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        self.parsed.verify_sig(message, signature).is_ok()
    }
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        (self.algorithm, &self.bytes) == (other.algorithm, &other.bytes)
    }
}

impl Eq for PublicKey {}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({}, …)", self.algorithm.as_str())
    }
}

fn pem(label: &str, der: &[u8]) -> String {
    let mut text = format!("-----BEGIN {label}-----\n");
    let base64 = STANDARD.encode(der);
    let mut rest = base64.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(64));
        text.push_str(line);
        text.push('\n');
        rest = after;
    }
    text.push_str(&format!("-----END {label}-----\n"));
    text
}
