//! Segments: sealed answers in, files of one member and one hour each out, which go when 24 hours are
//! over or, beyond the bound, from whoever has the most. A torn last record is cut off.

use std::collections::{BTreeMap, VecDeque};
use std::fs::{self, DirBuilder, File, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use super::REPLAYED_FOR;
use super::files::{
    Found, LENGTH, LONGEST, NUMBER_BITS, found, key_path, path_of, private, read_key, scan,
};
use super::seal::{ReplayKey, Sealed};
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
    /// The last hour of any.
    latest: u32,
    /// The one that was written to last.
    open: Option<(Owner, File)>,
    keys: BTreeMap<u32, ReplayKey>,
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
    fn hour(&self) -> u32 {
        self.name >> NUMBER_BITS
    }
}

impl Owned {
    fn push(&mut self, segment: Segment) {
        self.bytes += segment.bytes;
        self.segments.push_back(segment);
    }
}

fn is_over(hour: u32, now: u32) -> bool {
    let end = (u64::from(hour) + 1) * u64::from(HOUR);
    u64::from(now) >= end + u64::from(REPLAYED_FOR)
}

impl Segments {
    /// Opens the directory and tells of every answer in it that isn't over.
    pub(super) fn open(
        settings: &ReplaySettings,
        now: u32,
        each: &mut dyn FnMut(Id, Mac, u32, Place),
    ) -> Result<Self, OpenError> {
        let dir = settings.directory.clone();
        let io = |path: &Path| {
            let path = path.to_owned();
            move |source| OpenError::Io { path, source }
        };
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&dir);
        made.map_err(io(&dir))?;
        let path = dir.join("lock");
        let lock = private().write(true).create(true).open(&path);
        let lock = lock.map_err(io(&path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(OpenError::Locked { dir }),
            Err(TryLockError::Error(source)) => return Err(OpenError::Io { path, source }),
        }
        let mut names = Vec::new();
        let mut keys = BTreeMap::new();
        for entry in fs::read_dir(&dir).map_err(io(&dir))? {
            let entry = entry.map_err(io(&dir))?;
            match entry.file_name().to_str().and_then(found) {
                Some(Found::Segment(name, owner)) => names.push((name, owner)),
                Some(Found::Key(hour)) => {
                    // One that can't be read opens nothing; what it sealed is asked again.
                    if let Some(key) = read_key(&dir, hour) {
                        keys.insert(hour, key);
                    }
                }
                None => {}
            }
        }
        names.sort_unstable();
        let mut owned: BTreeMap<Owner, Owned> = BTreeMap::new();
        let latest = names.last().map_or(0, |(name, _)| name >> NUMBER_BITS);
        for (name, owner) in names {
            let mut segment = Segment {
                name,
                bytes: 0,
                broken: false,
            };
            if !is_over(segment.hour(), now) {
                let path = path_of(&dir, owner, name);
                match scan(&path, name, each) {
                    Ok(bytes) => segment.bytes = bytes,
                    Err(error) => {
                        segment.broken = true;
                        tracing::warn!(
                            loket.cause = %error,
                            loket.path = %path.display(),
                            "kept answers can't be read and are asked again; their file goes with its hour"
                        );
                    }
                }
            }
            owned.entry(owner).or_default().push(segment);
        }
        let mut segments = Self {
            dir,
            _lock: lock,
            bound: settings.max_bytes,
            owned,
            latest,
            open: None,
            keys,
        };
        segments.sweep(now);
        Ok(segments)
    }

