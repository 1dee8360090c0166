//! W3C trace context: `traceparent` and `tracestate` in and out
//! (<https://www.w3.org/TR/trace-context/>).

use std::fmt;
use std::str::FromStr;

use http::{HeaderMap, HeaderName, HeaderValue};

/// Header that carries trace id, parent id and flags.
pub const TRACEPARENT: &str = "traceparent";
/// Header that carries vendors' state; passed on untouched within its size limit.
pub const TRACESTATE: &str = "tracestate";
const MAX_TRACESTATE: usize = 512;
/// Looked up and inserted without being parsed or copied each time.
const TRACEPARENT_NAME: HeaderName = HeaderName::from_static(TRACEPARENT);
const TRACESTATE_NAME: HeaderName = HeaderName::from_static(TRACESTATE);

/// 16 bytes that name a trace; never all zero. `Display` is 32 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceId([u8; 16]);

/// 8 bytes that name a span; never all zero. `Display` is 16 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SpanId([u8; 8]);

macro_rules! hex_id {
    ($name:ident, $len:literal) => {
        impl $name {
            /// The bytes.
            #[must_use]
            pub fn to_bytes(self) -> [u8; $len] {
                self.0
            }

            /// From bytes; `None` when they are all zero.
            #[must_use]
            pub fn from_bytes(bytes: [u8; $len]) -> Option<Self> {
                (bytes != [0; $len]).then_some(Self(bytes))
            }

            /// New, at random.
            #[must_use]
            pub fn random() -> Self {
                let random = uuid::Uuid::new_v4().into_bytes();
                let mut bytes = [0; $len];
                bytes.copy_from_slice(&random[..$len]);
                // A version-4 UUID is never all zero in its first eight bytes: it carries its version.
                Self(bytes)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut digits = [0; $len * 2];
                hex(&self.0, &mut digits);
                // Digits are text, whatever the bytes were.
                f.write_str(std::str::from_utf8(&digits).unwrap_or_default())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidTraceContext;

            fn from_str(text: &str) -> Result<Self, InvalidTraceContext> {
                Self::from_bytes(unhex(text.as_bytes())?).ok_or(InvalidTraceContext)
            }
        }
    };
}

hex_id!(TraceId, 16);
hex_id!(SpanId, 8);

/// Writes two lower-case digits a byte.
fn hex(bytes: &[u8], text: &mut [u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for (pair, byte) in text.chunks_exact_mut(2).zip(bytes) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
}

/// Reads two digits a byte, and no more than that.
fn unhex<const N: usize>(text: &[u8]) -> Result<[u8; N], InvalidTraceContext> {
    let (pairs, []) = text.as_chunks::<2>() else {
        return Err(InvalidTraceContext);
    };
    if pairs.len() != N {
        return Err(InvalidTraceContext);
    }
    let mut bytes = [0; N];
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Ok(bytes)
}

/// The value of a lower-case digit: the specification has no others.
fn digit(letter: u8) -> Result<u8, InvalidTraceContext> {
    match letter {
        b'0'..=b'9' => Ok(letter - b'0'),
        b'a'..=b'f' => Ok(letter - b'a' + 10),
        _ => Err(InvalidTraceContext),
    }
}

/// The text isn't a W3C trace context.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a W3C trace context")]
pub struct InvalidTraceContext;

/// Where a request stands in a trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceContext {
    /// The trace.
    pub trace_id: TraceId,
    /// The span that is current here.
    pub span_id: SpanId,
    /// Whether the one who made the trace records it.
    pub sampled: bool,
    /// Vendors' state, passed on untouched.
    pub tracestate: Option<String>,
}

impl TraceContext {
    /// A new trace with a new root span.
    #[must_use]
    pub fn root(sampled: bool) -> Self {
        Self {
            trace_id: TraceId::random(),
            span_id: SpanId::random(),
            sampled,
            tracestate: None,
        }
    }

    /// The same trace with a new span.
    #[must_use]
    pub fn child(&self) -> Self {
        Self {
            span_id: SpanId::random(),
            ..self.clone()
        }
    }

    /// Reads `traceparent` and `tracestate`. A malformed or repeated header is as good as none,
    /// as the specification asks.
    #[must_use]
    pub fn from_headers(headers: &HeaderMap) -> Option<Self> {
        let mut values = headers.get_all(TRACEPARENT_NAME).iter();
        let (Some(value), None) = (values.next(), values.next()) else {
            return None;
        };
        let mut context: Self = value.to_str().ok()?.parse().ok()?;
        context.tracestate = headers
            .get(TRACESTATE_NAME)
            .and_then(|value| value.to_str().ok())
            .filter(|state| state.len() <= MAX_TRACESTATE)
            .map(str::to_owned);
        Some(context)
    }

    /// The value of `traceparent`.
    fn text(&self) -> [u8; 55] {
        let mut text = *b"00-00000000000000000000000000000000-0000000000000000-00";
        hex(&self.trace_id.0, &mut text[3..35]);
        hex(&self.span_id.0, &mut text[36..52]);
        hex(&[u8::from(self.sampled)], &mut text[53..]);
        text
    }

    /// Writes `traceparent` and `tracestate`.
    pub fn to_headers(&self, headers: &mut HeaderMap) {
        if let Ok(value) = HeaderValue::from_bytes(&self.text()) {
            headers.insert(TRACEPARENT_NAME, value);
        }
        if let Some(Ok(value)) = self.tracestate.as_deref().map(HeaderValue::from_str) {
            headers.insert(TRACESTATE_NAME, value);
        }
    }
}

impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // It is text, whatever the ids are.
        f.write_str(std::str::from_utf8(&self.text()).unwrap_or_default())
    }
}

