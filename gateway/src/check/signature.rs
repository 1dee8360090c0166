//! The source's signature: of this source, this question and now, or the answer isn't used.

use jiff::Timestamp;
use jiff::civil::Date;
use loket_sdk::message::{Provenance, ProvenanceMethod, Reason, SourceName, SourceSignature};
use loket_sdk::problem::Violation;
use loket_sdk::statement::{Asked, Error, Question, Said, Statement};

use super::Unusable;
use crate::directory::{KeyUse, Member, key_named};
use crate::policy::Allowed;

/// Whose answer it must be, to what, and when.
#[derive(Debug, Clone, Copy)]
pub struct Origin<'a> {
    /// Who was asked.
    pub source: &'a SourceName,
    /// What was asked.
    pub question: Question<'a>,
    /// Those whose keys are enrolled.
    pub members: &'a [Member],
    /// Whether the source must sign.
    pub requires_signature: bool,
    /// Now.
    pub now: Timestamp,
    /// The day, for keys.
    pub today: Date,
}

impl Origin<'_> {
    /// How it is known that the source said this.
    pub(super) fn provenance(
        &self,
        signature: Option<SourceSignature>,
        said: &Said<'_>,
        asked: &Allowed,
    ) -> Result<Provenance, Unusable> {
        let Some(signature) = signature else {
            return match self.requires_signature {
                true => Err(bad(&Error::NotSigned)),
                false => Ok(Provenance {
                    method: ProvenanceMethod::SourceTls,
                    signature: None,
                }),
            };
        };
        self.verify(&signature, said, asked)
            .map_err(|error| bad(&error))?;
        Ok(Provenance {
            method: ProvenanceMethod::SourceSigned,
            signature: Some(signature),
        })
    }

    fn verify(
        &self,
        signature: &SourceSignature,
        said: &Said<'_>,
        asked: &Allowed,
    ) -> Result<(), Error> {
        let key = |kid: &str| {
            let (_, key) = key_named(self.members, kid)?;
            let counts = key.allows == KeyUse::Answer && key.is_valid_on(self.today);
            counts.then_some(&key.public)
        };
        let statement = Statement::verify(signature, self.source, &self.question, key)?;
        statement.is_fresh(self.now)?;
        let asked = match asked {
            Allowed::Fields(names) => Asked::Fields(names),
            Allowed::Claims(claims) => Asked::Claims(claims),
        };
        statement.says(said, asked, signature.salts.expose())
    }
}

fn bad(error: &Error) -> Unusable {
    Unusable {
        reason: Reason::BadSignature,
        violations: vec![Violation::new("/signature", error)],
    }
}
