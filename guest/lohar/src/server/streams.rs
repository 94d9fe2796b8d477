//! Frames of the streams: OPEN, DATA, END, CREDIT, CONTROL, CLOSE.

use super::guest::Guest;
use crate::protocol::frame::kind;
use crate::protocol::messages::{parse, Failure, OpenKind, Stage};
use crate::reactor::stream_handler::StreamHandler;
use crate::reactor::wires::{Target, Wires};

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
        let (sessions, files) = (&mut self.sessions, &mut self.files);
        let (wires, machine) = (&mut self.wires, &mut self.machine);
        match open.kind.as_str() {
            "exec" => sessions.open(stream, parse(payload)?, wires, machine),
            "attach" => sessions.attach(stream, &parse(payload)?, wires),
            "log" => sessions.open_log(stream, &parse(payload)?, wires, machine),
            "write" => files.open_write(stream, parse(payload)?, wires, machine),
            "file" => files.open_file(stream, payload, wires, machine),
            other => Err(Failure::bad_request(format!("Unknown kind '{other}'"))),
        }
    }

    /// What handles the streams of a target, and its key there.
    fn handler(&mut self, target: Target) -> (&mut dyn StreamHandler, u32, &mut Wires) {
        let (handler, key): (&mut dyn StreamHandler, u32) = match target {
            Target::Process(key) => (&mut self.sessions, key),
            Target::Log(key) => (&mut self.sessions.readers, key),
            Target::File(key) => (&mut self.files, key),
        };
        (handler, key, &mut self.wires)
    }

    /// The handlers that have events and output. Sessions pump the streams of their logs.
    pub fn handlers(&mut self) -> ([&mut dyn StreamHandler; 2], &mut Wires) {
        ([&mut self.sessions, &mut self.files], &mut self.wires)
    }

    /// Frames of streams that are not open are late, and ignored.
    pub fn stream_frame(&mut self, stream: u32, kind: u8, payload: &[u8]) {
        let Some(&target) = self.wires.streams.get(&stream) else {
            return;
        };
        let (handler, key, wires) = self.handler(target);
        let outcome = match (kind, payload) {
            (kind::DATA | kind::END | kind::CONTROL, _) if !handler.takes_input(key, stream) => {
                let message = "This stream accepts no input";
                Err(Failure::new("protocol", message))
            }
            (kind::DATA, [STDIN, bytes @ ..]) if !bytes.is_empty() => handler
                .receive(key, bytes)
                .map(|()| wires.feed_later(target)),
            (kind::END, [STDIN]) => handler.end(key, wires),
            (kind::CONTROL, message) => {
                handler.control(key, message, wires);
                Ok(())
            }
            (kind::CREDIT, &[a, b, c, d]) => {
                handler.credit(key, stream, u32::from_le_bytes([a, b, c, d]), wires);
                Ok(())
            }
            (kind::CLOSE, _) => {
                self.close_stream(stream);
                Ok(())
            }
            _ => {
                let message = format!("Malformed frame of type {kind}");
                Err(Failure::new("protocol", message))
            }
        };
        if let Err(failure) = outcome {
            self.break_stream(stream, &failure);
        }
    }

    pub fn close_stream(&mut self, stream: u32) {
        if let Some(target) = self.wires.streams.remove(&stream) {
            let (handler, key, wires) = self.handler(target);
            handler.close(key, stream, wires);
        }
        self.assembly.forget_stream(stream);
    }

    /// Closes a stream and reports why.
    pub fn break_stream(&mut self, stream: u32, failure: &Failure) {
        self.close_stream(stream);
        self.wires.fail(stream, failure);
    }

    /// Passes on the input of this round.
    pub fn feed(&mut self) {
        for target in std::mem::take(&mut self.wires.fed) {
            let (handler, key, wires) = self.handler(target);
            handler.pump_input(key, wires);
        }
    }
}
