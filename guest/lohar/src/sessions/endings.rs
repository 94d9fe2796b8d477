//! How a process comes to its end, or out of the host's sight.

use rustix::process::WaitStatus;

use super::ended::Exit;
use super::process::Process;
use super::table::Sessions;
use crate::machine::Machine;
use crate::protocol::frame::kind;
use crate::reactor::timers::Timer;
use crate::reactor::wires::Wires;

impl Sessions {
    /// False when the pid is none of ours.
    pub fn exited(
        &mut self,
        pid: i32,
        status: WaitStatus,
        wires: &mut Wires,
        machine: &Machine,
    ) -> bool {
        let Some(key) = self.keys_by_pid.remove(&pid) else {
            return false;
        };
        let Some(process) = self.processes.get_mut(&key) else {
            return true;
        };
        let exit = match Exit::of(status) {
            _ if process.timed_out => Exit::Timeout,
            Exit::Signal(libc::SIGKILL) if machine.oom_kills() > process.oom_kills => {
                Exit::OutOfMemory
            }
            exit => exit,
        };
        process.exit = Some(exit);
        if process.stream.is_none() {
            self.ended.keep(process.info());
            forget_timers(key, process, wires);
        }
        self.advance(key, wires);
        true
    }

    /// Tells the result. Outputs that grandchildren still hold stay open and are dropped as they come, or writing to
    /// them would kill a server that was started in the background.
    pub(super) fn finish(&mut self, key: u32, exit: Exit, wires: &mut Wires) {
        let Some(process) = self.processes.get_mut(&key) else {
            return;
        };
        forget_timers(key, process, wires);
        if let Some(stream) = process.stream.take() {
            wires.outgoing.end(stream, 1);
            if !process.tty {
                wires.outgoing.end(stream, 2);
            }
            exit.with_result(|result| wires.outgoing.json(stream, kind::RESULT, result));
            wires.streams.remove(&stream);
        }
        process.input.close();
        if process.outputs.iter().all(Option::is_none) {
            self.processes.remove(&key);
        } else {
            self.advance(key, wires);
        }
    }

    pub fn expired(&mut self, key: u32, timer: Timer, wires: &mut Wires) {
        let Some(process) = self.processes.get_mut(&key) else {
            return;
        };
        match (timer, process.exit) {
            (Timer::Silence, Some(exit)) => {
                process.silence = None;
                self.finish(key, exit, wires);
            }
            (Timer::Deadline, exit) => {
                process.deadline = None;
                process.timed_out = true;
                process.kill();
                if exit.is_some() {
                    self.finish(key, Exit::Timeout, wires);
                }
            }
            _ => {}
        }
    }

    /// Nobody listens any more: input ends, output is dropped, the process goes on.
    pub fn detach(&mut self, key: u32, wires: &mut Wires) {
        let Some(process) = self.processes.get_mut(&key) else {
            return;
        };
        process.stream = None;
        if process.waiting.is_some() {
            self.processes.remove(&key);
            return;
        }
        process.input.close();
        if process.exit.is_some() {
            self.ended.keep(process.info());
            forget_timers(key, process, wires);
        }
        self.advance(key, wires);
    }
}

/// After its end, its pid may become somebody else's.
fn forget_timers(key: u32, process: &mut Process, wires: &mut Wires) {
    if let Some(at) = process.deadline.take() {
        wires.timers.remove(at, key, Timer::Deadline);
    }
    if let Some(at) = process.silence.take() {
        wires.timers.remove(at, key, Timer::Silence);
    }
}
