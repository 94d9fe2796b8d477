//! The `log` stream: what is in a session's log, and with `follow` what comes into it, whatever the log is called by then.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::os::fd::AsFd;
use std::rc::Rc;

use rustix::io::Errno;

use super::credit::Credit;
use super::log_folder::{LogFolder, Part};
use crate::protocol::outgoing::{Outgoing, MAX_DATA};

pub struct LogReader {
    pub stream: u32,
    pub session: String,
    pub credit: Credit,
    folder: Rc<LogFolder>,
    /// Those that are not read to their end; the last one goes on being read while it grows.
    files: VecDeque<File>,
    /// Of the last of them.
    generation: u64,
    /// How much more is told; without it there is no end.
    left: Option<u64>,
    /// Nothing is there until the session writes or ends.
    pub waits: bool,
}

/// What is known of a session that may still write.
#[derive(Clone, Copy)]
pub struct Source {
    pub generation: u64,
    pub ended: bool,
}

#[derive(PartialEq, Eq, Debug)]
pub enum Step {
    Moved,
    Waits,
    Over,
    Failed(Errno),
}

impl LogReader {
    /// None when there is no log of this name.
    pub fn open(
        stream: u32,
        session: &str,
        folder: Rc<LogFolder>,
        source: Option<Source>,
        follow: bool,
        tail: Option<u64>,
    ) -> std::io::Result<Option<Self>> {
        let mut files = VecDeque::new();
        let mut sizes = VecDeque::new();
        for part in [Part::Older, Part::Newest] {
            if let Some(file) = folder.open(session, part)? {
                sizes.push_back(file.metadata()?.len());
                files.push_back(file);
            }
        }
        if files.is_empty() && source.is_none() {
            return Ok(None);
        }
        let total: u64 = sizes.iter().sum();
        let told = tail.unwrap_or(u64::MAX).min(total);
        let mut skip = total - told;
        for (file, size) in files.iter_mut().zip(sizes) {
            file.seek(SeekFrom::Start(skip.min(size)))?;
            skip = skip.saturating_sub(size);
        }
        Ok(Some(LogReader {
            stream,
            session: session.to_owned(),
            credit: Credit::default(),
            folder,
            files,
            generation: source.map_or(0, |source| source.generation),
            left: (!follow).then_some(told),
            waits: false,
        }))
    }

    pub fn is_due(&self) -> bool {
        !self.waits && self.credit.left() > 0
    }

    /// Tells one piece.
    pub fn step(&mut self, outgoing: &mut Outgoing, source: Option<Source>) -> Step {
        let left = usize::try_from(self.left.unwrap_or(u64::MAX)).unwrap_or(usize::MAX);
        let most = MAX_DATA.min(self.credit.left()).min(left);
        if left == 0 {
            return Step::Over;
        }
        if let Some(file) = self.files.front() {
            match outgoing.read_data(file.as_fd(), self.stream, 1, most) {
                Ok(0) => {}
                Ok(count) => {
                    self.credit.spend(count);
                    self.left = self.left.map(|left| left.saturating_sub(count as u64));
                    return Step::Moved;
                }
                Err(Errno::INTR) => return Step::Moved,
                Err(error) => return Step::Failed(error),
            }
        }
        match self.next_file(source) {
            Ok(step) => step,
            Err(error) => Step::Failed(error),
        }
    }

    /// At the end of a file: a log that was put aside grows no more, the newest one may.
    fn next_file(&mut self, source: Option<Source>) -> Result<Step, Errno> {
        if self.files.len() > 1 {
            self.files.pop_front();
            return Ok(Step::Moved);
        }
        let source = match source {
            Some(source) if self.left.is_none() => source,
            _ => return Ok(Step::Over),
        };
        // Of those in between nothing is left when it was put aside more than once.
        let next = (self.generation + 1).max(source.generation.saturating_sub(1));
        let part = match (self.files.is_empty(), next <= source.generation) {
            (true, _) => Some((Part::Newest, source.generation)),
            (false, true) if next == source.generation => Some((Part::Newest, next)),
            (false, true) => Some((Part::Older, next)),
            (false, false) => None,
        };
        if let Some((part, generation)) = part {
            if let Some(file) = self.folder.open(&self.session, part)? {
                self.files.push_back(file);
                self.generation = generation;
                if self.files.len() > 1 {
                    self.files.pop_front();
                }
                return Ok(Step::Moved);
            }
        }
        match source.ended {
            true => Ok(Step::Over),
            false => Ok(Step::Waits),
        }
    }
}
