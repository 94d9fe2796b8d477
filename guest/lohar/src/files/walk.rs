//! A walk through a directory and all below it, from open directory to open directory, so that nothing that happens
//! meanwhile leads out of it.

use std::ffi::{CStr, CString};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::vec;

use rustix::fs::{statat, AtFlags, Stat};
use rustix::io::Errno;

use super::directory;
use super::place::is_directory;

pub struct Walk {
    levels: Vec<Level>,
    /// Of what was found last, from the root of the walk.
    path: PathBuf,
}

struct Level {
    directory: OwnedFd,
    name: CString,
    names: vec::IntoIter<CString>,
}

pub enum Step {
    /// Anything but a directory.
    Leaf(CString, Stat),
    /// What comes next is in it.
    Enter(CString, Stat),
    /// All that was in it has come.
    Leave(CString),
}

impl Walk {
    pub fn new(directory: OwnedFd) -> rustix::io::Result<Self> {
        let level = Level::new(directory, CString::default())?;
        Ok(Walk {
            levels: vec![level],
            path: PathBuf::new(),
        })
    }

    /// In order of the names, as they were when their directory was entered. What has gone since is left out.
    pub fn next(&mut self) -> rustix::io::Result<Option<Step>> {
        loop {
            let Some(level) = self.levels.last_mut() else {
                return Ok(None);
            };
            let Some(name) = level.names.next() else {
                let left = self.levels.pop();
                return match left {
                    Some(level) if !self.levels.is_empty() => Ok(Some(Step::Leave(level.name))),
                    _ => Ok(None),
                };
            };
            self.set_path(&name);
            match self.look(name) {
                Err(Errno::NOENT) => {}
                outcome => return outcome.map(Some),
            }
        }
    }

    /// The one that the last leaf is in, or that was entered.
    pub fn directory(&self) -> rustix::io::Result<&OwnedFd> {
        self.levels
            .last()
            .map(|level| &level.directory)
            .ok_or(Errno::BADF)
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    fn look(&mut self, name: CString) -> rustix::io::Result<Step> {
        let directory = self.directory()?;
        let stat = statat(directory, &name, AtFlags::SYMLINK_NOFOLLOW)?;
        if !is_directory(&stat) {
            return Ok(Step::Leaf(name, stat));
        }
        let opened = directory::open(directory, &name)?;
        self.levels.push(Level::new(opened, name.clone())?);
        Ok(Step::Enter(name, stat))
    }

    fn set_path(&mut self, name: &CStr) {
        use std::os::unix::ffi::OsStrExt;
        let above = self
            .levels
            .iter()
            .skip(1)
            .map(|level| level.name.as_c_str());
        self.path = above
            .chain([name])
            .map(|name| std::ffi::OsStr::from_bytes(name.to_bytes()))
            .collect();
    }
}

impl Level {
    fn new(directory: OwnedFd, name: CString) -> rustix::io::Result<Self> {
        let names = directory::sorted_names(&directory)?.into_iter();
        Ok(Level {
            directory,
            name,
            names,
        })
    }
}
