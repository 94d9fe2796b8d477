//! `copy`: modes, times and links are kept; so are owners when something is moved from one file system to another.

use std::ffi::CString;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{
    chownat, copy_file_range, fchmod, fchown, fstat, ftruncate, futimens, mkdirat, openat,
    readlinkat, seek, symlinkat, utimensat, AtFlags, FileType, Gid, Mode, OFlags, SeekFrom, Stat,
    Timespec, Timestamps, Uid, CWD,
};
use rustix::io::{pread, Errno};

use super::directory;
use super::durable::{self, FileSystems};
use super::holes::{Extent, Extents};
use super::place::{is_directory, Last, Place, Trust};
use super::put;
use super::read::{open_regular_at, read_some};
use super::refusal::{failure, Explain, Refusal};
use super::relocate::{destination, named};
use super::walk::{Step, Walk};
use super::write::write_all;
use crate::protocol::messages::{Failure, Nothing};

const PIECE: usize = 4 * 1024 * 1024;
const BUFFER: usize = 64 * 1024;
const MOST_SMALL: u64 = 64 * 1024;

static GIVEN_UP: AtomicBool = AtomicBool::new(false);

extern "C" fn give_up(_signal: libc::c_int) {
    GIVEN_UP.store(true, Ordering::Relaxed);
}

/// SIGTERM, which is blocked so far, ends the work after the current step, which cleans up.
pub fn heed_the_end() {
    GIVEN_UP.store(false, Ordering::Relaxed);
    // SAFETY: the handler only stores a flag; the set is initialised before it is used.
    unsafe {
        libc::signal(libc::SIGTERM, give_up as *const () as libc::sighandler_t);
        let mut set = std::mem::zeroed();
        libc::sigemptyset(&mut set);
        libc::sigaddset(&mut set, libc::SIGTERM);
        libc::sigprocmask(libc::SIG_UNBLOCK, &set, std::ptr::null_mut());
    }
}

fn go_on() -> Result<(), Fault> {
    match GIVEN_UP.load(Ordering::Relaxed) {
        true => Err(Fault::Source(Refusal::Rule("io_error", "Cancelled"))),
        false => Ok(()),
    }
}

/// An error, by the path that it is about.
enum Fault {
    Source(Refusal),
    Target(Refusal),
}

impl Fault {
    fn source(refusal: impl Into<Refusal>) -> Self {
        Fault::Source(refusal.into())
    }

    fn failure(self, owners: Owners, from: &Path, to: &Path) -> Failure {
        let (action, action_to) = match owners {
            Owners::Copier => ("copy", "copy to"),
            Owners::Kept => ("move", "move to"),
        };
        match self {
            Fault::Source(refusal) => failure(refusal, action, from),
            Fault::Target(refusal) => failure(refusal, action_to, to),
        }
    }
}

