//! What a session writes, on the disk: all of it, up to a size at which the file is put aside and begun again.

use std::fs::File;
use std::rc::Rc;

use rustix::io::Errno;

use super::log_folder::LogFolder;
use crate::reactor::clock;

pub const MOST: u64 = 10 * 1024 * 1024;
/// After an error, such as a disk that is full.
const TRY_AGAIN: u64 = 1_000_000_000;

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
    complained: bool,
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

    /// What cannot be written is missing in it: whose log it is must not be stopped by a full disk.
    pub fn write(&mut self, bytes: &[u8]) {
        if self.paused_until > 0 && clock::now() < self.paused_until {
            return;
        }
        self.paused_until = 0;
        if self.size > 0 && self.size + bytes.len() as u64 > MOST {
            self.rotate();
        } else if self.file.is_none() {
            self.begin();
        }
        if self.paused_until > 0 {
            return;
        }
        let Some(file) = &self.file else { return };
        let mut rest = bytes;
        while !rest.is_empty() {
            match rustix::io::write(file, rest) {
                Ok(0) => return self.pause("write", Errno::NOSPC),
                Ok(count) => {
                    self.size += count as u64;
                    rest = &rest[count..];
                    self.complained = false;
                }
                Err(Errno::INTR) => {}
                Err(error) => return self.pause("write", error),
            }
        }
    }

    /// Nothing more will come.
    pub fn close(&mut self) {
        self.file = None;
        self.paused_until = u64::MAX;
    }

    /// Its session was never started.
    pub fn discard(&mut self) {
        self.close();
        self.folder.remove(&self.session);
    }

    /// As if the time had passed.
    #[cfg(test)]
    pub fn try_again(&mut self) {
        self.paused_until = 0;
    }

    fn begin(&mut self) {
        match self.folder.create(&self.session, self.owner) {
            Ok(file) => self.file = Some(file),
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
        if !std::mem::replace(&mut self.complained, true) {
            let session = &self.session;
            crate::log::warn(&format!("cannot {what} the log of '{session}': {error}"));
        }
    }
}
