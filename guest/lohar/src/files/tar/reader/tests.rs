use super::*;
use crate::files::tar::header::{append, pad, END};
use crate::random::Random;

fn member(kind: Kind, path: &str, target: &str, size: u64) -> Member {
    Member {
        kind,
        path: path.into(),
        target: target.into(),
        size,
        extents: None,
        mode: 0o750,
        mtime: 1_700_000_000,
        nanoseconds: 0,
        uid: 0,
        gid: 0,
    }
}

fn members() -> Vec<Member> {
    let long = "long/".repeat(60);
    let mut all = vec![
        member(Kind::File, "empty", "", 0),
        member(Kind::File, "a/file", "", 700),
        member(Kind::Directory, "a/", "", 0),
        member(Kind::File, &format!("{long}name"), "", 512),
        member(Kind::Link, "link", &long, 0),
        member(Kind::HardLink, "hard", "a/file", 0),
    ];
    (all[0].mtime, all[0].nanoseconds) = (-7, 250_000_000);
    let parts = (0..200u64).map(|at| Extent {
        offset: at * 1_000_000,
        length: at % 3,
    });
    for (path, extents) in [("sparse", parts.collect()), ("hole", Vec::new())] {
        let mut sparse = member(Kind::File, path, "", 1 << 40);
        sparse.extents = Some(extents);
        all.push(sparse);
    }
    all
}

fn stream(members: &[Member]) -> Vec<u8> {
    let mut out = Vec::new();
    for member in members {
        append(&mut out, member);
        let extents = member.extents.as_ref();
        let size = extents.map_or(member.size, |all| all.iter().map(|one| one.length).sum());
        out.resize(out.len() + size as usize, b'x');
        pad(&mut out, size);
    }
    out.extend_from_slice(&END);
    out
}

/// Gives what it has in pieces of any size.
struct Pieces<'a>(&'a [u8], Random);

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = (1 + self.1.below(2000)).min(buffer.len()).min(self.0.len());
        buffer[..count].copy_from_slice(&self.0[..count]);
        self.0 = &self.0[count..];
        Ok(count)
    }
}

fn read_all(bytes: &[u8], seed: u64) -> Result<(Vec<Member>, u64), Refusal> {
    let mut reader = Reader::new(Pieces(bytes, Random::new(seed)));
    let (mut found, mut taken) = (Vec::new(), 0);
    while let Some(member) = reader.next()? {
        if seed % 2 == 0 {
            loop {
                match reader.content(u64::MAX)?.len() {
                    0 => break,
                    count => taken += count as u64,
                }
            }
        }
        found.push(member);
    }
    reader.drain()?;
    Ok((found, taken))
}

#[test]
fn what_was_written_is_read() {
    let expected = members();
    let bytes = stream(&expected);
    for seed in 0..20 {
        let (found, taken) = read_all(&bytes, seed).unwrap();
        assert_eq!(found, expected);
        assert_eq!(taken, if seed % 2 == 0 { 1212 + 199 } else { 0 });
    }
}

#[test]
fn a_stream_that_was_cut_off_is_refused_wherever() {
    let bytes = stream(&members());
    for length in (0..=bytes.len() - END.len()).step_by(37) {
        assert!(read_all(&bytes[..length], 2).is_err(), "{length}");
    }
}

#[test]
fn survives_whatever_it_is_given() {
    let bytes = stream(&members());
    let mut random = Random::new(9);
    for round in 0..3000 {
        let mut bytes = bytes.clone();
        for _ in 0..1 + random.below(8) {
            let at = random.below(bytes.len());
            bytes[at] = random.byte();
            // Mutations of headers that pass the checksum are the interesting ones.
            let start = at / BLOCK * BLOCK;
            mend(&mut bytes[start..start + BLOCK]);
        }
        let _ = read_all(&bytes, round);
    }
}

fn mend(block: &mut [u8]) {
    let mut sum = 8 * 32;
    for (at, &byte) in block.iter().enumerate() {
        sum += if (148..156).contains(&at) {
            0
        } else {
            u64::from(byte)
        };
    }
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}
