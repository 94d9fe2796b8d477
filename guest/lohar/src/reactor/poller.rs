//! epoll, always edge-triggered: the host's closed end of a port is reported for ever otherwise, and a stalled stream
//! would have to be taken out and put back.

use std::os::fd::{AsFd, OwnedFd};

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::event::Timespec;
use rustix::io::Errno;

/// What a descriptor is to its owner.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Role {
    Line,
    Listener,
    Signals,
    Input,
    Stdout,
    Stderr,
    Terminal,
    Messages,
    Content,
}

const ROLES: [Role; 9] = [
    Role::Line,
    Role::Listener,
    Role::Signals,
    Role::Input,
    Role::Stdout,
    Role::Stderr,
    Role::Terminal,
    Role::Messages,
    Role::Content,
];

pub struct Poller {
    epoll: OwnedFd,
}

impl Poller {
    pub fn new() -> rustix::io::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        Ok(Poller { epoll })
    }

    pub fn watch_readable(&self, fd: impl AsFd, key: u32, role: Role) -> rustix::io::Result<()> {
        self.watch(fd, key, role, EventFlags::IN)
    }

    pub fn watch_both(&self, fd: impl AsFd, key: u32, role: Role) -> rustix::io::Result<()> {
        self.watch(fd, key, role, EventFlags::IN | EventFlags::OUT)
    }

    pub fn watch_writable(&self, fd: impl AsFd, key: u32, role: Role) {
        if let Err(error) = self.watch(fd, key, role, EventFlags::OUT) {
            crate::log::warn(&format!("cannot watch an input: {error}"));
        }
    }

    fn watch(
        &self,
        fd: impl AsFd,
        key: u32,
        role: Role,
        flags: EventFlags,
    ) -> rustix::io::Result<()> {
        let data = EventData::new_u64(u64::from(key) << 8 | role as u64);
        epoll::add(&self.epoll, fd, data, flags | EventFlags::ET)
    }

    /// Waits for at most `nanoseconds`, rounded up to milliseconds.
    pub fn wait(
        &self,
        events: &mut Vec<Event>,
        nanoseconds: Option<u64>,
    ) -> rustix::io::Result<()> {
        events.clear();
        let timeout = nanoseconds.map(|left| {
            let milliseconds = left.div_ceil(1_000_000).min(i32::MAX as u64);
            Timespec {
                tv_sec: (milliseconds / 1000) as i64,
                tv_nsec: (milliseconds % 1000 * 1_000_000) as i64,
            }
        });
        match epoll::wait(&self.epoll, spare_capacity(events), timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// The key and role that a descriptor was watched with.
pub fn whose(event: &Event) -> Option<(u32, Role)> {
    let data = event.data.u64();
    let role = ROLES.get((data & 0xff) as usize)?;
    Some(((data >> 8) as u32, *role))
}
