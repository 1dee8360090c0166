//! A log as text: its entries in order, each with its number.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::path::Path;

use super::Violation;
use crate::audit::store::{Flaw, ReadError, Reader, files};

/// So many are read at once.
const AHEAD: u64 = 256;

/// The entries of the log in `dir` that are there now, as JSON: what was hashed, with its number as the
/// first member `entry`. Each was compared with its hash in the tree. The first [`Violation`] is the
/// last item.
pub fn read(dir: &Path) -> impl Iterator<Item = Result<String, Violation>> + use<> {
    let (reading, refused) = match files::found(dir, None) {
        Ok(view) => match Reading::of(view) {
            Ok(reading) => (Some(reading), None),
            Err(error) => (None, Some(Err(error.into()))),
        },
        Err(error) => (None, Some(Err(error.into()))),
    };
    refused.into_iter().chain(reading.into_iter().flatten())
}

struct Reading<R> {
    reader: R,
    next: u64,
    size: u64,
    ahead: VecDeque<Result<String, Violation>>,
}

impl<R: Reader> Reading<R> {
    fn of(reader: R) -> Result<Self, ReadError> {
        Ok(Self {
            next: reader.first()?,
            size: reader.checkpoint()?.size,
            reader,
            ahead: VecDeque::new(),
        })
    }

    fn fill(&mut self) {
        let to = self.size.min(self.next + AHEAD - self.next % AHEAD);
        let ahead = &mut self.ahead;
        let read = self.reader.leaves(self.next..to, &mut |place, leaf| {
            let flawed = || Violation {
                entry: place + 1,
                place: "the log".to_owned(),
                what: Flaw::Malformed,
            };
            ahead.push_back(text(place, leaf).ok_or_else(flawed));
            ControlFlow::Continue(())
        });
        self.next = to;
        if let Err(error) = read {
            self.ahead.push_back(Err(error.into()));
        }
    }
}

/// A leaf with its number.
pub(crate) fn text(place: u64, leaf: &[u8]) -> Option<String> {
    let members = str::from_utf8(leaf).ok()?.strip_prefix('{')?;
    Some(format!("{{\"entry\":{},{members}", place + 1))
}

impl<R: Reader> Iterator for Reading<R> {
    type Item = Result<String, Violation>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ahead.is_empty() && self.next < self.size {
            self.fill();
        }
        let entry = self.ahead.pop_front();
        if let Some(Err(_)) = entry {
            (self.next, self.size) = (0, 0);
            self.ahead.clear();
        }
        entry
    }
}
