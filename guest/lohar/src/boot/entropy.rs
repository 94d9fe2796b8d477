//! Fresh randomness for a restored VM: its siblings, restored from the same state, would draw the same numbers.

use std::fs::OpenOptions;
use std::io;
use std::os::fd::AsRawFd;

pub const BYTES: usize = 64;

// `_IOW('R', 3, int[2])` and `_IO('R', 7)` of linux/random.h.
const RNDADDENTROPY: libc::c_ulong = 0x4008_5203;
const RNDRESEEDCRNG: libc::c_ulong = 0x5207;

#[repr(C)]
struct Pool {
    bits: i32,
    size: i32,
    bytes: [u8; BYTES],
}

pub fn add(bytes: &[u8; BYTES]) -> io::Result<()> {
    let random = OpenOptions::new().write(true).open("/dev/urandom")?;
    let pool = Pool {
        bits: BYTES as i32 * 8,
        size: BYTES as i32,
        bytes: *bytes,
    };
    // SAFETY: the kernel reads one pool, which outlives the calls.
    let outcome = unsafe {
        libc::ioctl(random.as_raw_fd(), RNDADDENTROPY, &pool)
            | libc::ioctl(random.as_raw_fd(), RNDRESEEDCRNG)
    };
    if outcome != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}
