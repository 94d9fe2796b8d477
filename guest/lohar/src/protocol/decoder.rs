//! Bytes of the line → frames and markers. After anything malformed it hunts for the next marker.

use super::frame::{parse, Frame, Parsed, MAX_FRAME};

pub const MARKER: &[u8; 16] = b"bhatti sync v1\r\n";
pub type Nonce = [u8; 16];

const WHOLE_MARKER: usize = MARKER.len() + size_of::<Nonce>();
/// Below this much free space the unread rest moves to the front.
const MIN_SPACE: usize = 4096;
/// As much as a stream may have under way: what came at once is passed on at once.
const CAPACITY: usize = MAX_FRAME + 8 * 32_768;

#[derive(Debug, PartialEq, Eq)]
pub enum Event<'a> {
    Frame(Frame<'a>),
    Marker(Nonce),
}

pub struct Decoder {
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    hunting: bool,
}

impl Decoder {
    /// A line starts with a marker, so everything before the first one is dropped.
    pub fn new() -> Self {
        Decoder {
            buffer: vec![0; CAPACITY].into_boxed_slice(),
            start: 0,
            end: 0,
            hunting: true,
        }
    }

    pub fn reset(&mut self) {
        (self.start, self.end, self.hunting) = (0, 0, true);
    }

    /// Where to read into; call `filled` with what came. Never empty once `next` has returned `None`.
    pub fn space(&mut self) -> &mut [u8] {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        } else if self.buffer.len() - self.end < MIN_SPACE {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        &mut self.buffer[self.end..]
    }

    pub fn filled(&mut self, count: usize) {
        self.end = (self.end + count).min(self.buffer.len());
    }

    pub fn next(&mut self) -> Option<Event<'_>> {
        loop {
            if self.hunting {
                return self.hunt();
            }
            // Twice, because the borrow of a frame that is returned would otherwise last through the loop.
            if let Parsed::Malformed(_, length) = parse(&self.buffer[self.start..self.end]) {
                self.start += length;
                self.hunting = true;
                continue;
            }
            return match parse(&self.buffer[self.start..self.end]) {
                Parsed::Frame(frame, length) => {
                    self.start += length;
                    Some(Event::Frame(frame))
                }
                _ => None,
            };
        }
    }

    fn hunt(&mut self) -> Option<Event<'_>> {
        let unread = &self.buffer[self.start..self.end];
        let Some(at) = find_marker(unread) else {
            self.start = self.end - held_back(unread);
            return None;
        };
        self.start += at;
        let nonce = self.buffer[self.start..self.end]
            .get(MARKER.len()..WHOLE_MARKER)?
            .try_into()
            .ok()?;
        self.start += WHOLE_MARKER;
        self.hunting = false;
        Some(Event::Marker(nonce))
    }
}

fn find_marker(bytes: &[u8]) -> Option<usize> {
    let mut from = 0;
    while let Some(at) = bytes[from..].iter().position(|&byte| byte == MARKER[0]) {
        from += at;
        if bytes[from..].starts_with(MARKER) {
            return Some(from);
        }
        from += 1;
    }
    None
}

/// How many of the last bytes may be the beginning of a marker.
fn held_back(bytes: &[u8]) -> usize {
    (1..MARKER.len())
        .rev()
        .find(|&length| bytes.ends_with(&MARKER[..length]))
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::frame::{append, kind};
    use crate::protocol::vectors::{hex, Vectors};
    use crate::random::Random;

    /// Feeds `bytes` in pieces of a random size; returns the last nonce and the frames after it.
    fn decode(
        decoder: &mut Decoder,
        bytes: &[u8],
        random: &mut Random,
    ) -> (Option<Nonce>, Vec<Vec<u8>>) {
        let (mut nonce, mut frames) = (None, Vec::new());
        let mut rest = bytes;
        while !rest.is_empty() {
            let space = decoder.space();
            let longest = if random.below(2) == 0 { 16 } else { 40_000 };
            let most = 1 + random.below(longest);
            let count = rest.len().min(space.len()).min(most);
            space[..count].copy_from_slice(&rest[..count]);
            decoder.filled(count);
            rest = &rest[count..];
            while let Some(event) = decoder.next() {
                match event {
                    Event::Frame(frame) => frames.push(frame.payload.to_vec()),
                    Event::Marker(found) => {
                        nonce = Some(found);
                        frames.clear();
                    }
                }
            }
        }
        (nonce, frames)
    }

    #[test]
    fn synchronises_as_the_vectors_say() {
        let mut random = Random::new(1);
        for vector in Vectors::load().sync {
            for _ in 0..20 {
                let (nonce, frames) =
                    decode(&mut Decoder::new(), &hex(&vector.bytes_hex), &mut random);
                assert_eq!(
                    nonce.map(Vec::from),
                    Some(hex(&vector.nonce_hex)),
                    "{}",
                    vector.name
                );
                assert_eq!(frames.len(), vector.expect_frames_after, "{}", vector.name);
            }
        }
    }

    #[test]
    fn finds_every_frame_after_garbage() {
        let mut random = Random::new(2);
        let mut decoder = Decoder::new();
        for round in 0..300u32 {
            let mut bytes: Vec<u8> = (0..random.below(3000)).map(|_| random.byte()).collect();
            let mut half = Vec::new();
            append(&mut half, 1, kind::DATA, 0, &vec![7; random.below(32_769)]);
            bytes.extend_from_slice(&half[..random.below(half.len())]);
            bytes.resize(bytes.len() + MAX_FRAME, 0);
            bytes.extend_from_slice(MARKER);
            let nonce = std::array::from_fn(|_| random.byte());
            bytes.extend_from_slice(&nonce);
            let sent: Vec<Vec<u8>> = (0..random.below(6))
                .map(|_| (0..random.below(32_769)).map(|_| random.byte()).collect())
                .collect();
            for payload in &sent {
                append(&mut bytes, round, kind::DATA, 0, payload);
            }
            let (found, frames) = decode(&mut decoder, &bytes, &mut random);
            assert_eq!(found, Some(nonce));
            assert_eq!(frames, sent);
        }
    }

    #[test]
    fn survives_noise() {
        let mut random = Random::new(3);
        let mut decoder = Decoder::new();
        for _ in 0..200 {
            let mut bytes: Vec<u8> = (0..random.below(5000)).map(|_| random.byte()).collect();
            if random.below(2) == 0 {
                bytes.extend_from_slice(MARKER);
                bytes.extend((0..16 + random.below(300)).map(|_| random.byte() & 3));
            }
            decode(&mut decoder, &bytes, &mut random);
        }
    }
}
