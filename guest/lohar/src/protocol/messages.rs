//! The JSON messages of both directions.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

pub fn parse<'a, T: Deserialize<'a>>(payload: &'a [u8]) -> Result<T, Failure> {
    serde_json::from_slice(payload).map_err(|error| Failure::bad_request(error.to_string()))
}

#[derive(Deserialize)]
pub struct Request<'a> {
    pub id: u64,
    pub method: String,
    #[serde(borrow, default)]
    pub params: Option<&'a RawValue>,
}

#[derive(Deserialize)]
pub struct MountRoot {
    pub device: String,
    #[serde(default)]
    pub grow: bool,
}

#[derive(Deserialize)]
pub struct Configure {
    pub time_unix_ns: String,
    pub entropy: String,
    pub hostname: Option<String>,
    pub env: Option<BTreeMap<String, String>>,
    pub machine_id: Option<String>,
    pub mac: Option<String>,
    pub network: Option<NetworkParameters>,
    pub init: Option<String>,
}

/// IPv4 of the network card.
#[derive(Deserialize)]
pub struct NetworkParameters {
    pub address: String,
    /// Length of the network's part of the address.
    pub prefix: u8,
    pub gateway: String,
    pub resolver: String,
    pub mtu: u16,
}

#[derive(Deserialize)]
pub struct OpenKind {
    pub kind: String,
}

#[derive(Deserialize, Serialize, Debug, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum User {
    Lohar,
    Root,
}

#[derive(Deserialize)]
pub struct OpenExec {
    pub argv: Vec<String>,
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    pub cwd: Option<String>,
    pub user: Option<User>,
    pub tty: Option<Size>,
    #[serde(default)]
    pub stdin: bool,
    #[serde(default)]
    pub timeout_ms: u64,
    /// Whether it shall be a session without a terminal, too.
    #[serde(default)]
    pub session: bool,
    #[serde(default)]
    pub max_idle_ms: u64,
    /// The file that gets stdout and stderr, without a terminal.
    pub output: Option<String>,
}

#[derive(Deserialize)]
pub struct OpenAttach {
    pub session: String,
    pub mode: Mode,
    #[serde(default)]
    pub if_detached: bool,
    pub from: Option<u64>,
    pub tty: Option<Size>,
    /// Whether the terminal's size is told, and told again when it is another one.
    #[serde(default)]
    pub sizes: bool,
}

#[derive(Deserialize, Debug, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    Control,
    Watch,
}

#[derive(Deserialize)]
pub struct OpenLog {
    pub session: String,
    #[serde(default)]
    pub follow: bool,
    pub tail: Option<u64>,
    /// Where an earlier stream left off.
    pub from: Option<u64>,
}

#[derive(Serialize)]
pub struct Resized {
    #[serde(rename = "type")]
    kind: &'static str,
    rows: u16,
    cols: u16,
}

impl From<Size> for Resized {
    fn from(Size { rows, cols }: Size) -> Self {
        let kind = "resize";
        Resized { kind, rows, cols }
    }
}

#[derive(Serialize)]
pub struct OpenedLog {
    /// Of the first byte that follows, when that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
}

#[derive(Deserialize)]
pub struct Kill {
    pub session: String,
    pub signal: String,
}

#[derive(Deserialize)]
pub struct OpenWrite {
    pub path: String,
    pub size: u64,
    pub mode: String,
    /// With whose rights it is written.
    pub user: Option<User>,
    /// Whose it is when it is new; `user`'s without it.
    pub owner: Option<User>,
    #[serde(default)]
    pub keep: Keep,
}

/// What a file that exists keeps.
#[derive(Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug, Default)]
#[serde(rename_all = "lowercase")]
pub enum Keep {
    #[default]
    Nothing,
    Owner,
    /// Its owner and its mode.
    All,
}

#[derive(Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    pub rows: u16,
    pub cols: u16,
}

#[derive(Deserialize)]
pub struct Control {
    #[serde(rename = "type")]
    pub kind: String,
    pub rows: Option<u16>,
    pub cols: Option<u16>,
    pub signal: Option<String>,
}

#[derive(Serialize)]
pub struct Hello<'a> {
    pub protocol: u32,
    pub version: &'a str,
    pub boot_id: &'a str,
    pub stage: Stage,
    pub processes: Vec<ProcessInfo>,
}

#[derive(Serialize, Debug, Clone, Copy, PartialEq, Eq, PartialOrd)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    Initramfs,
    Mounted,
    Configured,
}

/// What a process is to the host. All but the first are sessions.
#[derive(Serialize, Debug, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Exec,
    Terminal,
    Piped,
    Detached,
    Init,
}

#[derive(Serialize, Clone)]
pub struct ProcessInfo {
    pub session: String,
    pub kind: Kind,
    pub pid: i32,
    pub argv: Vec<String>,
    pub tty: bool,
    pub stdin: bool,
    pub user: User,
    pub started_unix_ms: u64,
    pub running: bool,
    pub attached: bool,
    pub watchers: usize,
    pub log_bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signal: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_unix_ms: Option<u64>,
}

#[derive(Serialize)]
pub struct Processes {
    pub processes: Vec<ProcessInfo>,
}

#[derive(Serialize)]
pub struct Reply<T> {
    pub id: u64,
    pub result: T,
}

/// Without an id when the request was too broken to have one.
#[derive(Serialize)]
pub struct ReplyError<'a> {
    pub id: Option<u64>,
    pub error: &'a Failure,
}

#[derive(Serialize)]
pub struct Nothing {}

#[derive(Serialize)]
pub struct Stats {
    pub disk_total: u64,
    pub disk_used: u64,
    pub memory_total: u64,
    pub memory_available: u64,
}

#[derive(Serialize)]
pub struct Activity {
    pub cpu_us: u64,
    pub network_bytes: u64,
    pub commands: u32,
    pub terminals: u32,
    pub attached: u32,
}

#[derive(Serialize)]
pub struct Opened<'a> {
    pub session: &'a str,
    pub pid: i32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed: Option<NotExecuted>,
}

/// The program could not be executed, and the process exits with this code.
#[derive(Serialize)]
pub struct NotExecuted {
    pub exit_code: i32,
    pub reason: &'static str,
}

#[derive(Serialize)]
pub struct Attached<'a> {
    pub session: &'a str,
    pub pid: i32,
    pub tty: bool,
    pub stdin: bool,
    pub offset: u64,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub prelude: &'a str,
}

#[derive(Serialize)]
pub struct ExecResult<'a> {
    pub exit_code: i32,
    pub reason: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signal: Option<&'a str>,
    /// Bytes of the output that were not kept for long enough.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missed: Option<u64>,
}

/// What a REPLY or an ERROR says when something did not work.
#[derive(Serialize, Debug)]
pub struct Failure {
    pub code: &'static str,
    pub message: String,
}

impl Failure {
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Failure {
            code,
            message: message.into(),
        }
    }

    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new("bad_request", message)
    }
}
