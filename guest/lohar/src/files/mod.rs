//! The guest's files, as the host reads and changes them.

mod answers;
mod copy;
pub mod directory;
mod durable;
mod entry;
pub mod holes;
mod inside;
pub mod job;
pub mod jobs;
mod lines;
mod list;
mod make;
mod order;
mod orders;
mod pack;
mod place;
mod put;
mod read;
mod refusal;
mod relocate;
mod remove;
#[cfg(test)]
pub mod scratch;
mod staff;
mod tar;
mod unpack;
mod walk;
mod watch;
pub mod worker;
mod write;
