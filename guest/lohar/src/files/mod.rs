//! Files that the host writes.

pub mod worker;
pub mod write;
