//! Segments: sealed answers in, files of one member and one hour each out, which go when 24 hours are
//! over or, beyond the bound, from whoever has the most. A torn last record is cut off. What is named
//! later than an hour from now goes at once: it would stay for as long as it is ahead.

use std::collections::{BTreeMap, VecDeque};
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::num::NonZero;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use aws_lc_rs::hmac;

use super::REPLAYED_FOR;
use super::files::{self, Found, LENGTH, LONGEST, NUMBERS, hour_of, key_path, number_of, path_of};
use super::health::Health;
use super::seal::ReplayKey;
use super::slots::{Id, Mac, Owner, Place, owner};
use crate::config::ReplaySettings;

const HOUR: u32 = 3_600;
/// No segment is larger than this share of the bound, so that never more goes at once.
const SHARES: u64 = 8;

/// Why the directory can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another gateway has it.
    #[error("the directory {} is in use by another process", .dir.display())]
    Locked {
        /// Which.
        dir: PathBuf,
    },
    /// The file system refused.
    #[error(
        "can't open {}, where answers are kept to be given again. Mend it; or move it away and start: \
         what is in it is asked again then; or set enabled = false in [replay]",
        .path.display()
    )]
    Io {
        /// The file or directory concerned.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The thread that writes couldn't be started.
    #[error("can't start the thread that keeps answers")]
    Thread(#[source] io::Error),
}

/// The files of each member.
#[derive(Debug)]
pub(super) struct Segments {
    dir: PathBuf,
    _lock: File,
    bound: u64,
    owned: BTreeMap<Owner, Owned>,
    /// The one that was written to last, and its name.
    open: Option<(Owner, u32, File)>,
    /// Of each hour the key, if it can be read.
    keys: BTreeMap<u32, Option<ReplayKey>>,
}

/// One member's, oldest first; the last may be written to.
#[derive(Debug, Default)]
struct Owned {
    segments: VecDeque<Segment>,
    bytes: u64,
}

#[derive(Debug)]
struct Segment {
    name: u32,
    bytes: u64,
    /// Nothing can be added to it: it ends elsewhere than it should, or couldn't be read.
    broken: bool,
}

impl Segment {
    fn broken(name: u32) -> Self {
        Self {
            name,
            bytes: 0,
            broken: true,
        }
    }

    fn hour(&self) -> u32 {
        hour_of(self.name)
    }
}

impl Owned {
    fn push(&mut self, segment: Segment) {
        self.bytes += segment.bytes;
        self.segments.push_back(segment);
    }
}

fn goes(hour: u32, now: u32) -> bool {
    let end = (u64::from(hour) + 1) * u64::from(HOUR);
    u64::from(now) >= end + u64::from(REPLAYED_FOR) || is_ahead(hour, now)
}

/// By a clock that ran ahead; one that is set back a little costs nothing.
fn is_ahead(hour: u32, now: u32) -> bool {
    hour > now / HOUR + 1
}

impl Segments {
    /// Opens the directory and tells of every answer in it that isn't over, and that `own` shows to be
    /// this gateway's.
    pub(super) fn open(
        settings: &ReplaySettings,
        own: &hmac::Key,
        health: &Health,
        now: u32,
        each: &mut dyn FnMut(Id, Mac, u32, Place),
    ) -> Result<Self, OpenError> {
        let dir = settings.directory.clone();
        let io = |source| OpenError::Io {
            path: dir.clone(),
            source,
        };
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&dir);
        made.map_err(io)?;
        let lock = lock(&dir)?;
        let mut names = Vec::new();
        let mut keys = BTreeMap::new();
        for entry in fs::read_dir(&dir).map_err(io)? {
            let entry = entry.map_err(io)?;
            match entry.file_name().to_str().and_then(files::found) {
                Some(Found::Segment(name, owner)) => names.push((name, owner)),
                Some(Found::Key(hour)) => {
                    keys.insert(hour, known_key(&dir, hour, now));
                }
                Some(Found::HalfKey) => remove(&entry.path()),
                None => {}
            }
        }
        names.sort_unstable();
        let mut owned: BTreeMap<Owner, Owned> = BTreeMap::new();
        for (name, owner) in names {
            let segment = match goes(hour_of(name), now) {
                true => Segment::broken(name),
                false => scanned(&path_of(&dir, owner, name), name, own, health, each),
            };
            owned.entry(owner).or_default().push(segment);
        }
        let mut segments = Self {
            dir,
            _lock: lock,
            bound: settings.max_bytes,
            owned,
            open: None,
            keys,
        };
        segments.sweep(now);
        Ok(segments)
    }

    /// Adds a sealed answer, unless it is too large for the bound. It isn't synced: what a power cut
    /// takes is asked again.
    pub(super) fn append(&mut self, id: &Id, record: &[u8], now: u32) -> io::Result<Option<Place>> {
        let share = (self.bound / SHARES).min(LONGEST.into());
        let whole = record.len() as u64;
        let length = u32::try_from(record.len()).ok();
        let length = length.and_then(|length| NonZero::new(length.checked_sub(LENGTH)?));
        let (Some(length), true) = (length, whole <= share) else {
            return Ok(None);
        };
        let owner = owner(id);
        self.aim(owner, share - whole, self.hour(id, now))?;
        let segment = self.owned.get_mut(&owner).and_then(|own| {
            let last = own.segments.back_mut()?;
            Some((last, &mut own.bytes))
        });
        let (Some((segment, bytes)), Some((_, _, file))) = (segment, &mut self.open) else {
            return Err(io::Error::other("no segment is open"));
        };
        if let Err(error) = file.write_all(record) {
            if file.set_len(segment.bytes).is_err() {
                segment.broken = true;
            }
            return Err(error);
        }
        let offset = u32::try_from(segment.bytes).unwrap_or(u32::MAX);
        let place = Place {
            segment: segment.name,
            offset: offset.saturating_add(LENGTH),
            length,
        };
        segment.bytes += whole;
        *bytes += whole;
        self.shrink(owner);
        Ok(Some(place))
    }

    /// The key of the hour in which an answer to this id is written, for callers that have none.
    pub(super) fn key(&mut self, id: &Id, now: u32) -> io::Result<ReplayKey> {
        let hour = self.hour(id, now);
        if let Some(Some(key)) = self.keys.get(&hour) {
            return Ok(key.clone());
        }
        let mut bytes = [0; 32];
        aws_lc_rs::rand::fill(&mut bytes).map_err(|_| io::Error::other("no random numbers"))?;
        files::write_key(&self.dir, hour, &bytes)?;
        let key = ReplayKey::from_bytes(bytes);
        self.keys.insert(hour, Some(key.clone()));
        Ok(key)
    }

    /// Takes away what is over.
    pub(super) fn sweep(&mut self, now: u32) {
        let gone = |segment: &Segment| goes(segment.hour(), now);
        for (owner, own) in &mut self.owned {
            if !own.segments.iter().any(gone) {
                continue;
            }
            for segment in own.segments.iter().filter(|segment| gone(segment)) {
                let path = path_of(&self.dir, *owner, segment.name);
                if is_ahead(segment.hour(), now) {
                    tracing::warn!(
                        loket.path = %path.display(),
                        "kept answers are of a later hour than it is, as if the clock had run ahead; \
                         they are deleted and asked again"
                    );
                }
                remove(&path);
            }
            own.segments.retain(|segment| !gone(segment));
            own.bytes = own.segments.iter().map(|segment| segment.bytes).sum();
        }
        self.owned.retain(|_, own| !own.segments.is_empty());
        let gone = self.keys.keys().filter(|hour| goes(**hour, now));
        for hour in gone.copied().collect::<Vec<_>>() {
            self.keys.remove(&hour);
            remove(&key_path(&self.dir, hour));
        }
    }

    /// The hour that is written to; under a clock that was set back it is the member's last one's still.
    fn hour(&self, id: &Id, now: u32) -> u32 {
        let own = self.owned.get(&owner(id));
        let last = own.and_then(|own| own.segments.back());
        last.map_or(0, Segment::hour).max(now / HOUR)
    }

    /// Opens the member's last segment if it is this hour's and has no more bytes than `most`, or
    /// begins another.
    fn aim(&mut self, owner: Owner, most: u64, hour: u32) -> io::Result<()> {
        let own = self.owned.entry(owner).or_default();
        let fits = |s: &&mut Segment| s.hour() == hour && s.bytes <= most && !s.broken;
        if let Some(last) = own.segments.back_mut().filter(fits) {
            let open = self.open.as_ref();
            if open.is_some_and(|(of, name, _)| (*of, *name) == (owner, last.name)) {
                return Ok(());
            }
            match files::reopen(&path_of(&self.dir, owner, last.name)) {
                Ok((file, length)) if length == last.bytes => {
                    self.open = Some((owner, last.name, file));
                    return Ok(());
                }
                // Somebody took it away, wrote to it or put something else there.
                Ok(_) | Err(_) => last.broken = true,
            }
        }
        let last = own.segments.back().filter(|last| last.hour() == hour);
        let next = last.map_or(0, |last| number_of(last.name) + 1);
        for number in (next..NUMBERS).chain(0..next) {
            let Some(name) = files::name_of(hour, number) else {
                break;
            };
            let mut options = OpenOptions::new();
            options.append(true).create_new(true);
            match files::open(&mut options, &path_of(&self.dir, owner, name)) {
                Ok(file) => {
                    self.open = Some((owner, name, file));
                    own.push(Segment {
                        name,
                        bytes: 0,
                        broken: false,
                    });
                    return Ok(());
                }
                Err(_) if is_taken(&path_of(&self.dir, owner, name)) => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::Error::other("this hour has no name left for a file"))
    }

    /// The oldest of whoever has the most go until all are within the bound; the one that was just
    /// written is within it by itself.
    fn shrink(&mut self, written: Owner) {
        while self.owned.values().map(|own| own.bytes).sum::<u64>() > self.bound {
            let others =
                |(owner, own): &(&Owner, &Owned)| **owner != written || own.segments.len() > 1;
            let largest = self.owned.iter().filter(others);
            let Some((&owner, _)) = largest.max_by_key(|(_, own)| own.bytes) else {
                return;
            };
            self.drop_first(owner);
        }
    }

    fn drop_first(&mut self, owner: Owner) {
        let Some(own) = self.owned.get_mut(&owner) else {
            return;
        };
        if let Some(segment) = own.segments.pop_front() {
            own.bytes -= segment.bytes;
            remove(&path_of(&self.dir, owner, segment.name));
        }
        if own.segments.is_empty() {
            self.owned.remove(&owner);
        }
    }
}

fn lock(dir: &Path) -> Result<File, OpenError> {
    let path = dir.join("lock");
    let mut options = OpenOptions::new();
    match files::open(options.write(true).create(true), &path) {
        Err(source) => Err(OpenError::Io { path, source }),
        Ok(lock) => match lock.try_lock() {
            Ok(()) => Ok(lock),
            Err(TryLockError::WouldBlock) => Err(OpenError::Locked {
                dir: dir.to_owned(),
            }),
            Err(TryLockError::Error(source)) => Err(OpenError::Io { path, source }),
        },
    }
}

/// Tells of what is in a file.
fn scanned(
    path: &Path,
    name: u32,
    own: &hmac::Key,
    health: &Health,
    each: &mut dyn FnMut(Id, Mac, u32, Place),
) -> Segment {
    match files::scan(path, name, own, each) {
        Ok(scanned) => {
            if scanned.forged > 0 || scanned.alien {
                health.forged(scanned.forged, path);
            }
            Segment {
                name,
                bytes: scanned.bytes,
                broken: scanned.alien,
            }
        }
        Err(error) => {
            tracing::warn!(
                loket.cause = %error,
                loket.path = %path.display(),
                "kept answers can't be read and are asked again; their file goes with its hour"
            );
            Segment::broken(name)
        }
    }
}

/// One that can't be read opens nothing; what it sealed is asked again.
fn known_key(dir: &Path, hour: u32, now: u32) -> Option<ReplayKey> {
    let path = key_path(dir, hour);
    let read = (!goes(hour, now)).then(|| files::read_key(&path))?;
    if let Err(error) = &read {
        tracing::warn!(
            loket.cause = %error,
            loket.path = %path.display(),
            "the key to an hour's answers can't be read; they are asked again"
        );
    }
    read.ok()
}

fn is_taken(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

fn remove(path: &Path) {
    if let Err(error) = files::remove_file(path) {
        tracing::error!(
            loket.cause = %error,
            loket.path = %path.display(),
            "kept answers that are over can't be deleted"
        );
    }
}
