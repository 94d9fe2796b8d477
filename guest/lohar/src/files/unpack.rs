//! `unpack`: a tar stream into a directory. Nothing is made outside of it or through a link.

use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{
    fchmod, futimens, linkat, mkdirat, openat, symlinkat, utimensat, AtFlags, Mode, OFlags,
    Timespec, Timestamps, UTIME_NOW,
};
use rustix::io::Errno;
use rustix::pipe::{splice, SpliceFlags};
use serde::Serialize;

use super::answers::Answers;
use super::durable::FileSystems;
use super::inside::{names, Inside};
use super::place::{to_name, Lacking, Last, Place, Trust};
use super::put;
use super::refusal::{failure, Explain, Refusal};
use super::tar::reader::{cut_off, Reader};
use super::tar::{Kind, Member};
use super::write::write_all;
use crate::protocol::messages::{Failure, Nothing};

/// Less than this is copied, which takes fewer steps than passing pages on.
const SMALL: u64 = 256 * 1024;
/// Directories whose mode and time are kept in mind until all that is in them is there.
const MOST_KEPT: usize = 16 * 1024 * 1024;

#[derive(Serialize, Default, Debug)]
pub struct Transferred {
    pub entries: u64,
    pub bytes: u64,
    /// Neither files nor directories nor links.
    pub skipped: u64,
}

pub fn unpack(
    path: &Path,
    trust: Trust,
    content: OwnedFd,
    answers: &Answers,
) -> Result<Transferred, Failure> {
    let root = open_or_make(path, trust).explain("extract to", path)?;
    answers.opened(&Nothing {});
    let mut reader = Reader::new(File::from(content));
    let mut unpacking = Unpacking {
        inside: Inside::new(root),
        changed: FileSystems::default(),
        directories: Vec::new(),
        kept: 0,
        done: Transferred::default(),
        is_root: rustix::process::geteuid().is_root(),
    };
    while let Some(member) = reader.next().explain("extract to", path)? {
        let outcome = unpacking.take(&member, &mut reader);
        outcome.map_err(|refusal| failure(refusal, "unpack", name_of(&member)))?;
    }
    reader.drain().explain("extract to", path)?;
    unpacking.finish().explain("extract to", path)?;
    Ok(unpacking.done)
}

fn name_of(member: &Member) -> &Path {
    Path::new(OsStr::from_bytes(&member.path))
}

fn open_or_make(path: &Path, trust: Trust) -> Result<OwnedFd, Refusal> {
    let place = Place::find_or_make(path, trust, Last::Target, Some(Lacking::default()))?;
    match mkdirat(&place.directory, &place.name, Mode::from_raw_mode(0o755)) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(place.open(OFlags::RDONLY | OFlags::DIRECTORY)?)
}

struct Unpacking {
    inside: Inside,
    changed: FileSystems,
    directories: Vec<Directory>,
    kept: usize,
    done: Transferred,
    is_root: bool,
}

struct Directory {
    path: Vec<u8>,
    mode: Mode,
    times: Timestamps,
}

impl Unpacking {
    fn take(&mut self, member: &Member, reader: &mut Reader<File>) -> Result<(), Refusal> {
        let path = names(&member.path)?;
        if path.is_empty() {
            // The directory itself is as it is.
            return Ok(());
        }
        match member.kind {
            Kind::File => self.file(&path, member, reader)?,
            Kind::Directory => self.directory(&path, member)?,
            Kind::Link => self.link(&path, member)?,
            Kind::HardLink => self.hard_link(&path, member)?,
            Kind::Other => {
                self.done.skipped += 1;
                return Ok(());
            }
        }
        self.done.entries += 1;
        Ok(())
    }

    fn file(
        &mut self,
        path: &[&[u8]],
        member: &Member,
        reader: &mut Reader<File>,
    ) -> Result<(), Refusal> {
        let mode = self.mode(member);
        let (directory, name) = self.inside.parent(path)?;
        self.changed.add(directory)?;
        let plain = mode.intersection(Mode::from_raw_mode(0o777));
        put::file(directory, &name, plain, |file| {
            fill(file, reader)?;
            if mode != plain {
                fchmod(file, mode)?;
            }
            Ok(futimens(file, &times(member))?)
        })?;
        self.done.bytes += member.size;
        Ok(())
    }

