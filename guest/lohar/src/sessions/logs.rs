//! Streams that read the logs of sessions, those of sessions that are only known by their log included.

use std::collections::HashMap;

use super::attach::not_found;
use super::log_folder::is_name;
use super::log_reader::{LogReader, Source, Start, Step};
use super::process::Process;
use super::table::Sessions;
use crate::machine::Machine;
use crate::protocol::frame::kind;
use crate::protocol::messages::{Failure, Nothing, OpenLog, OpenedLog};
use crate::reactor::stream_handler::StreamHandler;
use crate::reactor::wires::{Target, Wires};
use crate::reason::{reason, reason_of};

pub type LogReaders = HashMap<u32, LogReader>;

/// They take no input. `Sessions` pumps their output.
impl StreamHandler for LogReaders {
    fn credit(&mut self, key: u32, _stream: u32, bytes: u32, _wires: &mut Wires) {
        if let Some(reader) = self.get_mut(&key) {
            reader.credit.add(bytes);
        }
    }

    fn close(&mut self, key: u32, _stream: u32, _wires: &mut Wires) {
        self.remove(&key);
    }
}

impl Sessions {
    pub fn open_log(
        &mut self,
        stream: u32,
        open: &OpenLog,
        wires: &mut Wires,
        machine: &Machine,
    ) -> Result<(), Failure> {
        let OpenLog {
            session, follow, ..
        } = open;
        if !is_name(session) {
            return Err(not_found(session));
        }
        self.settle_log(session);
        let source = self.source(session);
        let folder = machine.logs.clone();
        let reader = LogReader::open(stream, session, folder, source, *follow, start_of(open))
            .map_err(|error| cannot_read(session, &reason_of(&error)))?
            .ok_or_else(|| not_found(session))?;
        let offset = reader.offset;
        let key = wires.next_key();
        wires.streams.insert(stream, Target::Log(key));
        wires
            .outgoing
            .json(stream, kind::OPENED, &OpenedLog { offset });
        self.readers.insert(key, reader);
        Ok(())
    }

    /// What still writes a log of this name, or did.
    fn source(&self, session: &str) -> Option<Source> {
        let mut all = self.processes.values();
        let process = all.find(|process| process.session == session)?;
        let shared = process.shared.as_ref()?;
        Some(Source {
            generation: shared.log.generation,
            end: shared.log.end(),
            ended: shared.over.is_some(),
            gap: shared.log.gap(),
        })
    }

    /// The disk may have room by now.
    fn settle_log(&mut self, session: &str) {
        let mut all = self.processes.values_mut();
        let process = all.find(|process| process.session == session);
        if let Some(shared) = process.and_then(|process| process.shared.as_mut()) {
            shared.log.settle();
        }
    }

    /// A session has written something, or has ended.
    pub(super) fn wake_readers(&mut self, key: u32) {
        if self.readers.is_empty() {
            return;
        }
        let session = self
            .processes
            .get(&key)
            .map(|process: &Process| &process.session);
        for reader in self.readers.values_mut() {
            reader.waits &= Some(&reader.session) != session;
        }
    }

    /// One piece for every stream that takes one; false when nothing moved.
    pub(super) fn pump_readers(&mut self, wires: &mut Wires) -> bool {
        if self.readers.is_empty() {
            return false;
        }
        let due = self.readers.iter().filter(|(_, reader)| reader.is_due());
        let due: Vec<u32> = due.map(|(&key, _)| key).collect();
        let mut moved = false;
        for key in due {
            if !wires.outgoing.has_room() {
                break;
            }
            let Some(mut reader) = self.readers.remove(&key) else {
                continue;
            };
            let source = self.source(&reader.session);
            moved = true;
            match reader.step(&mut wires.outgoing, source) {
                Step::Over => {
                    wires.streams.remove(&reader.stream);
                    wires
                        .outgoing
                        .json(reader.stream, kind::RESULT, &Nothing {});
                    continue;
                }
                Step::Failed(error) => {
                    let failure = cannot_read(&reader.session, reason(error).as_ref());
                    wires.fail(reader.stream, &failure);
                    continue;
                }
                Step::Missed => {
                    let name = &reader.session;
                    let message = format!("The next bytes of the log of '{name}' were rotated out");
                    wires.fail(reader.stream, &Failure::new("missed", message));
                    continue;
                }
                Step::Waits => reader.waits = true,
                Step::Moved => {}
            }
            self.readers.insert(key, reader);
        }
        moved
    }
}

fn start_of(open: &OpenLog) -> Start {
    match (open.from, open.tail) {
        (Some(offset), _) => Start::From(offset),
        (None, Some(bytes)) => Start::Tail(bytes),
        (None, None) => Start::Oldest,
    }
}

fn cannot_read(session: &str, reason: &str) -> Failure {
    let message = format!("Cannot read the log of '{session}': {reason}");
    Failure::new("io_error", message)
}
