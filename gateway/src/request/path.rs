//! Path: what stands behind a service's name in, the same in canonical form out.
//!
//! A path is read once. What comes out is what is checked against grants and what is forwarded, so
//! that no back end reads another path than the one that was granted. Escapes of unreserved
//! characters are undone and all others written in capitals (RFC 3986 section 6.2.2). Refused is
//! what back ends are known to read differently: slashes, backslashes, dots and escapes that come
//! escaped, empty segments, control characters, bytes that aren't UTF-8.

use crate::refusal::Refusal;

/// Longest path, in bytes.
const MAX_PATH: usize = 4096;
/// Most segments.
const MAX_SEGMENTS: usize = 64;
/// Longest query, in bytes.
const MAX_QUERY: usize = 8192;

/// The canonical form of `raw`, each segment behind a slash; the root is `/`.
///
/// # Errors
/// [`Refusal::BadTarget`] when it can't be read in one way only.
pub(super) fn canonical<'a>(raw: impl Iterator<Item = &'a str>) -> Result<String, Refusal> {
    let mut path = String::with_capacity(64);
    let mut plain = Vec::new();
    for (n, segment) in raw.enumerate() {
        if n == MAX_SEGMENTS || path.len() + segment.len() >= MAX_PATH {
            return Err(Refusal::BadTarget("The path is too long"));
        }
        path.push('/');
        self::segment(segment, &mut path, &mut plain)?;
    }
    if path.is_empty() {
        path.push('/');
    }
    Ok(path)
}

fn segment(raw: &str, path: &mut String, plain: &mut Vec<u8>) -> Result<(), Refusal> {
    if raw.bytes().all(is_plain) {
        path.push_str(raw);
        return check_name(raw);
    }
    plain.clear();
    let mut bytes = raw.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let byte = escaped(&mut bytes).ok_or(Refusal::BadTarget(
                "The path holds a percent sign without two hexadecimal digits",
            ))?;
            if is_unreserved(byte) {
                path.push(char::from(byte));
            } else {
                push_escaped(byte, path);
            }
            plain.push(byte);
        } else if is_plain(byte) {
            path.push(char::from(byte));
            plain.push(byte);
        } else {
            return Err(Refusal::BadTarget(
                "The path holds a character that has to be percent-encoded",
            ));
        }
    }
    check(plain)
}

/// What a back end may see once it has decoded a segment.
fn check(plain: &[u8]) -> Result<(), Refusal> {
    let refused = |why| Err(Refusal::BadTarget(why));
    let Ok(text) = std::str::from_utf8(plain) else {
        return refused("The path isn't UTF-8");
    };
    check_name(text)?;
    if text.contains(['/', '\\']) {
        return refused("The path holds an encoded slash or backslash");
    }
    if text.chars().any(char::is_control) {
        return refused("The path holds a control character");
    }
    let twice = plain.windows(3).any(|three| {
        three[0] == b'%' && three[1].is_ascii_hexdigit() && three[2].is_ascii_hexdigit()
    });
    if twice {
        return refused("The path is percent-encoded twice");
    }
    Ok(())
}

/// Some back ends drop what follows a semicolon before they resolve dots.
fn check_name(text: &str) -> Result<(), Refusal> {
    match text.split(';').next().unwrap_or_default().trim() {
        "" => Err(Refusal::BadTarget("The path has an empty segment")),
        "." | ".." => Err(Refusal::BadTarget("The path has a dot segment")),
        _ => Ok(()),
    }
}

/// Looks a query over. It is passed on as it stands.
///
/// # Errors
/// [`Refusal::BadTarget`] when it is too long or holds what no query may.
pub(super) fn check_query(query: &str) -> Result<(), Refusal> {
    if query.len() > MAX_QUERY {
        return Err(Refusal::BadTarget("The query is too long"));
    }
    let mut bytes = query.bytes();
    while let Some(byte) = bytes.next() {
        let byte = match byte {
            b'%' => escaped(&mut bytes).ok_or(Refusal::BadTarget(
                "The query holds a percent sign without two hexadecimal digits",
            ))?,
            // Escaped bytes may be any letter's; bare ones must be ASCII.
            0x21..=0x7e => byte,
            _ => 0,
        };
        if byte.is_ascii_control() {
            return Err(Refusal::BadTarget(
                "The query holds a control character or one that has to be percent-encoded",
            ));
        }
    }
    Ok(())
}

fn escaped(bytes: &mut impl Iterator<Item = u8>) -> Option<u8> {
    let mut digit = || char::from(bytes.next()?).to_digit(16);
    let (high, low) = (digit()?, digit()?);
    u8::try_from(high << 4 | low).ok()
}

fn push_escaped(byte: u8, path: &mut String) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    path.push('%');
    path.push(char::from(DIGITS[usize::from(byte >> 4)]));
    path.push(char::from(DIGITS[usize::from(byte & 15)]));
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

/// What stands in a segment as it is (RFC 3986 section 3.3).
fn is_plain(byte: u8) -> bool {
    is_unreserved(byte) || b"!$&'()*+,;=:@".contains(&byte)
}

#[cfg(test)]
mod tests;
