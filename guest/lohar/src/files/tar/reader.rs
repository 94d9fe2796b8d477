//! A tar stream taken apart as it comes, in bounded memory.

use std::io::{self, Read};

use super::header::{is_whole, number, padding, text};
use super::pax::{self, Records};
use super::{Extent, Kind, Member, BLOCK, MOST_EXTENTS};
use crate::files::refusal::Refusal;

const BUFFER: usize = 128 * 1024;
/// Of a long name or of extended headers.
const MOST_EXTENDED: u64 = 1024 * 1024;

pub struct Reader<R> {
    source: R,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// Content of the last member that has not been taken.
    left: u64,
    padding: usize,
}

impl<R: Read> Reader<R> {
    pub fn new(source: R) -> Self {
        Reader {
            source,
            buffer: vec![0; BUFFER],
            start: 0,
            end: 0,
            left: 0,
            padding: 0,
        }
    }

    /// None after the last one. What has not been taken of a member's content is passed over.
    pub fn next(&mut self) -> Result<Option<Member>, Refusal> {
        let (mut records, mut long) = (Records::default(), Records::default());
        loop {
            self.skip_content()?;
            let block = self.block()?;
            if block.iter().all(|&byte| byte == 0) {
                return Ok(None);
            }
            if !is_whole(&block) {
                return Err(malformed("Not a tar stream, or a damaged one"));
            }
            let size = u64::try_from(field(&block, 124, 12)?).map_err(|_| bad_number())?;
            match block[156] {
                b'x' => records = pax::parse(&self.extended(size)?).ok_or_else(bad_records)?,
                b'L' => long.path = Some(name(&self.extended(size)?)),
                b'K' => long.target = Some(name(&self.extended(size)?)),
                // For all that follow; nothing in it that we need.
                b'g' => drop(self.extended(size)?),
                b'S' => return Err(sparse()),
                _ if records.sparse => return self.sparse(&block, size, records, long).map(Some),
                _ => return self.member(&block, size, records, long).map(Some),
            }
        }
    }

    fn member(
        &mut self,
        block: &[u8; BLOCK],
        size: u64,
        records: Records,
        long: Records,
    ) -> Result<Member, Refusal> {
        let path = records
            .path
            .or(long.path)
            .unwrap_or_else(|| short_path(block));
        let kind = match block[156] {
            // Before there were directories in tar, a slash made one.
            b'0' | 0 | b'7' if path.ends_with(b"/") => Kind::Directory,
            b'0' | 0 | b'7' => Kind::File,
            b'1' => Kind::HardLink,
            b'2' => Kind::Link,
            b'5' => Kind::Directory,
            _ => Kind::Other,
        };
        let size = match block[156] {
            b'1'..=b'6' => 0,
            _ => records.size.unwrap_or(size),
        };
        if size > i64::MAX as u64 {
            return Err(bad_number());
        }
        (self.left, self.padding) = (size, padding(size));
        let (mtime, nanoseconds) = match records.mtime {
            Some(time) => time,
            None => (field(block, 136, 12)?, 0),
        };
        let target = records.target.or(long.target);
        Ok(Member {
            kind,
            path,
            target: target.unwrap_or_else(|| text(&block[157..257]).to_vec()),
            size,
            extents: None,
            mode: field(block, 100, 8)? as u32 & 0o7777,
            mtime,
            nanoseconds,
            // Who unpacks has it.
            uid: 0,
            gid: 0,
        })
    }

    /// In GNU's form 1.0: its own name and size are in the records, and its map is in front of its content.
    fn sparse(
        &mut self,
        block: &[u8; BLOCK],
        size: u64,
        mut records: Records,
        long: Records,
    ) -> Result<Member, Refusal> {
        if (records.major, records.minor) != (Some(1), Some(0)) {
            return Err(sparse());
        }
        let (name, real_size) = (records.sparse_name.take(), records.real_size);
        let mut member = self.member(block, size, records, long)?;
        member.path = name.ok_or_else(bad_map)?;
        member.size = real_size.ok_or_else(bad_map)?;
        let extents = self.map()?;
        let mut end = 0;
        for extent in &extents {
            if extent.offset < end {
                return Err(bad_map());
            }
            end = extent
                .offset
                .checked_add(extent.length)
                .ok_or_else(bad_map)?;
        }
        let data: u64 = extents.iter().map(|extent| extent.length).sum();
        if member.kind != Kind::File || end > member.size || data != self.left {
            return Err(bad_map());
        }
        member.extents = Some(extents);
        Ok(member)
    }

