//! Requests of stream 0.

use serde::Serialize;
use serde_json::value::RawValue;

use super::guest::Guest;
use crate::protocol::frame::kind;
use crate::protocol::messages::{
    parse, Configure, Failure, Kill, MountRoot, Nothing, Processes, Reply, ReplyError, Request,
    Stage,
};
use crate::sessions::init;
use crate::{activity, stats, timer_check};

impl Guest {
    pub fn request(&mut self, payload: &[u8]) {
        let request: Request<'_> = match parse(payload) {
            Ok(request) => request,
            Err(failure) => return self.refuse(None, &failure),
        };
        let id = request.id;
        let params = request.params.map_or("{}", RawValue::get);
        let outcome = match request.method.as_str() {
            "ping" => Ok(Some(())),
            "mount_root" => self.mount_root(params).map(Some),
            "configure" => self.configure(params).map(Some),
            "freeze" => self.freeze(id).map(|()| None),
            "thaw" => self.thaw().map(Some),
            "sync" => self.start_sync(id).map(|()| None),
            "stats" => {
                return match stats::read() {
                    Ok(stats) => self.reply(id, &stats),
                    Err(failure) => self.refuse(Some(id), &failure),
                };
            }
            "activity" => {
                let activity = activity::read(&self.machine, &self.sessions);
                return self.reply(id, &activity);
            }
            "timers" => return self.reply(id, &timer_check::measure()),
            "processes" => {
                let processes = self.sessions.list();
                return self.reply(id, &Processes { processes });
            }
            "kill" => self.kill(params).map(Some),
            "shutdown" => {
                self.begin_shutdown();
                Ok(Some(()))
            }
            other => {
                let message = format!("Unknown method '{other}'");
                Err(Failure::new("unknown_method", message))
            }
        };
        match outcome {
            Ok(Some(())) => self.reply(id, &Nothing {}),
            // Answered later.
            Ok(None) => {}
            Err(failure) => self.refuse(Some(id), &failure),
        }
    }

    fn mount_root(&mut self, params: &str) -> Result<(), Failure> {
        let request: MountRoot = parse(params.as_bytes())?;
        self.machine.mount_root(&request)
    }

    fn configure(&mut self, params: &str) -> Result<(), Failure> {
        let request: Configure = parse(params.as_bytes())?;
        let is_first = self.machine.stage < Stage::Configured;
        let seed = self.machine.configure(&request)?;
        if is_first {
            self.sessions.names.seed(seed);
        }
        let Some(script) = request.init.filter(|_| !self.init_started) else {
            return Ok(());
        };
        let process = init::process(&script, &mut self.machine)?;
        self.init_started = true;
        self.sessions
            .add(process, &mut self.wires, &mut self.machine)
    }

    fn kill(&mut self, params: &str) -> Result<(), Failure> {
        let request: Kill = parse(params.as_bytes())?;
        self.sessions.kill(&request)
    }

    /// In a process of its own: writing much out takes long, and other requests would wait.
    fn start_sync(&mut self, id: u64) -> Result<(), Failure> {
        // SAFETY: we have a single thread, and the child makes two system calls.
        match unsafe { libc::fork() } {
            -1 => Err(Failure::new("limit", "Cannot start a worker process")),
            0 => unsafe {
                libc::sync();
                libc::_exit(0)
            },
            pid => {
                self.syncs.insert(pid, Some(id));
                Ok(())
            }
        }
    }

    pub fn reply(&mut self, id: u64, result: &impl Serialize) {
        self.wires
            .outgoing
            .json(0, kind::REPLY, &Reply { id, result });
    }

    pub fn refuse(&mut self, id: Option<u64>, error: &Failure) {
        self.wires
            .outgoing
            .json(0, kind::REPLY, &ReplyError { id, error });
    }
}
