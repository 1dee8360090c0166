//! A line to the database that breaks where it hurts most: around a commit.

use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use tempfile::TempDir;

/// What becomes of the next commit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Break {
    /// It doesn't get there, and the line stays open.
    Swallow,
    /// It gets there, and the answer doesn't come back: the line is cut.
    CutAnswer,
    /// As that, and nobody is let in until it [comes back](Proxy::comes_back).
    CutAnswerAndStayAway,
}

/// A socket before the database's.
pub(crate) struct Proxy {
    place: TempDir,
    next: Arc<Mutex<Option<Break>>>,
    away: Arc<AtomicBool>,
}

impl Proxy {
    pub(crate) fn before(socket: &Path) -> Self {
        let place = TempDir::new().unwrap();
        let listener = UnixListener::bind(place.path().join(".s.PGSQL.5432")).unwrap();
        let next = Arc::new(Mutex::new(None));
        let away = Arc::new(AtomicBool::new(false));
        let (server, breaks) = (socket.join(".s.PGSQL.5432"), next.clone());
        let is_away = away.clone();
        thread::spawn(move || {
            for client in listener.incoming() {
                let (Ok(client), Ok(server)) = (client, UnixStream::connect(&server)) else {
                    continue;
                };
                if !is_away.load(Ordering::SeqCst) {
                    pass(client, server, breaks.clone(), is_away.clone());
                }
            }
        });
        Self { place, next, away }
    }

    pub(crate) fn comes_back(&self) {
        self.away.store(false, Ordering::SeqCst);
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.place.path().to_owned()
    }

    pub(crate) fn breaks(&self, how: Break) {
        *self.next.lock().unwrap() = Some(how);
    }

    /// Whether what was to break has broken.
    pub(crate) fn has_broken(&self) -> bool {
        self.next.lock().unwrap().is_none()
    }
}

fn pass(
    client: UnixStream,
    server: UnixStream,
    next: Arc<Mutex<Option<Break>>>,
    away: Arc<AtomicBool>,
) {
    let (mut from, mut to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    let (mut back_from, mut back_to) = (server, client);
    thread::spawn(move || {
        let mut bytes = [0; 65536];
        let mut swallowed = false;
        while let Ok(count @ 1..) = from.read(&mut bytes) {
            let sent = &bytes[..count];
            let commits = sent.windows(6).any(|word| word == b"COMMIT");
            let how = if commits {
                next.lock().unwrap().take()
            } else {
                None
            };
            match how {
                Some(Break::Swallow) => swallowed = true,
                // The answer finds the line cut.
                Some(cut) => {
                    away.store(cut == Break::CutAnswerAndStayAway, Ordering::SeqCst);
                    drop(from.shutdown(Shutdown::Both));
                }
                None => {}
            }
            if !swallowed && to.write_all(sent).is_err() {
                break;
            }
            if matches!(how, Some(Break::CutAnswer | Break::CutAnswerAndStayAway)) {
                // Left open: the server is to commit, not to notice.
                std::mem::forget(to.try_clone());
                return;
            }
        }
        // The server hears that its client has gone, unless it is to believe that it hangs.
        if swallowed {
            std::mem::forget(to);
        } else {
            let _ = to.shutdown(Shutdown::Both);
        }
    });
    thread::spawn(move || {
        let mut bytes = [0; 65536];
        while let Ok(count @ 1..) = back_from.read(&mut bytes) {
            if back_to.write_all(&bytes[..count]).is_err() {
                break;
            }
        }
        let _ = back_to.shutdown(Shutdown::Both);
    });
}
