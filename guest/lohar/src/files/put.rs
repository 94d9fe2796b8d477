//! New things under a name that may be taken: what is there gives way in one step, and stays when anything goes wrong.

use std::ffi::CString;
use std::os::fd::{AsRawFd, OwnedFd};

use rustix::fs::{
    linkat, openat, renameat, statat, unlinkat, AtFlags, FileType, Mode, OFlags, CWD,
};
use rustix::io::Errno;

use super::place::to_name;
use super::refusal::Refusal;

/// Makes a file and fills it. The mode is what the process's umask leaves of it.
pub fn file<E: From<Refusal>>(
    directory: &OwnedFd,
    name: &CString,
    mode: Mode,
    fill: impl FnOnce(&OwnedFd) -> Result<(), E>,
) -> Result<(), E> {
    match create(directory, name, mode) {
        Ok(file) => fill(&file).inspect_err(|_| unlink(directory, name)),
        Err(Errno::EXIST) => {
            let draft = Draft::new(directory, name, mode).map_err(Refusal::from)?;
            fill(&draft.file)?;
            Ok(draft.publish()?)
        }
        Err(error) => Err(Refusal::from(error).into()),
    }
}

/// A new file that has no name until it is complete, or a temporary one where the file system needs that.
pub struct Draft<'a> {
    pub file: OwnedFd,
    directory: &'a OwnedFd,
    name: &'a CString,
    temporary: Option<CString>,
}

impl<'a> Draft<'a> {
    pub fn new(directory: &'a OwnedFd, name: &'a CString, mode: Mode) -> rustix::io::Result<Self> {
        let flags = OFlags::WRONLY | OFlags::TMPFILE | OFlags::CLOEXEC;
        let (file, temporary) = match openat(directory, c".", flags, mode) {
            Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL | Errno::NOENT) => {
                let temporary = temporary_name(name)?;
                let make = || create(directory, &temporary, mode);
                let file = anew(directory, &temporary, make)?;
                (file, Some(temporary))
            }
            file => (file?, None),
        };
        Ok(Draft {
            file,
            directory,
            name,
            temporary,
        })
    }

    /// Gives it its name, in place of what has it.
    pub fn publish(mut self) -> Result<(), Refusal> {
        if self.temporary.is_none() {
            match self.link(self.name) {
                Err(Errno::EXIST) => {}
                outcome => return Ok(outcome?),
            }
            // The kernel replaces a name only by another name.
            let temporary = temporary_name(self.name)?;
            anew(self.directory, &temporary, || self.link(&temporary))?;
            self.temporary = Some(temporary);
        }
        if let Some(temporary) = &self.temporary {
            replace(self.directory, temporary, self.name)?;
            self.temporary = None;
        }
        Ok(())
    }

    fn link(&self, name: &CString) -> rustix::io::Result<()> {
        let file = format!("/proc/self/fd/{}", self.file.as_raw_fd());
        linkat(CWD, file, self.directory, name, AtFlags::SYMLINK_FOLLOW)
    }
}

impl Drop for Draft<'_> {
    fn drop(&mut self) {
        if let Some(temporary) = &self.temporary {
            unlink(self.directory, temporary);
        }
    }
}

/// Creates a temporary file. Its name has the pid, so only an earlier process of that pid can have left one.
fn anew<T>(
    directory: &OwnedFd,
    temporary: &CString,
    make: impl Fn() -> rustix::io::Result<T>,
) -> rustix::io::Result<T> {
    match make() {
        Err(Errno::EXIST) => {
            unlinkat(directory, temporary, AtFlags::empty())?;
            make()
        }
        outcome => outcome,
    }
}

fn create(directory: &OwnedFd, name: &CString, mode: Mode) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(directory, name, flags, mode)
}

const TEMPORARY: &str = ".bhatti-tmp";

fn temporary_name(name: &CString) -> rustix::io::Result<CString> {
    let name = name.to_string_lossy();
    let start: String = name.chars().take(50).collect();
    to_name(format!(".{start}.{}{TEMPORARY}", std::process::id()).as_bytes())
}

/// Whether this is the name of a temporary file, which lists and watches leave out.
pub fn is_temporary(name: &[u8]) -> bool {
    let number = name
        .strip_prefix(b".")
        .and_then(|name| name.strip_suffix(TEMPORARY.as_bytes()))
        .and_then(|name| name.rsplit(|&byte| byte == b'.').next());
    number.is_some_and(|number| !number.is_empty() && number.iter().all(u8::is_ascii_digit))
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
            anew(directory, &temporary, || make(&temporary))?;
            let outcome = replace(directory, &temporary, name);
            // Two names of one file stay two names.
            unlink(directory, &temporary);
            outcome
        }
        outcome => Ok(outcome?),
    }
}

fn replace(directory: &OwnedFd, temporary: &CString, name: &CString) -> Result<(), Refusal> {
    // A device or a socket may be in use by other processes.
    if is_special(directory, name) {
        return Err(Refusal::Rule(
            "exists",
            "A device, pipe or socket with that name exists",
        ));
    }
    match renameat(directory, temporary, directory, name) {
        Err(Errno::ISDIR) => Err(Refusal::Rule("exists", "A directory with that name exists")),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn temporary_names_are_recognised() {
        for name in ["file", ".hidden", "a.1.bhatti-tmp", "\u{e4}"] {
            let name = CString::new(name).unwrap();
            assert!(!is_temporary(name.to_bytes()));
            assert!(is_temporary(temporary_name(&name).unwrap().to_bytes()));
        }
        for other in [".x.bhatti-tmp", ".x.1y.bhatti-tmp", ".x..bhatti-tmp", ".1"] {
            assert!(!is_temporary(other.as_bytes()), "{other}");
        }
    }
}
