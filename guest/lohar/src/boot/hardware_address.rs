//! The address of the guest's network card. All guests that are restored from one state have the same until they are told
//! another.

use std::fs;
use std::io;
use std::path::Path;

use super::interface::Interface;

const INTERFACES: &str = "/sys/class/net";
/// `ARPHRD_ETHER`; the loopback has a type of its own.
const ETHERNET: &str = "1";
const USUAL: &str = "eth0";
const MULTICAST: u8 = 1;

/// Six pairs of hexadecimal digits with colons between them, which are an address that one card can have.
pub fn parse(text: &str) -> Option<[u8; 6]> {
    let mut address = [0; 6];
    let mut pairs = text.split(':');
    for byte in &mut address {
        let pair = pairs.next()?;
        // A sign would be parsed as well.
        if pair.len() != 2 || !pair.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        *byte = u8::from_str_radix(pair, 16).ok()?;
    }
    let is_usable = address[0] & MULTICAST == 0 && address != [0; 6];
    (pairs.next().is_none() && is_usable).then_some(address)
}

/// The guest's network card, if it has one.
pub fn card() -> io::Result<Option<Interface>> {
    find(Path::new(INTERFACES))
        .map(|name| Interface::named(&name))
        .transpose()
}

pub fn set(card: &Interface, address: [u8; 6]) -> io::Result<()> {
    if card.address()? == address {
        return Ok(());
    }
    match card.set_address(address) {
        Err(error) if error.raw_os_error() == Some(libc::EBUSY) => set_while_down(card, address),
        outcome => outcome,
    }
}

/// For cards that cannot change while they are up, as virtio's can: this costs them their routes.
fn set_while_down(card: &Interface, address: [u8; 6]) -> io::Result<()> {
    let flags = card.flags()?;
    card.set_flags(flags & !(libc::IFF_UP as libc::c_short))?;
    let outcome = card.set_address(address);
    card.set_flags(flags)?;
    outcome
}

/// The first Ethernet interface. Those with a device behind them come before what the kernel only imagines, some of which
/// it makes before it finds its devices.
fn find(interfaces: &Path) -> Option<String> {
    // What it nearly always is, without the millisecond that looking through all of them takes under emulation.
    if interfaces.join(USUAL).join("device").exists() {
        return Some(USUAL.to_owned());
    }
    let read = |path: &Path, file: &str| fs::read_to_string(path.join(file)).unwrap_or_default();
    fs::read_dir(interfaces)
        .ok()?
        .flatten()
        .filter_map(|entry| {
            let path = entry.path();
            if read(&path, "type").trim() != ETHERNET {
                return None;
            }
            let index: u32 = read(&path, "ifindex").trim().parse().ok()?;
            let is_imagined = !path.join("device").exists();
            Some((is_imagined, index, entry.file_name().into_string().ok()?))
        })
        .min()
        .map(|(_, _, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_addresses() {
        let address = [0x52, 0x54, 0, 0xaa, 0xbb, 0xcc];
        assert_eq!(parse("52:54:00:aa:bb:cc"), Some(address));
        assert_eq!(parse("52:54:00:AA:BB:CC"), Some(address));
    }

    #[test]
    fn refuses_what_is_no_address_of_a_card() {
        for wrong in [
            "",
            "52:54:00:aa:bb",
            "52:54:00:aa:bb:cc:dd",
            "52:54:00:aa:bb:cc:",
            "52-54-00-aa-bb-cc",
            "5254:00:aa:bb:cc",
            "52:54:00:aa:bb:c",
            "52:54:00:aa:bb:+c",
            "52:54:00:aa:bb:gg",
            "52:54:00:aa:bb:cc\n",
            "01:00:5e:00:00:01",
            "ff:ff:ff:ff:ff:ff",
            "00:00:00:00:00:00",
        ] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_first_card_is_the_one() {
        let directory = std::env::temp_dir().join(format!("lohar-net-{}", std::process::id()));
        let _ = fs::remove_dir_all(&directory);
        assert_eq!(find(&directory), None);
        let add = |name: &str, kind: &str, index: u32, has_device: bool| {
            let path = directory.join(name);
            fs::create_dir_all(&path).unwrap();
            fs::write(path.join("type"), format!("{kind}\n")).unwrap();
            fs::write(path.join("ifindex"), format!("{index}\n")).unwrap();
            if has_device {
                fs::create_dir(path.join("device")).unwrap();
            }
        };
        add("lo", "772", 1, false);
        add("sit0", "776", 2, false);
        fs::write(directory.join("bonding_masters"), "").unwrap();
        assert_eq!(find(&directory), None);
        add("ifb0", "1", 3, false);
        assert_eq!(find(&directory).as_deref(), Some("ifb0"));
        add("ens9", "1", 12, true);
        add("ens3", "1", 4, true);
        assert_eq!(find(&directory).as_deref(), Some("ens3"));
        add("eth0", "1", 5, true);
        assert_eq!(find(&directory).as_deref(), Some("eth0"));
        fs::remove_dir_all(&directory).unwrap();
    }
}
