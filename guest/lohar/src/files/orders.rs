//! How a worker gets its work: one message for each piece, with the ends of the pipes that belong to it.

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{
    recvmsg, sendmsg, socketpair, AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage,
    RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType,
};
use serde::{Deserialize, Serialize};

use super::order::Work;
use super::place::Trust;
use super::worker::Ends;

/// Two paths of 4 KiB, each byte of which takes eight in JSON at most, and some words. Longer paths lead nowhere.
const MOST: usize = 72 * 1024;
const MOST_ENDS: usize = 3;

#[derive(Deserialize)]
pub struct Order {
    pub work: Work,
    pub trust: Trust,
}

#[derive(Serialize)]
struct Given<'a> {
    work: &'a Work,
    trust: Trust,
}

/// Lohar's end and the worker's.
pub fn line() -> rustix::io::Result<(OwnedFd, OwnedFd)> {
    let flags = SocketFlags::CLOEXEC;
    socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)
}

/// Does not wait: a worker has nothing to do when it is given work.
pub fn give(line: &OwnedFd, work: &Work, trust: Trust, ends: &Ends) -> rustix::io::Result<()> {
    let text = serde_json::to_vec(&Given { work, trust }).map_err(|_| Errno::INVAL)?;
    if text.len() > MOST {
        return Err(Errno::NAMETOOLONG);
    }
    let mut given: [BorrowedFd<'_>; MOST_ENDS] = [ends.messages.as_fd(); MOST_ENDS];
    let mut count = 1;
    for end in ends.input.iter().chain(&ends.output) {
        given[count] = end.as_fd();
        count += 1;
    }
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_ENDS))];
    let mut rights = SendAncillaryBuffer::new(&mut space);
    if !rights.push(SendAncillaryMessage::ScmRights(&given[..count])) {
        return Err(Errno::NOMEM);
    }
    let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
    sendmsg(line, &[IoSlice::new(&text)], &mut rights, flags).map(drop)
}

/// Waits for the next piece; nothing when there is no more, or when it cannot be understood.
pub fn take(line: &OwnedFd) -> Option<(Order, Ends)> {
    let mut text = vec![0; MOST];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_ENDS))];
    let mut rights = RecvAncillaryBuffer::new(&mut space);
    let received = loop {
        let mut into = [IoSliceMut::new(&mut text)];
        match recvmsg(line, &mut into, &mut rights, RecvFlags::CMSG_CLOEXEC) {
            Err(Errno::INTR) => {}
            outcome => break outcome.ok()?.bytes,
        }
    };
    let order: Order = serde_json::from_slice(&text[..received]).ok()?;
    let mut ends = rights.drain().flat_map(|message| match message {
        RecvAncillaryMessage::ScmRights(ends) => ends.collect::<Vec<_>>(),
        _ => Vec::new(),
    });
    let messages = ends.next()?;
    let input = if order.work.takes_content() {
        Some(ends.next()?)
    } else {
        None
    };
    let output = if order.work.gives_content() {
        Some(ends.next()?)
    } else {
        None
    };
    let ends = Ends {
        messages,
        input,
        output,
    };
    Some((order, ends))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn an_order_arrives_with_its_pipes() {
        let (ours, theirs) = line().unwrap();
        let (heard, messages) = rustix::pipe::pipe().unwrap();
        let (source, output) = rustix::pipe::pipe().unwrap();
        let ends = Ends {
            messages,
            input: None,
            output: Some(output),
        };
        let open = r#"{"op":"read","path":"/file","offset":2}"#;
        let work = Work::of(open.as_bytes()).unwrap();
        give(&ours, &work, Trust::RootsOnly, &ends).unwrap();
        drop(ends);
        let (order, ends) = take(&theirs).unwrap();
        assert_eq!(order.work.path(), Path::new("/file"));
        assert_eq!(order.trust, Trust::RootsOnly);
        rustix::io::write(&ends.messages, b"m").unwrap();
        rustix::io::write(ends.output.as_ref().unwrap(), b"o").unwrap();
        let mut byte = [0];
        rustix::io::read(&heard, &mut byte).unwrap();
        assert_eq!(byte, *b"m");
        rustix::io::read(&source, &mut byte).unwrap();
        assert_eq!(byte, *b"o");
        drop(ours);
        assert!(take(&theirs).is_none());
    }

    #[test]
    fn a_path_that_leads_nowhere_is_refused() {
        let (ours, _theirs) = line().unwrap();
        let (_heard, messages) = rustix::pipe::pipe().unwrap();
        let ends = Ends {
            messages,
            input: None,
            output: None,
        };
        let path = "x".repeat(MOST).into();
        let refused = give(&ours, &Work::Unpack { path }, Trust::All, &ends);
        assert_eq!(refused, Err(Errno::NAMETOOLONG));
    }
}
