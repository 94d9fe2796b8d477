//! `pack`: what is in a directory, or one file, as a tar stream.

use std::collections::HashMap;
use std::ffi::CString;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{readlinkat, seek, FileType, OFlags, SeekFrom, Stat};
use rustix::io::Errno;

use super::answers::Answers;
use super::holes::{Extent, Extents};
use super::place::{is_directory, Last, Place, Trust};
use super::put::is_temporary;
use super::read::{open_regular, open_regular_at, read_small, send_up_to};
use super::refusal::{Explain, Refusal};
use super::tar::header::{append, append_note, incomplete, pad, padding, END};
use super::tar::{Kind, Member, MOST_EXTENTS};
use super::unpack::Transferred;
use super::walk::{Step, Walk};
use crate::protocol::messages::{Failure, Nothing};

/// Less than this goes out together with what is beside it.
const SMALL: u64 = 16 * 1024;
const ZEROS: [u8; 16 * 1024] = [0; 16 * 1024];
/// Bytes that are kept in mind for names; a file that is met again beyond them is packed once more.
const MOST_KEPT: usize = 16 * 1024 * 1024;

pub fn pack(
    path: &Path,
    sparse: bool,
    trust: Trust,
    answers: &mut Answers,
) -> Result<Transferred, Failure> {
    let place = Place::find(path, trust, Last::Target).explain("pack", path)?;
    let stat = place.stat().explain("pack", path)?;
    let mut packing = Packing {
        answers,
        packed: HashMap::new(),
        kept: 0,
        has_shrunk: false,
        is_one_file: false,
        sparse,
        done: Transferred::default(),
    };
    if is_directory(&stat) {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        let directory = place.open(flags).explain("pack", path)?;
        let mut walk = Walk::new(directory).explain("pack", path)?;
        packing.answers.opened(&Nothing {});
        while packing
            .step(&mut walk)
            .explain("pack", path.join(walk.path()))?
        {}
    } else {
        let (file, stat) = open_regular(&place).explain("pack", path)?;
        packing.is_one_file = true;
        packing.answers.opened(&Nothing {});
        packing
            .file(place.name.as_bytes(), &file, &stat)
            .explain("pack", path)?;
    }
    if packing.has_shrunk {
        packing.answers.push(&incomplete()).explain("pack", path)?;
    }
    packing.answers.push(&END).explain("pack", path)?;
    packing.answers.flush().explain("pack", path)?;
    Ok(packing.done)
}

struct Packing<'a> {
    answers: &'a mut Answers,
    /// Files that have more names, by device and number: the name under which they were packed.
    packed: HashMap<(u64, u64), Vec<u8>>,
    kept: usize,
    /// A file ended before its header says.
    has_shrunk: bool,
    is_one_file: bool,
    /// Whether holes are left out of it.
    sparse: bool,
    done: Transferred,
}

