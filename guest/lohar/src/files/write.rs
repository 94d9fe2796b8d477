//! The `write` stream: from the host's frames into a worker's pipe, from the worker's end to the host's answer.

use std::collections::HashMap;
use std::path::Path;

use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::pipe::PipeFlags;
use rustix::process::WaitStatus;

use super::worker::{self, Order, Owner};
use crate::machine::Machine;
use crate::protocol::frame::kind;
use crate::protocol::messages::{Failure, OpenWrite, User, WriteResult};
use crate::reactor::wires::{Target, Wires};
use crate::reason::{reason, reason_of};
use crate::sessions::input::Input;

#[derive(Default)]
pub struct Writes {
    writes: HashMap<u32, Write>,
    keys_by_pid: HashMap<i32, u32>,
}

struct Write {
    stream: Option<u32>,
    path: String,
    size: u64,
    received: u64,
    ended: bool,
    input: Input,
}

impl Writes {
    pub fn open(
        &mut self,
        stream: u32,
        open: OpenWrite,
        wires: &mut Wires,
        machine: &mut Machine,
    ) -> Result<(), Failure> {
        if !worker::is_possible(&open.path) {
            return Err(Failure::bad_request("The path is empty or has a zero byte"));
        }
        let mode = parse_mode(&open.mode).ok_or_else(|| {
            Failure::bad_request(format!("Mode '{}' is not octal such as '0644'", open.mode))
        })?;
        let identity = machine
            .accounts
            .identity(open.user.unwrap_or(User::Lohar))?;
        let owner = match open.owner {
            Some(owner) => Some(Owner::of(&*machine.accounts.identity(owner)?)),
            None => None,
        };
        let path = Path::new(&machine.directory).join(&open.path);
        let (content, sink) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC).map_err(no_resources)?;
        rustix::fs::fcntl_setfl(&sink, OFlags::NONBLOCK).map_err(no_resources)?;
        let order = Order {
            path: &path,
            size: open.size,
            mode,
            owner,
        };
        let pid = worker::start(content, &order, &identity).map_err(|error| {
            Failure::new("limit", format!("Cannot write: {}", reason_of(&error)))
        })?;
        let key = wires.next_key();
        wires.streams.insert(stream, Target::Write(key));
        self.keys_by_pid.insert(pid, key);
        let write = Write {
            stream: Some(stream),
            path: open.path,
            size: open.size,
            received: 0,
            ended: false,
            input: Input::pipe(sink),
        };
        self.writes.insert(key, write);
        wires
            .outgoing
            .json(stream, kind::OPENED, &crate::protocol::messages::Nothing {});
        Ok(())
    }

    pub fn receive(&mut self, key: u32, bytes: &[u8], wires: &mut Wires) {
        let Some(write) = self.writes.get_mut(&key) else {
            return;
        };
        write.received += bytes.len() as u64;
        if write.ended || write.received > write.size {
            return self.refuse_size(key, wires);
        }
        if !write.input.receive(bytes) {
            return self.fail(key, &too_much(), wires);
        }
        self.pump(key, wires);
    }

    pub fn end(&mut self, key: u32, wires: &mut Wires) {
        let Some(write) = self.writes.get_mut(&key) else {
            return;
        };
        if write.received != write.size {
            return self.refuse_size(key, wires);
        }
        if !std::mem::replace(&mut write.ended, true) {
            write.input.push_byte(worker::GO_AHEAD);
            write.input.end();
            self.pump(key, wires);
        }
    }

    pub fn pump(&mut self, key: u32, wires: &mut Wires) {
        if let Some(write) = self.writes.get_mut(&key) {
            let grant = write.input.pump(&wires.poller, key);
            if let (Some(grant), Some(stream)) = (grant, write.stream) {
                wires.outgoing.credit(stream, grant);
            }
        }
    }

    /// The host is gone: what has not ended is given up.
    pub fn detach(&mut self, key: u32) {
        if let Some(write) = self.writes.get_mut(&key) {
            write.stream = None;
            if !write.ended {
                write.input.close();
            }
        }
    }

    pub fn give_up(&mut self) {
        for write in self.writes.values_mut() {
            write.input.close();
        }
    }

    /// False when the pid is none of ours.
    pub fn exited(&mut self, pid: i32, status: WaitStatus, wires: &mut Wires) -> bool {
        let Some(key) = self.keys_by_pid.remove(&pid) else {
            return false;
        };
        let Some(write) = self.writes.remove(&key) else {
            return true;
        };
        let Some(stream) = write.stream else {
            return true;
        };
        match status.exit_status() {
            Some(0) => {
                wires.streams.remove(&stream);
                let size = write.size;
                wires
                    .outgoing
                    .json(stream, kind::RESULT, &WriteResult { size });
            }
            code => wires.fail(stream, &explain(code.unwrap_or(libc::EIO), &write.path)),
        }
        true
    }

    fn refuse_size(&mut self, key: u32, wires: &mut Wires) {
        if let Some(write) = self.writes.get(&key) {
            let message = format!("Expected {} bytes, got {}", write.size, write.received);
            self.fail(key, &Failure::new("size_mismatch", message), wires);
        }
    }

    pub fn fail(&mut self, key: u32, failure: &Failure, wires: &mut Wires) {
        if let Some(write) = self.writes.get_mut(&key) {
            write.input.close();
            if let Some(stream) = write.stream.take() {
                wires.fail(stream, failure);
            }
        }
    }
}

pub fn too_much() -> Failure {
    Failure::new("protocol", "More data than there was credit for")
}

fn no_resources(error: Errno) -> Failure {
    Failure::new("limit", format!("Cannot write: {}", reason(error)))
}

fn parse_mode(text: &str) -> Option<u32> {
    u32::from_str_radix(text, 8)
        .ok()
        .filter(|&mode| mode <= 0o7777)
}

fn explain(code: i32, path: &str) -> Failure {
    let known = match code {
        libc::ENOENT | libc::ENOTDIR => "not_found",
        libc::EISDIR => "is_directory",
        libc::EACCES | libc::EPERM | libc::EROFS => "permission_denied",
        libc::ENOSPC | libc::EDQUOT | libc::EFBIG => "no_space",
        libc::EINVAL | libc::ENAMETOOLONG | libc::ELOOP | libc::ETXTBSY => "bad_request",
        _ => "io_error",
    };
    let reason = match code {
        worker::ABANDONED => "it was given up".to_owned(),
        _ => reason(Errno::from_raw_os_error(code)),
    };
    Failure::new(known, format!("Cannot write '{path}': {reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_octal() {
        assert_eq!(parse_mode("0644"), Some(0o644));
        assert_eq!(parse_mode("755"), Some(0o755));
        for wrong in ["", "rw", "0800", "77777", "-1"] {
            assert_eq!(parse_mode(wrong), None, "{wrong}");
        }
    }
}
