//! One thread, one epoll, no locks: bytes of the line and events of processes in, frames out.

pub mod event_loop;
pub mod freezer;
pub mod guest;
pub mod line;
pub mod requests;
pub mod shutdown;
pub mod signals;
pub mod streams;
