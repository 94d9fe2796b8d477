//! What a session writes, on the disk: all of it, up to a size at which the file is put aside and begun again.

use std::fs::File;
use std::rc::Rc;

use rustix::fs::{fallocate, fsetxattr, FallocateFlags, XattrFlags};
use rustix::io::Errno;

use super::log_folder::LogFolder;
use crate::reactor::clock;
use crate::reason::reason;

pub const MOST: u64 = 10 * 1024 * 1024;
/// How much earlier a log is put aside, where a line ends.
const LINE: u64 = 128 * 1024;
/// A file's attribute: the offset of its first byte, as eight bytes, the lowest first.
pub const OFFSET: &str = "user.bhatti.offset";
/// How often the disk is tried again for the note about a gap at the end of a log.
pub const SETTLE: u64 = 10_000_000_000;
/// After an error, such as a disk that is full.
const TRY_AGAIN: u64 = 1_000_000_000;
/// Without so much of it, a full disk is still full.
const ROOM: u64 = 64 * 1024;
/// Of a line that tells of a gap.
const LONGEST_NOTE: u64 = 128;

pub struct SessionLog {
    folder: Rc<LogFolder>,
    session: String,
    owner: Option<(u32, u32)>,
    file: Option<File>,
    size: u64,
    older: u64,
    /// What went with those that others took the place of.
    gone: u64,
    /// How often it was put aside.
    pub generation: u64,
    paused_until: u64,
    /// What is missing behind its last byte.
    gap: Gap,
    closed: bool,
    complained: bool,
}

#[derive(Clone, Copy)]
pub struct Gap {
    lost: u64,
    why: Errno,
    /// The byte before it ends a line.
    ends_line: bool,
}

impl Gap {
    pub fn note(&self) -> String {
        let before = if self.ends_line { "" } else { "\n" };
        let (lost, why) = (self.lost, in_words(self.why));
        format!("{before}[bhatti: {lost} bytes lost: {why}]\n")
    }
}

impl SessionLog {
    pub fn new(folder: Rc<LogFolder>, session: &str, owner: Option<(u32, u32)>) -> Self {
        let mut log = SessionLog {
            folder,
            session: session.to_owned(),
            owner,
            file: None,
            size: 0,
            older: 0,
            gone: 0,
            generation: 0,
            paused_until: 0,
            gap: Gap {
                lost: 0,
                why: Errno::NOSPC,
                ends_line: true,
            },
            closed: false,
            complained: false,
        };
        log.begin();
        log
    }

    pub fn bytes(&self) -> u64 {
        self.size + self.older
    }

    /// The offset of the byte that comes next, counted from the first that was ever written.
    pub fn end(&self) -> u64 {
        self.gone + self.bytes()
    }

    /// What cannot be written is missing in it: whose log it is must not be stopped by a full disk. What comes after a
    /// gap begins with a line that says so.
    pub fn write(&mut self, bytes: &[u8]) {
        let (line, rest) = self.split(bytes);
        self.put(line);
        if !rest.is_empty() {
            if self.is_ready(0) {
                self.rotate();
            }
            self.put(rest);
        }
    }

