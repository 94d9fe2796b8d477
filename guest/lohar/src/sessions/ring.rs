//! The last bytes of an output, each with its place in all of it, and what a terminal is to know before the first of them.

use std::collections::VecDeque;

use super::questions::questions;
use super::screen::Screen;

pub const KEPT: usize = 65_536;

#[derive(Default)]
pub struct Ring {
    bytes: VecDeque<u8>,
    /// The offset of the first byte that is kept.
    start: u64,
    /// Has seen all that is not kept any more.
    before: Screen,
}

/// Where a new stream begins.
#[derive(Debug, PartialEq, Eq)]
pub struct Beginning {
    pub offset: u64,
    pub prelude: String,
}

impl Ring {
    pub fn start(&self) -> u64 {
        self.start
    }

    pub fn end(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }

    /// How many bytes may come before the one at `needed` is lost.
    pub fn room_behind(&self, needed: u64) -> usize {
        let waiting = self.end().saturating_sub(needed);
        KEPT.saturating_sub(usize::try_from(waiting).unwrap_or(KEPT))
    }

    pub fn push(&mut self, bytes: &[u8]) {
        let passed_over = bytes.len().saturating_sub(KEPT);
        let (early, late) = bytes.split_at(passed_over);
        self.evict((self.bytes.len() + late.len()).saturating_sub(KEPT));
        self.before.feed(early);
        self.start += early.len() as u64;
        let needed = self.bytes.len() + late.len();
        if needed > self.bytes.capacity() {
            // Twice as much as needed at most, and never more than is kept.
            let capacity = (2 * needed).min(KEPT);
            self.bytes.reserve_exact(capacity - self.bytes.len());
        }
        self.bytes.extend(late);
    }

    fn evict(&mut self, count: usize) {
        let (front, back) = self.bytes.as_slices();
        let first = count.min(front.len());
        self.before.feed(&front[..first]);
        self.before.feed(&back[..count - first]);
        self.bytes.drain(..count);
        self.start += count as u64;
    }

    /// What is kept from `offset` on, at most `most` bytes of it, in one or two pieces.
    pub fn slices(&self, offset: u64, most: usize) -> (&[u8], &[u8]) {
        let skip = usize::try_from(offset.saturating_sub(self.start)).unwrap_or(usize::MAX);
        let (front, back) = self.bytes.as_slices();
        let (skipped, rest) = (skip.min(front.len()), skip.saturating_sub(front.len()));
        let front = &front[skipped..];
        let back = &back[rest.min(back.len())..];
        let first = most.min(front.len());
        (&front[..first], &back[..back.len().min(most - first)])
    }

    /// Where an earlier reader left off, if that is kept; otherwise the first place between two characters.
    pub fn beginning(&self, from: Option<u64>) -> Beginning {
        if let Some(offset) = from.filter(|from| (self.start..=self.end()).contains(from)) {
            let prelude = String::new();
            return Beginning { offset, prelude };
        }
        let mut screen = self.before.clone();
        let mut cut = 0;
        for &byte in &self.bytes {
            if screen.begins_with(byte) {
                break;
            }
            screen.step(byte);
            cut += 1;
        }
        if !screen.is_between() && cut == self.bytes.len() {
            // One sequence without an end: it is shown as it is.
            (screen, cut) = (self.before.clone(), 0);
        }
        Beginning {
            offset: self.start + cut as u64,
            prelude: screen.prelude(),
        }
    }

    /// Replaces terminal queries in the kept output by NULs: a terminal that displays them later would answer, and the
    /// program that reads the answer now is another one.
    pub fn hush(&mut self) {
        let begin = usize::try_from(self.beginning(None).offset - self.start).unwrap_or(0);
        let bytes = &mut self.bytes.make_contiguous()[begin..];
        for question in questions(bytes) {
            bytes[question].fill(0);
        }
    }

    /// Gives back the memory that it does not need.
    pub fn shrink(&mut self) {
        self.bytes.shrink_to_fit();
    }

