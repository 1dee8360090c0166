//! Head: what the HTTP parser lets through and a gateway mustn't.
//!
//! A request that two recipients could take for two different things is refused: one without a
//! clear host, one that wants to be something other than a request, one whose path hides bytes.

use http::request::Parts;
use http::uri::Authority;
use http::{HeaderMap, Method, Version, header};

use crate::refusal::Refusal;

/// Most fields of a head.
pub const MAX_FIELDS: usize = 64;

/// Refuses a head that isn't clear.
///
/// # Errors
/// [`Refusal::Malformed`]. What comes behind such a head on an HTTP/1 connection can't be trusted
/// either, so the connection should end.
pub fn clear(head: &Parts) -> Result<(), Refusal> {
    let flaw = flaw(head);
    flaw.map_or(Ok(()), |what| Err(Refusal::Malformed(what.to_owned())))
}

fn flaw(head: &Parts) -> Option<&'static str> {
    if head.headers.len() > MAX_FIELDS {
        return Some("The head has more than 64 fields. Send fewer");
    }
    if head.method == Method::CONNECT || head.headers.contains_key(header::UPGRADE) {
        return Some("This is no tunnel and speaks HTTP only. Leave out CONNECT and Upgrade");
    }
    if head
        .uri
        .scheme_str()
        .is_some_and(|scheme| scheme != "https")
    {
        return Some("The target's scheme isn't https. Send the path alone, or an https URL");
    }
    if !is_plain(head.uri.path()) || !head.uri.query().is_none_or(is_plain) {
        return Some("The target holds bytes that no target may. Encode it as RFC 3986 says");
    }
    let Some(host) = host(head) else {
        return Some("The request names no host, or more than one. Send one valid Host");
    };
    if host.is_some_and(|host| !names_a_host(host)) {
        return Some("The host isn't one. Send a name or an address, with a port if need be");
    }
    None
}

/// The one host that a request names; `Some(None)` where it needs to name none.
fn host(head: &Parts) -> Option<Option<&str>> {
    let authority = head.uri.authority().map(Authority::as_str);
    let named = one_host(&head.headers)?;
    match (authority, named) {
        (Some(authority), Some(named)) => authority
            .eq_ignore_ascii_case(named)
            .then_some(Some(authority)),
        (Some(host), None) if head.version == Version::HTTP_2 => Some(Some(host)),
        (None, Some(host)) => Some(Some(host)),
        // RFC 9112 section 3.2 asks it of HTTP/1.1 only.
        (_, None) => (head.version < Version::HTTP_11).then_some(None),
    }
}

fn one_host(headers: &HeaderMap) -> Option<Option<&str>> {
    let mut hosts = headers.get_all(header::HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, _) => Some(None),
        (Some(host), None) => host.to_str().ok().map(Some),
        _ => None,
    }
}

/// A name or an address, perhaps with a port; nobody's name and password before it.
fn names_a_host(text: &str) -> bool {
    let safe = text.bytes().all(|b| {
        b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b'~' | b':' | b'[' | b']')
    });
    let Some(authority) = text.parse::<Authority>().ok().filter(|_| safe) else {
        return false;
    };
    let host = authority.host();
    !host.is_empty() && (host.len() == text.len() || authority.port_u16().is_some())
}

/// Visible ASCII whose percent-encoded bytes are UTF-8 without control characters.
fn is_plain(text: &str) -> bool {
    if !text.bytes().all(|b| b.is_ascii_graphic()) {
        return false;
    }
    if !text.contains('%') {
        return true;
    }
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(b) = bytes.next() {
        decoded.push(match b {
            b'%' => match (bytes.next().and_then(nibble), bytes.next().and_then(nibble)) {
                (Some(high), Some(low)) => high << 4 | low,
                _ => return false,
            },
            b => b,
        });
    }
    String::from_utf8(decoded).is_ok_and(|text| !text.chars().any(char::is_control))
}

fn nibble(digit: u8) -> Option<u8> {
    let value = char::from(digit).to_digit(16)?;
    u8::try_from(value).ok()
}

#[cfg(test)]
mod tests;
