//! The interface between the server and the kinds of streams.

use rustix::event::epoll::EventFlags;

use super::poller::Role;
use super::wires::Wires;
use crate::protocol::messages::Failure;

/// Handles the frames of one kind of streams, and the events of the descriptors behind them. A stream belongs to what has
/// the key; a session can have several streams.
pub trait StreamHandler {
    /// Whether the stream accepts DATA, END and CONTROL. Otherwise they break it.
    fn takes_input(&self, _key: u32, _stream: u32) -> bool {
        false
    }

    /// Queues bytes for `pump_input`, which is called once for all frames of a round. An error breaks the stream.
    fn receive(&mut self, _key: u32, _bytes: &[u8]) -> Result<(), Failure> {
        Ok(())
    }

    /// Writes queued input to where it goes, and grants credit for it.
    fn pump_input(&mut self, _key: u32, _wires: &mut Wires) {}

    /// Ends the input. An error breaks the stream.
    fn end(&mut self, _key: u32, _wires: &mut Wires) -> Result<(), Failure> {
        Ok(())
    }

    /// Has no reply, so a message that is not understood is ignored.
    fn control(&mut self, _key: u32, _message: &[u8], _wires: &mut Wires) {}

    /// Lets the stream send `bytes` more.
    fn credit(&mut self, key: u32, stream: u32, bytes: u32, wires: &mut Wires);

    /// Releases what belonged to the stream, which is closed, broken, or of an earlier host.
    fn close(&mut self, key: u32, stream: u32, wires: &mut Wires);

    /// Events of keys of other handlers come here, too.
    fn event(&mut self, _key: u32, _role: Role, _flags: EventFlags, _wires: &mut Wires) {}

    /// Whether `pump` would find work.
    fn has_work(&self, _wires: &Wires) -> bool {
        false
    }

    /// Sends one piece of output of each stream; true if there may be more.
    fn pump(&mut self, _wires: &mut Wires) -> bool {
        false
    }
}