impl Packing<'_> {
    fn step(&mut self, walk: &mut Walk) -> Result<bool, Refusal> {
        let step = walk.next();
        let mut path = walk.path().as_os_str().as_bytes().to_vec();
        let step = match step {
            Err(error) => {
                self.unreadable(&path, &error.into())?;
                return Ok(true);
            }
            Ok(step) => step,
        };
        match step {
            Some(Step::Leaf(name, _)) if is_temporary(name.to_bytes()) => {}
            Some(Step::Leaf(name, stat)) => self.leaf(&path, walk.directory()?, &name, &stat)?,
            Some(Step::Enter(_, stat)) => {
                path.push(b'/');
                self.header(&member(Kind::Directory, &path, &stat))?;
            }
            Some(Step::Leave(_)) => {}
            None => return Ok(false),
        }
        Ok(true)
    }

    fn leaf(
        &mut self,
        path: &[u8],
        directory: &OwnedFd,
        name: &CString,
        stat: &Stat,
    ) -> Result<(), Refusal> {
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => match open_regular_at(directory, name) {
                // Gone, or something else, since it was looked at.
                Err(Refusal::Kernel(Errno::NOENT | Errno::LOOP | Errno::ISDIR)) => Ok(()),
                Err(Refusal::Rule(..)) => Ok(()),
                Err(refusal) => self.unreadable(path, &refusal),
                Ok((file, stat)) => self.name(path, &file, &stat),
            },
            FileType::Symlink => {
                let mut member = member(Kind::Link, path, stat);
                match readlinkat(directory, name, Vec::new()) {
                    Err(Errno::NOENT) => return Ok(()),
                    Err(error) => return self.unreadable(path, &error.into()),
                    Ok(target) => member.target = target.into_bytes(),
                }
                self.header(&member)
            }
            _ => {
                self.done.skipped += 1;
                self.note("BHATTI.left-out", "special", path, None)
            }
        }
    }

    fn unreadable(&mut self, path: &[u8], why: &Refusal) -> Result<(), Refusal> {
        let (_, reason) = why.explained();
        self.note("BHATTI.left-out", "unreadable", path, Some(&reason))
    }

    /// A header that is about no member, which a reader that does not know it passes over.
    fn note(
        &mut self,
        key: &str,
        what: &str,
        path: &[u8],
        reason: Option<&str>,
    ) -> Result<(), Refusal> {
        let mut bytes = Vec::new();
        let value = [what.as_bytes(), b" ", path].concat();
        let mut notes = vec![(key, value.as_slice())];
        notes.extend(reason.map(|reason| ("BHATTI.reason", reason.as_bytes())));
        append_note(&mut bytes, &notes);
        Ok(self.answers.push(&bytes)?)
    }

    /// One of a file's names: the first has its bytes, the others are links to that.
    fn name(&mut self, path: &[u8], file: &OwnedFd, stat: &Stat) -> Result<(), Refusal> {
        if stat.st_nlink == 1 {
            return self.file(path, file, stat);
        }
        let id = (stat.st_dev, stat.st_ino);
        if let Some(first) = self.packed.get(&id) {
            let mut link = member(Kind::HardLink, path, stat);
            link.target.clone_from(first);
            return self.header(&link);
        }
        let before = self.done.entries;
        self.file(path, file, stat)?;
        let is_packed = self.done.entries > before;
        let bytes = path.len() + size_of::<((u64, u64), Vec<u8>)>();
        if is_packed && self.kept + bytes <= MOST_KEPT {
            self.kept += bytes;
            self.packed.insert(id, path.to_vec());
        }
        Ok(())
    }

    fn file(&mut self, path: &[u8], file: &OwnedFd, stat: &Stat) -> Result<(), Refusal> {
        let mut member = member(Kind::File, path, stat);
        member.size = stat.st_size as u64;
        if member.size < SMALL {
            return self.small(file, member);
        }
        if self.sparse && (stat.st_blocks as u64) < member.size / 512 {
            member.extents = extents(file, member.size)?;
        }
        self.header(&member)?;
        self.done.bytes += member.size;
        self.answers.flush()?;
        let whole = [Extent {
            offset: 0,
            length: member.size,
        }];
        let parts = member.extents.as_deref().unwrap_or(&whole);
        let mut left: u64 = parts.iter().map(|part| part.length).sum();
        let end = padding(left);
        for part in parts {
            seek(file, SeekFrom::Start(part.offset))?;
            let lacking = send_up_to(file, part.length, self.answers)?;
            left -= part.length - lacking;
            if lacking > 0 {
                let to = part.offset + part.length - lacking;
                return self.shrank(&member, to, left + end as u64);
            }
        }
        self.answers.push(&ZEROS[..end])?;
        Ok(())
    }

    /// The member's missing bytes are zeros, and a note says so. Of one file, its stream ends there.
    fn shrank(&mut self, member: &Member, to: u64, mut lacking: u64) -> Result<(), Refusal> {
        let from = member.size;
        if self.is_one_file {
            return Err(Refusal::Shrank { from, to });
        }
        while lacking > 0 {
            let count = lacking.min(ZEROS.len() as u64);
            self.answers.write(&ZEROS[..count as usize])?;
            lacking -= count;
        }
        let sizes = format!("{from} {to}");
        self.note("BHATTI.shrank", &sizes, &member.path, None)?;
        self.done.bytes -= from - to;
        self.has_shrunk = true;
        Ok(())
    }

    /// As long as it is when it is read: what the kernel makes up has another size.
    fn small(&mut self, file: &OwnedFd, mut member: Member) -> Result<(), Refusal> {
        // Such a file may be open to all, and be refused when it is read.
        let mut content = match read_small(file, member.size as usize) {
            Ok(Some(content)) => content,
            Ok(None) if self.is_one_file => return Err(too_long()),
            Err(error) if self.is_one_file => return Err(error.into()),
            Ok(None) => return self.unreadable(&member.path, &too_long()),
            Err(error) => return self.unreadable(&member.path, &error.into()),
        };
        member.size = content.len() as u64;
        self.header(&member)?;
        self.done.bytes += member.size;
        pad(&mut content, member.size);
        Ok(self.answers.push(&content)?)
    }

    fn header(&mut self, member: &Member) -> Result<(), Refusal> {
        let mut bytes = Vec::new();
        append(&mut bytes, member);
        self.done.entries += 1;
        Ok(self.answers.push(&bytes)?)
    }
}

/// None when it has no holes. In many parts, the last one has what follows, holes included.
fn extents(file: &OwnedFd, size: u64) -> rustix::io::Result<Option<Vec<Extent>>> {
    let mut parts = Vec::new();
    for extent in Extents::new(file, size) {
        let extent = extent?;
        if parts.len() == MOST_EXTENTS - 1 {
            let length = size - extent.offset;
            parts.push(Extent { length, ..extent });
            break;
        }
        parts.push(extent);
    }
    seek(file, SeekFrom::Start(0))?;
    let data: u64 = parts.iter().map(|part| part.length).sum();
    // GNU tar ends a file with its last part.
    if parts.last().map_or(0, |part| part.offset + part.length) < size {
        parts.push(Extent {
            offset: size,
            length: 0,
        });
    }
    Ok((data < size).then_some(parts))
}

fn too_long() -> Refusal {
    let why = "The size of the file is unknown, and it has more than 16 MiB";
    Refusal::Rule("bad_request", why)
}

fn member(kind: Kind, path: &[u8], stat: &Stat) -> Member {
    Member {
        kind,
        path: path.to_vec(),
        target: Vec::new(),
        size: 0,
        extents: None,
        mode: stat.st_mode & 0o7777,
        mtime: stat.st_mtime,
        nanoseconds: stat.st_mtime_nsec as u32,
        uid: stat.st_uid,
        gid: stat.st_gid,
    }
}