impl FromStr for TraceContext {
    type Err = InvalidTraceContext;

    fn from_str(text: &str) -> Result<Self, InvalidTraceContext> {
        let refused = || InvalidTraceContext;
        let (text, more) = text
            .as_bytes()
            .split_first_chunk::<55>()
            .ok_or_else(refused)?;
        let [version] = unhex(&text[..2])?;
        let [flags] = unhex(&text[53..])?;
        let dashed = [text[2], text[35], text[52]] == [b'-'; 3];
        // A later version may say more.
        let fits = more.is_empty() || (version > 0 && more[0] == b'-');
        if !dashed || !fits || version == 0xff {
            return Err(InvalidTraceContext);
        }
        Ok(Self {
            trace_id: TraceId::from_bytes(unhex(&text[3..35])?).ok_or_else(refused)?,
            span_id: SpanId::from_bytes(unhex(&text[36..52])?).ok_or_else(refused)?,
            sampled: flags & 1 == 1,
            tracestate: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trips() {
        let text = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let context: TraceContext = text.parse().unwrap();
        assert!(context.sampled);
        assert_eq!(context.to_string(), text);
        let child = context.child();
        assert_eq!(child.trace_id, context.trace_id);
        assert_ne!(child.span_id, context.span_id);
    }

    #[test]
    fn refuses_what_the_specification_refuses() {
        for text in [
            "",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-1",
            "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01x",
            "0x-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00_4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7b-001",
            "00-4bf92f3577b34da6a3ce929d0e0e47é-00f067aa0ba902b7-01",
        ] {
            assert!(text.parse::<TraceContext>().is_err(), "{text}");
        }
        assert!(
            "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x"
                .parse::<TraceContext>()
                .is_ok()
        );
    }

    #[test]
    fn a_repeated_header_is_as_good_as_none() {
        let mut headers = HeaderMap::new();
        TraceContext::root(true).to_headers(&mut headers);
        assert!(TraceContext::from_headers(&headers).is_some());
        headers.append(TRACEPARENT, HeaderValue::from_static("x"));
        assert!(TraceContext::from_headers(&headers).is_none());
    }
}
