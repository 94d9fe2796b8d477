//! Who a process runs as, read from the guest's own files whenever they change.

use std::rc::Rc;

use crate::protocol::messages::{Failure, User};

pub const LOHAR: u32 = 1000;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    pub uid: u32,
    pub gid: u32,
    pub groups: Vec<u32>,
    pub name: String,
    pub home: String,
    pub shell: String,
    /// False in the test mode, where every user is the one that runs it.
    pub switch: bool,
}

/// A line of `/etc/passwd`.
#[derive(Debug, PartialEq, Eq)]
pub struct Account<'a> {
    pub name: &'a str,
    pub uid: u32,
    pub gid: u32,
    pub home: &'a str,
    pub shell: &'a str,
}

pub fn parse_passwd(text: &str) -> impl Iterator<Item = Account<'_>> {
    text.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let uid = fields.nth(1)?.parse().ok()?;
        let gid = fields.next()?.parse().ok()?;
        let home = fields.nth(1)?;
        let shell = fields.next().unwrap_or("");
        Some(Account {
            name,
            uid,
            gid,
            home,
            shell,
        })
    })
}

/// The groups that list `name`, and `gid`.
pub fn groups_of(text: &str, name: &str, gid: u32) -> Vec<u32> {
    let mut groups = vec![gid];
    for line in text.lines() {
        let mut fields = line.split(':');
        let id = fields.nth(2).and_then(|id| id.parse().ok());
        let members = fields.next().unwrap_or("");
        if let Some(id) = id {
            if members.split(',').any(|member| member == name) && !groups.contains(&id) {
                groups.push(id);
            }
        }
    }
    groups
}

pub fn usable_shell(shell: &str) -> String {
    if shell.is_empty() || shell.ends_with("/nologin") || shell.ends_with("/false") {
        "/bin/sh".to_owned()
    } else {
        shell.to_owned()
    }
}

#[derive(Default)]
pub struct Accounts {
    stamps: [Option<Stamp>; 2],
    lohar: Option<Rc<Identity>>,
    root: Option<Rc<Identity>>,
    /// Set in the test mode.
    fixed: Option<Rc<Identity>>,
}

/// What changes when a file is edited or replaced.
type Stamp = (u64, i64, i64, u64);

fn stamp(path: &str) -> Option<Stamp> {
    let stat = rustix::fs::stat(path).ok()?;
    Some((
        stat.st_ino,
        stat.st_mtime as i64,
        stat.st_mtime_nsec as i64,
        stat.st_size as u64,
    ))
}

impl Accounts {
    pub fn only(identity: Identity) -> Self {
        Accounts {
            fixed: Some(Rc::new(identity)),
            ..Accounts::default()
        }
    }

    pub fn identity(&mut self, user: User) -> Result<Rc<Identity>, Failure> {
        if let Some(fixed) = &self.fixed {
            return Ok(fixed.clone());
        }
        let stamps = [stamp("/etc/passwd"), stamp("/etc/group")];
        if stamps != self.stamps {
            self.stamps = stamps;
            (self.lohar, self.root) = (None, None);
        }
        let (slot, uid, name) = match user {
            User::Lohar => (&mut self.lohar, LOHAR, "lohar"),
            User::Root => (&mut self.root, 0, "root"),
        };
        let identity = slot.get_or_insert_with(|| Rc::new(look_up(uid, name)));
        Ok(identity.clone())
    }
}

/// An image may lack the files or the entry; the two users exist all the same.
fn look_up(uid: u32, name: &str) -> Identity {
    let passwd = std::fs::read("/etc/passwd").unwrap_or_default();
    let passwd = String::from_utf8_lossy(&passwd);
    let group = std::fs::read("/etc/group").unwrap_or_default();
    let group = String::from_utf8_lossy(&group);
    let named = parse_passwd(&passwd).find(|account| account.name == name && account.uid == uid);
    let account = named.or_else(|| parse_passwd(&passwd).find(|account| account.uid == uid));
    let gid = account.as_ref().map_or(uid, |account| account.gid);
    let default_home = if uid == 0 { "/root" } else { "/home/lohar" };
    let mut groups = groups_of(&group, name, gid);
    // An image's own name for the user may be in groups, too.
    for other in parse_passwd(&passwd).filter(|other| other.uid == uid && other.name != name) {
        for id in groups_of(&group, other.name, gid) {
            if !groups.contains(&id) {
                groups.push(id);
            }
        }
    }
    Identity {
        uid,
        gid,
        groups,
        name: name.to_owned(),
        home: account
            .as_ref()
            .map(|account| account.home)
            .filter(|home| home.starts_with('/'))
            .unwrap_or(default_home)
            .to_owned(),
        shell: usable_shell(account.as_ref().map_or("", |account| account.shell)),
        switch: true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/bash\n# no entry\nbroken:x\n\
                          node:x:1000:1000::/home/node:/bin/bash\nlohar:x:1000:1001::/home/lohar:\n";

    #[test]
    fn reads_passwd() {
        let accounts: Vec<_> = parse_passwd(PASSWD).collect();
        assert_eq!(accounts.len(), 3);
        assert_eq!(accounts[0].shell, "/bin/bash");
        assert_eq!(
            accounts[2],
            Account {
                name: "lohar",
                uid: 1000,
                gid: 1001,
                home: "/home/lohar",
                shell: ""
            }
        );
    }

    #[test]
    fn reads_groups() {
        let text =
            "root:x:0:\nlohar:x:1000:\ndocker:x:998:me,lohar\nbad:x:y:lohar\nsudo:x:27:lohar\n";
        assert_eq!(groups_of(text, "lohar", 1000), [1000, 998, 27]);
        assert_eq!(groups_of(text, "nobody", 65534), [65534]);
    }
}
