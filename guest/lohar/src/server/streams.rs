//! Frames of the streams: OPEN, DATA, END, CREDIT, CONTROL, CLOSE.

use super::guest::Guest;
use crate::files::jobs::too_much;
use crate::protocol::frame::{kind, Frame};
use crate::protocol::messages::{
    Control, Failure, OpenAttach, OpenExec, OpenKind, OpenLog, Size, Stage,
};
use crate::reactor::wires::Target;
use crate::sessions::signals;

const MAX_STREAMS: usize = 256;
const STDIN: u8 = 0;

impl Guest {
    pub fn open(&mut self, stream: u32, payload: &[u8]) {
        if stream % 2 == 0 || self.wires.streams.contains_key(&stream) {
            let message = format!("The host cannot open stream {stream}");
            return self.break_stream(stream, &Failure::new("protocol", message));
        }
        if let Err(failure) = self.try_open(stream, payload) {
            self.wires.fail(stream, &failure);
        }
    }

    fn try_open(&mut self, stream: u32, payload: &[u8]) -> Result<(), Failure> {
        if self.wires.streams.len() >= MAX_STREAMS {
            let message = format!("Stream limit reached ({MAX_STREAMS})");
            return Err(Failure::new("limit", message));
        }
        if self.machine.stage == Stage::Initramfs {
            return Err(Failure::new("not_mounted", "No root is mounted"));
        }
        if self.shutdown.is_under_way() {
            return Err(Failure::new("shutting_down", "The guest is shutting down"));
        }
        let open: OpenKind = parse(payload)?;
        match open.kind.as_str() {
            "exec" => {
                let open: OpenExec = parse(payload)?;
                self.sessions
                    .open(stream, open, &mut self.wires, &mut self.machine)
            }
            "attach" => {
                let open: OpenAttach = parse(payload)?;
                self.sessions.attach(stream, &open, &mut self.wires)
            }
            "log" => {
                let open: OpenLog = parse(payload)?;
                self.sessions
                    .open_log(stream, &open, &mut self.wires, &self.machine)
            }
            "write" => {
                let (wires, machine) = (&mut self.wires, &mut self.machine);
                self.files.open_write(stream, payload, wires, machine)
            }
            "file" => {
                let (wires, machine) = (&mut self.wires, &mut self.machine);
                self.files.open_file(stream, payload, wires, machine)
            }
            other => Err(Failure::bad_request(format!("Unknown kind '{other}'"))),
        }
    }

    /// Frames of streams that are not open are late, and ignored.
    pub fn stream_frame(&mut self, frame: &Frame<'_>) {
        let stream = frame.stream;
        let Some(&target) = self.wires.streams.get(&stream) else {
            return;
        };
        if matches!(frame.kind, kind::DATA | kind::END) && !self.takes_input(stream, target) {
            return self.refuse_watcher(stream);
        }
        match (frame.kind, frame.payload) {
            (kind::DATA, [STDIN, bytes @ ..]) if !bytes.is_empty() => {
                self.receive(stream, target, bytes);
            }
            (kind::END, [STDIN]) => self.end(target),
            (kind::CREDIT, &[a, b, c, d]) => {
                let bytes = u32::from_le_bytes([a, b, c, d]);
                match target {
                    Target::Process(key) => {
                        self.sessions.credit(key, stream, bytes, &mut self.wires);
                    }
                    Target::Log(key) => self.sessions.credit_log(key, bytes),
                    Target::File(key) => self.files.credit(key, bytes),
                }
            }
            (kind::CLOSE, _) => {
                self.wires.streams.remove(&stream);
                self.forget_parts(stream);
                self.close(stream, target);
            }
            _ => {
                let message = format!("Malformed frame of type {}", frame.kind);
                self.break_stream(stream, &Failure::new("protocol", message));
            }
        }
    }

    /// Those that only look on do not.
    fn takes_input(&mut self, stream: u32, target: Target) -> bool {
        match target {
            Target::Process(key) => {
                let process = self.sessions.get(key);
                process.map_or(true, |process| process.stream() == Some(stream))
            }
            Target::Log(_) => false,
            Target::File(_) => true,
        }
    }

    fn refuse_watcher(&mut self, stream: u32) {
        let message = "This stream accepts no input";
        self.break_stream(stream, &Failure::new("protocol", message));
    }

    fn receive(&mut self, stream: u32, target: Target, bytes: &[u8]) {
        match target {
            Target::File(key) => self.files.receive(key, bytes, &mut self.wires),
            Target::Log(_) => {}
            Target::Process(key) => {
                let Some(process) = self.sessions.get(key) else {
                    return;
                };
                if process.input.receive(bytes) {
                    self.wires.feed_later(target);
                } else {
                    self.break_stream(stream, &too_much());
                }
            }
        }
    }

    /// Passes on what has come in this round.
    pub fn feed(&mut self) {
        for target in std::mem::take(&mut self.wires.fed) {
            match target {
                Target::Process(key) => self.sessions.pump_input(key, &mut self.wires),
                Target::File(key) => self.files.pump_input(key, &mut self.wires),
                Target::Log(_) => {}
            }
        }
    }

    fn end(&mut self, target: Target) {
        match target {
            Target::File(key) => self.files.end(key, &mut self.wires),
            Target::Log(_) => {}
            Target::Process(key) => {
                if let Some(process) = self.sessions.get(key) {
                    process.input.end();
                    self.sessions.pump_input(key, &mut self.wires);
                }
            }
        }
    }

    /// There is no answer to this message, so what cannot be done is left undone.
    pub fn control(&mut self, stream: u32, payload: &[u8]) {
        let Some(&target) = self.wires.streams.get(&stream) else {
            return;
        };
        if !self.takes_input(stream, target) {
            return self.refuse_watcher(stream);
        }
        let Target::Process(key) = target else {
            return;
        };
        let (Ok(control), Some(process)) = (parse::<Control>(payload), self.sessions.get(key))
        else {
            return;
        };
        match (control.kind.as_str(), control.rows, control.cols) {
            ("resize", Some(rows), Some(cols)) => {
                // A terminal that is about to get its size back shall get this one.
                if let Some((_, size)) = &mut process.redraw {
                    *size = Size { rows, cols };
                }
                process.resize(Size { rows, cols }, &mut self.wires);
            }
            ("signal", ..) => {
                if let Some(signal) = control.signal.as_deref().and_then(signals::number) {
                    process.signal(signal);
                }
            }
            _ => {}
        }
    }
}

pub fn parse<'a, T: serde::Deserialize<'a>>(payload: &'a [u8]) -> Result<T, Failure> {
    serde_json::from_slice(payload).map_err(|error| Failure::bad_request(error.to_string()))
}
