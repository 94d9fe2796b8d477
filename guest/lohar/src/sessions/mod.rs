//! Processes that the host starts: their input, output, terminals and ends.

pub mod command;
pub mod credit;
pub mod ended;
pub mod endings;
pub mod init;
pub mod input;
pub mod output;
pub mod process;
pub mod running;
pub mod signals;
pub mod spawn;
pub mod start;
pub mod table;
pub mod terminal;
