//! One piece of work as lohar sees it: the worker's pipes, and what it has said so far.

use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;

use rustix::io::Errno;
use serde_json::value::RawValue;

use super::answers::{ERROR, OPENED, RESULT};
use super::order::{Ending, Work};
use super::place::Trust;
use super::staff::{Staff, Worker};
use super::worker::Ends;
use crate::accounts::Identity;
use crate::protocol::frame::kind;
use crate::protocol::messages::{Failure, Nothing};
use crate::protocol::outgoing::{Outgoing, MAX_DATA};
use crate::reactor::wires::Wires;
use crate::sessions::credit::{Credit, WINDOW};
use crate::sessions::input::Input;
use crate::unavailable::unavailable;

/// No message of a worker is longer: the longest has two paths of 4 KiB, each byte of which takes six in JSON at most.
const MOST_HEARD: usize = 128 * 1024;
const STDOUT: u8 = 1;

pub struct Job {
    pub stream: Option<u32>,
    /// Nobody any more once it was let go.
    pub worker: Option<Worker>,
    /// What a worker has not been given yet.
    pub unassigned: Option<Unassigned>,
    /// Such as "read '/file'".
    pub task: String,
    pub ending: Ending,
    pub input: Input,
    /// How many bytes of input there will be, if that is known.
    pub expected: Option<u64>,
    pub received: u64,
    pub ended: bool,
    pub content: Option<Content>,
    pub credit: Credit,
    pub messages: OwnedFd,
    pub heard: Vec<u8>,
    pub opened: bool,
    pub outcome: Option<Outcome>,
    /// The worker says nothing more: it is done, or dead.
    pub silent: bool,
}

pub struct Unassigned {
    pub work: Work,
    pub trust: Trust,
    pub identity: Rc<Identity>,
    pub ends: Ends,
}

/// What the worker reads or lists.
pub struct Content {
    pub source: OwnedFd,
    /// Events come once per change, so this holds until a read finds nothing.
    pub ready: bool,
}

pub enum Outcome {
    Result(Box<RawValue>),
    Error(Box<RawValue>),
    Garbage,
}

impl Job {
    /// Input that needs no credit besides what there is from the start is here soon, and a worker that waits for each piece
    /// of it costs two changes of process a piece.
    pub fn waits_for_all_input(&self) -> bool {
        self.expected.is_some_and(|size| size <= u64::from(WINDOW))
    }

    /// Gives the order to a worker, if that has not been done.
    pub fn employ(&mut self, staff: &mut Staff) -> Result<(), Failure> {
        let Some(Unassigned {
            work,
            trust,
            identity,
            ends,
        }) = self.unassigned.take()
        else {
            return Ok(());
        };
        let worker = staff
            .employ(&identity, &work, trust, &ends)
            .map_err(|error| match error {
                Errno::NAMETOOLONG => {
                    Failure::bad_request(format!("Cannot {}: the path is too long", work.action()))
                }
                error => unavailable(&self.task, error),
            })?;
        self.worker = Some(worker);
        Ok(())
    }

    /// Reads what the worker says.
    pub fn listen(&mut self, wires: &mut Wires) {
        let mut buffer = [0; 4096];
        loop {
            match rustix::io::read(&self.messages, &mut buffer) {
                Err(Errno::AGAIN) => break,
                Ok(0) => {
                    self.silent = true;
                    break;
                }
                Ok(count) => self.heard.extend_from_slice(&buffer[..count]),
                Err(Errno::INTR) => {}
                Err(_) => break,
            }
            if self.heard.len() > MOST_HEARD {
                self.outcome = Some(Outcome::Garbage);
                self.heard.clear();
            }
        }
        while let Some(end) = self.heard.iter().position(|&byte| byte == b'\n') {
            let line: Vec<u8> = self.heard.drain(..=end).collect();
            self.hear(&line[..end], &mut wires.outgoing);
        }
    }

    fn hear(&mut self, line: &[u8], outgoing: &mut Outgoing) {
        if self.outcome.is_some() {
            return;
        }
        let parsed = match line {
            [kind, message @ ..] => serde_json::from_slice(message)
                .map(|json| (*kind, json))
                .ok(),
            [] => None,
        };
        match parsed {
            Some((OPENED, message)) => self.open(&message, outgoing),
            Some((RESULT, message)) => self.outcome = Some(Outcome::Result(message)),
            Some((ERROR, message)) => self.outcome = Some(Outcome::Error(message)),
            _ => self.outcome = Some(Outcome::Garbage),
        }
    }

    pub fn open(&mut self, message: &impl serde::Serialize, outgoing: &mut Outgoing) {
        if let (false, Some(stream)) = (std::mem::replace(&mut self.opened, true), self.stream) {
            outgoing.json(stream, kind::OPENED, message);
        }
    }

    /// There is content, and room for it.
    pub fn is_due(&self, wires: &Wires) -> bool {
        let ready = self.content.as_ref().is_some_and(|content| content.ready);
        ready && self.opened && self.credit.left() > 0 && wires.outgoing.has_room()
    }

    /// Sends one piece of content.
    pub fn send(&mut self, wires: &mut Wires) {
        let (Some(content), Some(stream)) = (&mut self.content, self.stream) else {
            return;
        };
        let most = MAX_DATA.min(self.credit.left());
        let source = content.source.as_fd();
        match wires.outgoing.read_data(source, stream, STDOUT, most) {
            Ok(0) => self.content = None,
            Ok(count) => {
                self.credit.spend(count);
            }
            Err(Errno::AGAIN) => content.ready = false,
            Err(Errno::INTR) => {}
            Err(_) => self.content = None,
        }
    }

    /// The last word, once everything has been said and sent; the worker may rest then.
    pub fn finish(&mut self, wires: &mut Wires, staff: &mut Staff) -> bool {
        // Unannounced content counts as none.
        if self.silent && !self.opened {
            self.content = None;
        }
        if !self.silent || self.content.is_some() {
            return false;
        }
        if let Some(worker) = self.worker.take().filter(|_| self.outcome.is_some()) {
            staff.rest(worker);
        }
        let Some(stream) = self.stream else {
            return true;
        };
        match self.outcome.take() {
            Some(Outcome::Result(message)) => {
                self.open(&Nothing {}, &mut wires.outgoing);
                wires.streams.remove(&stream);
                wires.outgoing.json(stream, kind::RESULT, &message);
            }
            Some(Outcome::Error(message)) => {
                wires.streams.remove(&stream);
                wires.outgoing.json(stream, kind::ERROR, &message);
            }
            _ => {
                let message = format!("Cannot {}: the worker process died", self.task);
                wires.fail(stream, &Failure::new("io_error", message));
            }
        }
        true
    }

    /// What has come is not to be kept.
    pub fn wrong_size(&mut self) -> Failure {
        self.ended = false;
        let size = self.expected.unwrap_or(0);
        let message = format!("Expected {size} bytes, got {}", self.received);
        Failure::new("size_mismatch", message)
    }

    /// Nobody is interested any more: the worker ends with what it does.
    pub fn let_go(&mut self, staff: &Staff) {
        self.stream = None;
        self.content = None;
        self.unassigned = None;
        if self.ended && self.expected.is_some() {
            return;
        }
        self.input.close();
        let Some(worker) = self.worker.take() else {
            return;
        };
        let signal = match self.ending {
            Ending::Kill => libc::SIGKILL,
            Ending::Ask => libc::SIGTERM,
            Ending::ClosePipe => return,
        };
        staff.signal(&worker, signal);
    }
}
