//! The loopback interface, which a new kernel leaves down.

use std::net::UdpSocket;
use std::os::fd::AsRawFd;

pub fn bring_up() {
    if let Err(error) = set_up() {
        crate::log::warn(&format!("cannot bring up lo: {error}"));
    }
}

fn set_up() -> std::io::Result<()> {
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    // SAFETY: an all-zero request is valid, and the kernel reads and writes no more than one.
    unsafe {
        let mut request: libc::ifreq = std::mem::zeroed();
        for (to, &from) in request.ifr_name.iter_mut().zip(b"lo\0") {
            *to = from as libc::c_char;
        }
        if libc::ioctl(socket.as_raw_fd(), libc::SIOCGIFFLAGS, &mut request) < 0 {
            return Err(std::io::Error::last_os_error());
        }
        request.ifr_ifru.ifru_flags |= (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
        if libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &request) < 0 {
            return Err(std::io::Error::last_os_error());
        }
    }
    Ok(())
}