    /// The part that still belongs into the file: one that is nearly full ends with a line, so that the next starts with one.
    fn split<'a>(&self, bytes: &'a [u8]) -> (&'a [u8], &'a [u8]) {
        if self.size + LINE < MOST || self.gap.lost > 0 {
            return (bytes, &[]);
        }
        let end = match self.gap.ends_line {
            true => Some(0),
            false => bytes
                .iter()
                .position(|&byte| byte == b'\n')
                .map(|at| at + 1),
        };
        bytes.split_at(end.unwrap_or(bytes.len()))
    }

    fn put(&mut self, bytes: &[u8]) {
        let ready = self.is_ready(bytes.len()) && (self.gap.lost == 0 || self.ends_gap());
        let written = if ready { self.append(bytes) } else { 0 };
        self.gap.lost += (bytes.len() - written) as u64;
    }

    /// Nothing more will come. A gap at the end is kept in memory until the disk has room for the note about it. False when
    /// it was closed already.
    pub fn close(&mut self) -> bool {
        let was_closed = std::mem::replace(&mut self.closed, true);
        self.settle();
        !was_closed
    }

    /// Writes the note about a gap at the end of a closed log. False while the disk has no room for it.
    pub fn settle(&mut self) -> bool {
        if self.closed && self.gap.lost > 0 {
            self.paused_until = 0;
            let _ = self.is_ready(0) && self.tell_of_gap();
        }
        if self.closed && self.gap.lost == 0 {
            self.file = None;
            self.paused_until = u64::MAX;
        }
        self.gap.lost == 0
    }

    /// What is missing behind its last byte, as long as the file does not say so.
    pub fn gap(&self) -> Option<Gap> {
        (self.gap.lost > 0).then_some(self.gap)
    }

    /// Its session was never started.
    pub fn discard(&mut self) {
        self.close();
        self.folder.remove(&self.session);
    }

    /// As if the disk were full from now on.
    #[cfg(test)]
    pub fn lose(&mut self, bytes: &[u8]) {
        self.file = File::create("/dev/full").ok();
        self.write(bytes);
    }

    /// As if the time had passed.
    #[cfg(test)]
    pub fn try_again(&mut self) {
        self.paused_until = 0;
    }

    /// Whether so many bytes may be written now; makes the file for them where that is needed.
    fn is_ready(&mut self, bytes: usize) -> bool {
        if self.paused_until > 0 && clock::now() < self.paused_until {
            return false;
        }
        self.paused_until = 0;
        let more = bytes as u64 + if self.gap.lost > 0 { LONGEST_NOTE } else { 0 };
        if self.size > 0 && self.size + more > MOST {
            self.rotate();
        } else if self.file.is_none() {
            self.begin();
        }
        self.paused_until == 0
    }

    /// Room is set aside first, so that what little there is is not filled with lines about gaps.
    fn ends_gap(&mut self) -> bool {
        let Some(file) = &self.file else { return false };
        match fallocate(file, FallocateFlags::KEEP_SIZE, self.size, ROOM) {
            Err(error @ (Errno::NOSPC | Errno::DQUOT)) => {
                self.pause("write", error);
                false
            }
            // Other errors, such as a file system without fallocate, do not say that there is no room.
            _ => self.tell_of_gap(),
        }
    }

    /// False when not all of it could be written: then it is told again, with what is lost meanwhile.
    fn tell_of_gap(&mut self) -> bool {
        let note = self.gap.note();
        let complete = self.append(note.as_bytes()) == note.len();
        if complete {
            self.gap.lost = 0;
        }
        complete
    }

    /// How many of them were written.
    fn append(&mut self, bytes: &[u8]) -> usize {
        let mut done = 0;
        while done < bytes.len() {
            let Some(file) = &self.file else { break };
            match rustix::io::write(file, &bytes[done..]) {
                Ok(0) => {
                    self.pause("write", Errno::NOSPC);
                    break;
                }
                Ok(count) => {
                    done += count;
                    self.size += count as u64;
                    self.gap.ends_line = bytes[done - 1] == b'\n';
                    self.complained = false;
                }
                Err(Errno::INTR) => {}
                Err(error) => {
                    self.pause("write", error);
                    break;
                }
            }
        }
        done
    }

    fn begin(&mut self) {
        match self.folder.create(&self.session, self.owner) {
            Ok(file) => {
                let offset = self.end().to_le_bytes();
                // Without it, the offset is not known once the session is forgotten.
                let _ = fsetxattr(&file, OFFSET, &offset, XattrFlags::empty());
                self.file = Some(file);
            }
            Err(error) => self.pause("make", error),
        }
    }

    fn rotate(&mut self) {
        if let Err(error) = self.folder.rotate(&self.session) {
            return self.pause("put aside", error);
        }
        self.generation += 1;
        self.gone += self.older;
        self.older = std::mem::take(&mut self.size);
        self.file = None;
        self.begin();
    }

    fn pause(&mut self, what: &str, error: Errno) {
        self.paused_until = clock::now() + TRY_AGAIN;
        self.gap.why = error;
        if !std::mem::replace(&mut self.complained, true) {
            let session = &self.session;
            crate::log::warn(&format!("cannot {what} the log of '{session}': {error}"));
        }
    }
}

fn in_words(error: Errno) -> String {
    match error {
        Errno::NOSPC | Errno::DQUOT => "disk full".to_owned(),
        other => reason(other),
    }
}

#[cfg(test)]
mod tests;
