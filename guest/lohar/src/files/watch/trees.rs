//! The directories that are watched, and where they are.

use std::collections::{HashMap, HashSet};
use std::ffi::{CStr, CString, OsStr};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::inotify::{self, WatchFlags};
use rustix::io::Errno;

use crate::files::directory::{self, each_entry};
use crate::files::inside::{names, Inside};
use crate::files::place::Place;
use crate::files::put::is_temporary;
use crate::files::refusal::Refusal;

const MOST: usize = 8192;
const WANTED: WatchFlags = WatchFlags::CREATE
    .union(WatchFlags::DELETE)
    .union(WatchFlags::MOVE)
    .union(WatchFlags::MODIFY)
    .union(WatchFlags::CLOSE_WRITE)
    .union(WatchFlags::DELETE_SELF)
    .union(WatchFlags::MOVE_SELF)
    .union(WatchFlags::ONLYDIR)
    .union(WatchFlags::EXCL_UNLINK);

pub struct Trees {
    inside: Inside,
    inotify: OwnedFd,
    recursive: bool,
    /// Where each is, from the root.
    paths: HashMap<i32, PathBuf>,
    /// Those that were not there when they were to be watched: maybe what they are in has moved, which is told next.
    missed: HashSet<PathBuf>,
    /// The directory that the root is in, and its name there: while it is held open, the kernel does not tell by itself
    /// that it is gone.
    above: Option<(i32, CString)>,
}

impl Trees {
    pub fn new(root: OwnedFd, inotify: OwnedFd, recursive: bool) -> Result<Self, Refusal> {
        let mut trees = Trees {
            inside: Inside::new(root),
            inotify,
            recursive,
            paths: HashMap::new(),
            missed: HashSet::new(),
            above: None,
        };
        trees.add(Path::new(""), |_, _| {})?;
        if trees.paths.is_empty() {
            return Err(Errno::ACCESS.into());
        }
        Ok(trees)
    }

    /// In an unreadable directory the root's removal is not noticed.
    pub fn watch_above(&mut self, place: &Place) {
        // Without a name the place is the root itself, whose watch this would change.
        if !place.has_name() {
            return;
        }
        let name = format!("/proc/self/fd/{}", place.directory.as_raw_fd());
        let wanted = WatchFlags::DELETE | WatchFlags::ONLYDIR;
        let watch = inotify::add_watch(&self.inotify, name, wanted).ok();
        self.above = watch.map(|watch| (watch, place.name.clone()));
    }

    pub fn is_roots_end(&self, watch: i32, name: Option<&CStr>) -> bool {
        match (&self.above, name) {
            (Some((above, root)), Some(name)) => *above == watch && root.as_c_str() == name,
            _ => false,
        }
    }

    pub fn inotify(&self) -> rustix::io::Result<OwnedFd> {
        rustix::io::fcntl_dupfd_cloexec(&self.inotify, 0)
    }

    pub fn is_empty(&self) -> bool {
        self.paths.is_empty()
    }

    pub fn is_recursive(&self) -> bool {
        self.recursive
    }

    pub fn path(&self, watch: i32) -> Option<&Path> {
        self.paths.get(&watch).map(PathBuf::as_path)
    }

    /// Watches a directory, and what is in it when all is to be watched. Calls back for each name that is there, which
    /// may be told of by an event as well. What goes meanwhile is no error, nor is what may not be looked at.
    pub fn add(
        &mut self,
        path: &Path,
        mut found: impl FnMut(PathBuf, bool),
    ) -> Result<(), Refusal> {
        let mut waiting = vec![path.to_owned()];
        while let Some(path) = waiting.pop() {
            let Ok(directory) = self.open(&path) else {
                if self.missed.len() < MOST {
                    self.missed.insert(path);
                }
                continue;
            };
            if self.paths.len() >= MOST {
                let why = "More than 8,192 directories";
                return Err(Refusal::Rule("bad_request", why));
            }
            // By its descriptor, so that nothing else can have taken its place.
            let name = format!("/proc/self/fd/{}", directory.as_raw_fd());
            match inotify::add_watch(&self.inotify, name, WANTED) {
                Ok(watch) => {
                    self.missed.remove(&path);
                    self.paths.insert(watch, path.clone())
                }
                Err(Errno::NOENT | Errno::ACCESS) => continue,
                Err(error) => return Err(exhausted(error)),
            };
            if !self.recursive {
                return Ok(());
            }
            // One that is gone by now has nothing to be watched; that it went is told.
            let _ = each_entry(&directory, |name, is_directory| {
                let path = path.join(OsStr::from_bytes(name.to_bytes()));
                if is_directory {
                    waiting.push(path.clone());
                } else if is_temporary(name.to_bytes()) {
                    return;
                }
                found(path, is_directory);
            });
        }
        Ok(())
    }

