//! From the kernel's events to changes: the two halves of a move are one, and who writes much is not told of every write.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::ffi::CString;
use std::path::{Path, PathBuf};

use rustix::fs::inotify::{Event, ReadFlags};
use serde::Serialize;

use super::trees::{join, Trees};
use crate::files::answers::Answers;
use crate::files::put::is_temporary;
use crate::protocol::byte_text::text_of;
use crate::reactor::clock;

/// How often a file that is being written is told of.
const PAUSE: u64 = 100_000_000;
/// How long the second half of a move may take, in milliseconds.
const SECOND_HALF: u32 = 20;
const MOST_REMEMBERED: usize = 4096;

#[derive(Serialize)]
struct Change<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    path: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<&'a str>,
    is_dir: bool,
}

pub struct Changes<'a> {
    pub trees: Trees,
    root: &'a Path,
    /// Of the only file that it is about.
    only: Option<CString>,
    /// The first half of a move.
    leaving: Option<Leaving>,
    written: HashMap<PathBuf, Written>,
    /// What was found before its event came.
    found: HashSet<PathBuf>,
    /// The move by which a temporary file takes another's place.
    replacing: Option<u32>,
}

struct Leaving {
    cookie: u32,
    path: PathBuf,
    is_dir: bool,
    waited: bool,
}

struct Written {
    told: u64,
    again: bool,
}

impl<'a> Changes<'a> {
    pub fn new(root: &'a Path, only: Option<CString>, trees: Trees) -> Self {
        Changes {
            trees,
            root,
            only,
            leaving: None,
            written: HashMap::new(),
            found: HashSet::new(),
            replacing: None,
        }
    }

    pub fn take(&mut self, event: &Event<'_>, answers: &mut Answers) -> rustix::io::Result<()> {
        let flags = event.events();
        if flags.contains(ReadFlags::QUEUE_OVERFLOW) {
            return self.overflow(answers);
        }
        if flags.contains(ReadFlags::IGNORED) {
            self.trees.forget(event.wd());
            return Ok(());
        }
        if self.trees.is_roots_end(event.wd(), event.file_name()) {
            return self.end(answers);
        }
        let Some(directory) = self.trees.path(event.wd()) else {
            return Ok(());
        };
        let Some(name) = event.file_name() else {
            // Of others, their parents tell.
            let is_root = directory.as_os_str().is_empty() && self.only.is_none();
            if is_root && flags.intersects(ReadFlags::DELETE_SELF | ReadFlags::MOVE_SELF) {
                return self.end(answers);
            }
            return Ok(());
        };
        let path = join(directory, name);
        let is_dir = flags.contains(ReadFlags::ISDIR);
        if is_temporary(name.to_bytes()) {
            if flags.contains(ReadFlags::MOVED_FROM) {
                self.replacing = Some(event.cookie());
            }
            return Ok(());
        }
        if flags.contains(ReadFlags::MOVED_TO) && self.replacing.take() == Some(event.cookie()) {
            return self.tell("modified", &path, None, is_dir, answers);
        }
        if flags.contains(ReadFlags::MOVED_TO) {
            return self.arrive(event.cookie(), path, is_dir, answers);
        }
        self.left_for_good(answers)?;
        if flags.contains(ReadFlags::MOVED_FROM) {
            self.found.remove(&path);
            let cookie = event.cookie();
            self.leaving = Some(Leaving {
                cookie,
                path,
                is_dir,
                waited: false,
            });
        } else if flags.contains(ReadFlags::CREATE) {
            self.create(path, is_dir, answers)?;
        } else if flags.contains(ReadFlags::DELETE) {
            self.found.remove(&path);
            self.written.remove(&path);
            if is_dir {
                self.trees.gone(&path);
            }
            self.tell("deleted", &path, None, is_dir, answers)?;
        } else if flags.contains(ReadFlags::CLOSE_WRITE) {
            // The last write may have been told already.
            if self
                .written
                .remove(&path)
                .map_or(true, |written| written.again)
            {
                self.tell("modified", &path, None, false, answers)?;
            }
        } else if flags.contains(ReadFlags::MODIFY) {
            self.modify(path, answers)?;
        }
        Ok(())
    }

    fn end(&mut self, answers: &mut Answers) -> rustix::io::Result<()> {
        self.trees.drop_below(Path::new(""));
        self.tell("deleted", Path::new(""), None, true, answers)
    }

