//! IPv4 of the guest's network card. IPv6 is off: the host drops it.

use std::fs;
use std::io;
use std::net::Ipv4Addr;

use super::interface::Interface;
use super::{own_files, sockets};
use crate::protocol::messages::NetworkParameters;

/// `all` covers interfaces that exist, `default` those that come.
const IPV6_OFF: [&str; 2] = [
    "/proc/sys/net/ipv6/conf/all/disable_ipv6",
    "/proc/sys/net/ipv6/conf/default/disable_ipv6",
];
/// The least that every IPv4 host has to take (RFC 791).
const LEAST_MTU: u16 = 576;

pub struct Network {
    address: Ipv4Addr,
    prefix: u8,
    gateway: Ipv4Addr,
    resolver: Ipv4Addr,
    mtu: u16,
}

impl Network {
    /// None when a parameter is malformed.
    pub fn parse(parameters: &NetworkParameters) -> Option<Self> {
        let &NetworkParameters { prefix, mtu, .. } = parameters;
        if !(8..=30).contains(&prefix) || mtu < LEAST_MTU {
            return None;
        }
        Some(Network {
            address: parameters.address.parse().ok()?,
            prefix,
            gateway: parameters.gateway.parse().ok()?,
            resolver: parameters.resolver.parse().ok()?,
            mtu,
        })
    }

    /// Connections of an address that the card had before are ended: their packets would carry the old source.
    pub fn apply(&self, card: &Interface) -> io::Result<()> {
        for path in IPV6_OFF {
            // A kernel without IPv6 has no such file.
            let _ = fs::write(path, "1");
        }
        let former = card.ipv4()?;
        card.set_mtu(self.mtu)?;
        if former != Some(self.address) {
            card.set_ipv4(self.address, self.prefix)?;
        }
        card.bring_up()?;
        card.add_default_route(self.gateway)?;
        if let Some(former) = former.filter(|former| *former != self.address) {
            sockets::end_all_of(former)?;
        }
        let text = format!(
            "nameserver {}\noptions timeout:2 attempts:2\n",
            self.resolver
        );
        own_files::write(own_files::RESOLVER, &text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameters(change: impl Fn(&mut NetworkParameters)) -> NetworkParameters {
        let mut parameters = NetworkParameters {
            address: "10.0.1.2".into(),
            prefix: 24,
            gateway: "10.0.1.1".into(),
            resolver: "10.0.1.1".into(),
            mtu: 1500,
        };
        change(&mut parameters);
        parameters
    }

    #[test]
    fn every_parameter_is_checked() {
        assert!(Network::parse(&parameters(|_| {})).is_some());
        let wrong: [fn(&mut NetworkParameters); 6] = [
            |network| network.address = "10.0.1.2/24".into(),
            |network| network.gateway = "10.0.1".into(),
            |network| network.resolver = "::1".into(),
            |network| network.prefix = 31,
            |network| network.prefix = 0,
            |network| network.mtu = 575,
        ];
        for change in wrong {
            assert!(Network::parse(&parameters(change)).is_none());
        }
    }
}