    fn map(&mut self) -> Result<Vec<Extent>, Refusal> {
        let (mut numbers, mut number) = (Vec::new(), None);
        loop {
            self.left = self.left.checked_sub(BLOCK as u64).ok_or_else(bad_map)?;
            for byte in self.block()? {
                let count = numbers.first().map_or(0, |&count: &u64| 1 + 2 * count);
                match byte {
                    // The rest of the last block.
                    _ if !numbers.is_empty() && numbers.len() as u64 >= count => break,
                    b'0'..=b'9' => {
                        let digit = u64::from(byte - b'0');
                        let before: u64 = number.unwrap_or(0);
                        let after = before
                            .checked_mul(10)
                            .and_then(|ten| ten.checked_add(digit));
                        number = Some(
                            after
                                .filter(|&n| n <= i64::MAX as u64)
                                .ok_or_else(bad_map)?,
                        );
                    }
                    b'\n' => numbers.push(number.take().ok_or_else(bad_map)?),
                    _ => return Err(bad_map()),
                }
                if numbers.len() == 1 && numbers[0] > MOST_EXTENTS as u64 {
                    return Err(malformed("A sparse file has more than 65,536 parts"));
                }
            }
            if numbers
                .first()
                .is_some_and(|&count| numbers.len() as u64 == 1 + 2 * count)
            {
                break;
            }
        }
        let pairs = numbers[1..].chunks_exact(2);
        Ok(pairs
            .map(|pair| Extent {
                offset: pair[0],
                length: pair[1],
            })
            .collect())
    }

    /// The next piece of the member's content, of at most so many bytes, which counts as taken; empty after the last.
    pub fn content(&mut self, most: u64) -> Result<&[u8], Refusal> {
        let most = self.left.min(most);
        if most == 0 {
            return Ok(&[]);
        }
        if self.start == self.end {
            self.fill()?;
        }
        let waiting = self.end - self.start;
        let count = usize::try_from(most).map_or(waiting, |most| most.min(waiting));
        let start = self.start;
        self.start += count;
        self.left -= count as u64;
        Ok(&self.buffer[start..start + count])
    }

    /// Passes over what follows the end mark.
    pub fn drain(&mut self) -> Result<(), Refusal> {
        loop {
            (self.start, self.end) = (0, 0);
            if self.read()? == 0 {
                return Ok(());
            }
        }
    }

    fn skip_content(&mut self) -> Result<(), Refusal> {
        while !self.content(u64::MAX)?.is_empty() {}
        let mut padding = std::mem::take(&mut self.padding);
        while padding > 0 {
            if self.start == self.end {
                self.fill()?;
            }
            let count = padding.min(self.end - self.start);
            self.start += count;
            padding -= count;
        }
        Ok(())
    }

    fn block(&mut self) -> Result<[u8; BLOCK], Refusal> {
        if self.end - self.start < BLOCK {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
            while self.end < BLOCK {
                if self.read()? == 0 {
                    return Err(cut_off());
                }
            }
        }
        let mut block = [0; BLOCK];
        block.copy_from_slice(&self.buffer[self.start..self.start + BLOCK]);
        self.start += BLOCK;
        Ok(block)
    }

    fn extended(&mut self, size: u64) -> Result<Vec<u8>, Refusal> {
        if size > MOST_EXTENDED {
            return Err(malformed("A header in the tar stream is longer than 1 MiB"));
        }
        (self.left, self.padding) = (size, padding(size));
        let mut bytes = Vec::with_capacity(size as usize);
        loop {
            match self.content(u64::MAX)? {
                [] => return Ok(bytes),
                piece => bytes.extend_from_slice(piece),
            }
        }
    }

    /// At least one byte, into an empty buffer.
    fn fill(&mut self) -> Result<(), Refusal> {
        (self.start, self.end) = (0, 0);
        match self.read()? {
            0 => Err(cut_off()),
            _ => Ok(()),
        }
    }

    fn read(&mut self) -> io::Result<usize> {
        loop {
            match self.source.read(&mut self.buffer[self.end..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                outcome => {
                    let count = outcome?;
                    self.end += count;
                    return Ok(count);
                }
            }
        }
    }
}

fn short_path(block: &[u8; BLOCK]) -> Vec<u8> {
    let name = text(&block[..100]);
    match text(&block[345..500]) {
        prefix if &block[257..263] == b"ustar\0" && !prefix.is_empty() => {
            [prefix, b"/", name].concat()
        }
        _ => name.to_vec(),
    }
}

fn name(extended: &[u8]) -> Vec<u8> {
    text(extended).to_vec()
}

fn field(block: &[u8; BLOCK], start: usize, length: usize) -> Result<i64, Refusal> {
    number(&block[start..start + length]).ok_or_else(bad_number)
}

fn malformed(why: &'static str) -> Refusal {
    Refusal::Rule("bad_request", why)
}

fn bad_number() -> Refusal {
    malformed("A number in the tar stream is malformed")
}

fn bad_records() -> Refusal {
    malformed("An extended header of the tar stream is malformed")
}

fn sparse() -> Refusal {
    malformed("The tar stream has a sparse file that is not in the pax format 1.0, which is not supported")
}

fn bad_map() -> Refusal {
    malformed("The map of a sparse file in the tar stream is malformed")
}

pub fn cut_off() -> Refusal {
    malformed("The tar stream ends before its end mark")
}

#[cfg(test)]
mod tests;
