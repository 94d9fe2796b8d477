//! JSON payloads that take several frames, put together per stream and type, with a limit on each and on all.

use std::collections::HashMap;

use super::frame::{Frame, MORE};

pub const MAX_MESSAGE: usize = 4 * 1024 * 1024;
const MAX_ALL: usize = 16 * 1024 * 1024;
const MAX_PARTS: usize = 1024;

#[derive(Default)]
pub struct Assembly {
    parts: HashMap<(u32, u8), Part>,
    held: usize,
}

enum Part {
    Bytes(Vec<u8>),
    /// Too long: the rest of it is dropped.
    Dropped,
}

pub enum Assembled {
    Whole(Vec<u8>),
    Partial,
    TooLong,
    /// The others leave no room for it now.
    NoRoom,
}

impl Assembly {
    pub fn clear(&mut self) {
        *self = Assembly::default();
    }

    /// Whether a frame is a whole message by itself, as nearly all are; then `add` would only copy it.
    pub fn is_whole(&self, frame: &Frame<'_>) -> bool {
        frame.flags & MORE == 0
            && (self.parts.is_empty() || !self.parts.contains_key(&(frame.stream, frame.kind)))
    }

    pub fn add(&mut self, frame: &Frame<'_>) -> Assembled {
        let key = (frame.stream, frame.kind);
        let part = self.parts.remove(&key).unwrap_or(Part::Bytes(Vec::new()));
        let more = frame.flags & MORE != 0;
        let Part::Bytes(mut bytes) = part else {
            if more {
                self.parts.insert(key, Part::Dropped);
            }
            return Assembled::Partial;
        };
        self.held -= bytes.len();
        let length = bytes.len() + frame.payload.len();
        let full = self.parts.len() >= MAX_PARTS;
        let too_long = length > MAX_MESSAGE;
        if full || too_long || self.held + length > MAX_ALL {
            if more && !full {
                self.parts.insert(key, Part::Dropped);
            }
            return match too_long {
                true => Assembled::TooLong,
                false => Assembled::NoRoom,
            };
        }
        bytes.extend_from_slice(frame.payload);
        if !more {
            return Assembled::Whole(bytes);
        }
        self.held += length;
        self.parts.insert(key, Part::Bytes(bytes));
        Assembled::Partial
    }

    pub fn forget_stream(&mut self, stream: u32) {
        if self.parts.is_empty() {
            return;
        }
        self.parts.retain(|key, _| key.0 != stream);
        self.held = self
            .parts
            .values()
            .map(|part| match part {
                Part::Bytes(bytes) => bytes.len(),
                Part::Dropped => 0,
            })
            .sum();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::frame::kind;

    fn part(stream: u32, flags: u8, payload: &[u8]) -> Frame<'_> {
        Frame {
            stream,
            kind: kind::OPEN,
            flags,
            payload,
        }
    }

    #[test]
    fn joins_interleaved_streams() {
        let mut assembly = Assembly::default();
        assert!(matches!(
            assembly.add(&part(1, MORE, b"ab")),
            Assembled::Partial
        ));
        assert!(matches!(
            assembly.add(&part(3, MORE, b"12")),
            Assembled::Partial
        ));
        assert!(!assembly.is_whole(&part(1, 0, b"c")));
        assert!(assembly.is_whole(&part(5, 0, b"c")));
        assert!(
            matches!(assembly.add(&part(1, 0, b"c")), Assembled::Whole(bytes) if bytes == b"abc")
        );
        assert!(
            matches!(assembly.add(&part(3, 0, b"")), Assembled::Whole(bytes) if bytes == b"12")
        );
        assert_eq!(assembly.held, 0);
    }

    #[test]
    fn says_once_that_a_message_is_too_long() {
        let mut assembly = Assembly::default();
        let chunk = vec![b' '; 32_768];
        let too_long = (0..200)
            .filter(|_| matches!(assembly.add(&part(1, MORE, &chunk)), Assembled::TooLong))
            .count();
        assert_eq!(too_long, 1);
        assert!(matches!(
            assembly.add(&part(1, 0, &chunk)),
            Assembled::Partial
        ));
        assert!(matches!(
            assembly.add(&part(1, 0, b"{}")),
            Assembled::Whole(_)
        ));
        assert_eq!(assembly.held, 0);
    }

    #[test]
    fn has_no_room_for_many_long_messages_at_once() {
        let mut assembly = Assembly::default();
        let chunk = vec![b' '; MAX_MESSAGE];
        for stream in [1, 3, 5, 7] {
            assert!(matches!(
                assembly.add(&part(stream, MORE, &chunk)),
                Assembled::Partial
            ));
        }
        assert!(matches!(
            assembly.add(&part(9, MORE, b"{")),
            Assembled::NoRoom
        ));
        assembly.forget_stream(1);
        assert!(matches!(
            assembly.add(&part(11, MORE, b"{")),
            Assembled::Partial
        ));
    }
}
