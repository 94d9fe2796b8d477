//! What every part of the server reaches the outside with: the outgoing queue, the streams, epoll and the timers.

use std::collections::HashMap;

use super::poller::Poller;
use super::timers::Timers;
use crate::protocol::frame::kind;
use crate::protocol::messages::Failure;
use crate::protocol::outgoing::Outgoing;

pub struct Wires {
    pub outgoing: Outgoing,
    pub poller: Poller,
    pub timers: Timers,
    pub streams: HashMap<u32, Target>,
    /// What has got input in this round: it is passed on together, as each piece may cost two changes of process.
    pub fed: Vec<Target>,
    keys: u32,
}

/// What an open stream belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Target {
    Process(u32),
    File(u32),
    Log(u32),
}

impl Wires {
    pub fn new() -> rustix::io::Result<Self> {
        Ok(Wires {
            outgoing: Outgoing::default(),
            poller: Poller::new()?,
            timers: Timers::default(),
            streams: HashMap::new(),
            fed: Vec::new(),
            keys: 0,
        })
    }

    /// Keys are not reused, so that a late event finds no process.
    pub fn next_key(&mut self) -> u32 {
        self.keys = self.keys.wrapping_add(1);
        self.keys
    }

    pub fn feed_later(&mut self, target: Target) {
        if !self.fed.contains(&target) {
            self.fed.push(target);
        }
    }

    /// The last word on a stream.
    pub fn fail(&mut self, stream: u32, failure: &Failure) {
        self.streams.remove(&stream);
        self.outgoing.json(stream, kind::ERROR, failure);
    }
}
