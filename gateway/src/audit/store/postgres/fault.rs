//! Fault: what tokio-postgres and the clock say in, why the database is of no use now out.

use std::io;
use std::time::Duration;

/// Why the database is of no use now.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    #[error("the database doesn't answer within {0:?}")]
    Silent(Duration),
    /// Nothing but the database's own code and words: its details may quote what was written.
    #[error("the database refuses: {words} ({code})")]
    Refused { code: String, words: String },
    #[error("the connection to the database: {0}")]
    Lost(String),
    #[error("{0}")]
    Unfit(String),
}

impl Fault {
    /// Whether the connection is of no use any more.
    pub(super) fn is_lost(&self) -> bool {
        match self {
            Self::Silent(_) | Self::Lost(_) => true,
            // A connection that broke, or a server that stops.
            Self::Refused { code, .. } => code.starts_with("08") || code.starts_with("57P"),
            Self::Unfit(_) => false,
        }
    }
}

impl From<tokio_postgres::Error> for Fault {
    fn from(error: tokio_postgres::Error) -> Self {
        if let Some(error) = error.as_db_error() {
            return Self::Refused {
                code: error.code().code().to_owned(),
                words: error.message().to_owned(),
            };
        }
        let cause = std::error::Error::source(&error);
        Self::Lost(cause.map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}")))
    }
}

impl From<Fault> for io::Error {
    fn from(fault: Fault) -> Self {
        let kind = match &fault {
            Fault::Silent(_) => io::ErrorKind::TimedOut,
            fault if fault.is_lost() => io::ErrorKind::ConnectionReset,
            _ => io::ErrorKind::Other,
        };
        Self::new(kind, fault)
    }
}
