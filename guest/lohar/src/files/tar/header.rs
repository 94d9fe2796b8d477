//! One header block, and what does not fit into it.

use super::pax;
use super::Extent;
use super::{Kind, Member, BLOCK};

const NAME: usize = 100;
/// What eleven octal digits can say.
const MOST: u64 = 0o777_7777_7777;

/// Appends the header of a member whose content follows: of a sparse file, the bytes of its parts.
pub fn append(out: &mut Vec<u8>, member: &Member) {
    let mut records = Vec::new();
    let map = member.extents.as_deref().map(map_of);
    let (mut path, mut size) = (member.path.as_slice(), member.size);
    if let (Some(map), Some(extents)) = (&map, &member.extents) {
        size = map.len() as u64 + extents.iter().map(|extent| extent.length).sum::<u64>();
        let real = member.size.to_string();
        pax::append_record(&mut records, "GNU.sparse.major", b"1");
        pax::append_record(&mut records, "GNU.sparse.minor", b"0");
        pax::append_record(&mut records, "GNU.sparse.name", path);
        pax::append_record(&mut records, "GNU.sparse.realsize", real.as_bytes());
        // For readers that do not know of sparse files.
        path = b"GNUSparseFile.0/sparse";
    }
    if path.len() > NAME {
        pax::append_record(&mut records, "path", path);
    }
    if member.target.len() > NAME {
        pax::append_record(&mut records, "linkpath", &member.target);
    }
    if size > MOST {
        pax::append_record(&mut records, "size", size.to_string().as_bytes());
    }
    if member.nanoseconds > 0 || !(0..=MOST as i64).contains(&member.mtime) {
        let time = pax::time(member.mtime, member.nanoseconds);
        pax::append_record(&mut records, "mtime", time.as_bytes());
    }
    if !records.is_empty() {
        let size = records.len() as u64;
        out.extend_from_slice(&block(b'x', b"././@PaxHeader", b"", size, 0o644, 0, (0, 0)));
        out.extend_from_slice(&records);
        pad(out, size);
    }
    let kind = match member.kind {
        Kind::Directory => b'5',
        Kind::Link => b'2',
        Kind::HardLink => b'1',
        Kind::File | Kind::Other => b'0',
    };
    let owner = (member.uid, member.gid);
    let mtime = u64::try_from(member.mtime).unwrap_or(0);
    let target = &member.target;
    out.extend_from_slice(&block(kind, path, target, size, member.mode, mtime, owner));
    out.extend_from_slice(&map.unwrap_or_default());
}

/// The first blocks of a sparse file: how many parts there are, and the offset and length of each.
fn map_of(extents: &[Extent]) -> Vec<u8> {
    let mut map = format!("{}\n", extents.len()).into_bytes();
    for Extent { offset, length } in extents {
        map.extend_from_slice(format!("{offset}\n{length}\n").as_bytes());
    }
    let length = map.len() as u64;
    pad(&mut map, length);
    map
}

/// Records about the stream as a whole, between two members.
pub fn append_note(out: &mut Vec<u8>, notes: &[(&str, &[u8])]) {
    let mut records = Vec::new();
    for (key, value) in notes {
        pax::append_record(&mut records, key, value);
    }
    let size = records.len() as u64;
    out.extend_from_slice(&block(b'g', b"././@PaxHeader", b"", size, 0o644, 0, (0, 0)));
    out.extend_from_slice(&records);
    pad(out, size);
}

/// A block that is no header: readers that ignore the notes fail at it, after all members. An error behind the stream
/// would discard its last bytes on the way through HTTP.
pub fn incomplete() -> [u8; BLOCK] {
    const MARK: &[u8] = b"BHATTI.incomplete";
    let mut block = [0; BLOCK];
    block[..MARK.len()].copy_from_slice(MARK);
    block
}

/// Fills the last block of content of this size.
pub fn pad(out: &mut Vec<u8>, size: u64) {
    out.resize(out.len() + padding(size), 0);
}

pub fn padding(size: u64) -> usize {
    (size.wrapping_neg() % BLOCK as u64) as usize
}

