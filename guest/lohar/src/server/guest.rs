//! The guest as the host sees it: parses received frames and dispatches them.

use std::collections::HashMap;

use super::freezer::Freezer;
use super::shutdown::Shutdown;
use crate::files::jobs::Jobs;
use crate::machine::Machine;
use crate::protocol::assembly::{Assembled, Assembly};
use crate::protocol::decoder::{Event, Nonce};
use crate::protocol::frame::{kind, Frame};
use crate::protocol::messages::{Failure, Hello};
use crate::reactor::wires::Wires;
use crate::sessions::table::Sessions;

pub struct Guest {
    pub wires: Wires,
    pub machine: Machine,
    pub sessions: Sessions,
    pub files: Jobs,
    pub freezer: Freezer,
    pub shutdown: Shutdown,
    /// Helpers that sync the disks, with the request that waits for each, if it still does.
    pub syncs: HashMap<i32, Option<u64>>,
    pub init_started: bool,
    pub(super) assembly: Assembly,
    nonce: Option<Nonce>,
}

impl Guest {
    pub fn new(machine: Machine) -> rustix::io::Result<Self> {
        Ok(Guest {
            wires: Wires::new()?,
            machine,
            sessions: Sessions::new()?,
            files: Jobs::default(),
            freezer: Freezer::default(),
            shutdown: Shutdown::default(),
            syncs: HashMap::new(),
            init_started: false,
            assembly: Assembly::default(),
            nonce: None,
        })
    }

    pub fn handle(&mut self, event: Event<'_>) {
        // Input is passed on before anything else happens, such as that its stream is closed.
        if !matches!(&event, Event::Frame(frame) if frame.kind == kind::DATA) {
            self.feed();
        }
        match event {
            Event::Marker(nonce) => self.greet(nonce),
            Event::Frame(frame) => self.dispatch(&frame),
        }
    }

    /// The host is another one, or has lost the thread: nothing of before concerns it.
    pub fn forget_host(&mut self) {
        self.nonce = None;
        self.wires.outgoing.clear();
        self.assembly.clear();
        self.freezer.forget_requests();
        self.syncs.values_mut().for_each(|request| *request = None);
        let open: Vec<u32> = self.wires.streams.keys().copied().collect();
        for stream in open {
            self.close_stream(stream);
        }
    }

    fn greet(&mut self, nonce: Nonce) {
        // The host was impatient; its first marker is answered already.
        if self.nonce == Some(nonce) {
            return;
        }
        self.forget_host();
        self.nonce = Some(nonce);
        self.wires.outgoing.marker(&nonce);
        let hello = Hello {
            protocol: crate::protocol::VERSION,
            version: env!("CARGO_PKG_VERSION"),
            boot_id: &self.machine.boot_id,
            stage: self.machine.stage,
            processes: self.sessions.list(),
        };
        self.wires.outgoing.json(0, kind::HELLO, &hello);
    }

    fn dispatch(&mut self, frame: &Frame<'_>) {
        match frame.kind {
            kind::DATA | kind::END | kind::CREDIT | kind::CLOSE => {
                self.stream_frame(frame.stream, frame.kind, frame.payload);
            }
            kind::REQUEST | kind::OPEN | kind::CONTROL if self.assembly.is_whole(frame) => {
                self.message(frame.stream, frame.kind, frame.payload);
            }
            kind::REQUEST | kind::OPEN | kind::CONTROL => match self.assembly.add(frame) {
                Assembled::Whole(bytes) => self.message(frame.stream, frame.kind, &bytes),
                Assembled::Partial => {}
                Assembled::TooLong => {
                    let failure = Failure::bad_request("A message is longer than 4 MiB");
                    self.refuse_message(frame, &failure);
                }
                Assembled::NoRoom => {
                    let failure = Failure::new("limit", "Too many incomplete messages");
                    self.refuse_message(frame, &failure);
                }
            },
            // A later version's, which it does not need us to understand.
            _ => {}
        }
    }

