//! A network interface: what the kernel can be asked about one, and told.

use std::io;
use std::net::{Ipv4Addr, UdpSocket};
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

    /// Its first IPv4 address, if it has one.
    pub fn ipv4(&self) -> io::Result<Option<Ipv4Addr>> {
        let mut request = self.request();
        match self.ask(libc::SIOCGIFADDR, &mut request) {
            Err(error) if error.raw_os_error() == Some(libc::EADDRNOTAVAIL) => Ok(None),
            Err(error) => Err(error),
            // SAFETY: as above.
            Ok(()) => Ok(Some(ipv4_in(unsafe { request.ifr_ifru.ifru_addr }))),
        }
    }

    /// Takes the place of its first address, and of the routes that go by that.
    pub fn set_ipv4(&self, address: Ipv4Addr, prefix: u8) -> io::Result<()> {
        let mut request = self.request();
        request.ifr_ifru.ifru_addr = socket_address(address);
        self.ask(libc::SIOCSIFADDR, &mut request)?;
        let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
        request = self.request();
        request.ifr_ifru.ifru_addr = socket_address(mask.into());
        self.ask(libc::SIOCSIFNETMASK, &mut request)
    }

    pub fn set_mtu(&self, bytes: u16) -> io::Result<()> {
        let mut request = self.request();
        request.ifr_ifru.ifru_mtu = bytes.into();
        self.ask(libc::SIOCSIFMTU, &mut request)
    }

    /// Sends through it, by this gateway, what has no route of its own.
    pub fn add_default_route(&self, gateway: Ipv4Addr) -> io::Result<()> {
        // SAFETY: an all-zero route is valid.
        let mut route: libc::rtentry = unsafe { std::mem::zeroed() };
        let mut name = self.name;
        route.rt_dst = socket_address(Ipv4Addr::UNSPECIFIED);
        route.rt_genmask = socket_address(Ipv4Addr::UNSPECIFIED);
        route.rt_gateway = socket_address(gateway);
        route.rt_flags = (libc::RTF_UP | libc::RTF_GATEWAY) as libc::c_ushort;
        route.rt_dev = name.as_mut_ptr();
        // SAFETY: the kernel reads one route and the name, which both live until it returns.
        match unsafe { libc::ioctl(self.socket.as_raw_fd(), libc::SIOCADDRT as _, &route) } {
            0.. => Ok(()),
            _ => match io::Error::last_os_error() {
                error if error.raw_os_error() == Some(libc::EEXIST) => Ok(()),
                error => Err(error),
            },
        }
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

fn socket_address(address: Ipv4Addr) -> libc::sockaddr {
    let mut data = [0; 14];
    for (to, from) in data[2..].iter_mut().zip(address.octets()) {
        *to = from as libc::c_char;
    }
    libc::sockaddr {
        sa_family: libc::AF_INET as libc::sa_family_t,
        sa_data: data,
    }
}

fn ipv4_in(address: libc::sockaddr) -> Ipv4Addr {
    let [a, b, c, d]: [u8; 4] = std::array::from_fn(|at| address.sa_data[2 + at] as u8);
    Ipv4Addr::new(a, b, c, d)
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
