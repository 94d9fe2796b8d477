//! Where the logs of sessions are. All names are looked up in the folder that was opened once, never by a whole path.

use std::cell::RefCell;
use std::ffi::{CStr, CString};
use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use rustix::fs::{
    fchown, openat, renameat, statat, unlinkat, AtFlags, FileType, Gid, Mode, OFlags, Uid,
};
use rustix::io::{Errno, Result};

use crate::boot::session_logs;
use crate::files::directory::each_name;

/// Logs that are kept although their sessions are not told of any more.
const MOST_FORGOTTEN: usize = 100;
const MOST_FORGOTTEN_BYTES: u64 = 200 * 1024 * 1024;

pub struct LogFolder {
    path: PathBuf,
    /// Whether it must belong to root.
    guarded: bool,
    directory: RefCell<Option<OwnedFd>>,
}

/// A log, and what it was before it became too long.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Part {
    Older,
    Newest,
}

/// What may become a file's name.
pub fn is_name(session: &str) -> bool {
    let usual = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=32).contains(&session.len()) && session.bytes().all(usual)
}

fn file_name(session: &str, part: Part) -> String {
    match part {
        Part::Newest => format!("{session}.log"),
        Part::Older => format!("{session}.log.1"),
    }
}

impl LogFolder {
    pub fn guest() -> Self {
        Self::new(PathBuf::from(session_logs::PATH), true)
    }

    pub fn test(path: PathBuf) -> Self {
        Self::new(path, false)
    }

    fn new(path: PathBuf, guarded: bool) -> Self {
        LogFolder {
            path,
            guarded,
            directory: RefCell::default(),
        }
    }

    pub fn path_of(&self, session: &str) -> String {
        let name = file_name(session, Part::Newest);
        self.path.join(name).to_string_lossy().into_owned()
    }

    /// A new file of this session, which belongs to `owner`.
    pub fn create(&self, session: &str, owner: Option<(u32, u32)>) -> Result<File> {
        let flags = OFlags::WRONLY
            | OFlags::APPEND
            | OFlags::CREATE
            | OFlags::EXCL
            | OFlags::NOFOLLOW
            | OFlags::CLOEXEC;
        let mode = Mode::from_raw_mode(0o644);
        let make = || {
            let name = file_name(session, Part::Newest);
            self.within(|directory| openat(directory, &name, flags, mode))
        };
        let file = match make() {
            // Somebody has removed the folder.
            Err(Errno::NOENT) => {
                self.directory.replace(None);
                make()?
            }
            outcome => outcome?,
        };
        if let Some((uid, gid)) = owner {
            fchown(&file, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))?;
        }
        Ok(File::from(file))
    }

    /// None when there is no such part.
    pub fn open(&self, session: &str, part: Part) -> Result<Option<File>> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let name = file_name(session, part);
        match self.within(|directory| openat(directory, &name, flags, Mode::empty())) {
            Ok(file) => {
                let stat = rustix::fs::fstat(&file)?;
                let usual = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
                Ok(usual.then(|| File::from(file)))
            }
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub fn has(&self, session: &str) -> bool {
        [Part::Newest, Part::Older].into_iter().any(|part| {
            let name = file_name(session, part);
            self.within(|directory| statat(directory, &name, AtFlags::SYMLINK_NOFOLLOW))
                .is_ok()
        })
    }

    /// The log becomes its older part, in place of an earlier one.
    pub fn rotate(&self, session: &str) -> Result<()> {
        let (from, to) = (
            file_name(session, Part::Newest),
            file_name(session, Part::Older),
        );
        self.within(|directory| renameat(directory, &from, directory, &to))
    }

    pub fn remove(&self, session: &str) {
        for part in [Part::Newest, Part::Older] {
            let name = file_name(session, part);
            // Mostly there is none.
            let _ = self.within(|directory| unlinkat(directory, &name, AtFlags::empty()));
        }
    }

    /// Removes the oldest logs of unlisted sessions beyond the limits on files and bytes.
    pub fn make_room(&self, is_known: impl Fn(&str) -> bool) {
        let mut logs = self.within(|directory| {
            let mut logs = Vec::new();
            each_name(directory, |name| {
                logs.extend(forgotten(directory, name, &is_known))
            })?;
            Ok(logs)
        });
        let logs = logs.as_deref_mut().unwrap_or_default();
        logs.sort_unstable_by_key(|log| std::cmp::Reverse(log.changed));
        let (mut count, mut bytes) = (0, 0);
        for log in logs {
            (count, bytes) = (count + 1, bytes + log.size);
            if count > MOST_FORGOTTEN || bytes > MOST_FORGOTTEN_BYTES {
                let _ = self.within(|directory| unlinkat(directory, &log.name, AtFlags::empty()));
            }
        }
    }

    fn within<T>(&self, act: impl FnOnce(&OwnedFd) -> Result<T>) -> Result<T> {
        let mut directory = self.directory.borrow_mut();
        let directory = match directory.as_ref() {
            Some(directory) => directory,
            None => directory.insert(self.enter()?),
        };
        act(directory)
    }

    fn enter(&self) -> Result<OwnedFd> {
        if self.guarded {
            return session_logs::open()
                .map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO));
        }
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
        rustix::fs::open(&self.path, flags, Mode::empty())
    }
}

struct Forgotten {
    name: CString,
    size: u64,
    changed: i64,
}

fn forgotten(
    directory: &OwnedFd,
    name: &CStr,
    is_known: impl Fn(&str) -> bool,
) -> Option<Forgotten> {
    let text = name.to_str().ok()?;
    let session = text
        .strip_suffix(".1")
        .unwrap_or(text)
        .strip_suffix(".log")?;
    if !is_name(session) || is_known(session) {
        return None;
    }
    let stat = statat(directory, name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
    Some(Forgotten {
        name: name.to_owned(),
        size: stat.st_size as u64,
        changed: stat.st_mtime,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::scratch::Scratch;

    #[test]
    fn removes_the_oldest_logs_of_unlisted_sessions() {
        let scratch = Scratch::new("logs");
        let make = |name: String, mtime: i64| {
            let file = File::create(scratch.join(&name)).unwrap();
            let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(mtime as u64);
            file.set_modified(time).unwrap();
        };
        for number in 0..MOST_FORGOTTEN as i64 + 5 {
            make(format!("sess-{number:04x}.log"), 1000 + number);
        }
        make("sess-old.log".to_owned(), 1);
        make("notes".to_owned(), 1);
        let folder = LogFolder::test(scratch.path().to_owned());
        folder.make_room(|name| name == "sess-old");
        let left = |name: &str| scratch.join(name).exists();
        assert!(left("sess-old.log") && left("notes"));
        assert!(!left("sess-0004.log") && left("sess-0005.log"));
        assert_eq!(
            std::fs::read_dir(scratch.path()).unwrap().count(),
            MOST_FORGOTTEN + 2
        );
    }

    #[test]
    fn names_lead_nowhere_else() {
        for name in ["init", "sess-7b3c", "a"] {
            assert!(is_name(name), "{name}");
        }
        let long = "a".repeat(33);
        for name in [
            "", ".", "..", "../x", "a/b", "A", "a.log", "a\0", "ä", &long,
        ] {
            assert!(!is_name(name), "{name}");
        }
    }
}
