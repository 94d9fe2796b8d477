//! The line's language, as `docs/wire-protocol.md` defines it: bytes, frames, messages. Knows no processes.

pub mod assembly;
pub mod base64;
pub mod byte_text;
pub mod decoder;
pub mod frame;
pub mod hex;
pub mod messages;
pub mod outgoing;

pub const VERSION: u32 = 1;

#[cfg(test)]
mod vectors;
