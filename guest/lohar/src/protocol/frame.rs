//! One frame: header, payload and the byte that proves it whole.

pub const HEADER: usize = 12;
pub const MAX_PAYLOAD: usize = 32_768;
pub const MAX_FRAME: usize = HEADER + MAX_PAYLOAD + 1;
pub const MORE: u8 = 1;

const MAGIC: u16 = 0xB4A7;
const END: u8 = 0x0A;

/// The numbers of the frame types.
pub mod kind {
    pub const HELLO: u8 = 1;
    pub const REQUEST: u8 = 2;
    pub const REPLY: u8 = 3;
    pub const OPEN: u8 = 16;
    pub const OPENED: u8 = 17;
    pub const DATA: u8 = 18;
    pub const END: u8 = 19;
    pub const CREDIT: u8 = 20;
    pub const CONTROL: u8 = 21;
    pub const RESULT: u8 = 22;
    pub const ERROR: u8 = 23;
    pub const CLOSE: u8 = 24;
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    pub stream: u32,
    pub kind: u8,
    pub flags: u8,
    pub payload: &'a [u8],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Malformed {
    TooLong,
    BadMagic,
    BadFlags,
    BadEnd,
}

/// What a byte string starts with.
#[derive(Debug, PartialEq, Eq)]
pub enum Parsed<'a> {
    Frame(Frame<'a>, usize),
    Incomplete,
    /// The error, and how many bytes the broken frame takes: none when its header already is no header, so that what
    /// only looks like one can still turn out to be a marker.
    Malformed(Malformed, usize),
}

pub fn parse(bytes: &[u8]) -> Parsed<'_> {
    let Some((header, rest)) = bytes.split_first_chunk::<HEADER>() else {
        return Parsed::Incomplete;
    };
    let [l0, l1, l2, l3, s0, s1, s2, s3, kind, flags, m0, m1] = *header;
    let length = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
    if length > MAX_PAYLOAD {
        return Parsed::Malformed(Malformed::TooLong, 0);
    }
    if u16::from_le_bytes([m0, m1]) != MAGIC {
        return Parsed::Malformed(Malformed::BadMagic, 0);
    }
    if flags & !MORE != 0 {
        return Parsed::Malformed(Malformed::BadFlags, 0);
    }
    let Some(&end) = rest.get(length) else {
        return Parsed::Incomplete;
    };
    let whole = HEADER + length + 1;
    if end != END {
        return Parsed::Malformed(Malformed::BadEnd, whole);
    }
    let stream = u32::from_le_bytes([s0, s1, s2, s3]);
    let payload = &rest[..length];
    Parsed::Frame(
        Frame {
            stream,
            kind,
            flags,
            payload,
        },
        whole,
    )
}

/// `length` is that of the payload, which the caller keeps within `MAX_PAYLOAD`.
pub fn header(stream: u32, kind: u8, flags: u8, length: usize) -> [u8; HEADER] {
    let [l0, l1, l2, l3] = (length as u32).to_le_bytes();
    let [s0, s1, s2, s3] = stream.to_le_bytes();
    let [m0, m1] = MAGIC.to_le_bytes();
    [l0, l1, l2, l3, s0, s1, s2, s3, kind, flags, m0, m1]
}

pub fn append(out: &mut Vec<u8>, stream: u32, kind: u8, flags: u8, payload: &[u8]) {
    out.extend_from_slice(&header(stream, kind, flags, payload.len()));
    out.extend_from_slice(payload);
    end(out);
}

pub fn end(out: &mut Vec<u8>) {
    out.push(END);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::vectors::{hex, Vectors};

    #[test]
    fn encodes_and_decodes_the_vectors() {
        for vector in Vectors::load().frames {
            let payload = hex(&vector.payload_hex);
            let bytes = hex(&vector.frame_hex);
            let mut out = Vec::new();
            append(&mut out, vector.stream, vector.kind, vector.flags, &payload);
            assert_eq!(out, bytes, "{}", vector.name);
            let frame = Frame {
                stream: vector.stream,
                kind: vector.kind,
                flags: vector.flags,
                payload: &payload,
            };
            assert_eq!(
                parse(&bytes),
                Parsed::Frame(frame, bytes.len()),
                "{}",
                vector.name
            );
            for cut in (0..bytes.len()).step_by(1 + bytes.len() / 97) {
                assert_eq!(parse(&bytes[..cut]), Parsed::Incomplete, "{}", vector.name);
            }
        }
    }

    #[test]
    fn refuses_the_invalid_vectors() {
        for vector in Vectors::load().invalid {
            let expected = match vector.error.as_str() {
                "too_long" => Malformed::TooLong,
                "bad_magic" => Malformed::BadMagic,
                "bad_flags" => Malformed::BadFlags,
                "bad_end" => Malformed::BadEnd,
                other => panic!("unknown error '{other}'"),
            };
            let bytes = hex(&vector.bytes_hex);
            assert!(
                matches!(parse(&bytes), Parsed::Malformed(error, _) if error == expected),
                "{}",
                vector.name
            );
        }
    }
}
