//! Bytes from the host on their way into a process: at most one window of them waits.

use std::os::fd::OwnedFd;
use std::rc::Rc;

use rustix::io::Errno;

use super::credit::Window;
use super::output::widen_pipe;
use crate::protocol::messages::Failure;
use crate::reactor::poller::{Poller, Role};

/// What streams that are gone may have left in a queue for the next one to be taken.
const MOST_CARRIED: usize = 1024 * 1024;
/// The terminal's default end-of-file character, ^D.
const END_OF_FILE: u8 = 4;

#[derive(Default)]
pub struct Input {
    sink: Sink,
    queue: Vec<u8>,
    written: usize,
    window: Window,
    ended: bool,
    /// Queued bytes of earlier streams, which get no more credit.
    carried: usize,
    /// Whether epoll tells when a full sink takes more; asked for only once it was full.
    watched: bool,
}

#[derive(Default)]
enum Sink {
    /// The process does not run yet.
    #[default]
    Pending,
    Pipe(OwnedFd),
    Terminal(Rc<OwnedFd>),
    /// Nobody reads: everything is dropped.
    Closed,
}

impl Input {
    pub fn pipe(sink: OwnedFd) -> Self {
        Input {
            sink: Sink::Pipe(sink),
            ..Input::default()
        }
    }

    /// Whether more may come to the process.
    pub fn is_open(&self) -> bool {
        !matches!(self.sink, Sink::Closed) && (!self.ended || self.is_terminal())
    }

    fn is_terminal(&self) -> bool {
        matches!(self.sink, Sink::Terminal(_))
    }

    /// Another stream takes over, with credit of its own. What waits keeps its place; false when that is too much.
    pub fn renew(&mut self) -> bool {
        let waiting = self.queue.len() - self.written;
        if waiting > MOST_CARRIED {
            return false;
        }
        self.carried = waiting;
        self.window = Window::default();
        // An end-of-file character ends what is typed, not the terminal.
        self.ended &= !self.is_terminal();
        true
    }

    /// Lets go of the sink, whatever it is.
    pub fn abandon(&mut self) {
        self.ended = true;
        self.drop_sink();
    }

    pub fn open_pipe(&mut self, sink: OwnedFd) {
        self.sink = Sink::Pipe(sink);
    }

    pub fn open_terminal(&mut self, terminal: Rc<OwnedFd>) {
        self.sink = Sink::Terminal(terminal);
        // A terminal is watched for its output already, and the same events tell of its input.
        self.watched = true;
        if self.ended {
            self.queue.push(END_OF_FILE);
        }
    }

    /// Errors: protocol, when the host has sent more than it may.
    pub fn receive(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        if !self.window.receive(bytes.len()) {
            let message = "More data than there was credit for";
            return Err(Failure::new("protocol", message));
        }
        if !self.ended {
            self.queue.extend_from_slice(bytes);
        }
        Ok(())
    }

    /// A byte of our own, which no credit pays for.
    pub fn push_byte(&mut self, byte: u8) {
        self.queue.push(byte);
    }

    pub fn end(&mut self) {
        if !std::mem::replace(&mut self.ended, true) && self.is_terminal() {
            self.queue.push(END_OF_FILE);
        }
    }

    /// Ends a pipe at once, whatever is still queued. A terminal stays as it is.
    pub fn close(&mut self) {
        self.ended = true;
        if !self.is_terminal() {
            self.drop_sink();
        }
    }

    fn drop_sink(&mut self) {
        self.sink = Sink::Closed;
        self.queue = Vec::new();
        self.written = 0;
    }

    /// Passes on what the sink takes; returns the credit to give to the host, if any.
    pub fn pump(&mut self, poller: &Poller, key: u32) -> Option<u32> {
        let sink = match &self.sink {
            Sink::Pending => return None,
            Sink::Pipe(sink) => sink,
            Sink::Terminal(sink) => sink.as_ref(),
            Sink::Closed => {
                let dropped = std::mem::take(&mut self.queue).len();
                return self.pass(dropped);
            }
        };
        let before = self.written;
        let mut broken = false;
        while self.written < self.queue.len() {
            match rustix::io::write(sink, &self.queue[self.written..]) {
                Ok(0) | Err(Errno::AGAIN) => {
                    if !self.watched {
                        self.watched = true;
                        widen_pipe(sink);
                        poller.watch_writable(sink, key, Role::Input);
                    }
                    break;
                }
                Ok(count) => self.written += count,
                Err(Errno::INTR) => {}
                Err(_) => {
                    broken = true;
                    break;
                }
            }
        }
        let mut passed = self.written - before;
        if self.written == self.queue.len() {
            self.queue.clear();
            self.written = 0;
            broken |= self.ended && matches!(self.sink, Sink::Pipe(_));
        } else if self.written > 65_536 {
            self.queue.drain(..self.written);
            self.written = 0;
        }
        if broken {
            passed += self.queue.len() - self.written;
            self.drop_sink();
        }
        self.pass(passed)
    }

    /// What is carried went first.
    fn pass(&mut self, bytes: usize) -> Option<u32> {
        let carried = bytes.min(self.carried);
        self.carried -= carried;
        self.window.pass(bytes - carried)
    }
}

#[cfg(test)]
mod tests {
    use rustix::pipe::{pipe_with, PipeFlags};

    use super::*;
    use crate::sessions::credit::WINDOW;

    #[test]
    fn every_stream_has_credit_of_its_own_and_what_waits_keeps_its_place() {
        let poller = Poller::new().unwrap();
        let (read, write) = pipe_with(PipeFlags::NONBLOCK | PipeFlags::CLOEXEC).unwrap();
        let mut input = Input::pipe(write);
        let whole = |byte: u8| vec![byte; WINDOW as usize];
        // Nobody reads: the pipe takes some of the first, the rest is in the queue.
        for stream in b'a'..=b'f' {
            assert!(input.renew());
            assert!(input.receive(&whole(stream)).is_ok());
            assert!(input.receive(b"!").is_err());
            input.pump(&poller, 1);
        }
        assert!(!input.renew());
        let mut got = Vec::new();
        let mut granted = 0;
        let mut buffer = [0; 65_536];
        while let Ok(count) = rustix::io::read(&read, &mut buffer) {
            got.extend_from_slice(&buffer[..count]);
            granted += input.pump(&poller, 1).unwrap_or(0);
        }
        let expected: Vec<u8> = (b'a'..=b'f').flat_map(whole).collect();
        assert!(got == expected);
        // What earlier streams have sent is not paid for with the last one's credit.
        assert_eq!(granted, WINDOW);
        assert!(input.renew());
    }
}
