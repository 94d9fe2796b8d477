//! `read`: a file, or some lines of it.

use std::ffi::CStr;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{fstat, openat, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use super::answers::Answers;
use super::entry::{mtime_ms, Octal};
use super::lines::Selection;
use super::place::{Last, Place, Trust};
use super::refusal::{Explain, Refusal};
use crate::protocol::messages::Failure;

const PIECE: usize = 64 * 1024;
/// Less than this is read before its size is sent.
const SMALL: u64 = 16 * 1024;
/// Of a file that does not say how long it is, as the kernel's own do not.
const MOST_UNSIZED: usize = 16 * 1024 * 1024;

#[derive(Serialize, Deserialize, Clone, Copy, Debug)]
pub struct Part {
    pub offset: Option<u64>,
    pub limit: Option<u64>,
    pub max_bytes: Option<u64>,
}

#[derive(Serialize)]
struct OpenedFile {
    size: u64,
    mode: Octal,
    mtime_ms: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
}

#[derive(Serialize, Debug, PartialEq, Eq)]
pub struct Done {
    pub bytes: u64,
    /// It ended before the file did.
    pub truncated: bool,
}

pub fn read(path: &Path, part: Part, trust: Trust, answers: &Answers) -> Result<Done, Failure> {
    let place = Place::find(path, trust, Last::Target).explain("read", path)?;
    let (file, stat) = open_regular(&place).explain("read", path)?;
    send(&file, &stat, part, answers).explain("read", path)
}

/// Never waits, as opening a FIFO would.
pub fn open_regular(place: &Place) -> Result<(OwnedFd, Stat), Refusal> {
    open_regular_at(&place.directory, &place.name)
}

pub fn open_regular_at(directory: &OwnedFd, name: &CStr) -> Result<(OwnedFd, Stat), Refusal> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = match openat(directory, name, flags, Mode::empty()) {
        // A socket.
        Err(Errno::NXIO) => return Err(not_regular()),
        outcome => outcome?,
    };
    let stat = fstat(&file)?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Ok((file, stat)),
        FileType::Directory => Err(Errno::ISDIR.into()),
        _ => Err(not_regular()),
    }
}

pub fn not_regular() -> Refusal {
    Refusal::Rule("bad_request", "Not a regular file")
}

fn send(file: &OwnedFd, stat: &Stat, part: Part, answers: &Answers) -> Result<Done, Refusal> {
    let size = stat.st_size as u64;
    let tell = |size, bytes| {
        answers.opened(&OpenedFile {
            size,
            mode: Octal(stat.st_mode),
            mtime_ms: mtime_ms(stat),
            bytes,
        });
    };
    let selects = part.offset.is_some_and(|offset| offset > 1) || part.limit.is_some();
    // What the kernel makes up as it is read, as in /proc, has no size.
    if selects || size == 0 {
        let mut buffer = vec![0; PIECE];
        let first = read_some(file, &mut buffer)?;
        tell(size, (first == 0).then_some(0));
        return send_selected(file, &mut buffer, first, part, answers);
    }
    let bytes = part.max_bytes.map_or(size, |most| most.min(size));
    if bytes <= SMALL {
        return send_small(file, (size, bytes), tell, answers);
    }
    tell(size, Some(bytes));
    send_exactly(file, bytes, answers)?;
    Ok(Done {
        bytes,
        truncated: bytes < size,
    })
}

/// All of it is read before its size is sent: what lies in /sys says that it is longer than it is.
fn send_small(
    file: &OwnedFd,
    (size, bytes): (u64, u64),
    tell: impl Fn(u64, Option<u64>),
    answers: &Answers,
) -> Result<Done, Refusal> {
    let mut content = vec![0; usize::try_from(bytes).unwrap_or(0)];
    let mut held = 0;
    while held < content.len() {
        match read_some(file, &mut content[held..])? {
            0 => break,
            count => held += count,
        }
    }
    let ended = held < content.len();
    if ended && has_shrunk(file, size)? {
        let to = held as u64;
        return Err(Refusal::Shrank { from: size, to });
    }
    let (held, content) = (held as u64, &content[..held]);
    tell(if ended { held } else { size }, Some(held));
    answers.write(content)?;
    Ok(Done {
        bytes: held,
        truncated: !ended && bytes < size,
    })
}

fn send_selected(
    file: &OwnedFd,
    buffer: &mut [u8],
    first: usize,
    part: Part,
    answers: &Answers,
) -> Result<Done, Refusal> {
    let mut selection = Selection::new(part.offset, part.limit, part.max_bytes);
    let (mut bytes, mut count) = (0, first);
    while count > 0 && !selection.is_over() {
        let wanted = selection.take(&buffer[..count]);
        let end = wanted.end;
        bytes += wanted.len() as u64;
        answers.write(&buffer[wanted])?;
        if end < count {
            let truncated = true;
            return Ok(Done { bytes, truncated });
        }
        count = read_some(file, buffer)?;
    }
    let truncated = count > 0;
    Ok(Done { bytes, truncated })
}

/// What was promised, or an error after what there is.
fn send_exactly(file: &OwnedFd, bytes: u64, answers: &Answers) -> Result<(), Refusal> {
    match send_up_to(file, bytes, answers)? {
        0 => Ok(()),
        lacking => Err(Refusal::Shrank {
            from: bytes,
            to: bytes - lacking,
        }),
    }
}

/// Files that the kernel makes up keep the size that they do not have.
fn has_shrunk(file: &OwnedFd, size: u64) -> rustix::io::Result<bool> {
    Ok((fstat(file)?.st_size as u64) < size)
}

/// At most `size` bytes, or all that there is of a file that says it has none. None when that is more than
/// `MOST_UNSIZED`.
pub fn read_small(file: &OwnedFd, size: usize) -> rustix::io::Result<Option<Vec<u8>>> {
    let mut content = vec![0; if size == 0 { PIECE } else { size }];
    let mut held = 0;
    while held < content.len() {
        match read_some(file, &mut content[held..])? {
            0 => break,
            count => held += count,
        }
        if size == 0 && held == content.len() {
            if held > MOST_UNSIZED {
                return Ok(None);
            }
            content.resize(2 * held, 0);
        }
    }
    content.truncate(held);
    Ok(Some(content))
}

/// Returns how much the file lacked. Copies: pages that a pipe shares with the file become zeros when it is truncated.
pub fn send_up_to(file: &OwnedFd, bytes: u64, answers: &Answers) -> Result<u64, Refusal> {
    let mut left = bytes;
    let mut buffer = vec![0; PIECE.min(usize::try_from(left).unwrap_or(PIECE))];
    while left > 0 {
        let most = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
        let count = read_some(file, &mut buffer[..most])?;
        if count == 0 {
            break;
        }
        answers.write(&buffer[..count])?;
        left -= count as u64;
    }
    Ok(left)
}

pub fn read_some(file: &OwnedFd, buffer: &mut [u8]) -> rustix::io::Result<usize> {
    loop {
        match rustix::io::read(file, &mut *buffer) {
            Err(Errno::INTR) => {}
            outcome => return outcome,
        }
    }
}
