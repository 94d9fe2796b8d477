//! The loop.

use std::io;

use super::guest::Guest;
use super::line::Line;
use super::signals::{reap, Reaped, Signals};
use crate::protocol::messages::Nothing;
use crate::reactor::clock;
use crate::reactor::poller::{whose, Role};
use crate::reactor::timers::Timer;

const EVENTS: usize = 64;
/// How often output is read in one round before the line and the events are looked at again.
const PUMPS: usize = 8;

/// Serves the line until the guest has shut down.
pub fn run(guest: &mut Guest, line: &mut Line, signals: &Signals) -> io::Result<()> {
    let mut events = Vec::with_capacity(EVENTS);
    guest
        .wires
        .poller
        .watch_readable(signals.descriptor(), 0, Role::Signals)?;
    loop {
        line.flush(&mut guest.wires.outgoing)?;
        if guest.shutdown.is_over() {
            return Ok(());
        }
        // Asked after the flush, which makes room for output that waits.
        let (handlers, wires) = guest.handlers();
        let busy = line.is_readable() || handlers.iter().any(|handler| handler.has_work(wires));
        let wait = if busy { Some(0) } else { guest.time_to_next() };
        guest.wires.poller.wait(&mut events, wait)?;
        let mut children = false;
        for event in &events {
            match whose(event) {
                Some((_, Role::Line)) => line.notice(event.flags),
                Some((_, Role::Listener)) if line.accept(&guest.wires.poller) => {
                    guest.forget_host();
                }
                Some((_, Role::Signals)) => {
                    let arrived = signals.take();
                    children |= arrived.child;
                    if arrived.terminate {
                        guest.begin_shutdown();
                    }
                }
                Some((key, role)) => {
                    let (handlers, wires) = guest.handlers();
                    for handler in handlers {
                        handler.event(key, role, event.flags, wires);
                    }
                }
                None => {}
            }
        }
        line.read()?;
        while let Some(event) = line.decoder.next() {
            guest.handle(event);
        }
        guest.feed();
        if children {
            guest.reap();
        }
        guest.expire();
        for _ in 0..PUMPS {
            let (handlers, wires) = guest.handlers();
            if !handlers.map(|handler| handler.pump(wires)).contains(&true) {
                break;
            }
        }
    }
}

impl Guest {
    fn time_to_next(&self) -> Option<u64> {
        let next = self.wires.timers.next()?;
        Some(next.saturating_sub(clock::now()))
    }

    fn expire(&mut self) {
        if self.wires.timers.next().is_none() {
            return;
        }
        let now = clock::now();
        while let Some((key, timer)) = self.wires.timers.take_due(now) {
            match timer {
                Timer::Freezer => self.check_freezer(),
                Timer::Shutdown => self.finish_shutdown(),
                Timer::Deadline | Timer::Silence | Timer::Idle | Timer::Redraw | Timer::Gap => {
                    self.sessions.expired(key, timer, &mut self.wires);
                }
            }
        }
    }

    pub fn reap(&mut self) {
        loop {
            match reap() {
                Reaped::Child(pid, status) => {
                    if let Some(request) = self.syncs.remove(&pid) {
                        if let Some(id) = request {
                            self.reply(id, &Nothing {});
                        }
                        continue;
                    }
                    let wires = &mut self.wires;
                    let _orphan = !self.sessions.exited(pid, status, wires, &self.machine)
                        && !self.files.exited(pid);
                }
                Reaped::NoMore => return,
                Reaped::Childless => {
                    if self.shutdown.is_under_way() {
                        self.finish_shutdown();
                    }
                    return;
                }
            }
        }
    }
}
