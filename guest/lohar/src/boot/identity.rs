//! What makes a restored guest this sandbox and no other.

use super::network::Network;
use super::{clock, entropy, hardware_address, hostname, own_files};
use crate::protocol::base64;
use crate::protocol::messages::{Configure, Failure};

pub struct Identification<'a> {
    time_unix_ns: u64,
    entropy: [u8; entropy::BYTES],
    hostname: Option<&'a str>,
    machine_id: Option<&'a str>,
    mac: Option<[u8; 6]>,
    network: Option<Network>,
}

impl<'a> Identification<'a> {
    pub fn parse(request: &'a Configure) -> Result<Self, Failure> {
        let bad = |what: &str| Failure::bad_request(format!("Invalid parameter '{what}'"));
        let hexadecimal = |id: &str| id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit());
        let hostname = request.hostname.as_deref();
        let machine_id = request.machine_id.as_deref();
        if hostname.is_some_and(|name| !hostname::is_valid(name)) {
            return Err(bad("hostname"));
        }
        if machine_id.is_some_and(|id| !hexadecimal(id)) {
            return Err(bad("machine_id"));
        }
        let mac = request.mac.as_deref();
        let mac = mac
            .map(|text| hardware_address::parse(text).ok_or_else(|| bad("mac")))
            .transpose()?;
        Ok(Identification {
            time_unix_ns: request
                .time_unix_ns
                .parse()
                .map_err(|_| bad("time_unix_ns"))?,
            entropy: base64::decode(&request.entropy)
                .and_then(|bytes| bytes.try_into().ok())
                .ok_or_else(|| bad("entropy"))?,
            hostname,
            machine_id,
            mac,
            network: match &request.network {
                Some(network) => Some(Network::parse(network).ok_or_else(|| bad("network"))?),
                None => None,
            },
        })
    }

    /// A number that no two guests have in common but by chance.
    pub fn seed(&self) -> u16 {
        let pairs = self.entropy.chunks_exact(2);
        pairs.fold(0, |seed, pair| {
            seed ^ u16::from_le_bytes([pair[0], pair[1]])
        })
    }

    /// What is not given is not looked at, so that a guest that only slept is awake at once.
    ///
    /// A step that fails is told in the log, and the others are taken all the same: a disk that is full or read-only
    /// must not keep a sandbox from waking.
    pub fn apply(&self) {
        tell("entropy", entropy::add(&self.entropy));
        tell("clock", clock::set(self.time_unix_ns).map_err(Into::into));
        self.apply_card();
        self.apply_names();
    }

    fn apply_card(&self) {
        if self.mac.is_none() && self.network.is_none() {
            return;
        }
        match hardware_address::card() {
            Ok(None) => crate::log::warn("there is no network card to configure"),
            Err(error) => crate::log::warn(&format!("cannot find the network card: {error}")),
            Ok(Some(card)) => {
                if let Some(address) = self.mac {
                    tell("hardware address", hardware_address::set(&card, address));
                }
                if let Some(network) = &self.network {
                    tell("network", network.apply(&card));
                }
            }
        }
    }

    /// The part of it that is in files and namespaces.
    pub fn apply_names(&self) {
        if let Some(name) = self.hostname {
            tell("host name", hostname::set(name));
        }
        if let Some(id) = self.machine_id {
            let id = format!("{}\n", id.to_ascii_lowercase());
            tell("machine id", own_files::write(own_files::MACHINE_ID, &id));
        }
    }
}

fn tell(what: &str, outcome: std::io::Result<()>) {
    if let Err(error) = outcome {
        crate::log::warn(&format!("cannot set the {what}: {error}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::messages::NetworkParameters;

    fn request(change: impl Fn(&mut Configure)) -> Configure {
        let mut request = Configure {
            time_unix_ns: "1767225600000000000".into(),
            entropy: format!("{}==", "A".repeat(86)),
            hostname: Some("dev".into()),
            env: None,
            machine_id: Some("0123456789abcdef0123456789ABCDEF".into()),
            mac: Some("52:54:00:aa:bb:cc".into()),
            init: None,
            network: Some(NetworkParameters {
                address: "10.0.1.2".into(),
                prefix: 24,
                gateway: "10.0.1.1".into(),
                resolver: "10.0.1.1".into(),
                mtu: 1500,
            }),
        };
        change(&mut request);
        request
    }

    #[test]
    fn every_parameter_is_checked() {
        assert!(Identification::parse(&request(|_| {})).is_ok());
        let wrong: [fn(&mut Configure); 7] = [
            |request| request.time_unix_ns = "-1".into(),
            |request| request.entropy = "AAAA".into(),
            |request| request.entropy = "?".into(),
            |request| request.hostname = Some("a b".into()),
            |request| request.machine_id = Some("xyz".into()),
            |request| request.mac = Some("52:54:00:aa:bb".into()),
            |request| request.network.as_mut().unwrap().gateway = "10.0.1".into(),
        ];
        for change in wrong {
            assert!(Identification::parse(&request(change)).is_err());
        }
    }
}
