//! What lohar runs on: a VM, or, for tests, a container or a computer that it must not touch.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::accounts::{parse_passwd, usable_shell, Accounts, Identity};
use crate::boot;
use crate::boot::cgroup::Cgroup;
use crate::boot::identity::Identification;
use crate::environment::check_variable;
use crate::protocol::messages::{Configure, Failure, MountRoot, Stage};
use crate::sessions::log_folder::LogFolder;

pub struct Machine {
    pub stage: Stage,
    pub boot_id: String,
    pub accounts: Accounts,
    /// What `configure` adds to every environment.
    pub environment: BTreeMap<String, String>,
    /// Where processes start unless told otherwise.
    pub directory: String,
    /// Where sessions write.
    pub logs: Rc<LogFolder>,
    pub cgroup: Option<Cgroup>,
    pub scope: Scope,
}

/// How much of the computer lohar may change.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// All of it, as PID 1 of a VM.
    Computer,
    /// A container's files, processes and names, but nothing of the kernel.
    Container,
    /// Nothing, as a process among others.
    Nothing,
}

impl Machine {
    pub fn guest() -> Self {
        Self::ours(boot::cgroup::prepare(), Scope::Computer)
    }

    pub fn container() -> Self {
        Self::ours(None, Scope::Container)
    }

    fn ours(cgroup: Option<Cgroup>, scope: Scope) -> Self {
        Machine {
            stage: Stage::Initramfs,
            boot_id: boot_id(),
            accounts: Accounts::default(),
            environment: BTreeMap::new(),
            directory: "/workspace".to_owned(),
            logs: Rc::new(LogFolder::guest()),
            cgroup,
            scope,
        }
    }

    pub fn test(directory: String, log_directory: PathBuf) -> Self {
        Machine {
            stage: Stage::Initramfs,
            boot_id: boot_id(),
            accounts: Accounts::only(current_user()),
            environment: BTreeMap::new(),
            directory,
            logs: Rc::new(LogFolder::test(log_directory)),
            cgroup: None,
            scope: Scope::Nothing,
        }
    }

    pub fn mount_root(&mut self, request: &MountRoot) -> Result<(), Failure> {
        if self.stage != Stage::Initramfs {
            return Err(Failure::new(
                "already_mounted",
                "The root is already mounted",
            ));
        }
        match self.scope {
            Scope::Computer => boot::root::mount(request)?,
            Scope::Container => boot::root::furnish(),
            Scope::Nothing => {}
        }
        self.stage = Stage::Mounted;
        Ok(())
    }

    /// Answers with a number that no two guests have in common but by chance.
    pub fn configure(&mut self, request: &Configure) -> Result<u16, Failure> {
        if self.stage == Stage::Initramfs {
            return Err(Failure::new("not_mounted", "No root is mounted"));
        }
        let identification = Identification::parse(request)?;
        for (name, value) in request.env.iter().flatten() {
            check_variable(name, value)?;
        }
        match self.scope {
            Scope::Computer => identification.apply(),
            Scope::Container => identification.apply_names(),
            Scope::Nothing => {}
        }
        if let Some(environment) = &request.env {
            self.environment.clone_from(environment);
        }
        self.stage = Stage::Configured;
        Ok(identification.seed())
    }

    pub fn cpu_us(&self) -> u64 {
        self.cgroup.as_ref().map_or(0, Cgroup::cpu_us)
    }

    pub fn oom_kills(&self) -> u64 {
        self.cgroup.as_ref().map_or(0, Cgroup::oom_kills)
    }
}

fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .map(|id| id.trim().to_owned())
        .unwrap_or_default()
}

fn current_user() -> Identity {
    let uid = rustix::process::getuid().as_raw();
    let gid = rustix::process::getgid().as_raw();
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let account = parse_passwd(&passwd).find(|account| account.uid == uid);
    let home = account.as_ref().map_or("/", |account| account.home);
    Identity {
        uid,
        gid,
        groups: Vec::new(),
        name: account
            .as_ref()
            .map_or("lohar", |account| account.name)
            .to_owned(),
        home: if Path::new(home).is_dir() { home } else { "/" }.to_owned(),
        shell: usable_shell(account.as_ref().map_or("", |account| account.shell)),
        switch: false,
    }
}