    /// Tells what has waited long enough; returns in how many milliseconds to ask again.
    pub fn settle(&mut self, answers: &mut Answers) -> rustix::io::Result<Option<u32>> {
        let now = clock::now();
        let mut due = Vec::new();
        self.written.retain(|path, written| {
            let is_due = written.told + PAUSE <= now;
            if is_due && written.again {
                due.push(path.clone());
            }
            !is_due
        });
        for path in due {
            self.tell("modified", &path, None, false, answers)?;
            let (told, again) = (now, false);
            self.written.insert(path, Written { told, again });
        }
        match &mut self.leaving {
            // Both halves are mostly in the queue at once: one look more is enough.
            Some(leaving) if !leaving.waited => {
                leaving.waited = true;
                return Ok(Some(SECOND_HALF));
            }
            _ => self.left_for_good(answers)?,
        }
        let waits = self.written.values().any(|written| written.again);
        Ok(waits.then_some((PAUSE / 1_000_000) as u32))
    }

    fn arrive(
        &mut self,
        cookie: u32,
        path: PathBuf,
        is_dir: bool,
        answers: &mut Answers,
    ) -> rustix::io::Result<()> {
        match self.leaving.take() {
            Some(leaving) if leaving.cookie == cookie => {
                self.written.remove(&leaving.path);
                self.tell("moved", &path, Some(&leaving.path), is_dir, answers)?;
                // What moved before it could be looked into is looked into here.
                if is_dir {
                    for path in self.trees.moved(&leaving.path, &path) {
                        self.look_into(&path, answers)?;
                    }
                }
                Ok(())
            }
            leaving => {
                self.leaving = leaving;
                self.left_for_good(answers)?;
                self.create(path, is_dir, answers)
            }
        }
    }

    /// The second half of a move has not come: it went out of sight.
    fn left_for_good(&mut self, answers: &mut Answers) -> rustix::io::Result<()> {
        let Some(leaving) = self.leaving.take() else {
            return Ok(());
        };
        if leaving.is_dir {
            self.trees.drop_below(&leaving.path);
        }
        self.written.remove(&leaving.path);
        self.tell("deleted", &leaving.path, None, leaving.is_dir, answers)
    }

    fn create(
        &mut self,
        path: PathBuf,
        is_dir: bool,
        answers: &mut Answers,
    ) -> rustix::io::Result<()> {
        if self.found.remove(&path) {
            return Ok(());
        }
        self.tell("created", &path, None, is_dir, answers)?;
        match is_dir {
            true => self.look_into(&path, answers),
            false => Ok(()),
        }
    }

    /// Watches a new directory, and tells what is in it already.
    fn look_into(&mut self, path: &Path, answers: &mut Answers) -> rustix::io::Result<()> {
        if !self.trees.is_recursive() {
            return Ok(());
        }
        let mut all = Vec::new();
        let added = self
            .trees
            .add(path, |path, is_dir| all.push((path, is_dir)));
        for (path, is_dir) in all {
            self.tell("created", &path, None, is_dir, answers)?;
            if self.found.len() < MOST_REMEMBERED {
                self.found.insert(path);
            }
        }
        match added {
            Ok(()) => Ok(()),
            Err(_) => self.tell("overflow", Path::new(""), None, true, answers),
        }
    }

    fn modify(&mut self, path: PathBuf, answers: &mut Answers) -> rustix::io::Result<()> {
        let now = clock::now();
        if let Some(written) = self.written.get_mut(&path) {
            if written.told + PAUSE > now {
                written.again = true;
                return Ok(());
            }
        }
        self.tell("modified", &path, None, false, answers)?;
        if self.written.len() < MOST_REMEMBERED {
            let (told, again) = (now, false);
            self.written.insert(path, Written { told, again });
        }
        Ok(())
    }

    /// What was made meanwhile is to be watched as well.
    fn overflow(&mut self, answers: &mut Answers) -> rustix::io::Result<()> {
        self.leaving = None;
        self.found.clear();
        self.tell("overflow", Path::new(""), None, true, answers)?;
        let _ = self.trees.add(Path::new(""), |_, _| {});
        Ok(())
    }

    fn tell(
        &self,
        kind: &'static str,
        path: &Path,
        from: Option<&Path>,
        is_dir: bool,
        answers: &mut Answers,
    ) -> rustix::io::Result<()> {
        if let Some(only) = &self.only {
            let is_it = |path: &Path| path.as_os_str().as_encoded_bytes() == only.as_bytes();
            if kind != "overflow" && !is_it(path) && !from.is_some_and(is_it) {
                return Ok(());
            }
        }
        let whole = |path: &Path| {
            let path = match path.as_os_str().is_empty() {
                true => Cow::Borrowed(self.root),
                false => Cow::Owned(self.root.join(path)),
            };
            text_of(path.as_os_str().as_encoded_bytes()).into_owned()
        };
        answers.push_line(&Change {
            kind,
            path: &whole(path),
            from: from.map(whole).as_deref(),
            is_dir,
        })?;
        Ok(())
    }
}
