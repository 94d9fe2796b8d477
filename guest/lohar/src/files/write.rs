//! `write`: a file without a name, which then takes the path's place. A pipe that ends without the word to go ahead
//! means that the old file stays.

use std::alloc::{alloc_zeroed, dealloc, Layout};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr::NonNull;

use rustix::fs::{
    fallocate, fchmod, fchown, fcntl_getfl, fcntl_setfl, FallocateFlags, FileType, Gid, Mode,
    OFlags, Stat, Uid,
};
use rustix::io::Errno;
use rustix::process::geteuid;
use serde::Serialize;

use super::durable;
use super::place::{is_directory, Lacking, Last, Owner, Place, Trust};
use super::put::Draft;
use super::read::{not_regular, read_some};
use super::refusal::{Explain, Refusal};
use crate::protocol::messages::{Failure, Keep};

pub const GO_AHEAD: u8 = b'\n';

const PIECE: usize = 64 * 1024;
/// Pieces of this size go past the page cache: finding a page for each 4 KiB takes an emulated processor five times as
/// long, and all of it is written out at the end anyhow.
const DIRECT: usize = 512 * 1024;

/// What is to be there in the end.
pub struct Wanted {
    pub size: u64,
    pub mode: u32,
    /// Whose what is made shall be; the writing user's without it. A file that exists keeps its own.
    pub owner: Option<Owner>,
    pub keep: Keep,
}

#[derive(Serialize)]
pub struct Written {
    size: u64,
}

pub fn write(
    path: &Path,
    wanted: &Wanted,
    trust: Trust,
    content: &OwnedFd,
) -> Result<Written, Failure> {
    put(path, wanted, trust, content).explain("write", path)?;
    Ok(Written { size: wanted.size })
}

fn put(path: &Path, wanted: &Wanted, trust: Trust, content: &OwnedFd) -> Result<(), Refusal> {
    if path.as_os_str().as_bytes().ends_with(b"/") {
        return Err(Errno::ISDIR.into());
    }
    let owner = wanted.owner;
    let place = Place::find_or_make(path, trust, Last::Target, Some(Lacking { owner }))?;
    let old = match place.stat() {
        Ok(stat) if is_directory(&stat) => return Err(Errno::ISDIR.into()),
        // A device or a socket may be in use by other processes.
        Ok(stat) if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile => {
            return Err(not_regular());
        }
        Ok(stat) => Some(stat),
        Err(Errno::NOENT) => None,
        Err(error) => return Err(error.into()),
    };
    let draft = Draft::new(&place.directory, &place.name, Mode::from_raw_mode(0o600))?;
    fill(&draft.file, wanted.size, content)?;
    dress(&draft.file, wanted, old.as_ref())?;
    durable::content(&draft.file)?;
    draft.publish()?;
    Ok(durable::place(&place)?)
}

fn fill(file: &OwnedFd, size: u64, content: &OwnedFd) -> Result<(), Refusal> {
    reserve(file, size)?;
    let left = put_directly(content, file, size)?;
    copy(content, file, left)?;
    let mut word = [0];
    if read_some(content, &mut word)? == 0 || word[0] != GO_AHEAD {
        return Err(given_up());
    }
    Ok(())
}

/// The owner comes before the mode, as a new owner takes the set-user-id bit away.
fn dress(file: &OwnedFd, wanted: &Wanted, old: Option<&Stat>) -> rustix::io::Result<()> {
    let keeps_owner = wanted.owner.is_some() || wanted.keep != Keep::Nothing;
    let owner = match old {
        Some(old) if keeps_owner => Some(Owner {
            uid: old.st_uid,
            gid: old.st_gid,
        }),
        _ => wanted.owner,
    };
    if let Some(Owner { uid, gid }) = owner {
        match fchown(file, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid))) {
            // Without the right to keep the previous owner, the file belongs to the writer.
            Err(Errno::PERM) if wanted.owner.is_none() => {}
            outcome => outcome?,
        }
    }
    let mode = match old {
        Some(old) if wanted.keep == Keep::All => kept_mode(old),
        _ => wanted.mode,
    };
    fchmod(file, Mode::from_raw_mode(mode))
}

