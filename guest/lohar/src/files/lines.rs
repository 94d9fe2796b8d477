//! Which bytes of a text a selection of lines and bytes means, told while the text passes by.

use std::ops::Range;

pub struct Selection {
    /// Ends of lines that are to be passed over.
    skip: u64,
    /// Lines that are still wanted.
    lines: Option<u64>,
    bytes: Option<u64>,
}

impl Selection {
    /// The first line is 1.
    pub fn new(offset: Option<u64>, limit: Option<u64>, max_bytes: Option<u64>) -> Self {
        Selection {
            skip: offset.unwrap_or(1).saturating_sub(1),
            lines: limit,
            bytes: max_bytes,
        }
    }

    /// Nothing of what follows is wanted.
    pub fn is_over(&self) -> bool {
        self.skip == 0 && self.lines == Some(0) || self.bytes == Some(0)
    }

    /// The part of the next piece that is wanted.
    pub fn take(&mut self, piece: &[u8]) -> Range<usize> {
        let start = pass_lines(piece, &mut self.skip);
        if self.skip > 0 {
            return piece.len()..piece.len();
        }
        let mut end = piece.len();
        if let Some(lines) = &mut self.lines {
            end = start + pass_lines(&piece[start..], lines);
        }
        if let Some(bytes) = &mut self.bytes {
            end = end.min(start.saturating_add(usize::try_from(*bytes).unwrap_or(usize::MAX)));
            *bytes -= (end - start) as u64;
        }
        start..end
    }
}

/// Where that many lines end in the piece, or the piece's end; the count is made smaller by those that do.
fn pass_lines(piece: &[u8], lines: &mut u64) -> usize {
    let mut at = 0;
    while *lines > 0 {
        let Some(length) = find_newline(&piece[at..]) else {
            return piece.len();
        };
        at += length + 1;
        *lines -= 1;
    }
    at
}

/// The C library's search reads many bytes at a time.
fn find_newline(bytes: &[u8]) -> Option<usize> {
    // SAFETY: the search stays within the slice.
    let found = unsafe { libc::memchr(bytes.as_ptr().cast(), i32::from(b'\n'), bytes.len()) };
    (!found.is_null()).then(|| found as usize - bytes.as_ptr() as usize)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    fn select(text: &[u8], piece: usize, mut selection: Selection) -> Vec<u8> {
        let mut taken = Vec::new();
        for piece in text.chunks(piece) {
            if selection.is_over() {
                break;
            }
            taken.extend_from_slice(&piece[selection.take(piece)]);
        }
        taken
    }

    #[test]
    fn lines_and_bytes_are_counted_over_any_pieces() {
        let text = b"one\ntwo\n\nfour\nlast";
        for (offset, limit, most, expected) in [
            (None, None, None, &text[..]),
            (Some(1), Some(1), None, b"one\n"),
            (Some(2), Some(2), None, b"two\n\n"),
            (Some(5), None, None, b"last"),
            (Some(6), None, None, b""),
            (Some(5), Some(9), Some(2), b"la"),
            (None, Some(0), None, b""),
            (None, None, Some(5), b"one\nt"),
            (Some(2), Some(1), Some(100), b"two\n"),
        ] {
            for piece in 1..=text.len() {
                let selection = Selection::new(offset, limit, most);
                assert_eq!(
                    select(text, piece, selection),
                    expected,
                    "{offset:?} {limit:?}"
                );
            }
        }
    }

    #[test]
    fn agrees_with_the_obvious_way() {
        let mut random = Random::new(7);
        for _ in 0..2000 {
            let text: Vec<u8> = (0..random.below(60))
                .map(|_| if random.below(4) == 0 { b'\n' } else { b'x' })
                .collect();
            let (offset, limit) = (1 + random.below(8), random.below(8));
            let most = random.below(40);
            let mut expected: Vec<u8> = text
                .split_inclusive(|&byte| byte == b'\n')
                .skip(offset - 1)
                .take(limit)
                .flatten()
                .copied()
                .collect();
            expected.truncate(most);
            let selection =
                Selection::new(Some(offset as u64), Some(limit as u64), Some(most as u64));
            assert_eq!(select(&text, 1 + random.below(9), selection), expected);
        }
    }
}
