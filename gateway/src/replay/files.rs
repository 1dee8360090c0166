//! Files: how kept answers are named, opened and read; a record is its length and what was sealed.
//!
//! Only a plain file under its own name is ours: no link is followed, nothing is waited for, and what
//! holds no head of this gateway is neither cut nor added to.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, ErrorKind, Read, Write};
use std::num::NonZero;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use aws_lc_rs::hmac;
use rustix::fs::OFlags;

use super::seal::{Head, MARKED, ReplayKey, Sealed};
use super::slots::{Id, Mac, Owner, Place, owner};

/// A segment's name is its hour and its number within; the number has so many bits.
const NUMBER_BITS: u32 = 12;
/// So many segments a member has in an hour.
pub(super) const NUMBERS: u32 = 1 << NUMBER_BITS;
/// The length before each record.
pub(super) const LENGTH: u32 = 4;
/// What claims to be longer isn't ours.
pub(super) const LONGEST: u32 = 64 << 20;

/// Nothing after the last hour that has a name.
pub(super) fn name_of(hour: u32, number: u32) -> Option<u32> {
    let fits = hour < 1 << (u32::BITS - NUMBER_BITS) && number < NUMBERS;
    fits.then_some(hour << NUMBER_BITS | number)
}

pub(super) fn hour_of(name: u32) -> u32 {
    name >> NUMBER_BITS
}

pub(super) fn number_of(name: u32) -> u32 {
    name & (NUMBERS - 1)
}

pub(super) fn path_of(dir: &Path, owner: Owner, name: u32) -> PathBuf {
    let (hour, number) = (hour_of(name), number_of(name));
    let owner = u32::from_be_bytes(owner);
    dir.join(format!("{hour}-{number}-{owner:08x}.sealed"))
}

pub(super) fn key_path(dir: &Path, hour: u32) -> PathBuf {
    dir.join(format!("{hour}.key"))
}

/// A file of ours, by its name.
pub(super) enum Found {
    Segment(u32, Owner),
    Key(u32),
    /// What a crash left of writing a key.
    HalfKey,
}

pub(super) fn found(name: &str) -> Option<Found> {
    let found = if name.ends_with(".key.new") {
        return Some(Found::HalfKey);
    } else if let Some(hour) = name.strip_suffix(".key") {
        Found::Key(hour.parse().ok()?)
    } else {
        let (hour, rest) = name.strip_suffix(".sealed")?.split_once('-')?;
        let (number, owner) = rest.split_once('-')?;
        let owner = u32::from_str_radix(owner, 16).ok()?.to_be_bytes();
        Found::Segment(name_of(hour.parse().ok()?, number.parse().ok()?)?, owner)
    };
    // Another spelling of the same numbers is another file.
    let path = match found {
        Found::Segment(name, owner) => path_of(Path::new(""), owner, name),
        Found::Key(hour) => key_path(Path::new(""), hour),
        Found::HalfKey => return Some(found),
    };
    (path.to_str() == Some(name)).then_some(found)
}

/// Opens a plain file, or makes one.
pub(super) fn open(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    let alien = || io::Error::other("it isn't a plain file of this gateway; take it away");
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let file = match options.mode(0o600).custom_flags(flags).open(path) {
        Ok(file) => file,
        Err(error) => {
            let there = fs::symlink_metadata(path);
            let is_alien = there.is_ok_and(|there| !there.is_file());
            return Err(if is_alien { alien() } else { error });
        }
    };
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(alien())
    }
}

/// Opens a segment to write to it; how long it is.
pub(super) fn reopen(path: &Path) -> io::Result<(File, u64)> {
    let file = open(OpenOptions::new().append(true), path)?;
    let about = file.metadata()?;
    if about.nlink() > 1 {
        return Err(io::Error::other("it has another name, too"));
    }
    Ok((file, about.len()))
}

/// What a segment holds.
pub(super) struct Scanned {
    /// How long it is up to the end of its last whole record.
    pub(super) bytes: u64,
    /// Heads that aren't this gateway's.
    pub(super) forged: u64,
    /// Something is in it, and none of it this gateway's.
    pub(super) alien: bool,
}

/// Tells of every whole record, and cuts off what is torn.
pub(super) fn scan(
    path: &Path,
    name: u32,
    own: &hmac::Key,
    each: &mut dyn FnMut(Id, Mac, u32, Place),
) -> io::Result<Scanned> {
    let file = open(OpenOptions::new().read(true), path)?;
    let size = file.metadata()?.len();
    let mut reader = BufReader::new(&file);
    let (mut at, mut end, mut forged) = (0_u64, 0_u64, 0_u64);
    let mut head = [0; LENGTH as usize + MARKED];
    while at + head.len() as u64 <= size {
        reader.read_exact(&mut head)?;
        let (length, head) = head.split_at(LENGTH as usize);
        let length = u32::from_le_bytes([length[0], length[1], length[2], length[3]]);
        let next = at + u64::from(LENGTH) + u64::from(length);
        let known = Head::read(head).filter(|_| next <= size && length <= LONGEST);
        let rest = i64::from(length).checked_sub(MARKED as i64);
        let (Some(known), Some(rest @ 0..), Ok(offset), Some(length)) =
            (known, rest, u32::try_from(at), NonZero::new(length))
        else {
            break;
        };
        if Head::is_marked(head, own) {
            let place = Place {
                segment: name,
                offset: offset.saturating_add(LENGTH),
                length,
            };
            each(known.id, known.mac, known.at, place);
            end = next;
        } else {
            forged += 1;
        }
        reader.seek_relative(rest)?;
        at = next;
    }
    drop(reader);
    let alien = size > 0 && end == 0;
    if end < size && !alien {
        reopen(path)?.0.set_len(end)?;
    }
    Ok(Scanned {
        bytes: end,
        forged,
        alien,
    })
}

/// The record at a place; nothing when its segment is gone.
pub(super) fn read(dir: &Path, place: Place, id: &Id) -> io::Result<Option<Sealed>> {
    let path = path_of(dir, owner(id), place.segment);
    let file = match open(OpenOptions::new().read(true), &path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    let mut bytes = vec![0; usize::try_from(place.length.get()).unwrap_or_default()];
    file.read_exact_at(&mut bytes, place.offset.into())?;
    Ok(Some(Sealed(bytes)))
}

/// The key of the hour in which a place was written.
pub(super) fn key_of_hour(dir: &Path, place: Place) -> Option<ReplayKey> {
    read_key(&key_path(dir, hour_of(place.segment))).ok()
}

pub(super) fn read_key(path: &Path) -> io::Result<ReplayKey> {
    let mut bytes = Vec::with_capacity(33);
    let file = open(OpenOptions::new().read(true), path)?;
    file.take(33).read_to_end(&mut bytes)?;
    let key = <[u8; 32]>::try_from(bytes);
    let key = key.map_err(|_| io::Error::other("it isn't 32 bytes long"))?;
    Ok(ReplayKey::from_bytes(key))
}

/// Writes a key beside and renames it, so that there is a whole one or none; what stood under that
/// name is replaced and not written to.
pub(super) fn write_key(dir: &Path, hour: u32, key: &[u8; 32]) -> io::Result<()> {
    let path = key_path(dir, hour);
    let new = path.with_extension("key.new");
    let written = remove_file(&new)
        .and_then(|()| open(OpenOptions::new().write(true).create_new(true), &new))
        .and_then(|mut file| file.write_all(key))
        .and_then(|()| fs::rename(&new, &path));
    written.map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))
}

/// One that is gone already is removed.
pub(super) fn remove_file(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}
