//! New things under a name that may be taken: what is there gives way in one step, and stays when anything goes wrong.

use std::ffi::CString;
use std::os::fd::OwnedFd;

use rustix::fs::{openat, renameat, statat, unlinkat, AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::place::to_name;
use super::refusal::Refusal;

/// Makes a file and fills it. The mode is what the process's umask leaves of it.
pub fn file(
    directory: &OwnedFd,
    name: &CString,
    mode: Mode,
    fill: impl FnOnce(&OwnedFd) -> Result<(), Refusal>,
) -> Result<(), Refusal> {
    match create(directory, name, mode) {
        Ok(file) => fill(&file).inspect_err(|_| unlink(directory, name)),
        Err(Errno::EXIST) => {
            let (temporary, file) = create_beside(directory, name, mode)?;
            let outcome = fill(&file).and_then(|()| replace(directory, &temporary, name));
            outcome.inspect_err(|_| unlink(directory, &temporary))
        }
        Err(error) => Err(error.into()),
    }
}

/// A new file that nobody else writes to, under a name that is nobody else's while this process lives.
pub fn create_beside(
    directory: &OwnedFd,
    name: &CString,
    mode: Mode,
) -> rustix::io::Result<(CString, OwnedFd)> {
    let temporary = temporary_name(name)?;
    let file = match create(directory, &temporary, mode) {
        // Left behind by one with our number, before the guest lost its power.
        Err(Errno::EXIST) => {
            unlinkat(directory, &temporary, AtFlags::empty())?;
            create(directory, &temporary, mode)?
        }
        outcome => outcome?,
    };
    Ok((temporary, file))
}

fn create(directory: &OwnedFd, name: &CString, mode: Mode) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(directory, name, flags, mode)
}

fn temporary_name(name: &CString) -> rustix::io::Result<CString> {
    let name = name.to_string_lossy();
    let start: String = name.chars().take(50).collect();
    to_name(format!(".{start}.{}.bhatti-tmp", std::process::id()).as_bytes())
}

/// Makes what is no file. `make` is given the name to make it under.
pub fn other(
    directory: &OwnedFd,
    name: &CString,
    make: impl Fn(&CString) -> rustix::io::Result<()>,
) -> Result<(), Refusal> {
    match make(name) {
        Err(Errno::EXIST) => {
            let temporary = temporary_name(name)?;
            make(&temporary)?;
            let outcome = replace(directory, &temporary, name);
            // Two names of one file stay two names.
            unlink(directory, &temporary);
            outcome
        }
        outcome => Ok(outcome?),
    }
}

fn replace(directory: &OwnedFd, temporary: &CString, name: &CString) -> Result<(), Refusal> {
    // Somebody has it open, or it is a device that everybody needs.
    if is_special(directory, name) {
        return Err(Refusal::Rule(
            "exists",
            "A device, pipe or socket of that name is there",
        ));
    }
    match renameat(directory, temporary, directory, name) {
        Err(Errno::ISDIR) => Err(Refusal::Rule("exists", "A directory of that name is there")),
        outcome => Ok(outcome?),
    }
}

fn is_special(directory: &OwnedFd, name: &CString) -> bool {
    statat(directory, name, AtFlags::SYMLINK_NOFOLLOW).is_ok_and(|stat| {
        !matches!(
            FileType::from_raw_mode(stat.st_mode),
            FileType::RegularFile | FileType::Symlink | FileType::Directory
        )
    })
}

fn unlink(directory: &OwnedFd, name: &CString) {
    let _ = unlinkat(directory, name, AtFlags::empty());
}
