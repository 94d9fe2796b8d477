//! The `log` stream: what is in a session's log, and with `follow` what comes into it, whatever the log is called by then.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::os::fd::AsFd;
use std::rc::Rc;

use rustix::fs::fgetxattr;
use rustix::io::Errno;

use super::credit::Credit;
use super::log_folder::{LogFolder, Part};
use super::session_log::{Gap, OFFSET};
use crate::protocol::outgoing::{Outgoing, MAX_DATA};

pub struct LogReader {
    pub stream: u32,
    pub session: String,
    pub credit: Credit,
    folder: Rc<LogFolder>,
    /// Those that are not read to their end; the last one goes on being read while it grows.
    files: VecDeque<File>,
    /// The generation that is read after them.
    next: u64,
    /// The offset of the first byte sent; unknown for logs rotated by an older agent.
    pub offset: Option<u64>,
    /// Remaining bytes to send; None without a limit.
    left: Option<u64>,
    /// Follows the log: about a gap that the file itself does not mention.
    note: Option<Vec<u8>>,
    /// Nothing is there until the session writes or ends.
    pub waits: bool,
}

/// From where on a log is told.
#[derive(Clone, Copy)]
pub enum Start {
    Oldest,
    /// So many bytes before its end.
    Tail(u64),
    /// Where an earlier stream left off.
    From(u64),
}

/// What is known of a session that may still write.
#[derive(Clone, Copy)]
pub struct Source {
    pub generation: u64,
    /// The offset of the byte that it writes next.
    pub end: u64,
    pub ended: bool,
    pub gap: Option<Gap>,
}

#[derive(PartialEq, Eq, Debug)]
pub enum Step {
    Moved,
    Waits,
    Over,
    /// What comes next is not kept any more.
    Missed,
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
        start: Start,
    ) -> std::io::Result<Option<Self>> {
        let mut files = VecDeque::new();
        let mut sizes = VecDeque::new();
        let mut was_put_aside = false;
        let mut next = source.map_or(0, |source| source.generation);
        for part in [Part::Older, Part::Newest] {
            if let Some(file) = folder.open(session, part)? {
                sizes.push_back(file.metadata()?.len());
                files.push_back(file);
                match part {
                    Part::Older => was_put_aside = true,
                    // One that was put aside may not have been begun again so far.
                    Part::Newest => next += 1,
                }
            }
        }
        if files.is_empty() && source.is_none() {
            return Ok(None);
        }
        let total: u64 = sizes.iter().sum();
        let known_end = match source {
            Some(source) => Some(source.end),
            None if was_put_aside => files.front().and_then(first_offset).map(|at| at + total),
            None => Some(total),
        };
        let mut note = None;
        let told = match (start, known_end) {
            (Start::Tail(bytes), _) => bytes.min(total),
            (Start::From(offset), Some(end)) if offset <= end => (end - offset).min(total),
            // In the note, or behind it.
            (Start::From(offset), Some(end)) if offset - end <= note_of(source).len() as u64 => {
                note = Some(note_of(source).split_off((offset - end) as usize));
                0
            }
            _ => total,
        };
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
            next,
            offset: known_end.map(|end| end - told),
            left: (!follow).then_some(told),
            note,
            waits: false,
        }))
    }

    pub fn is_due(&self) -> bool {
        !self.waits && self.credit.left() > 0
    }

    /// Tells one piece.
    pub fn step(&mut self, outgoing: &mut Outgoing, source: Option<Source>) -> Step {
        let step = self.step_in_log(outgoing, source);
        if step != Step::Over {
            return step;
        }
        let note = self.note.get_or_insert_with(|| note_of(source));
        if note.is_empty() {
            return Step::Over;
        }
        let count = note.len().min(self.credit.left());
        let rest = note.split_off(count);
        outgoing.data(self.stream, 1, note, &[]);
        self.note = Some(rest);
        self.credit.spend(count);
        Step::Moved
    }

    fn step_in_log(&mut self, outgoing: &mut Outgoing, source: Option<Source>) -> Step {
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
        if self.next <= source.generation {
            let part = match source.generation - self.next {
                0 => Part::Newest,
                1 => Part::Older,
                _ => return Ok(Step::Missed),
            };
            if let Some(file) = self.folder.open(&self.session, part)? {
                self.files.clear();
                self.files.push_back(file);
                self.next += 1;
                return Ok(Step::Moved);
            }
        }
        match source.ended {
            true => Ok(Step::Over),
            false => Ok(Step::Waits),
        }
    }
}

fn note_of(source: Option<Source>) -> Vec<u8> {
    let gap = source.and_then(|source| source.gap);
    gap.map_or(Vec::new(), |gap| gap.note().into_bytes())
}

fn first_offset(file: &File) -> Option<u64> {
    let mut offset = [0; 8];
    let length = fgetxattr(file, OFFSET, &mut offset).ok()?;
    (length == offset.len()).then(|| u64::from_le_bytes(offset))
}

#[cfg(test)]
mod tests;
