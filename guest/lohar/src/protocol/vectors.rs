//! The byte vectors that the tests of both sides read.

use serde::Deserialize;

#[derive(Deserialize)]
pub struct Vectors {
    pub frames: Vec<ValidFrame>,
    pub invalid: Vec<InvalidFrame>,
    pub sync: Vec<Sync>,
}

#[derive(Deserialize)]
pub struct ValidFrame {
    pub name: String,
    pub stream: u32,
    #[serde(rename = "type")]
    pub kind: u8,
    pub flags: u8,
    pub payload_hex: String,
    pub frame_hex: String,
}

#[derive(Deserialize)]
pub struct InvalidFrame {
    pub name: String,
    pub bytes_hex: String,
    pub error: String,
}

#[derive(Deserialize)]
pub struct Sync {
    pub name: String,
    pub nonce_hex: String,
    pub bytes_hex: String,
    pub expect_frames_after: usize,
}

impl Vectors {
    pub fn load() -> Self {
        serde_json::from_str(include_str!("../../vectors/frames.json")).unwrap()
    }
}

pub fn hex(text: &str) -> Vec<u8> {
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
        .collect()
}