    fn open(&self, path: &Path) -> Result<OwnedFd, Refusal> {
        let directory = self.inside.existing(&names(path.as_os_str().as_bytes())?)?;
        Ok(directory::open(directory, c".")?)
    }

    /// A directory has another place, and so has what is in it. Returns what of it is not watched yet.
    pub fn moved(&mut self, from: &Path, to: &Path) -> Vec<PathBuf> {
        let place = |path: &Path| {
            let rest = path.strip_prefix(from).ok()?;
            Some(match rest.as_os_str().is_empty() {
                true => to.to_owned(),
                false => to.join(rest),
            })
        };
        let mut any = false;
        for path in self.paths.values_mut() {
            if let Some(now) = place(path) {
                any = true;
                *path = now;
            }
        }
        let missed = self.missed.iter().filter_map(|path| place(path)).collect();
        self.gone(from);
        match any {
            true => missed,
            false => vec![to.to_owned()],
        }
    }

    /// Nobody needs to look for it any more.
    pub fn gone(&mut self, path: &Path) {
        self.missed.retain(|missed| !missed.starts_with(path));
    }

    /// A directory is somewhere else now.
    pub fn drop_below(&mut self, path: &Path) {
        self.gone(path);
        let inotify = &self.inotify;
        self.paths.retain(|&watch, known| {
            let goes = known.starts_with(path);
            if goes {
                let _ = inotify::remove_watch(inotify, watch);
            }
            !goes
        });
    }

    pub fn forget(&mut self, watch: i32) {
        self.paths.remove(&watch);
    }
}

pub fn exhausted(error: Errno) -> Refusal {
    match error {
        Errno::NOSPC | Errno::MFILE => {
            Refusal::Rule("limit", "The limit of inotify watches is reached")
        }
        error => error.into(),
    }
}

/// The path of a name in a watched directory.
pub fn join(directory: &Path, name: &CStr) -> PathBuf {
    directory.join(OsStr::from_bytes(name.to_bytes()))
}

#[cfg(test)]
mod tests {
    use rustix::fs::{open, Mode, OFlags};
    use std::fs::{create_dir, create_dir_all, rename};

    use super::*;
    use crate::files::scratch::Scratch;

    fn watched(root: &Path) -> Trees {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = open(root, flags, Mode::empty()).unwrap();
        let inotify = inotify::init(inotify::CreateFlags::CLOEXEC).unwrap();
        Trees::new(root, inotify, true).unwrap()
    }

    #[test]
    fn what_was_missed_because_all_of_it_moved_is_told_with_the_move() {
        let scratch = Scratch::new("trees");
        create_dir(scratch.join("a")).unwrap();
        let mut trees = watched(scratch.path());
        create_dir_all(scratch.join("a/b/c")).unwrap();
        rename(scratch.join("a"), scratch.join("z")).unwrap();
        // Its event comes before that of the move.
        trees.add(Path::new("a/b"), |_, _| {}).unwrap();
        let missed = trees.moved(Path::new("a"), Path::new("z"));
        assert_eq!(missed, [Path::new("z/b")]);
        trees.add(&missed[0], |_, _| {}).unwrap();
        let mut all: Vec<_> = trees.paths.values().map(|path| path.as_path()).collect();
        all.sort_unstable();
        assert_eq!(all, ["", "z", "z/b", "z/b/c"].map(Path::new));
        assert!(trees.moved(Path::new("z"), Path::new("a")).is_empty());
    }

    #[test]
    fn what_is_gone_is_not_looked_for() {
        let scratch = Scratch::new("trees");
        create_dir(scratch.join("a")).unwrap();
        let mut trees = watched(scratch.path());
        trees.add(Path::new("a/b"), |_, _| {}).unwrap();
        trees.gone(Path::new("a/b"));
        assert!(trees.moved(Path::new("a"), Path::new("z")).is_empty());
    }
}