    /// Adds a sealed answer, unless it is too large for the bound. It isn't synced: what a power cut
    /// takes is asked again.
    pub(super) fn append(
        &mut self,
        id: &Id,
        sealed: &Sealed,
        now: u32,
    ) -> io::Result<Option<Place>> {
        let share = (self.bound / SHARES).min(LONGEST.into());
        let whole = u64::from(LENGTH) + sealed.0.len() as u64;
        let (Ok(length), true) = (u32::try_from(sealed.0.len()), whole <= share) else {
            return Ok(None);
        };
        let owner = owner(id);
        self.aim(owner, share - whole, self.hour(now))?;
        let segment = self.owned.get_mut(&owner).and_then(|own| {
            let last = own.segments.back_mut()?;
            Some((last, &mut own.bytes))
        });
        let (Some((segment, bytes)), Some((_, file))) = (segment, &mut self.open) else {
            return Err(io::Error::other("no segment is open"));
        };
        let mut record = Vec::with_capacity(sealed.0.len() + 4);
        record.extend(length.to_le_bytes());
        record.extend(&sealed.0);
        if let Err(error) = file.write_all(&record) {
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

    /// The key of this hour for callers that have none.
    pub(super) fn key(&mut self, now: u32) -> io::Result<ReplayKey> {
        let hour = self.hour(now);
        if let Some(key) = self.keys.get(&hour) {
            return Ok(key.clone());
        }
        let mut bytes = [0; 32];
        aws_lc_rs::rand::fill(&mut bytes).map_err(|_| io::Error::other("no random numbers"))?;
        let path = key_path(&self.dir, hour);
        let file = private().write(true).create(true).truncate(true).open(path);
        file?.write_all(&bytes)?;
        let key = ReplayKey::from_bytes(bytes);
        self.keys.insert(hour, key.clone());
        Ok(key)
    }

    /// Takes away what is over.
    pub(super) fn sweep(&mut self, now: u32) {
        let over = |own: &Owned| own.segments.front().is_some_and(|s| is_over(s.hour(), now));
        let owners = self.owned.iter().filter(|(_, own)| over(own));
        for owner in owners.map(|(owner, _)| *owner).collect::<Vec<_>>() {
            while self.owned.get(&owner).is_some_and(over) {
                self.drop_first(owner);
            }
        }
        let over: Vec<u32> = self
            .keys
            .keys()
            .copied()
            .filter(|hour| is_over(*hour, now))
            .collect();
        for hour in over {
            self.keys.remove(&hour);
            remove(&key_path(&self.dir, hour));
        }
    }

    /// The hour that is written to; under a clock that was set back it is the last one's still.
    fn hour(&self, now: u32) -> u32 {
        self.latest.max(now / HOUR)
    }

    /// Opens the member's last segment if it is this hour's and has no more bytes than `most`, or
    /// begins another.
    fn aim(&mut self, owner: Owner, most: u64, hour: u32) -> io::Result<()> {
        let own = self.owned.entry(owner).or_default();
        let fits = |s: &&mut Segment| s.hour() == hour && s.bytes <= most && !s.broken;
        if let Some(last) = own.segments.back_mut().filter(fits) {
            if self.open.as_ref().is_some_and(|(of, _)| *of == owner) {
                return Ok(());
            }
            let path = path_of(&self.dir, owner, last.name);
            let file = private().append(true).open(path);
            match file.and_then(|file| file.metadata().map(|of| (file, of.len()))) {
                Ok((file, length)) if length == last.bytes => {
                    self.open = Some((owner, file));
                    return Ok(());
                }
                // Somebody took it away or wrote to it.
                Ok(_) => last.broken = true,
                Err(error) if error.kind() == ErrorKind::NotFound => last.broken = true,
                Err(error) => return Err(error),
            }
        }
        let name = match own.segments.back() {
            Some(last) if last.hour() >= hour => last.name + 1,
            _ => hour << NUMBER_BITS,
        };
        let path = path_of(&self.dir, owner, name);
        let file = private().append(true).create_new(true).open(path)?;
        self.open = Some((owner, file));
        self.latest = hour.max(name >> NUMBER_BITS);
        own.push(Segment {
            name,
            bytes: 0,
            broken: false,
        });
        Ok(())
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
            if self.open.as_ref().is_some_and(|(of, _)| *of == owner) {
                self.open = None;
            }
        }
    }
}

fn remove(path: &Path) {
    if let Err(error) = fs::remove_file(path)
        && error.kind() != ErrorKind::NotFound
    {
        tracing::error!(
            loket.cause = %error,
            "kept answers that are over can't be deleted"
        );
    }
}
