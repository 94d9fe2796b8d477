//! `unpack`: a tar stream into a directory. Nothing is made outside of it or through a link.

use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{
    fchmod, ftruncate, futimens, linkat, mkdirat, openat, seek, symlinkat, utimensat, AtFlags,
    Mode, OFlags, SeekFrom, Timespec, Timestamps, UTIME_NOW,
};
use rustix::io::Errno;
use serde::Serialize;

use super::answers::Answers;
use super::durable::FileSystems;
use super::inside::{names, Inside};
use super::place::{to_name, Lacking, Last, Place, Trust};
use super::put;
use super::refusal::{failure, Explain, Refusal};
use super::tar::reader::Reader;
use super::tar::{Kind, Member};
use super::write::write_all;
use crate::protocol::messages::{Failure, Nothing};

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
        let mode = Mode::from_raw_mode(member.mode);
        let (directory, name) = self.inside.parent(path)?;
        self.changed.add(directory)?;
        let plain = mode.intersection(Mode::from_raw_mode(0o777));
        put::file::<Refusal>(directory, &name, plain, |file| {
            fill(file, reader, member)?;
            if mode != plain {
                fchmod(file, mode)?;
            }
            Ok(futimens(file, &times(member))?)
        })?;
        self.done.bytes += member.size;
        Ok(())
    }

    fn directory(&mut self, path: &[&[u8]], member: &Member) -> Result<(), Refusal> {
        let mode = Mode::from_raw_mode(member.mode);
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

fn fill(file: &OwnedFd, reader: &mut Reader<File>, member: &Member) -> Result<(), Refusal> {
    let Some(extents) = &member.extents else {
        return copy(file, reader, member.size);
    };
    for extent in extents {
        seek(file, SeekFrom::Start(extent.offset))?;
        copy(file, reader, extent.length)?;
    }
    Ok(ftruncate(file, member.size)?)
}

fn copy(file: &OwnedFd, reader: &mut Reader<File>, bytes: u64) -> Result<(), Refusal> {
    let mut left = bytes;
    while left > 0 {
        let piece = reader.content(left)?;
        write_all(file, piece)?;
        left -= piece.len() as u64;
    }
    Ok(())
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
