//! Processes that the host starts: their input, output, terminals and ends. Some are sessions, which outlive their streams.

pub mod attach;
pub mod command;
pub mod credit;
pub mod ended;
pub mod endings;
pub mod init;
pub mod input;
pub mod kill;
pub mod log_folder;
pub mod log_reader;
pub mod logs;
pub mod names;
pub mod open;
pub mod output;
pub mod process;
pub mod ring;
pub mod running;
pub mod screen;
pub mod session_log;
pub mod shared;
pub mod signals;
pub mod spawn;
pub mod start;
pub mod table;
pub mod terminal;
