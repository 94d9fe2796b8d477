//! What a worker tells lohar: its messages as lines in one pipe, its content in another.

use std::os::fd::OwnedFd;

use rustix::io::Errno;
use serde::Serialize;

use crate::protocol::messages::Failure;

/// The first byte of a line says what it is; JSON follows.
pub const OPENED: u8 = b'o';
pub const RESULT: u8 = b'r';
pub const ERROR: u8 = b'e';

/// Content is written in pieces of about this size.
const PIECE: usize = 32 * 1024;

pub struct Answers {
    messages: OwnedFd,
    content: Option<OwnedFd>,
    waiting: Vec<u8>,
}

impl Answers {
    pub fn new(messages: OwnedFd, content: Option<OwnedFd>) -> Self {
        Answers {
            messages,
            content,
            waiting: Vec::new(),
        }
    }

    pub fn opened(&self, message: &impl Serialize) {
        self.say(OPENED, message);
    }

    pub fn result(&self, message: &impl Serialize) {
        self.say(RESULT, message);
    }

    pub fn error(&self, failure: &Failure) {
        self.say(ERROR, failure);
    }

    fn say(&self, kind: u8, message: &impl Serialize) {
        let mut line = vec![kind];
        if serde_json::to_writer(&mut line, message).is_ok() {
            line.push(b'\n');
            // Nobody listens any more when this fails, and the work ends at the next piece of content.
            let _ = write_all(&self.messages, &line);
        }
    }

    pub fn content(&self) -> rustix::io::Result<&OwnedFd> {
        self.content.as_ref().ok_or(Errno::BADF)
    }

    /// At once.
    pub fn write(&self, bytes: &[u8]) -> rustix::io::Result<()> {
        write_all(self.content()?, bytes)
    }

    /// Together with what comes next, when it is little.
    pub fn push(&mut self, bytes: &[u8]) -> rustix::io::Result<()> {
        self.waiting.extend_from_slice(bytes);
        if self.waiting.len() < PIECE {
            return Ok(());
        }
        self.flush()
    }

    /// Returns the length of the line.
    pub fn push_line(&mut self, message: &impl Serialize) -> rustix::io::Result<usize> {
        let before = self.waiting.len();
        if serde_json::to_writer(&mut self.waiting, message).is_err() {
            return Err(Errno::IO);
        }
        let length = self.waiting.len() + 1 - before;
        self.push(b"\n")?;
        Ok(length)
    }

    pub fn flush(&mut self) -> rustix::io::Result<()> {
        let content = self.content.as_ref().ok_or(Errno::BADF)?;
        write_all(content, &self.waiting)?;
        self.waiting.clear();
        Ok(())
    }
}

fn write_all(fd: &OwnedFd, mut bytes: &[u8]) -> rustix::io::Result<()> {
    while !bytes.is_empty() {
        match rustix::io::write(fd, bytes) {
            Ok(count) => bytes = &bytes[count..],
            Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
