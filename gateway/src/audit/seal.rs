//! Seal: a justification in, what stands in the log out, and back for an auditor.
//!
//! A justification may tell of a citizen, and an entry can't be taken out of the log again. So it is
//! encrypted under a key that is made from the subjects': whoever may find a citizen in the log may read
//! it, and once that key is destroyed nobody can do either.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hmac::{self, Key};
use loket_sdk::sensitive::Sensitive;

use super::hex;

/// Parts the key from every subject's name, which has a zero byte.
const LABEL: &[u8] = b"loket justification 1";

/// Encrypts for the entry with this trace id; none when there is no randomness.
#[must_use]
pub fn seal(key: &Key, trace_id: &str, text: &Sensitive<String>) -> Option<String> {
    let mut nonce = [0; NONCE_LEN];
    aws_lc_rs::rand::fill(&mut nonce).ok()?;
    let mut sealed = text.expose().as_bytes().to_vec();
    let (aad, used) = (
        Aad::from(trace_id.as_bytes()),
        Nonce::assume_unique_for_key(nonce),
    );
    cipher(key)?
        .seal_in_place_append_tag(used, aad, &mut sealed)
        .ok()?;
    Some(hex(&nonce) + &hex(&sealed))
}

/// Reads it again; none when key, trace id or text are others.
#[must_use]
pub fn unseal(key: &Key, trace_id: &str, sealed: &str) -> Option<Sensitive<String>> {
    let bytes = crate::config::unhex(sealed.as_bytes())?;
    let (nonce, sealed) = bytes.split_at_checked(NONCE_LEN)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
    let mut text = sealed.to_vec();
    let aad = Aad::from(trace_id.as_bytes());
    let text = cipher(key)?.open_in_place(nonce, aad, &mut text).ok()?;
    String::from_utf8(text.to_vec()).ok().map(Sensitive::new)
}

fn cipher(key: &Key) -> Option<LessSafeKey> {
    let own = hmac::sign(key, LABEL);
    let key = UnboundKey::new(&AES_256_GCM, own.as_ref()).ok()?;
    Some(LessSafeKey::new(key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::subject_key;

    #[test]
    fn only_the_key_and_the_trace_open_it() {
        let (key, text) = (subject_key(&[7; 32]), "CONTOH was found unconscious");
        let sealed = seal(&key, "trace", &Sensitive::new(text.to_owned())).unwrap();
        assert!(sealed.len() >= 56 && !sealed.contains(&hex(b"CONTOH")));
        let open = |key: &Key, trace: &str, sealed: &str| unseal(key, trace, sealed);
        assert_eq!(open(&key, "trace", &sealed).unwrap().expose(), text);
        assert!(open(&subject_key(&[8; 32]), "trace", &sealed).is_none());
        assert!(open(&key, "other", &sealed).is_none());
        assert!(open(&key, "trace", &sealed[2..]).is_none());
        assert!(open(&key, "trace", "ab").is_none());
        let again = seal(&key, "trace", &Sensitive::new(text.to_owned())).unwrap();
        assert_ne!(sealed, again);
    }
}
