//! tar streams: POSIX with its extended headers, and GNU's long names.

use super::holes::Extent;

pub mod header;
pub mod pax;
pub mod reader;

pub const BLOCK: usize = 512;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    File,
    Directory,
    Link,
    HardLink,
    /// A device or another thing that is passed over.
    Other,
}

/// Of a sparse file.
pub const MOST_EXTENTS: usize = 65_536;

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Member {
    pub kind: Kind,
    pub path: Vec<u8>,
    /// Of a link.
    pub target: Vec<u8>,
    /// Of a file.
    pub size: u64,
    /// The parts of a sparse file, whose bytes follow each other in the stream.
    pub extents: Option<Vec<Extent>>,
    /// Permission bits.
    pub mode: u32,
    pub mtime: i64,
    pub nanoseconds: u32,
    pub uid: u32,
    pub gid: u32,
}
