//! From a path to a place: the open directory that a name is in, so that what happens then happens there, whatever
//! becomes of the path meanwhile. Root follows links only where no other user can have put them.

use std::ffi::{CString, OsStr};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{
    chownat, fstat, mkdirat, openat, openat2, readlinkat, statat, AtFlags, FileType, Gid, Mode,
    OFlags, ResolveFlags, Stat, Uid, CWD,
};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use super::refusal::Refusal;

/// As many as the kernel follows.
const MOST_LINKS: u32 = 40;
const DIRECTORY: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// Which links may lead the way.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Trust {
    All,
    RootsOnly,
}

/// What a path means that ends in a link.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Last {
    Link,
    Target,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    pub uid: u32,
    pub gid: u32,
}

/// How directories are made that lack on the way.
#[derive(Clone, Copy, Default)]
pub struct Lacking {
    pub owner: Option<Owner>,
}

/// A name in an open directory. It is to be used without following it: where a link may lead, it has been followed.
#[derive(Debug)]
pub struct Place {
    pub directory: OwnedFd,
    /// `.` of a path that has no last name.
    pub name: CString,
    /// How many directories were made on the way.
    pub made: u32,
}

impl Place {
    /// `path` is absolute.
    pub fn find(path: &Path, trust: Trust, last: Last) -> Result<Self, Refusal> {
        Self::find_or_make(path, trust, last, None)
    }

    pub fn find_or_make(
        path: &Path,
        trust: Trust,
        last: Last,
        lacking: Option<Lacking>,
    ) -> Result<Self, Refusal> {
        let (parent, name) = split(path);
        let directory = match open_directory(parent, trust) {
            Err(Errno::NOENT) if lacking.is_some() => None,
            Err(Errno::LOOP | Errno::NOSYS) if trust == Trust::RootsOnly => None,
            outcome => Some(outcome?),
        };
        if let Some(directory) = directory {
            let place = Place {
                directory,
                name: to_name(name)?,
                made: 0,
            };
            if last == Last::Link || !place.is_link() {
                return Ok(place);
            }
        }
        walk(path, trust, last, lacking)
    }

    pub fn stat(&self) -> rustix::io::Result<Stat> {
        statat(&self.directory, &self.name, AtFlags::SYMLINK_NOFOLLOW)
    }

    pub fn open(&self, flags: OFlags) -> rustix::io::Result<OwnedFd> {
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        openat(&self.directory, &self.name, flags, Mode::empty())
    }

    /// Whether the path ends in a name that can be given to something else.
    pub fn has_name(&self) -> bool {
        self.name.as_bytes() != b"."
    }

    fn is_link(&self) -> bool {
        self.stat().is_ok_and(|stat| is_link(&stat))
    }
}

pub fn is_link(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::Symlink
}

pub fn is_directory(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::Directory
}

pub fn to_name(name: &[u8]) -> rustix::io::Result<CString> {
    CString::new(name).map_err(|_| Errno::INVAL)
}

/// The directory that the path's last name is in, and the name.
fn split(path: &Path) -> (&Path, &[u8]) {
    let bytes = path.as_os_str().as_bytes();
    let end = bytes
        .iter()
        .rposition(|&byte| byte != b'/')
        .map_or(0, |at| at + 1);
    let start = bytes[..end]
        .iter()
        .rposition(|&byte| byte == b'/')
        .map_or(0, |at| at + 1);
    match &bytes[start..end] {
        b"" | b"." | b".." => (path, b"."),
        name if start == 0 => (Path::new("."), name),
        name => (Path::new(OsStr::from_bytes(&bytes[..start])), name),
    }
}

fn open_directory(path: &Path, trust: Trust) -> rustix::io::Result<OwnedFd> {
    match trust {
        Trust::All => openat(CWD, path, DIRECTORY, Mode::empty()),
        Trust::RootsOnly => {
            let resolve = ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
            openat2(CWD, path, DIRECTORY, Mode::empty(), resolve)
        }
    }
}