impl<E: Into<Refusal>> From<E> for Fault {
    fn from(error: E) -> Self {
        Fault::Target(error.into())
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Owners {
    Copier,
    Kept,
}

pub fn copy(from: &Path, to: &Path, recursive: bool, trust: Trust) -> Result<Nothing, Failure> {
    let source = Place::find(from, trust, Last::Link).explain("copy", from)?;
    named(&source).explain("copy", from)?;
    let stat = source.stat().explain("copy", from)?;
    if is_directory(&stat) && !recursive {
        return Err(Errno::ISDIR).explain("copy", from);
    }
    let target = destination(to, &source, trust).explain("copy to", to)?;
    if target.stat().is_ok_and(|target| is_same(&target, &stat)) {
        let why = Refusal::Rule("bad_request", "Source and destination are the same file");
        return Err(why).explain("copy to", to);
    }
    let owners = Owners::Copier;
    copy_place(&source, &stat, &target, owners, from, to)?;
    Ok(Nothing {})
}

/// `from` and `to` are for messages.
pub fn copy_place(
    source: &Place,
    stat: &Stat,
    target: &Place,
    owners: Owners,
    from: &Path,
    to: &Path,
) -> Result<(), Failure> {
    let mut copying = Copying {
        owners,
        changed: FileSystems::default(),
    };
    let failed = |fault: Fault| fault.failure(owners, from, to);
    if !is_directory(stat) {
        return copying.one(source, stat, target).map_err(failed);
    }
    let (mut walk, made) = begin_tree(source, stat, target).map_err(failed)?;
    let mut made = vec![(made, *stat)];
    loop {
        match copying.step(&mut walk, &mut made) {
            Ok(true) => {}
            Ok(false) => break,
            Err(fault) => {
                let path = walk.path();
                return Err(fault.failure(owners, &from.join(path), &to.join(path)));
            }
        }
    }
    copying.changed.sync().map_err(|error| failed(error.into()))
}

/// Opens the source and makes the target.
fn begin_tree(source: &Place, stat: &Stat, target: &Place) -> Result<(Walk, OwnedFd), Fault> {
    if is_below(target, stat)? {
        let why = "The destination is inside the source";
        return Err(Refusal::Rule("bad_request", why).into());
    }
    let opened = directory::open(&source.directory, &source.name).map_err(Fault::source)?;
    let walk = Walk::new(opened).map_err(Fault::source)?;
    Ok((walk, make(&target.directory, &target.name)?))
}

struct Copying {
    owners: Owners,
    changed: FileSystems,
}

impl Copying {
    /// Copies what is no directory.
    fn one(&self, source: &Place, stat: &Stat, target: &Place) -> Result<(), Fault> {
        let (directory, name) = (&source.directory, &source.name);
        self.leaf(directory, name, stat, &target.directory, &target.name, true)?;
        Ok(durable::directory(&target.directory)?)
    }

    /// `made` are the directories that are being filled, innermost last, with what they are copies of.
    fn step(&mut self, walk: &mut Walk, made: &mut Vec<(OwnedFd, Stat)>) -> Result<bool, Fault> {
        go_on()?;
        let step = walk.next().map_err(Fault::source)?;
        let Some((target, _)) = made.last() else {
            return Ok(false);
        };
        match step {
            Some(Step::Leaf(name, _)) if put::is_temporary(name.to_bytes()) => {}
            Some(Step::Leaf(name, stat)) => {
                let directory = walk.directory().map_err(Fault::source)?;
                self.leaf(directory, &name, &stat, target, &name, false)?;
            }
            Some(Step::Enter(name, stat)) => {
                let directory = make(target, &name)?;
                made.push((directory, stat));
            }
            Some(Step::Leave(_)) | None => {
                if let Some((directory, stat)) = made.pop() {
                    self.dress(&directory, &stat)?;
                    self.changed.add(&directory)?;
                }
            }
        }
        Ok(!made.is_empty())
    }

    /// Of what is neither a file nor a link, there is a copy only in a name that was asked for.
    fn leaf(
        &self,
        directory: &OwnedFd,
        name: &CString,
        stat: &Stat,
        target: &OwnedFd,
        target_name: &CString,
        asked: bool,
    ) -> Result<(), Fault> {
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Symlink => {
                let text = readlinkat(directory, name, Vec::new()).map_err(Fault::source)?;
                Ok(put::other(target, target_name, |name| {
                    symlinkat(&text, target, name)?;
                    if self.owners == Owners::Kept {
                        let (uid, gid) = owner(stat);
                        let flags = AtFlags::SYMLINK_NOFOLLOW;
                        let _ = chownat(target, name, Some(uid), Some(gid), flags);
                    }
                    utimensat(target, name, &times(stat), AtFlags::SYMLINK_NOFOLLOW)
                })?)
            }
            FileType::RegularFile => {
                let (file, stat) = open_regular_at(directory, name).map_err(Fault::source)?;
                put::file(target, target_name, Mode::from_raw_mode(0o600), |copy| {
                    fill(copy, &file, &stat)?;
                    self.dress(copy, &stat)?;
                    if asked {
                        durable::content(copy)?;
                    }
                    Ok(())
                })
            }
            _ if asked || self.owners == Owners::Kept => {
                let why = "Not a file, a directory or a symbolic link";
                Err(Fault::Source(Refusal::Rule("bad_request", why)))
            }
            _ => Ok(()),
        }
    }

    /// What lends its owner's rights does so only for the same owner.
    fn dress(&self, copy: &OwnedFd, stat: &Stat) -> Result<(), Refusal> {
        if self.owners == Owners::Kept {
            let (uid, gid) = owner(stat);
            let _ = fchown(copy, Some(uid), Some(gid));
        }
        let own = fstat(copy)?;
        let same = (own.st_uid, own.st_gid) == (stat.st_uid, stat.st_gid);
        let bits = if same { 0o7777 } else { 0o1777 };
        fchmod(copy, Mode::from_raw_mode(stat.st_mode & bits))?;
        Ok(futimens(copy, &times(stat))?)
    }
}

/// A directory of that name, which may be there already.
fn make(above: &OwnedFd, name: &CString) -> Result<OwnedFd, Refusal> {
    match mkdirat(above, name, Mode::RWXU) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(error) => return Err(error.into()),
    }
    match directory::open(above, name) {
        Err(Errno::NOTDIR | Errno::LOOP) => Err(Refusal::Rule(
            "exists",
            "A parent exists and is not a directory",
        )),
        outcome => Ok(outcome?),
    }
}

