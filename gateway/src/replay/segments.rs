//! Segments: sealed answers in, files of one hour each out, which go when 24 hours are over or the
//! bound is reached. A record is its length and what was sealed; a torn last one is cut off.

use std::collections::{BTreeMap, VecDeque};
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, BufReader, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::REPLAYED_FOR;
use super::seal::{HEAD, Head, ReplayKey, Sealed};
use super::slots::{Id, Mac, Place};
use crate::config::ReplaySettings;

const HOUR: u32 = 3_600;
/// A segment's name is its hour and its number within; the number has so many bits.
const NUMBER_BITS: u32 = 12;
/// Segments that the bound is shared out to: what goes first is an eighth of all.
const SHARES: u64 = 8;
/// The length before each record.
const LENGTH: u32 = 4;

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
    #[error("can't open the kept answers at {}", .path.display())]
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

/// The files, oldest first; the last may be written to.
#[derive(Debug)]
pub(super) struct Segments {
    dir: PathBuf,
    _lock: File,
    bound: u64,
    all: VecDeque<Segment>,
    open: Option<File>,
    keys: BTreeMap<u32, ReplayKey>,
}

#[derive(Debug)]
struct Segment {
    name: u32,
    bytes: u64,
}

impl Segment {
    fn hour(&self) -> u32 {
        self.name >> NUMBER_BITS
    }
}

fn is_over(hour: u32, now: u32) -> bool {
    let end = (u64::from(hour) + 1) * u64::from(HOUR);
    u64::from(now) >= end + u64::from(REPLAYED_FOR)
}

fn path_of(dir: &Path, name: u32) -> PathBuf {
    let (hour, number) = (name >> NUMBER_BITS, name & ((1 << NUMBER_BITS) - 1));
    dir.join(format!("{hour}-{number}.sealed"))
}

fn key_path(dir: &Path, hour: u32) -> PathBuf {
    dir.join(format!("{hour}.key"))
}

/// A file of ours, by its name.
enum Found {
    Segment(u32),
    Key(u32),
}

