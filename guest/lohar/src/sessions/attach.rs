//! The `attach` stream: coming back to a session, or looking on.

use super::process::Process;
use super::shared::{Viewer, MOST_WATCHERS};
use super::table::Sessions;
use crate::protocol::frame::kind;
use crate::protocol::messages::{Attached, Failure, Mode, OpenAttach, Size};
use crate::reactor::clock;
use crate::reactor::timers::Timer;
use crate::reactor::wires::{Target, Wires};

/// For how long a program sees another size, so that it draws again even when it looks late.
const OTHER_SIZE: u64 = 100_000_000;

impl Sessions {
    pub fn attach(
        &mut self,
        stream: u32,
        open: &OpenAttach,
        wires: &mut Wires,
    ) -> Result<(), Failure> {
        let key = self.find_session(&open.session)?;
        let Some(process) = self.processes.get_mut(&key) else {
            return Ok(());
        };
        let taken = make_way(process, open)?;
        if let Some(former) = taken {
            let message = format!("Another client attached to session '{}'", open.session);
            wires.fail(former, &Failure::new("session_taken", message));
        }
        let stdin = process.exit.is_none() && process.input.is_open();
        let (pid, tty) = (process.pid.unwrap_or(0), process.tty);
        let Some(shared) = process.shared.as_mut() else {
            return Ok(());
        };
        let beginning = shared.beginning(open.from, open.mode);
        let mut viewer = Viewer::new(stream, beginning.offset);
        viewer.sizes = open.sizes;
        viewer.until = shared.over.map(|_| shared.ring.end());
        match open.mode {
            Mode::Control => {
                shared.control = Some(viewer);
                if let Some(at) = shared.idle_until.take() {
                    wires.timers.remove(at, key, Timer::Idle);
                }
            }
            Mode::Watch => shared.watchers.push(viewer),
        }
        wires.streams.insert(stream, Target::Process(key));
        let attached = Attached {
            session: &open.session,
            pid,
            tty,
            stdin,
            offset: beginning.offset,
            prelude: &beginning.prelude,
        };
        wires.outgoing.json(stream, kind::OPENED, &attached);
        if let Some(size) = open.tty.filter(|_| open.mode == Mode::Control) {
            show_again(key, process, size, wires);
        }
        process.tell_size(wires);
        self.advance(key, wires);
        Ok(())
    }

    pub(super) fn find_session(&self, name: &str) -> Result<u32, Failure> {
        let mut all = self.processes.iter();
        let found = all.find(|(_, process)| {
            let shared = process.shared.as_ref();
            process.session == name
                && process.waiting.is_none()
                && shared.is_some_and(|shared| !shared.forgotten)
        });
        found.map(|(&key, _)| key).ok_or_else(|| not_found(name))
    }
}

pub(super) fn not_found(name: &str) -> Failure {
    Failure::new("session_not_found", format!("Session '{name}' not found"))
}

/// The stream that loses control, if any has it.
fn make_way(process: &mut Process, open: &OpenAttach) -> Result<Option<u32>, Failure> {
    let Some(shared) = process.shared.as_mut() else {
        return Ok(None);
    };
    if open.mode == Mode::Watch {
        if shared.watchers.len() < MOST_WATCHERS {
            return Ok(None);
        }
        let message = format!("{MOST_WATCHERS} watch '{}' already", open.session);
        return Err(Failure::new("limit", message));
    }
    if shared.control.is_some() && open.if_detached {
        let message = format!("Session '{}' is attached", open.session);
        return Err(Failure::new("session_attached", message));
    }
    if !process.input.renew() {
        let message = format!("Session '{}' does not read its input", open.session);
        return Err(Failure::new("limit", message));
    }
    Ok(shared.control.take().map(|viewer| viewer.stream))
}

/// Gives the terminal its size. A program that fills the screen draws itself again only when the size changes.
fn show_again(key: u32, process: &mut Process, size: Size, wires: &mut Wires) {
    if let Some((at, _)) = process.redraw.take() {
        wires.timers.remove(at, key, Timer::Redraw);
    }
    let screen = process.shared.as_ref().and_then(|it| it.screen.as_ref());
    let fills = screen.is_some_and(|screen| screen.is_alternate());
    if fills && process.exit.is_none() && process.size() == Some(size) {
        let cols = match size.cols {
            0 | 1 => size.cols + 1,
            cols => cols - 1,
        };
        process.resize(Size { cols, ..size }, wires);
        let at = clock::now() + OTHER_SIZE;
        process.redraw = Some((at, size));
        wires.timers.add(at, key, Timer::Redraw);
    } else {
        process.resize(size, wires);
    }
}
