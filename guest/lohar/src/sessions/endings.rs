//! How a process comes to its end, or out of the host's sight.

use rustix::process::WaitStatus;

use super::ended::Exit;
use super::process::Process;
use super::table::Sessions;
use crate::machine::Machine;
use crate::protocol::frame::kind;
use crate::reactor::clock;
use crate::reactor::timers::Timer;
use crate::reactor::wires::Wires;

/// How long what a session has left in the background may keep its result back by never falling silent.
const LINGER: u64 = 10_000_000_000;

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
            // It may have ended by itself just before it was to be killed.
            Exit::Signal(libc::SIGKILL) if process.timed_out => Exit::Timeout,
            Exit::Signal(libc::SIGKILL) if machine.oom_kills() > process.oom_kills => {
                Exit::OutOfMemory
            }
            exit => exit,
        };
        process.exit = Some(exit);
        process.ended_unix_ms = Some(clock::unix_ms());
        process.look_again();
        // A terminal passes on what was written to it with a delay.
        if process.timed_out && !process.tty {
            process.last_call();
        }
        if process.shared.is_some() {
            let linger = clock::now() + LINGER;
            let until = process.deadline.map_or(linger, |at| at.min(linger));
            forget_timers(key, process, wires);
            process.deadline = Some(until);
            wires.timers.add(until, key, Timer::Deadline);
        } else if process.stream.is_none() {
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
            exit.with_result(None, |result| {
                wires.outgoing.json(stream, kind::RESULT, result)
            });
            wires.streams.remove(&stream);
        }
        process.input.close();
        for output in process.outputs.iter_mut().flatten() {
            output.owed = None;
        }
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
            (Timer::Silence, Some(_)) => {
                process.silence = None;
                process.was_silent = true;
                process.look_again();
                self.advance(key, wires);
            }
            (Timer::Deadline, None) => {
                process.deadline = None;
                process.timed_out = true;
                process.kill();
            }
            // It ended in time: a slow reader does not change that, and its pid may have been reused.
            (Timer::Deadline, Some(_)) => {
                process.deadline = None;
                process.last_call();
                self.advance(key, wires);
            }
            (Timer::Idle, None) => {
                if let Some(shared) = &mut process.shared {
                    shared.idle_until = None;
                }
                process.kill();
            }
            (Timer::Gap, _) => self.settle_gap(key, wires),
            (Timer::Redraw, None) => {
                if let Some((_, size)) = process.redraw.take() {
                    process.resize(size, wires);
                }
            }
            _ => {}
        }
    }
}