    fn message(&mut self, stream: u32, kind: u8, payload: &[u8]) {
        match kind {
            kind::REQUEST if stream == 0 => self.request(payload),
            kind::OPEN => self.open(stream, payload),
            kind::CONTROL => self.stream_frame(stream, kind, payload),
            _ => {}
        }
    }

    fn refuse_message(&mut self, frame: &Frame<'_>, failure: &Failure) {
        if frame.stream == 0 {
            self.refuse(None, failure);
        } else {
            self.break_stream(frame.stream, failure);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::files::scratch::Scratch;
    use crate::protocol::decoder::Decoder;
    use crate::protocol::frame::append;
    use crate::random::Random;
    use crate::reactor::stream_handler::StreamHandler;
    use crate::reactor::wires::Target;

    const MESSAGES: [&str; 21] = [
        r#"{"id":1,"method":"ping","params":{}}"#,
        r#"{"id":2,"method":"mount_root","params":{"device":"vda","grow":true}}"#,
        r#"{"id":3,"method":"configure","params":{"time_unix_ns":"1","entropy":"AAAA","env":{"A":"1"}}}"#,
        r#"{"id":4,"method":"freeze"}"#,
        r#"{"id":5,"method":"thaw","params":{}}"#,
        r#"{"id":6,"method":"stats","params":null}"#,
        r#"{"id":7,"method":"activity","params":{}}"#,
        r#"{"kind":"exec","argv":["/nonexistent/program"],"stdin":true,"timeout_ms":50}"#,
        r#"{"kind":"exec","argv":["cat"],"tty":{"rows":1,"cols":1},"stdin":true,"timeout_ms":50}"#,
        r#"{"kind":"exec","argv":["cat"],"session":true,"stdin":true,"timeout_ms":50,"max_idle_ms":20}"#,
        r#"{"kind":"exec","argv":["seq","9999"],"session":true,"user":"root","timeout_ms":50}"#,
        r#"{"kind":"attach","session":"sess-9e37","mode":"control","tty":{"rows":1,"cols":1}}"#,
        r#"{"kind":"attach","session":"sess-9e37","mode":"watch","from":7,"sizes":true}"#,
        r#"{"kind":"log","session":"sess-9e37","follow":true,"tail":9}"#,
        r#"{"kind":"log","session":"../../etc/passwd"}"#,
        r#"{"id":8,"method":"kill","params":{"session":"sess-9e37","signal":"TERM"}}"#,
        r#"{"id":9,"method":"processes"}"#,
        r#"{"kind":"write","path":"","size":18446744073709551615,"mode":"0644","user":"root"}"#,
        r#"{"kind":"file","op":"list","path":"/nonexistent"}"#,
        r#"{"kind":"file","op":"read","path":"/etc/passwd","offset":2,"limit":1}"#,
        r#"{"type":"signal","signal":"SIGKILL","rows":65535,"cols":0}"#,
    ];

    /// Mostly what a host sends, sometimes with some bytes of it changed.
    fn noise(random: &mut Random) -> Vec<u8> {
        const KINDS: [u8; 9] = [2, 16, 18, 19, 20, 21, 24, 3, 99];
        let mut bytes = Vec::new();
        for _ in 0..30 {
            let mut payload = match random.below(3) {
                0 => vec![random.byte(); random.below(40_000).min(32_768)],
                _ => MESSAGES[random.below(MESSAGES.len())].into(),
            };
            if random.below(3) == 0 && !payload.is_empty() {
                let at = random.below(payload.len());
                payload[at] = random.byte();
            }
            let (stream, kind) = (random.below(6), KINDS[random.below(KINDS.len())]);
            let flags = u8::from(random.below(8) == 0);
            append(&mut bytes, stream as u32, kind, flags, &payload);
            if random.below(40) == 0 {
                let at = random.below(bytes.len());
                bytes[at] ^= 1;
            }
        }
        bytes
    }

    #[test]
    fn survives_any_conversation() {
        let directory = std::env::temp_dir().join(format!("lohar-guest-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let machine = Machine::test("/".into(), directory.clone());
        let mut guest = Guest::new(machine).unwrap();
        let mut random = Random::new(5);
        let mut decoder = Decoder::new();
        for round in 0..60u8 {
            let mut bytes = vec![0; crate::protocol::frame::MAX_FRAME];
            bytes.extend_from_slice(crate::protocol::decoder::MARKER);
            bytes.extend_from_slice(&[round; 16]);
            let greeting = bytes.len();
            bytes.extend(noise(&mut random));
            for (at, piece) in bytes.chunks(4000).enumerate() {
                decoder.space()[..piece.len()].copy_from_slice(piece);
                decoder.filled(piece.len());
                while let Some(event) = decoder.next() {
                    guest.handle(event);
                }
                if at * 4000 > greeting {
                    guest.sessions.pump(&mut guest.wires);
                }
            }
            assert!(guest.wires.streams.len() < 4);
            assert_eq!(guest.nonce, Some([round; 16]));
        }
        guest.sessions.signal_all(libc::SIGKILL);
        std::fs::remove_dir_all(&directory).unwrap();
    }

    #[test]
    fn without_a_cgroup_only_a_computer_that_is_not_ours_is_said_to_freeze() {
        let mut machine = Machine::test("/".into(), PathBuf::from("/nonexistent"));
        machine.stage = crate::protocol::messages::Stage::Mounted;
        let mut guest = Guest::new(machine).unwrap();
        assert!(guest.freeze(1).is_ok() && guest.sessions.frozen);
        assert!(guest.thaw().is_ok());
        guest.machine.scope = crate::machine::Scope::Computer;
        assert_eq!(guest.freeze(2).unwrap_err().code, "freeze_failed");
        assert!(!guest.sessions.frozen);
        assert!(guest.thaw().is_ok());
    }

    #[test]
    fn input_is_passed_on_before_its_stream_is_closed() {
        let scratch = Scratch::new("input");
        let mut machine = Machine::test("/".into(), scratch.path().to_owned());
        machine.stage = crate::protocol::messages::Stage::Mounted;
        let mut guest = Guest::new(machine).unwrap();
        let file = scratch.join("said");
        let open = serde_json::json!({
            "kind": "exec",
            "argv": ["sh", "-c", format!("cat > '{}'", file.display())],
            "stdin": true,
        });
        let mut bytes = [crate::protocol::decoder::MARKER.as_slice(), &[7; 16]].concat();
        append(&mut bytes, 1, kind::OPEN, 0, open.to_string().as_bytes());
        append(&mut bytes, 1, kind::DATA, 0, b"\0some");
        append(&mut bytes, 1, kind::CLOSE, 0, b"");
        let mut decoder = Decoder::new();
        decoder.space()[..bytes.len()].copy_from_slice(&bytes);
        decoder.filled(bytes.len());
        while let Some(event) = decoder.next() {
            guest.handle(event);
        }
        let said = || std::fs::read_to_string(&file).unwrap_or_default();
        while said().is_empty() && guest.sessions.running().commands > 0 {
            guest.reap();
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        assert_eq!(said(), "some");
    }

    #[test]
    fn a_repeated_marker_changes_nothing() {
        let machine = Machine::test("/".into(), PathBuf::from("/nonexistent"));
        let mut guest = Guest::new(machine).unwrap();
        guest.handle(Event::Marker([1; 16]));
        guest.wires.streams.insert(1, Target::File(9));
        guest.handle(Event::Marker([1; 16]));
        assert_eq!(guest.wires.streams.len(), 1);
        guest.handle(Event::Marker([2; 16]));
        assert!(guest.wires.streams.is_empty());
    }
}