fn found(name: &str) -> Option<Found> {
    if let Some(hour) = name.strip_suffix(".key") {
        return hour.parse().ok().map(Found::Key);
    }
    let (hour, number) = name.strip_suffix(".sealed")?.split_once('-')?;
    let (hour, number): (u32, u32) = (hour.parse().ok()?, number.parse().ok()?);
    let fits = hour < 1 << (u32::BITS - NUMBER_BITS) && number < 1 << NUMBER_BITS;
    fits.then_some(Found::Segment(hour << NUMBER_BITS | number))
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
        let lock = private().write(true).create(true).open(dir.join("lock"));
        let lock = lock.map_err(io(&dir))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(OpenError::Locked { dir }),
            Err(TryLockError::Error(source)) => return Err(OpenError::Io { path: dir, source }),
        }
        let mut names = Vec::new();
        let mut keys = BTreeMap::new();
        for entry in fs::read_dir(&dir).map_err(io(&dir))? {
            let entry = entry.map_err(io(&dir))?;
            match entry.file_name().to_str().and_then(found) {
                Some(Found::Segment(name)) => names.push(name),
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
        let mut all = VecDeque::new();
        for name in names {
            let path = path_of(&dir, name);
            let bytes = if is_over(name >> NUMBER_BITS, now) {
                0
            } else {
                scan(&path, name, each).map_err(io(&path))?
            };
            all.push_back(Segment { name, bytes });
        }
        let mut segments = Self {
            dir,
            _lock: lock,
            bound: settings.max_bytes,
            all,
            open: None,
            keys,
        };
        segments.sweep(now);
        Ok(segments)
    }

    /// Adds a sealed answer. It isn't synced: what a power cut takes is asked again.
    pub(super) fn append(&mut self, sealed: &Sealed, now: u32) -> io::Result<Place> {
        let too_long = |_| io::Error::other("an answer is too long to be kept");
        let length = u32::try_from(sealed.0.len()).map_err(too_long)?;
        let whole = u64::from(LENGTH) + u64::from(length);
        let share = self.bound / SHARES;
        let hour = self.hour(now);
        let fits = |segment: &Segment| {
            segment.hour() == hour && segment.bytes + whole <= share.min(u32::MAX.into())
        };
        if self.open.is_none() || !self.all.back().is_some_and(fits) {
            self.begin(hour)?;
        }
        let (Some(segment), Some(file)) = (self.all.back_mut(), &mut self.open) else {
            return Err(io::Error::other("no segment is open"));
        };
        let offset = segment.bytes;
        let mut record = Vec::with_capacity(sealed.0.len() + 4);
        record.extend(length.to_le_bytes());
        record.extend(&sealed.0);
        if let Err(error) = file.write_all(&record) {
            if file.set_len(offset).is_err() {
                self.open = None;
            }
            return Err(error);
        }
        segment.bytes += whole;
        let place = Place {
            segment: segment.name,
            offset: u32::try_from(offset).map_err(too_long)? + LENGTH,
            length,
        };
        self.shrink();
        Ok(place)
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
        while self.all.front().is_some_and(|s| is_over(s.hour(), now)) {
            self.drop_first();
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
        let last = self.all.back().map_or(0, Segment::hour);
        last.max(now / HOUR)
    }

    fn begin(&mut self, hour: u32) -> io::Result<()> {
        let name = match self.all.back() {
            Some(last) if last.hour() >= hour => last.name + 1,
            _ => hour << NUMBER_BITS,
        };
        let path = path_of(&self.dir, name);
        let file = private().append(true).create_new(true).open(path)?;
        self.open = Some(file);
        self.all.push_back(Segment { name, bytes: 0 });
        Ok(())
    }

    /// The oldest go until all are within the bound.
    fn shrink(&mut self) {
        while self.all.len() > 1 && self.all.iter().map(|s| s.bytes).sum::<u64>() > self.bound {
            self.drop_first();
        }
    }

    fn drop_first(&mut self) {
        if let Some(segment) = self.all.pop_front() {
            remove(&path_of(&self.dir, segment.name));
        }
        if self.all.is_empty() {
            self.open = None;
        }
    }
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.mode(0o600);
    options
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

/// Tells of every whole record, and cuts off what is torn; how many bytes are left.
fn scan(path: &Path, name: u32, each: &mut dyn FnMut(Id, Mac, u32, Place)) -> io::Result<u64> {
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    let size = file.metadata()?.len();
    let mut reader = BufReader::new(&file);
    let mut end = 0_u64;
    let mut head = [0; LENGTH as usize + HEAD];
    while end + head.len() as u64 <= size {
        reader.read_exact(&mut head)?;
        let (length, head) = head.split_at(LENGTH as usize);
        let length = u32::from_le_bytes([length[0], length[1], length[2], length[3]]);
        let next = end + u64::from(LENGTH) + u64::from(length);
        let known = Head::read(head).filter(|_| next <= size);
        let (Some(known), Ok(offset)) = (known, u32::try_from(end)) else {
            break;
        };
        let Some(rest) = i64::from(length)
            .checked_sub(HEAD as i64)
            .filter(|rest| *rest >= 0)
        else {
            break;
        };
        let place = Place {
            segment: name,
            offset: offset + LENGTH,
            length,
        };
        each(known.id, known.mac, known.at, place);
        reader.seek_relative(rest)?;
        end = next;
    }
    drop(reader);
    if end < size {
        file.set_len(end)?;
    }
    Ok(end)
}

/// The record at a place; nothing when its segment is gone.
pub(super) fn read(dir: &Path, place: Place, id: &Id) -> Option<Sealed> {
    let file = File::open(path_of(dir, place.segment)).ok()?;
    let mut bytes = vec![0; usize::try_from(place.length).ok()?];
    file.read_exact_at(&mut bytes, place.offset.into()).ok()?;
    Head::read(&bytes).filter(|head| head.id == *id)?;
    Some(Sealed(bytes))
}

/// The key of the hour in which a place was written.
pub(super) fn key_of_hour(dir: &Path, place: Place) -> Option<ReplayKey> {
    read_key(dir, place.segment >> NUMBER_BITS)
}

fn read_key(dir: &Path, hour: u32) -> Option<ReplayKey> {
    let mut bytes = [0; 32];
    let mut file = File::open(key_path(dir, hour)).ok()?;
    file.read_exact(&mut bytes).ok()?;
    Some(ReplayKey::from_bytes(bytes))
}
