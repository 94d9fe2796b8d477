//! One source of output: a pipe or a terminal, read only when a stream takes its bytes.

use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;

use rustix::event::epoll::EventFlags;
use rustix::io::Errno;

use crate::protocol::outgoing::{Outgoing, MAX_DATA};

pub struct Output {
    source: Rc<OwnedFd>,
    pub channel: u8,
    terminal: bool,
    /// Something may be read. Events come once per change, so this holds until a read finds nothing.
    pub ready: bool,
    hung_up: bool,
    widened: bool,
    /// How much more of it is told, once that is bounded.
    pub owed: Option<usize>,
}

/// A widened pipe holds no more than this, a terminal less.
pub const MOST_HELD: usize = 256 * 1024;

pub enum Read {
    Bytes(usize),
    Nothing,
    End,
}

impl Output {
    pub fn new(source: Rc<OwnedFd>, channel: u8, terminal: bool) -> Self {
        Output {
            source,
            channel,
            terminal,
            ready: false,
            hung_up: false,
            widened: false,
            owed: None,
        }
    }

    /// False when the event says that there is nothing any more.
    pub fn notice(&mut self, flags: EventFlags) -> bool {
        self.ready |= flags.intersects(EventFlags::IN | EventFlags::HUP | EventFlags::ERR);
        self.hung_up |= flags.contains(EventFlags::HUP);
        !(self.hung_up && !flags.contains(EventFlags::IN) && !self.terminal)
    }

    /// Something can be read, and is still to be told.
    pub fn is_due(&self) -> bool {
        self.ready && !self.is_settled()
    }

    /// All that is to be told of it has been.
    pub fn is_settled(&self) -> bool {
        self.owed == Some(0)
    }

    pub fn send(&mut self, outgoing: &mut Outgoing, stream: u32, credit: usize) -> Read {
        let most = MAX_DATA.min(credit).min(self.owed.unwrap_or(MAX_DATA));
        let outcome = outgoing.read_data(self.source.as_fd(), stream, self.channel, most);
        let read = self.judge(outcome, most);
        self.settle(&read);
        read
    }

    pub fn read(&mut self, buffer: &mut [u8]) -> Read {
        let most = buffer.len().min(self.owed.unwrap_or(usize::MAX));
        let outcome = rustix::io::read(&*self.source, &mut buffer[..most]);
        let read = self.judge(outcome, most);
        self.settle(&read);
        read
    }

    /// From now on no more of it is told than it holds now.
    pub fn bound(&mut self) {
        self.ready = true;
        self.owed.get_or_insert(MOST_HELD);
    }

    fn settle(&mut self, read: &Read) {
        let Some(owed) = &mut self.owed else { return };
        match read {
            // What comes once it was empty is not what it held.
            _ if !self.ready => *owed = 0,
            Read::Bytes(count) => *owed = owed.saturating_sub(*count),
            Read::Nothing | Read::End => {}
        }
    }

    fn judge(&mut self, outcome: rustix::io::Result<usize>, asked: usize) -> Read {
        match outcome {
            Ok(0) => Read::End,
            Ok(count) => {
                if count == MAX_DATA && !self.terminal && !self.widened {
                    self.widened = true;
                    widen_pipe(&self.source);
                }
                // A pipe that gives less than it was asked for is empty; its end shows as a hang-up.
                self.ready = count == asked || self.terminal || self.hung_up;
                Read::Bytes(count)
            }
            Err(Errno::AGAIN) => {
                self.ready = false;
                Read::Nothing
            }
            Err(Errno::INTR) => Read::Nothing,
            // A terminal without processes answers EIO.
            Err(_) => Read::End,
        }
    }
}

/// Fewer changes between the two processes for those that move much; each costs an emulated CPU dearly.
pub fn widen_pipe(pipe: &OwnedFd) {
    // The kernel may have its reasons; the pipe works as it is.
    let _ = rustix::pipe::fcntl_setpipe_size(pipe, MOST_HELD);
}
