//! The parts of a file that have data. What lies between them is a hole, which reads as zeros and takes no space.

use std::os::fd::AsFd;

use rustix::fs::{seek, SeekFrom};
use rustix::io::Errno;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Extent {
    pub offset: u64,
    pub length: u64,
}

/// In order. Moves the file's position.
pub struct Extents<F> {
    file: F,
    size: u64,
    at: u64,
}

impl<F: AsFd> Extents<F> {
    pub fn new(file: F, size: u64) -> Self {
        Extents { file, size, at: 0 }
    }

    fn find(&mut self) -> rustix::io::Result<Option<Extent>> {
        let offset = match seek(&self.file, SeekFrom::Data(self.at)) {
            // No more data, or a file system without holes.
            Err(Errno::NXIO) => return Ok(None),
            Err(Errno::INVAL) if self.at == 0 => 0,
            outcome => outcome?,
        };
        let end = match seek(&self.file, SeekFrom::Hole(offset)) {
            Err(Errno::NXIO | Errno::INVAL) => self.size,
            outcome => outcome?.min(self.size),
        };
        if end <= offset {
            return Ok(None);
        }
        self.at = end;
        let length = end - offset;
        Ok(Some(Extent { offset, length }))
    }
}

impl<F: AsFd> Iterator for Extents<F> {
    type Item = rustix::io::Result<Extent>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.at < self.size {
            true => self.find().transpose(),
            false => None,
        }
    }
}