/// Holes stay holes.
fn fill(copy: &OwnedFd, file: &OwnedFd, stat: &Stat) -> Result<(), Fault> {
    let size = stat.st_size as u64;
    // What is small may be made up by the kernel, and have another size.
    if size < MOST_SMALL || stat.st_blocks as u64 >= size / 512 {
        return fill_to_end(copy, file);
    }
    let mut buffer = vec![0; BUFFER];
    for extent in Extents::new(file, size) {
        let Extent { offset, length } = extent.map_err(Fault::source)?;
        let end = offset + length;
        let mut at = offset;
        while at < end {
            go_on()?;
            let most = usize::try_from(end - at).map_or(BUFFER, |left| left.min(BUFFER));
            match pread(file, &mut buffer[..most], at) {
                // It has become shorter.
                Ok(0) => return Ok(ftruncate(copy, at)?),
                Ok(count) => {
                    seek(copy, SeekFrom::Start(at))?;
                    write_all(copy, &buffer[..count])?;
                    at += count as u64;
                }
                Err(Errno::INTR) => {}
                Err(error) => return Err(Fault::source(error)),
            }
        }
    }
    Ok(ftruncate(copy, size)?)
}

fn fill_to_end(copy: &OwnedFd, file: &OwnedFd) -> Result<(), Fault> {
    loop {
        go_on()?;
        match copy_file_range(file, None, copy, None, PIECE) {
            Ok(0) => break,
            Ok(_) | Err(Errno::INTR) => {}
            // Some file systems cannot, and some that make their files up say that these are empty. Of other errors, the
            // read or the write below shows which path they are about.
            Err(_) => break,
        }
    }
    let mut buffer = vec![0; BUFFER];
    loop {
        go_on()?;
        match read_some(file, &mut buffer).map_err(Fault::source)? {
            0 => return Ok(()),
            count => write_all(copy, &buffer[..count])?,
        }
    }
}

/// Whether the place is in the directory, or is it.
fn is_below(place: &Place, directory: &Stat) -> rustix::io::Result<bool> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = fstat(openat(CWD, "/", flags, Mode::empty())?)?;
    if place.stat().is_ok_and(|stat| is_same(&stat, directory)) {
        return Ok(true);
    }
    let mut above = openat(&place.directory, ".", flags, Mode::empty())?;
    loop {
        let stat = fstat(&above)?;
        if is_same(&stat, directory) {
            return Ok(true);
        }
        if is_same(&stat, &root) {
            return Ok(false);
        }
        above = openat(&above, "..", flags, Mode::empty())?;
    }
}

pub fn is_same(a: &Stat, b: &Stat) -> bool {
    (a.st_dev, a.st_ino) == (b.st_dev, b.st_ino)
}

fn owner(stat: &Stat) -> (Uid, Gid) {
    (Uid::from_raw(stat.st_uid), Gid::from_raw(stat.st_gid))
}

fn times(stat: &Stat) -> Timestamps {
    Timestamps {
        last_access: Timespec {
            tv_sec: stat.st_atime,
            tv_nsec: stat.st_atime_nsec as i64,
        },
        last_modification: Timespec {
            tv_sec: stat.st_mtime,
            tv_nsec: stat.st_mtime_nsec as i64,
        },
    }
}
