//! Files: how kept answers are named and read; a record is its length and what was sealed.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, ErrorKind, Read};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::seal::{HEAD, Head, ReplayKey, Sealed};
use super::slots::{Id, Mac, Owner, Place, owner};

/// A segment's name is its hour and its number within; the number has so many bits.
pub(super) const NUMBER_BITS: u32 = 12;
/// The length before each record.
pub(super) const LENGTH: u32 = 4;
/// What claims to be longer isn't ours.
pub(super) const LONGEST: u32 = 64 << 20;

pub(super) fn path_of(dir: &Path, owner: Owner, name: u32) -> PathBuf {
    let (hour, number) = (name >> NUMBER_BITS, name & ((1 << NUMBER_BITS) - 1));
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
}

pub(super) fn found(name: &str) -> Option<Found> {
    if let Some(hour) = name.strip_suffix(".key") {
        return hour.parse().ok().map(Found::Key);
    }
    let (hour, rest) = name.strip_suffix(".sealed")?.split_once('-')?;
    let (number, owner) = rest.split_once('-')?;
    let (hour, number): (u32, u32) = (hour.parse().ok()?, number.parse().ok()?);
    let owner = u32::from_str_radix(owner, 16).ok()?.to_be_bytes();
    let fits = hour < 1 << (u32::BITS - NUMBER_BITS) && number < 1 << NUMBER_BITS;
    fits.then_some(Found::Segment(hour << NUMBER_BITS | number, owner))
}

pub(super) fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.mode(0o600);
    options
}

/// Tells of every whole record, and cuts off what is torn; how many bytes are left.
pub(super) fn scan(
    path: &Path,
    name: u32,
    each: &mut dyn FnMut(Id, Mac, u32, Place),
) -> io::Result<u64> {
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
        let known = Head::read(head).filter(|_| next <= size && length <= LONGEST);
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
pub(super) fn read(dir: &Path, place: Place, id: &Id) -> io::Result<Option<Sealed>> {
    let file = match File::open(path_of(dir, owner(id), place.segment)) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    let mut bytes = vec![0; usize::try_from(place.length).unwrap_or_default()];
    file.read_exact_at(&mut bytes, place.offset.into())?;
    Ok(Some(Sealed(bytes)))
}

/// The key of the hour in which a place was written.
pub(super) fn key_of_hour(dir: &Path, place: Place) -> Option<ReplayKey> {
    read_key(dir, place.segment >> NUMBER_BITS)
}

pub(super) fn read_key(dir: &Path, hour: u32) -> Option<ReplayKey> {
    let mut bytes = [0; 32];
    let mut file = File::open(key_path(dir, hour)).ok()?;
    file.read_exact(&mut bytes).ok()?;
    Some(ReplayKey::from_bytes(bytes))
}