    fn directory(&mut self, path: &[&[u8]], member: &Member) -> Result<(), Refusal> {
        let mode = self.mode(member);
        // Whoever unpacks can go on in it until all is there.
        let directory = self.inside.directory(path, mode | Mode::RWXU)?;
        self.changed.add(directory)?;
        if self.kept + member.path.len() <= MOST_KEPT {
            self.kept += member.path.len();
            self.directories.push(Directory {
                path: member.path.clone(),
                mode,
                times: times(member),
            });
        }
        Ok(())
    }

    fn link(&mut self, path: &[&[u8]], member: &Member) -> Result<(), Refusal> {
        let (directory, name) = self.inside.parent(path)?;
        self.changed.add(directory)?;
        let target = to_name(&member.target)?;
        put::other(directory, &name, |name| {
            symlinkat(&target, directory, name)?;
            utimensat(directory, name, &times(member), AtFlags::SYMLINK_NOFOLLOW)
        })
    }

    fn hard_link(&mut self, path: &[&[u8]], member: &Member) -> Result<(), Refusal> {
        let target = names(&member.target)?;
        let Some((target_name, target_parent)) = target.split_last() else {
            return Err(Errno::NOENT.into());
        };
        let target_name = to_name(target_name)?;
        let target_directory = self.inside.existing(target_parent)?;
        let (directory, name) = self.inside.parent(path)?;
        self.changed.add(directory)?;
        put::other(directory, &name, |name| {
            linkat(
                &target_directory,
                &target_name,
                directory,
                name,
                AtFlags::empty(),
            )
        })
    }

    /// The bits that lend an owner's or a group's rights are root's to give.
    fn mode(&self, member: &Member) -> Mode {
        let bits = if self.is_root { 0o7777 } else { 0o1777 };
        Mode::from_raw_mode(member.mode & bits)
    }

    fn finish(&mut self) -> Result<(), Refusal> {
        while let Some(kept) = self.directories.pop() {
            let directory = self.inside.existing(&names(&kept.path)?)?;
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
            // Somebody else's, which was there before, stays as it is.
            if let Ok(directory) = openat(&directory, ".", flags, Mode::empty()) {
                let changed = futimens(&directory, &kept.times);
                let _ = changed.and_then(|()| fchmod(&directory, kept.mode));
            }
        }
        self.changed
            .add(self.inside.directory(&[], Mode::empty())?)?;
        Ok(self.changed.sync()?)
    }
}

fn fill(file: &OwnedFd, reader: &mut Reader<File>) -> Result<(), Refusal> {
    loop {
        match reader.content()? {
            [] => return Ok(()),
            piece => write_all(file, piece)?,
        }
        let passed = match reader.direct() {
            Some((source, left)) if left >= SMALL => pass_on(source, file, left)?,
            _ => 0,
        };
        reader.passed(passed);
    }
}

/// From the pipe into the file without a detour; returns how much.
fn pass_on(source: &File, file: &OwnedFd, bytes: u64) -> Result<u64, Refusal> {
    let mut passed = 0;
    while passed < bytes {
        let most = usize::try_from(bytes - passed)
            .unwrap_or(usize::MAX)
            .min(1 << 30);
        match splice(source, None, file, None, most, SpliceFlags::MOVE) {
            Ok(0) => return Err(cut_off()),
            Ok(count) => passed += count as u64,
            Err(Errno::INTR) => {}
            Err(Errno::INVAL | Errno::OPNOTSUPP) => break,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(passed)
}

fn times(member: &Member) -> Timestamps {
    Timestamps {
        // Not left as it is: the kernel calls a change of the other time alone a change of the content.
        last_access: Timespec {
            tv_sec: 0,
            tv_nsec: UTIME_NOW as _,
        },
        last_modification: Timespec {
            tv_sec: member.mtime,
            tv_nsec: member.nanoseconds.into(),
        },
    }
}
