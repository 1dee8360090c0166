//! What may be wrong with an agency, so that a counter sees every outcome for real.

use std::time::Duration;

use loket_sdk::message::RecordRef;
use loket_sdk::provider::{Provider, ProviderError, Query, Reply};

/// How an agency is today.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mood {
    /// It answers as it should.
    #[default]
    Well,
    /// It thinks for so long before each answer: `timed_out` for who waits less.
    Slow(Duration),
    /// Its port is closed: `unavailable`.
    Down,
    /// Its records break their schema: `invalid`. The server kit would never send one, so such an
    /// agency runs on [`FakeAgency`](loket_sdk::testing::FakeAgency).
    Broken,
    /// It answers nobody: `denied`, `refused_by_source`.
    Refusing,
    /// It has to look in its archive first: `deferred`.
    Later,
}

/// An agency in a mood that the server kit can have.
pub struct Moody<P> {
    agency: P,
    mood: Mood,
}

impl<P> Moody<P> {
    /// Puts an agency in a mood.
    pub fn new(agency: P, mood: Mood) -> Self {
        Self { agency, mood }
    }
}

impl<P: Provider> Provider for Moody<P> {
    fn records(&self) -> Vec<RecordRef> {
        self.agency.records()
    }

    async fn find(&self, query: &Query) -> Result<Reply, ProviderError> {
        match self.mood {
            Mood::Refusing => return Ok(Reply::Refused),
            Mood::Later => {
                return Ok(Reply::Later {
                    retry_after: Some(Duration::from_secs(900)),
                });
            }
            Mood::Slow(time) => tokio::time::sleep(time).await,
            // Who is down or broken doesn't run on the kit and never gets here.
            Mood::Well | Mood::Down | Mood::Broken => {}
        }
        self.agency.find(query).await
    }
}
