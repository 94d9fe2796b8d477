//! What is queued to be written to the line. Answers always find a place; data only while the queue is short.

use std::io;

use rustix::fd::BorrowedFd;
use rustix::io::Errno;
use serde::Serialize;

use super::decoder::{Nonce, MARKER};
use super::frame::{self, kind, MAX_PAYLOAD, MORE};

/// Data is read from pipes only while less than this waits.
const BOUND: usize = 256 * 1024;
/// Keeps a full frame of data within 32 KiB, which a virtio port takes in one write.
pub const MAX_DATA: usize = 32_768 - frame::HEADER - 2;

#[derive(Default)]
pub struct Outgoing {
    bytes: Vec<u8>,
    sent: usize,
}

impl Outgoing {
    pub fn has_room(&self) -> bool {
        self.bytes.len() - self.sent < BOUND
    }

    pub fn is_empty(&self) -> bool {
        self.bytes.len() == self.sent
    }

    pub fn clear(&mut self) {
        self.bytes.clear();
        self.sent = 0;
    }

    pub fn marker(&mut self, nonce: &Nonce) {
        self.bytes.extend_from_slice(MARKER);
        self.bytes.extend_from_slice(nonce);
    }

    pub fn frame(&mut self, stream: u32, kind: u8, payload: &[u8]) {
        frame::append(&mut self.bytes, stream, kind, 0, payload);
    }

    pub fn json(&mut self, stream: u32, kind: u8, message: &impl Serialize) {
        // Our own messages are plain data, which always serialises.
        let Ok(text) = serde_json::to_vec(message) else {
            return;
        };
        let mut chunks = text.chunks(MAX_PAYLOAD).peekable();
        while let Some(chunk) = chunks.next() {
            let flags = if chunks.peek().is_some() { MORE } else { 0 };
            frame::append(&mut self.bytes, stream, kind, flags, chunk);
        }
    }

    pub fn end(&mut self, stream: u32, channel: u8) {
        self.frame(stream, kind::END, &[channel]);
    }

    pub fn credit(&mut self, stream: u32, bytes: u32) {
        self.frame(stream, kind::CREDIT, &bytes.to_le_bytes());
    }

    /// Bytes that lie in two pieces; at most `MAX_DATA`, and at least one.
    pub fn data(&mut self, stream: u32, channel: u8, front: &[u8], back: &[u8]) {
        let length = 1 + front.len() + back.len();
        let header = frame::header(stream, kind::DATA, 0, length);
        self.bytes.extend_from_slice(&header);
        self.bytes.push(channel);
        self.bytes.extend_from_slice(front);
        self.bytes.extend_from_slice(back);
        frame::end(&mut self.bytes);
    }

    /// Reads at most `most` bytes from `source` straight into a DATA frame. Without any, no frame comes to be.
    pub fn read_data(
        &mut self,
        source: BorrowedFd<'_>,
        stream: u32,
        channel: u8,
        most: usize,
    ) -> rustix::io::Result<usize> {
        let start = self.bytes.len();
        self.bytes.reserve(frame::HEADER + 1 + most + 1);
        self.bytes.extend_from_slice(&[0; frame::HEADER]);
        self.bytes.push(channel);
        let spare = self.bytes.spare_capacity_mut();
        let most = most.min(spare.len());
        let outcome = rustix::io::read(source, &mut spare[..most]).map(|(read, _)| read.len());
        let count = match outcome {
            Ok(count) if count > 0 => count,
            nothing => {
                self.bytes.truncate(start);
                return nothing;
            }
        };
        // SAFETY: the kernel has written these bytes behind the vector's length, within its capacity.
        unsafe { self.bytes.set_len(self.bytes.len() + count) };
        let header = frame::header(stream, kind::DATA, 0, count + 1);
        self.bytes[start..start + frame::HEADER].copy_from_slice(&header);
        frame::end(&mut self.bytes);
        Ok(count)
    }

    /// All the data that is queued, with the streams that it is for, and nothing else.
    #[cfg(test)]
    pub fn take_data(&mut self) -> Vec<(u32, Vec<u8>)> {
        let mut rest = &self.bytes[self.sent..];
        let mut data = Vec::new();
        while let frame::Parsed::Frame(frame, length) = frame::parse(rest) {
            if frame.kind == kind::DATA {
                data.push((frame.stream, frame.payload[1..].to_vec()));
            }
            rest = &rest[length..];
        }
        self.clear();
        data
    }

    /// Writes until nothing is left (true) or the line takes no more (false).
    pub fn flush(&mut self, line: BorrowedFd<'_>) -> io::Result<bool> {
        while self.sent < self.bytes.len() {
            match rustix::io::write(line, &self.bytes[self.sent..]) {
                Ok(0) | Err(Errno::AGAIN) => {
                    self.forget_sent();
                    return Ok(false);
                }
                Ok(count) => self.sent += count,
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.clear();
        // One long answer must not hold its memory for ever.
        if self.bytes.capacity() > 4 * BOUND {
            self.bytes = Vec::new();
        }
        Ok(true)
    }

    fn forget_sent(&mut self) {
        if self.sent > BOUND / 2 {
            self.bytes.drain(..self.sent);
            self.sent = 0;
        }
    }
}
