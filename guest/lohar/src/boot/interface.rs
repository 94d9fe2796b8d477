//! A network interface: what the kernel can be asked about one, and told.

use std::io;
use std::net::UdpSocket;
use std::os::fd::AsRawFd;

pub struct Interface {
    /// Any socket will do; the requests name the interface.
    socket: UdpSocket,
    name: [libc::c_char; libc::IFNAMSIZ],
}

impl Interface {
    pub fn named(name: &str) -> io::Result<Self> {
        let mut bytes = [0; libc::IFNAMSIZ];
        if name.len() >= bytes.len() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        for (to, from) in bytes.iter_mut().zip(name.bytes()) {
            *to = from as libc::c_char;
        }
        Ok(Interface {
            socket: UdpSocket::bind("0.0.0.0:0")?,
            name: bytes,
        })
    }

    pub fn bring_up(&self) -> io::Result<()> {
        self.set_flags(self.flags()? | (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short)
    }

    pub fn flags(&self) -> io::Result<libc::c_short> {
        let mut request = self.request();
        self.ask(libc::SIOCGIFFLAGS, &mut request)?;
        // SAFETY: this is what the kernel has answered with; any bits are valid.
        Ok(unsafe { request.ifr_ifru.ifru_flags })
    }

    pub fn set_flags(&self, flags: libc::c_short) -> io::Result<()> {
        let mut request = self.request();
        request.ifr_ifru.ifru_flags = flags;
        self.ask(libc::SIOCSIFFLAGS, &mut request)
    }

    pub fn address(&self) -> io::Result<[u8; 6]> {
        let mut request = self.request();
        self.ask(libc::SIOCGIFHWADDR, &mut request)?;
        // SAFETY: as above.
        let data = unsafe { request.ifr_ifru.ifru_hwaddr.sa_data };
        Ok(std::array::from_fn(|at| data[at] as u8))
    }

    pub fn set_address(&self, address: [u8; 6]) -> io::Result<()> {
        let mut request = self.request();
        let mut hardware = libc::sockaddr {
            sa_family: libc::ARPHRD_ETHER,
            sa_data: [0; 14],
        };
        for (to, from) in hardware.sa_data.iter_mut().zip(address) {
            *to = from as libc::c_char;
        }
        request.ifr_ifru.ifru_hwaddr = hardware;
        self.ask(libc::SIOCSIFHWADDR, &mut request)
    }

    fn request(&self) -> libc::ifreq {
        // SAFETY: an all-zero request is valid.
        let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
        request.ifr_name = self.name;
        request
    }

    fn ask(&self, what: libc::c_ulong, request: &mut libc::ifreq) -> io::Result<()> {
        // SAFETY: for all of the above the kernel reads and writes no more than one request.
        match unsafe { libc::ioctl(self.socket.as_raw_fd(), what, request) } {
            0.. => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_has_flags_and_no_address() {
        let loopback = Interface::named("lo").unwrap();
        assert_eq!(loopback.address().unwrap(), [0; 6]);
        assert!(loopback.flags().is_ok());
    }

    #[test]
    fn finds_no_interface_of_a_name_that_is_too_long_or_unknown() {
        assert!(Interface::named("0123456789abcdef").is_err());
        let unknown = Interface::named("0123456789abcde").unwrap();
        assert!(unknown.flags().is_err());
    }
}
