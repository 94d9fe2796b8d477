//! The guest's files, as the host reads and changes them.

mod answers;
mod directory;
mod entry;
pub mod job;
pub mod jobs;
mod lines;
mod list;
mod make;
mod order;
mod place;
mod read;
mod refusal;
mod relocate;
mod remove;
#[cfg(test)]
mod scratch;
mod walk;
pub mod worker;
mod write;