pub const END: [u8; 2 * BLOCK] = [0; 2 * BLOCK];

fn block(
    kind: u8,
    path: &[u8],
    target: &[u8],
    size: u64,
    mode: u32,
    mtime: u64,
    (uid, gid): (u32, u32),
) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    put(&mut block[..NAME], path);
    put_octal(&mut block[100..108], u64::from(mode & 0o7777));
    put_octal(&mut block[108..116], u64::from(uid));
    put_octal(&mut block[116..124], u64::from(gid));
    put_octal(&mut block[124..136], size);
    put_octal(&mut block[136..148], mtime);
    block[156] = kind;
    put(&mut block[157..257], target);
    block[257..265].copy_from_slice(b"ustar\x0000");
    let sum = sum(&block);
    put_octal(&mut block[148..155], sum);
    block[155] = b' ';
    block
}

fn put(field: &mut [u8], bytes: &[u8]) {
    let length = bytes.len().min(field.len());
    field[..length].copy_from_slice(&bytes[..length]);
}

/// Digits and a zero byte; the largest that fits when the value does not.
fn put_octal(field: &mut [u8], value: u64) {
    let digits = field.len() - 1;
    let most = 1u64
        .checked_shl(3 * digits as u32)
        .map_or(u64::MAX, |limit| limit - 1);
    let text = format!("{:0digits$o}", value.min(most));
    put(field, text.as_bytes());
}

/// With the checksum's own field as spaces.
fn sum(block: &[u8; BLOCK]) -> u64 {
    let all: u64 = block.iter().map(|&byte| u64::from(byte)).sum();
    let own: u64 = block[148..156].iter().map(|&byte| u64::from(byte)).sum();
    all - own + 8 * u64::from(b' ')
}

pub fn is_whole(block: &[u8; BLOCK]) -> bool {
    number(&block[148..156]).and_then(|told| u64::try_from(told).ok()) == Some(sum(block))
}

/// Octal digits, or GNU's binary number with the highest bit set.
pub fn number(field: &[u8]) -> Option<i64> {
    match field {
        [first, rest @ ..] if first & 0x80 != 0 => {
            // Two's complement over all bytes but that bit.
            let start = if first & 0x40 != 0 { -1 } else { 0 };
            let first = i64::from(first & 0x3f) | if start < 0 { !0x3f } else { 0 };
            rest.iter().try_fold(first, |value, &byte| {
                Some(value.checked_mul(256)? + i64::from(byte))
            })
        }
        _ => octal(field),
    }
}

fn octal(field: &[u8]) -> Option<i64> {
    let is_blank = |byte: &u8| *byte == b' ' || *byte == 0;
    let start = field
        .iter()
        .position(|byte| !is_blank(byte))
        .unwrap_or(field.len());
    let digits = &field[start..];
    let end = digits.iter().position(is_blank).unwrap_or(digits.len());
    digits[..end]
        .iter()
        .try_fold(0i64, |value, &digit| match digit {
            b'0'..=b'7' => value.checked_mul(8)?.checked_add(i64::from(digit - b'0')),
            _ => None,
        })
}

/// A field up to its first zero byte.
pub fn text(field: &[u8]) -> &[u8] {
    field.split(|&byte| byte == 0).next().unwrap_or(field)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_octal_or_binary() {
        assert_eq!(number(b"0000644\0"), Some(0o644));
        assert_eq!(number(b"  644 \0\0"), Some(0o644));
        assert_eq!(number(b"\0\0\0\0"), Some(0));
        assert_eq!(number(b"0000888\0"), None);
        assert_eq!(number(b"\x80\0\0\0\0\0\0\x02\0\0\0\0"), Some(1 << 33));
        assert_eq!(number(&[0xff; 12]), Some(-1));
        assert_eq!(
            number(b"\x80\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"),
            None
        );
    }

    #[test]
    fn padding_fills_blocks() {
        for (size, expected) in [(0, 0), (1, 511), (511, 1), (512, 0), (513, 511)] {
            assert_eq!(padding(size), expected);
        }
    }
}
