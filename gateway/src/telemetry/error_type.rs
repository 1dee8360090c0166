//! The closed list of `error.type`.

/// Why something failed, in the words dashboards filter by.
///
/// A call that its caller no longer wants isn't an error and has no word here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorType {
    /// No answer within the deadline.
    Timeout,
    /// No connection could be made.
    ConnectFailed,
    /// The connection broke while in use.
    ConnectionReset,
    /// The agency's breaker is open; nothing was sent.
    BreakerOpen,
    /// A limit was reached.
    RateLimited,
    /// The grants don't allow it.
    PolicyDenied,
    /// The name didn't resolve.
    Dns,
    /// The TLS handshake failed for another reason than the two below.
    TlsHandshake,
    /// A certificate is out of date.
    TlsCertExpired,
    /// A certificate comes from nobody we trust, or names somebody else.
    TlsCertUntrusted,
    /// A body breaks its schema.
    SchemaInvalid,
    /// An answer isn't signed as it must be.
    SignatureInvalid,
    /// The peer doesn't speak HTTP as agreed.
    Protocol,
    /// An HTTP status code, for failures that the code alone describes.
    Status(u16),
}

impl ErrorType {
    /// The value of `error.type`; a number outside 100–999 is `_OTHER`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::ConnectFailed => "connect_failed",
            Self::ConnectionReset => "connection_reset",
            Self::BreakerOpen => "breaker_open",
            Self::RateLimited => "rate_limited",
            Self::PolicyDenied => "policy_denied",
            Self::Dns => "dns",
            Self::TlsHandshake => "tls_handshake",
            Self::TlsCertExpired => "tls_cert_expired",
            Self::TlsCertUntrusted => "tls_cert_untrusted",
            Self::SchemaInvalid => "schema_invalid",
            Self::SignatureInvalid => "signature_invalid",
            Self::Protocol => "protocol",
            Self::Status(code) => usize::from(code)
                .checked_sub(100)
                .and_then(|index| CODES.get(index))
                .and_then(|digits| std::str::from_utf8(digits).ok())
                .unwrap_or("_OTHER"),
        }
    }
}

/// The digits of 100–999, so that a code becomes a label without allocating.
static CODES: [[u8; 3]; 900] = {
    let mut codes = [[0; 3]; 900];
    let mut index = 0;
    while index < codes.len() {
        let code = index + 100;
        codes[index] = [digit(code / 100), digit(code / 10), digit(code)];
        index += 1;
    }
    codes
};

const fn digit(number: usize) -> u8 {
    b'0' + (number % 10) as u8
}

#[cfg(test)]
mod tests {
    use super::ErrorType;

    #[test]
    fn status_codes_are_their_digits() {
        let cases = [
            (99, "_OTHER"),
            (100, "100"),
            (404, "404"),
            (502, "502"),
            (999, "999"),
            (1000, "_OTHER"),
        ];
        for (code, word) in cases {
            assert_eq!(ErrorType::Status(code).as_str(), word);
        }
    }
}