/// Step by step, each from an open directory.
fn walk(path: &Path, trust: Trust, last: Last, lacking: Option<Lacking>) -> Result<Place, Refusal> {
    let mut steps = Steps::default();
    steps.add(path.as_os_str().as_bytes());
    let mut directory = openat(CWD, "/", DIRECTORY, Mode::empty())?;
    let mut way = PathBuf::from("/");
    let (mut links, mut made) = (0, 0);
    while let Some(step) = steps.take() {
        let is_last = steps.is_empty();
        let name = to_name(&step)?;
        if step == b".." {
            directory = openat(&directory, name, DIRECTORY, Mode::empty())?;
            way.pop();
            continue;
        }
        if is_last && last == Last::Link {
            return Ok(Place {
                directory,
                name,
                made,
            });
        }
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let found = match openat(&directory, &name, flags, Mode::empty()) {
            Err(Errno::NOENT) if is_last => {
                return Ok(Place {
                    directory,
                    name,
                    made,
                })
            }
            Err(Errno::NOENT) => {
                let Some(lacking) = lacking else {
                    return Err(Errno::NOENT.into());
                };
                make(&directory, &name, lacking)?;
                made += 1;
                openat(&directory, &name, flags | OFlags::DIRECTORY, Mode::empty())?
            }
            outcome => outcome?,
        };
        let stat = fstat(&found)?;
        way.push(OsStr::from_bytes(&step));
        if is_link(&stat) {
            if trust == Trust::RootsOnly && !is_roots(&stat, &fstat(&directory)?) {
                return Err(Refusal::Link(way));
            }
            links += 1;
            if links > MOST_LINKS {
                return Err(Errno::LOOP.into());
            }
            let target = readlinkat(&found, "", Vec::new())?;
            way.pop();
            if target.as_bytes().starts_with(b"/") {
                directory = openat(CWD, "/", DIRECTORY, Mode::empty())?;
                way = PathBuf::from("/");
            }
            steps.add(target.as_bytes());
        } else if is_last {
            return Ok(Place {
                directory,
                name,
                made,
            });
        } else if is_directory(&stat) {
            directory = found;
        } else {
            return Err(Errno::NOTDIR.into());
        }
    }
    Ok(Place {
        directory,
        name: to_name(b".")?,
        made,
    })
}

/// The names that are still to be gone through, the next one last.
#[derive(Default)]
struct Steps(Vec<Vec<u8>>);

impl Steps {
    fn add(&mut self, path: &[u8]) {
        let names = path.split(|&byte| byte == b'/').rev();
        let names = names.filter(|name| !name.is_empty() && *name != b".");
        self.0.extend(names.map(<[u8]>::to_vec));
    }

    fn take(&mut self) -> Option<Vec<u8>> {
        self.0.pop()
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Only root can have made the link where it is. In a directory like /tmp, others can give a root's link a second name.
fn is_roots(link: &Stat, directory: &Stat) -> bool {
    let open_to_others = directory.st_mode & 0o022 != 0;
    let sticky = directory.st_mode & 0o1000 != 0;
    link.st_uid == 0 && directory.st_uid == 0 && (!open_to_others || (sticky && link.st_nlink == 1))
}

fn make(directory: &OwnedFd, name: &CString, lacking: Lacking) -> rustix::io::Result<()> {
    match mkdirat(directory, name, Mode::from_raw_mode(0o755)) {
        // Somebody else was faster.
        Err(Errno::EXIST) => return Ok(()),
        outcome => outcome?,
    }
    let Some(Owner { uid, gid }) = lacking.owner else {
        return Ok(());
    };
    let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
    chownat(
        directory,
        name,
        Some(uid),
        Some(gid),
        AtFlags::SYMLINK_NOFOLLOW,
    )
}

#[cfg(test)]
mod tests;
