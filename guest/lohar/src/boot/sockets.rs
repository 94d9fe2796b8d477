//! Ends sockets by their source address, as `ss --kill` does (linux/inet_diag.h, linux/sock_diag.h).

use std::io;
use std::net::Ipv4Addr;

use rustix::fd::OwnedFd;
use rustix::net::{
    netlink, recv, send, socket_with, AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType,
};

const BY_FAMILY: u16 = 20;
const DESTROY: u16 = 21;
const HEADER: usize = 16;
const REQUEST: usize = 56;
/// From the start of a message: where a listed socket's id (ports, addresses, interface, cookie) begins, and its source.
const LISTED_ID: usize = HEADER + 4;
const LISTED_SOURCE: usize = LISTED_ID + 4;
const ID: usize = 48;
/// In a request the id follows family, protocol, extensions and states.
const REQUEST_ID: usize = HEADER + 8;

/// Ends TCP and connected UDP sockets whose source is this address. Programs see ECONNABORTED.
pub fn end_all_of(source: Ipv4Addr) -> io::Result<()> {
    for protocol in [libc::IPPROTO_TCP, libc::IPPROTO_UDP] {
        for id in ids_of(protocol as u8, source)? {
            // One that has ended by itself is none to end.
            let _ = destroy(protocol as u8, &id);
        }
    }
    Ok(())
}

fn ids_of(protocol: u8, source: Ipv4Addr) -> io::Result<Vec<[u8; ID]>> {
    let diag = open()?;
    let flags = libc::NLM_F_REQUEST | libc::NLM_F_DUMP;
    send(
        &diag,
        &request(BY_FAMILY, flags, protocol, &[0; ID]),
        SendFlags::empty(),
    )?;
    let mut ids = Vec::new();
    let mut buffer = vec![0; 32_768];
    loop {
        let (count, _) = recv(&diag, &mut buffer[..], RecvFlags::empty())?;
        let mut rest = &buffer[..count];
        while let Some((kind, message, after)) = next_message(rest) {
            match i32::from(kind) {
                libc::NLMSG_DONE | libc::NLMSG_ERROR => return Ok(ids),
                _ if has_source(message, source) => {
                    let mut id = [0; ID];
                    id.copy_from_slice(&message[LISTED_ID..LISTED_ID + ID]);
                    ids.push(id);
                }
                _ => {}
            }
            rest = after;
        }
    }
}

fn has_source(message: &[u8], source: Ipv4Addr) -> bool {
    message.len() >= LISTED_ID + ID && message[LISTED_SOURCE..LISTED_SOURCE + 4] == source.octets()
}

fn destroy(protocol: u8, id: &[u8; ID]) -> io::Result<()> {
    let flags = libc::NLM_F_REQUEST | libc::NLM_F_ACK;
    let diag = open()?;
    send(
        &diag,
        &request(DESTROY, flags, protocol, id),
        SendFlags::empty(),
    )?;
    let mut answer = [0; 1024];
    recv(&diag, &mut answer[..], RecvFlags::empty())?;
    Ok(())
}

fn open() -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC;
    Ok(socket_with(
        AddressFamily::NETLINK,
        SocketType::DGRAM,
        flags,
        Some(netlink::SOCK_DIAG),
    )?)
}

fn request(kind: u16, flags: i32, protocol: u8, id: &[u8; ID]) -> [u8; HEADER + REQUEST] {
    let mut message = [0; HEADER + REQUEST];
    message[..4].copy_from_slice(&((HEADER + REQUEST) as u32).to_ne_bytes());
    message[4..6].copy_from_slice(&kind.to_ne_bytes());
    message[6..8].copy_from_slice(&(flags as u16).to_ne_bytes());
    message[HEADER] = libc::AF_INET as u8;
    message[HEADER + 1] = protocol;
    // All states.
    message[HEADER + 4..REQUEST_ID].copy_from_slice(&u32::MAX.to_ne_bytes());
    message[REQUEST_ID..].copy_from_slice(id);
    message
}

/// The type of the first message, all of it, and what follows.
fn next_message(bytes: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let length = u32::from_ne_bytes(bytes.get(..4)?.try_into().ok()?) as usize;
    let kind = u16::from_ne_bytes(bytes.get(4..6)?.try_into().ok()?);
    let message = bytes
        .get(..length)
        .filter(|message| message.len() >= HEADER)?;
    let aligned = length.next_multiple_of(4).min(bytes.len());
    Some((kind, message, &bytes[aligned..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn ends_sockets_of_one_address_only() {
        let source = Ipv4Addr::new(127, 0, 0, 77);
        let listener = TcpListener::bind((source, 0)).unwrap();
        let other = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut ended = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let kept = TcpStream::connect(other.local_addr().unwrap()).unwrap();
        let (server, _) = listener.accept().unwrap();
        if !rustix::process::geteuid().is_root() {
            return;
        }
        end_all_of(source).unwrap();
        let error = (&server).read(&mut [0]).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ECONNABORTED));
        assert!(ended.read(&mut [0]).is_err());
        assert!(kept.peer_addr().is_ok() && kept.take_error().unwrap().is_none());
    }
}