/// As after a write to the file itself: only root's leaves it the rights of its owner and group to lend.
fn kept_mode(old: &Stat) -> u32 {
    let bits = if geteuid().is_root() { 0o7777 } else { 0o1777 };
    old.st_mode & bits
}

/// An early "no space" instead of a late one. A file system that cannot reserve is no reason to fail.
fn reserve(file: &OwnedFd, size: u64) -> rustix::io::Result<()> {
    if size == 0 {
        return Ok(());
    }
    let size = size.min(i64::MAX as u64);
    match fallocate(file, FallocateFlags::empty(), 0, size) {
        Err(error @ (Errno::NOSPC | Errno::FBIG | Errno::DQUOT)) => Err(error),
        _ => Ok(()),
    }
}

/// As many whole pieces as there are. Returns how much is left, which is all where the file system cannot do that.
fn put_directly(content: &OwnedFd, file: &OwnedFd, bytes: u64) -> Result<u64, Refusal> {
    let mut left = bytes;
    if left < DIRECT as u64 || set_direct(file, true).is_err() {
        return Ok(left);
    }
    let mut buffer = Aligned::new(DIRECT)?;
    while left >= DIRECT as u64 {
        let mut held = 0;
        while held < DIRECT {
            match read_some(content, &mut buffer.bytes()[held..])? {
                0 => return Err(given_up()),
                count => held += count,
            }
        }
        left -= DIRECT as u64;
        let (written, outcome) = write_some(file, buffer.bytes());
        match outcome {
            // Not at all, or not from this place on: as others do it, then.
            Err(Errno::INVAL) => {
                set_direct(file, false)?;
                write_all(file, &buffer.bytes()[written..])?;
                return Ok(left);
            }
            outcome => outcome?,
        }
    }
    set_direct(file, false)?;
    Ok(left)
}

fn set_direct(file: &OwnedFd, direct: bool) -> rustix::io::Result<()> {
    let mut flags = fcntl_getfl(file)?;
    flags.set(OFlags::DIRECT, direct);
    fcntl_setfl(file, flags)
}

/// Memory that a disk can be written from.
struct Aligned {
    start: NonNull<u8>,
    layout: Layout,
}

impl Aligned {
    fn new(size: usize) -> rustix::io::Result<Self> {
        let layout = Layout::from_size_align(size, 4096).map_err(|_| Errno::NOMEM)?;
        // SAFETY: the size is not zero.
        let start = NonNull::new(unsafe { alloc_zeroed(layout) }).ok_or(Errno::NOMEM)?;
        Ok(Aligned { start, layout })
    }

    fn bytes(&mut self) -> &mut [u8] {
        // SAFETY: allocated with this size and zeroed, and not shared.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.layout.size()) }
    }
}

impl Drop for Aligned {
    fn drop(&mut self) {
        // SAFETY: allocated with this layout.
        unsafe { dealloc(self.start.as_ptr(), self.layout) };
    }
}

fn copy(content: &OwnedFd, file: &OwnedFd, bytes: u64) -> Result<(), Refusal> {
    let mut left = bytes;
    let mut buffer = vec![0; PIECE.min(usize::try_from(left).unwrap_or(PIECE))];
    while left > 0 {
        let most = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
        let count = read_some(content, &mut buffer[..most])?;
        if count == 0 {
            return Err(given_up());
        }
        write_all(file, &buffer[..count])?;
        left -= count as u64;
    }
    Ok(())
}

fn given_up() -> Refusal {
    Refusal::Rule("io_error", "Cancelled")
}

pub fn write_all(file: &OwnedFd, bytes: &[u8]) -> rustix::io::Result<()> {
    write_some(file, bytes).1
}

/// How much was written before it failed, which is all when it did not.
fn write_some(file: &OwnedFd, bytes: &[u8]) -> (usize, rustix::io::Result<()>) {
    let mut written = 0;
    while written < bytes.len() {
        match rustix::io::write(file, &bytes[written..]) {
            Ok(count) => written += count,
            Err(Errno::INTR) => {}
            Err(error) => return (written, Err(error)),
        }
    }
    (written, Ok(()))
}

#[cfg(test)]
mod tests;
