//! The line itself: a virtio port, or in the test mode the one connection of a Unix socket.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixListener;

use rustix::event::epoll::EventFlags;
use rustix::io::Errno;

use crate::protocol::decoder::Decoder;
use crate::protocol::outgoing::Outgoing;
use crate::reactor::poller::{Poller, Role};

pub struct Line {
    end: End,
    readable: bool,
    writable: bool,
    pub decoder: Decoder,
}

enum End {
    Port(OwnedFd),
    Socket {
        listener: UnixListener,
        connection: Option<OwnedFd>,
    },
}

impl Line {
    pub fn port(port: OwnedFd, poller: &Poller) -> io::Result<Self> {
        poller.watch_both(&port, 0, Role::Line)?;
        Ok(Self::new(End::Port(port)))
    }

    pub fn socket(listener: UnixListener, poller: &Poller) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        poller.watch_readable(&listener, 0, Role::Listener)?;
        Ok(Self::new(End::Socket {
            listener,
            connection: None,
        }))
    }

    fn new(end: End) -> Self {
        Line {
            end,
            readable: true,
            writable: true,
            decoder: Decoder::new(),
        }
    }

    /// A new connection takes the place of the old one; true if there was any.
    pub fn accept(&mut self, poller: &Poller) -> bool {
        let End::Socket {
            listener,
            connection,
        } = &mut self.end
        else {
            return false;
        };
        let mut accepted = false;
        while let Ok((stream, _)) = listener.accept() {
            if stream.set_nonblocking(true).is_err() {
                continue;
            }
            let stream = OwnedFd::from(stream);
            if poller.watch_both(&stream, 0, Role::Line).is_err() {
                continue;
            }
            *connection = Some(stream);
            (self.readable, self.writable) = (true, true);
            self.decoder.reset();
            accepted = true;
        }
        accepted
    }

    pub fn notice(&mut self, flags: EventFlags) {
        let over = EventFlags::HUP | EventFlags::ERR;
        self.readable |= flags.intersects(EventFlags::IN | over);
        self.writable |= flags.intersects(EventFlags::OUT | over);
    }

    pub fn is_readable(&self) -> bool {
        self.readable
    }

    /// Reads what is there; true if anything came.
    pub fn read(&mut self) -> io::Result<bool> {
        let mut came = false;
        while self.readable {
            let Some(fd) = connected(&self.end) else {
                self.readable = false;
                break;
            };
            let space = self.decoder.space();
            if space.is_empty() {
                break;
            }
            match rustix::io::read(fd, space) {
                // A port whose host is away reads as empty; it tells when the host is back.
                Ok(0) => {
                    self.readable = false;
                    self.hang_up();
                }
                Ok(count) => {
                    self.decoder.filled(count);
                    came = true;
                }
                Err(Errno::AGAIN) => self.readable = false,
                Err(Errno::INTR) => {}
                Err(error) => return self.broken(error).map(|()| came),
            }
        }
        Ok(came)
    }

    pub fn flush(&mut self, outgoing: &mut Outgoing) -> io::Result<()> {
        if !self.writable || outgoing.is_empty() {
            return Ok(());
        }
        let Some(fd) = connected(&self.end) else {
            return Ok(());
        };
        match outgoing.flush(fd) {
            Ok(all) => {
                self.writable = all;
                Ok(())
            }
            Err(error) => self.broken(Errno::from_io_error(&error).unwrap_or(Errno::IO)),
        }
    }

    /// A connection may break at any time; a port may not.
    fn broken(&mut self, error: Errno) -> io::Result<()> {
        self.readable = false;
        match self.end {
            End::Socket { .. } => {
                self.hang_up();
                Ok(())
            }
            End::Port(_) => Err(error.into()),
        }
    }

    fn hang_up(&mut self) {
        if let End::Socket { connection, .. } = &mut self.end {
            *connection = None;
        }
    }
}

fn connected(end: &End) -> Option<std::os::fd::BorrowedFd<'_>> {
    match end {
        End::Port(port) => Some(port.as_fd()),
        End::Socket { connection, .. } => connection.as_ref().map(|connection| connection.as_fd()),
    }
}
