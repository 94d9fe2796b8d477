//! The workers: those that have nothing to do are kept for the next piece of work, as making one takes an emulated
//! processor longer than most of what it is to do.

use std::collections::HashSet;
use std::os::fd::OwnedFd;
use std::rc::Rc;

use super::order::Work;
use super::orders;
use super::place::Trust;
use super::worker::{self, Ends};
use crate::accounts::Identity;

const MOST_IDLE: usize = 2;

#[derive(Default)]
pub struct Staff {
    idle: Vec<Worker>,
    /// Of all whose end has not been told.
    pids: HashSet<i32>,
}

pub struct Worker {
    pid: i32,
    identity: Rc<Identity>,
    /// It ends when this does and its work is done.
    line: OwnedFd,
}

impl Staff {
    /// Gives the work to a worker of that identity, who has the ends from then on.
    pub fn employ(
        &mut self,
        identity: &Rc<Identity>,
        work: &Work,
        trust: Trust,
        ends: &Ends,
    ) -> rustix::io::Result<Worker> {
        while let Some(at) = self.idle.iter().position(|one| one.identity == *identity) {
            let worker = self.idle.swap_remove(at);
            // One that has just died takes nothing.
            if orders::give(&worker.line, work, trust, ends).is_ok() {
                return Ok(worker);
            }
        }
        let worker = self.hire(identity)?;
        orders::give(&worker.line, work, trust, ends)?;
        Ok(worker)
    }

    fn hire(&mut self, identity: &Rc<Identity>) -> rustix::io::Result<Worker> {
        let (line, theirs) = orders::line()?;
        let pid = worker::start(theirs, identity).map_err(|error| {
            rustix::io::Errno::from_io_error(&error).unwrap_or(rustix::io::Errno::AGAIN)
        })?;
        self.pids.insert(pid);
        Ok(Worker {
            pid,
            identity: identity.clone(),
            line,
        })
    }

    /// Its work is done.
    pub fn rest(&mut self, worker: Worker) {
        if self.idle.len() < MOST_IDLE && self.pids.contains(&worker.pid) {
            self.idle.push(worker);
        }
    }

    pub fn signal(&self, worker: &Worker, signal: i32) {
        if self.pids.contains(&worker.pid) {
            // SAFETY: a child that has not been waited for, so that the pid is still its own.
            unsafe { libc::kill(worker.pid, signal) };
        }
    }

    /// False when the pid is none of ours.
    pub fn exited(&mut self, pid: i32) -> bool {
        self.idle.retain(|worker| worker.pid != pid);
        self.pids.remove(&pid)
    }

    pub fn dismiss_idle(&mut self) {
        self.idle.clear();
    }
}