    /// Gives all its memory back. What was kept is lost.
    pub fn clear(&mut self) {
        self.start = self.end();
        self.bytes = VecDeque::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    fn read(ring: &Ring, offset: u64, most: usize) -> Vec<u8> {
        let (front, back) = ring.slices(offset, most);
        [front, back].concat()
    }

    /// One who reads as fast as he likes, and what he has got so far.
    struct Reader {
        began: u64,
        at: u64,
        got: Vec<u8>,
        missed: u64,
    }

    #[test]
    fn a_stream_that_joins_at_any_time_gets_every_byte_once() {
        let mut random = Random::new(11);
        for _ in 0..40 {
            let mut ring = Ring::default();
            let mut all: Vec<u8> = Vec::new();
            let mut readers: Vec<Reader> = Vec::new();
            for _ in 0..300 {
                match random.below(6) {
                    0 if readers.len() < 8 => {
                        let from = (random.below(2) == 0)
                            .then(|| random.below(all.len() + 2) as u64)
                            .filter(|&from| from >= ring.start() && from <= ring.end());
                        let began = ring.beginning(from).offset;
                        assert!(began >= ring.start() && began <= ring.end());
                        assert!(from.is_none() || from == Some(began));
                        let (at, got, missed) = (began, Vec::new(), 0);
                        readers.push(Reader {
                            began,
                            at,
                            got,
                            missed,
                        });
                    }
                    1 | 2 => {
                        let most = if random.below(20) == 0 { 200_000 } else { 9000 };
                        let length = random.below(most);
                        let bytes: Vec<u8> = (0..length).map(|_| random.byte() & 0x7f).collect();
                        ring.push(&bytes);
                        all.extend(bytes);
                    }
                    _ if !readers.is_empty() => {
                        let which = random.below(readers.len());
                        let reader = &mut readers[which];
                        let lost = ring.start().saturating_sub(reader.at);
                        reader.missed += lost;
                        reader.at += lost;
                        let from = reader.at as usize;
                        let got = read(&ring, reader.at, random.below(30_000));
                        assert_eq!(got, all[from..from + got.len()]);
                        reader.at += got.len() as u64;
                        reader.got.extend(got);
                    }
                    _ => {}
                }
                assert_eq!(ring.end(), all.len() as u64);
                assert_eq!(ring.start(), all.len().saturating_sub(KEPT) as u64);
                assert_eq!(
                    read(&ring, ring.start(), usize::MAX),
                    all[ring.start() as usize..]
                );
            }
            for reader in readers {
                let got = reader.got.len() as u64;
                assert_eq!(reader.at - reader.began, got + reader.missed);
            }
        }
    }

    #[test]
    fn a_reader_that_is_waited_for_misses_nothing() {
        let mut random = Random::new(12);
        let mut ring = Ring::default();
        let (mut written, mut read_so_far) = (0u64, 0u64);
        for _ in 0..5000 {
            let room = ring.room_behind(read_so_far);
            let bytes: Vec<u8> = (0..random.below(40_000).min(room))
                .map(|at| ((written + at as u64) % 251) as u8)
                .collect();
            ring.push(&bytes);
            written += bytes.len() as u64;
            assert!(ring.start() <= read_so_far);
            for byte in read(&ring, read_so_far, random.below(40_000)) {
                assert_eq!(u64::from(byte), read_so_far % 251);
                read_so_far += 1;
            }
        }
        assert!(written > 10_000_000);
    }

    #[test]
    fn begins_between_two_characters_and_after_a_sequence() {
        for head in ["\u{e4}", "\u{1F600}", "\x1b[?1049h", "\x1b]0;title\x07"] {
            for cut in 0..head.len() {
                let mut ring = Ring::default();
                ring.push(head.as_bytes());
                let filling = KEPT - (head.len() - cut);
                ring.push(&vec![b'x'; filling]);
                assert_eq!(ring.start(), cut as u64);
                let offset = ring.beginning(None).offset;
                let expected = if cut == 0 { 0 } else { head.len() as u64 };
                assert_eq!(offset, expected, "{head:?} cut at {cut}");
                assert_eq!(ring.beginning(Some(cut as u64)).offset, cut as u64);
            }
        }
    }

    #[test]
    fn tells_the_state_before_what_is_kept() {
        let mut ring = Ring::default();
        ring.push(b"\x1b[?1049h\x1b[?25l");
        ring.push(&[b'x'; KEPT]);
        assert_eq!(ring.beginning(None).prelude, "\x1b[?1049h\x1b[?25l");
        assert_eq!(ring.beginning(Some(ring.start())).prelude, "");
        // What is kept no more, and what never was.
        assert_eq!(ring.beginning(Some(0)), ring.beginning(None));
        assert_eq!(ring.beginning(Some(u64::MAX)), ring.beginning(None));
    }

    #[test]
    fn nothing_that_is_told_again_asks_anything() {
        let mut ring = Ring::default();
        ring.push(b"6n\x1b[6");
        ring.hush();
        ring.push(b"n\x1b]11;?\x07$ \x1b[1mdone");
        ring.hush();
        ring.push(b"\x1b[6n");
        let hushed = b"6n\0\0\0\0\0\0\0\0\0\0\0$ \x1b[1mdone\x1b[6n";
        assert_eq!(read(&ring, 0, usize::MAX), hushed);
        assert_eq!(ring.end(), hushed.len() as u64);
        // Within a sequence that begins before what is kept, nothing else does.
        ring.push(b"\x1b]0;");
        ring.push(&vec![b'x'; KEPT - 5]);
        ring.push(b"\x07\x1b[c!");
        ring.hush();
        let kept = read(&ring, ring.start(), usize::MAX);
        assert!(kept.ends_with(b"xx\x07\0\0\0!"));
    }

    #[test]
    fn a_sequence_without_an_end_is_told_as_it_is() {
        let mut ring = Ring::default();
        ring.push(b"\x1b]0;");
        ring.push(&[b'x'; KEPT]);
        assert_eq!(ring.beginning(None).offset, ring.start());
    }
}
