//! What everything that reacts to events stands on: epoll, timers, the clock, the outgoing queue.

pub mod clock;
pub mod poller;
pub mod stream_handler;
pub mod timers;
pub mod wires;