/// After its end, its pid may be reused.
pub(super) fn forget_timers(key: u32, process: &mut Process, wires: &mut Wires) {
    if let Some(at) = process.deadline.take() {
        wires.timers.remove(at, key, Timer::Deadline);
    }
    if let Some(at) = process.silence.take() {
        wires.timers.remove(at, key, Timer::Silence);
    }
    if let Some((at, _)) = process.redraw.take() {
        wires.timers.remove(at, key, Timer::Redraw);
    }
    if let Some(at) = process.shared.as_mut().and_then(|it| it.idle_until.take()) {
        wires.timers.remove(at, key, Timer::Idle);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::os::unix::process::CommandExt;
    use std::process::{Command, Stdio};
    use std::rc::Rc;

    use rustix::pipe::{pipe_with, PipeFlags};

    use super::*;
    use crate::protocol::messages::OpenExec;
    use crate::reactor::stream_handler::StreamHandler;
    use crate::sessions::credit::WINDOW;
    use crate::sessions::output::Output;

    const KEY: u32 = 1;
    const STREAM: u32 = 1;

    fn ended_with_output(text: &[u8]) -> (Process, std::os::fd::OwnedFd) {
        let (read, write) = pipe_with(PipeFlags::NONBLOCK | PipeFlags::CLOEXEC).unwrap();
        rustix::io::write(&write, text).unwrap();
        let open = OpenExec {
            argv: vec!["seq".to_owned()],
            env: BTreeMap::new(),
            cwd: None,
            user: None,
            tty: None,
            stdin: false,
            timeout_ms: 1,
            session: false,
            max_idle_ms: 0,
            output: None,
        };
        let mut process = Process::new("sess-1".to_owned(), Some(STREAM), open);
        process.waiting = None;
        let mut output = Output::new(Rc::new(read), 1, false);
        output.ready = true;
        process.outputs[0] = Some(output);
        process.exit = Some(Exit::Code(0));
        process.credit.spend(WINDOW as usize);
        (process, write)
    }

    fn sent(wires: &mut Wires) -> String {
        let (read, write) = pipe_with(PipeFlags::NONBLOCK | PipeFlags::CLOEXEC).unwrap();
        wires
            .outgoing
            .flush(std::os::fd::AsFd::as_fd(&write))
            .unwrap();
        let mut bytes = [0; 4096];
        let count = rustix::io::read(&read, &mut bytes).unwrap_or(0);
        String::from_utf8_lossy(&bytes[..count]).into_owned()
    }

    #[test]
    fn a_slow_reader_gets_the_tail_and_the_true_exit_of_what_ended_in_time() {
        let mut wires = Wires::new().unwrap();
        let mut sessions = Sessions::new().unwrap();
        let (mut process, write) = ended_with_output(b"the tail");
        // Stands for a process that reuses the group's number.
        let mut stranger = Command::new("sleep")
            .arg("600")
            .stdout(Stdio::null())
            .process_group(0)
            .spawn()
            .unwrap();
        process.pid = i32::try_from(stranger.id()).ok();
        sessions.processes.insert(KEY, process);

        sessions.expired(KEY, Timer::Deadline, &mut wires);
        sessions.pump(&mut wires);
        assert_eq!(sent(&mut wires), "");
        let alive = stranger.try_wait().unwrap().is_none();
        stranger.kill().unwrap();
        stranger.wait().unwrap();
        assert!(alive);

        drop(write);
        sessions.processes.get_mut(&KEY).unwrap().credit.add(WINDOW);
        sessions.advance(KEY, &mut wires);
        while sessions.pump(&mut wires) {}
        sessions.expired(KEY, Timer::Silence, &mut wires);
        while sessions.pump(&mut wires) {}
        let told = sent(&mut wires);
        assert!(told.contains("the tail"));
        assert!(told.contains(r#"{"exit_code":0,"reason":"exited"}"#));
    }

    #[test]
    fn output_whose_event_comes_after_the_silence_is_told() {
        let mut wires = Wires::new().unwrap();
        let mut sessions = Sessions::new().unwrap();
        let (mut process, _write) = ended_with_output(b"late but there");
        process.credit.add(WINDOW);
        process.outputs[0].as_mut().unwrap().ready = false;
        sessions.processes.insert(KEY, process);
        sessions.expired(KEY, Timer::Silence, &mut wires);
        while sessions.pump(&mut wires) {}
        assert!(sent(&mut wires).contains("late but there"));
        sessions.expired(KEY, Timer::Silence, &mut wires);
        while sessions.pump(&mut wires) {}
        assert!(sent(&mut wires).contains(r#"{"exit_code":0,"reason":"exited"}"#));
    }

    #[test]
    fn grandchildren_that_write_little_for_ever_hold_the_result_back_until_the_deadline_only() {
        let mut wires = Wires::new().unwrap();
        let mut sessions = Sessions::new().unwrap();
        let (mut process, write) = ended_with_output(b"a little");
        process.credit.add(WINDOW);
        sessions.processes.insert(KEY, process);
        sessions.expired(KEY, Timer::Deadline, &mut wires);
        while sessions.pump(&mut wires) {}
        let _ = rustix::io::write(&write, b"more");
        let told = sent(&mut wires);
        assert!(told.contains("a little") && !told.contains("more"));
        assert!(told.contains(r#"{"exit_code":0,"reason":"exited"}"#));
    }

    #[test]
    fn grandchildren_that_never_fall_silent_hold_the_result_back_until_the_deadline_only() {
        let mut wires = Wires::new().unwrap();
        let mut sessions = Sessions::new().unwrap();
        let (mut process, write) = ended_with_output(b"");
        process.credit.add(u32::MAX);
        sessions.processes.insert(KEY, process);
        sessions.expired(KEY, Timer::Deadline, &mut wires);
        let mut told = String::new();
        for _ in 0..1000 {
            if told.contains("exit_code") {
                break;
            }
            let _ = rustix::io::write(&write, &[b'y'; 3000]);
            if let Some(process) = sessions.processes.get_mut(&KEY) {
                process.outputs[0].as_mut().unwrap().ready = true;
            }
            sessions.advance(KEY, &mut wires);
            sessions.pump(&mut wires);
            told = sent(&mut wires);
        }
        assert!(told.contains(r#"{"exit_code":0,"reason":"exited"}"#));
        // What the grandchildren hold stays open, so that they can go on writing.
        assert!(sessions.processes.get_mut(&KEY).is_some());
    }
}
