//! A directory and what is made below it, step by step from open directory to open directory: no link leads out.

use std::ffi::CString;
use std::os::fd::OwnedFd;

use rustix::fs::{mkdirat, openat, statat, AtFlags, Mode, OFlags};
use rustix::io::Errno;

use super::place::{is_link, to_name};
use super::refusal::Refusal;

const DIRECTORY: OFlags = OFlags::PATH
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);
const MOST_PATH: usize = 64 * 1024;

pub struct Inside {
    root: OwnedFd,
    /// The way to where something was made last: what comes next is mostly near.
    way: Vec<(Vec<u8>, OwnedFd)>,
}

/// A path's names. Throws out what would lead out of the root.
pub fn names(path: &[u8]) -> Result<Vec<&[u8]>, Refusal> {
    if path.len() > MOST_PATH || path.contains(&0) {
        return Err(Refusal::Rule(
            "bad_request",
            "The name is longer than 64 KiB or contains a NUL byte",
        ));
    }
    if path.starts_with(b"/") {
        return Err(Refusal::Rule(
            "unsafe_path",
            "Outside the directory: the name is absolute",
        ));
    }
    let names = path.split(|&byte| byte == b'/');
    let names: Vec<_> = names
        .filter(|name| !name.is_empty() && *name != b".")
        .collect();
    if names.contains(&&b".."[..]) {
        return Err(Refusal::Rule(
            "unsafe_path",
            "Outside the directory: the name contains '..'",
        ));
    }
    Ok(names)
}

impl Inside {
    pub fn new(root: OwnedFd) -> Self {
        let way = Vec::new();
        Inside { root, way }
    }

    /// The directory of these names, which is made where it lacks.
    pub fn directory(&mut self, names: &[&[u8]], mode: Mode) -> Result<&OwnedFd, Refusal> {
        let known = self.way.iter().zip(names);
        let known = known.take_while(|((way, _), name)| way == *name).count();
        self.way.truncate(known);
        for (at, name) in names.iter().enumerate().skip(known) {
            let is_last = at + 1 == names.len();
            let mode = if is_last {
                mode
            } else {
                Mode::from_raw_mode(0o755)
            };
            let above = self
                .way
                .last()
                .map_or(&self.root, |(_, directory)| directory);
            let opened = open_or_make(above, &to_name(name)?, mode)?;
            self.way.push((name.to_vec(), opened));
        }
        Ok(self
            .way
            .last()
            .map_or(&self.root, |(_, directory)| directory))
    }

    /// A directory that is there already, for itself.
    pub fn existing(&self, names: &[&[u8]]) -> Result<OwnedFd, Refusal> {
        let mut directory = openat(&self.root, c".", DIRECTORY, Mode::empty())?;
        for name in names {
            let name = to_name(name)?;
            directory = match openat(&directory, &name, DIRECTORY, Mode::empty()) {
                Err(error @ (Errno::NOTDIR | Errno::LOOP)) => {
                    return Err(in_the_way(&directory, &name, error));
                }
                outcome => outcome?,
            };
        }
        Ok(directory)
    }

    /// The directory that the last name is in, and the name.
    pub fn parent(&mut self, names: &[&[u8]]) -> Result<(&OwnedFd, CString), Refusal> {
        let Some((name, above)) = names.split_last() else {
            return Err(Refusal::Rule("exists", "The name is the directory itself"));
        };
        let name = to_name(name)?;
        let parent = self.directory(above, Mode::from_raw_mode(0o755))?;
        Ok((parent, name))
    }
}

fn open_or_make(above: &OwnedFd, name: &CString, mode: Mode) -> Result<OwnedFd, Refusal> {
    let error = match openat(above, name, DIRECTORY, Mode::empty()) {
        Err(Errno::NOENT) => match mkdirat(above, name, mode) {
            Ok(()) | Err(Errno::EXIST) => openat(above, name, DIRECTORY, Mode::empty()),
            Err(error) => Err(error),
        },
        outcome => outcome,
    };
    match error {
        Err(error @ (Errno::NOTDIR | Errno::LOOP)) => Err(in_the_way(above, name, error)),
        outcome => Ok(outcome?),
    }
}

fn in_the_way(above: &OwnedFd, name: &CString, error: Errno) -> Refusal {
    match statat(above, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) if is_link(&stat) => {
            Refusal::Rule("unsafe_path", "The path contains a symbolic link")
        }
        Ok(_) => Refusal::Rule("exists", "A parent exists and is not a directory"),
        Err(_) => error.into(),
    }
}
