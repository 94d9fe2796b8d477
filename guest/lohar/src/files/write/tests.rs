use std::fs;
use std::os::unix::fs::{symlink, FileTypeExt, MetadataExt};

use rustix::fs::{mknodat, CWD};

use super::*;
use crate::files::scratch::Scratch;

/// An owner that this process may set: without root's rights only its own user.
fn other_owner() -> Owner {
    let gid = rustix::process::getgid().as_raw();
    match rustix::process::getuid().as_raw() {
        0 => Owner {
            uid: 1000,
            gid: 1001,
        },
        uid => Owner { uid, gid },
    }
}

fn owner_of(path: &Path) -> Owner {
    let data = fs::symlink_metadata(path).unwrap();
    Owner {
        uid: data.uid(),
        gid: data.gid(),
    }
}

fn put_text(path: &Path, text: &str, mode: u32, owner: Option<Owner>) -> bool {
    put_kept(path, text, mode, owner, Keep::Nothing)
}

fn put_kept(path: &Path, text: &str, mode: u32, owner: Option<Owner>, keep: Keep) -> bool {
    let (content, sink) = rustix::pipe::pipe().unwrap();
    write_all(&sink, text.as_bytes()).unwrap();
    drop(sink);
    let size = 4;
    let wanted = Wanted {
        size,
        mode,
        owner,
        keep,
    };
    write(path, &wanted, Trust::All, &content).is_ok()
}

#[test]
fn what_is_made_gets_the_owner_and_what_exists_keeps_its_own() {
    let root = Scratch::new("owner");
    let own = owner_of(root.path());
    let file = root.join("made/too/file");

    assert!(put_text(&file, "text\n", 0o4750, Some(other_owner())));
    for path in [&file, &root.join("made/too"), &root.join("made")] {
        assert_eq!(owner_of(path), other_owner(), "{}", path.display());
    }
    assert_eq!(owner_of(root.path()), own);
    assert_eq!(fs::metadata(&file).unwrap().mode() & 0o7777, 0o4750);

    assert!(put_text(&root.join("mine"), "text\n", 0o644, None));
    assert!(put_text(
        &root.join("mine"),
        "text\n",
        0o644,
        Some(other_owner())
    ));
    assert_eq!(owner_of(&root.join("mine")), own);
    // Whoever writes without naming an owner asks for himself.
    assert!(put_text(&file, "text\n", 0o644, None));
    assert_eq!(owner_of(&file), own);
}

#[test]
fn an_existing_file_keeps_what_it_is_asked_to() {
    let root = Scratch::new("keep");
    let file = root.join("file");
    assert!(put_text(&file, "text\n", 0o4751, Some(other_owner())));
    let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o7777;
    assert!(put_kept(&file, "text\n", 0o600, None, Keep::All));
    let is_root = geteuid().is_root();
    assert_eq!(mode(&file), if is_root { 0o4751 } else { 0o751 });
    assert_eq!(owner_of(&file), other_owner());
    assert!(put_kept(&file, "text\n", 0o600, None, Keep::Owner));
    assert_eq!((mode(&file), owner_of(&file)), (0o600, other_owner()));
    assert!(put_text(&file, "text\n", 0o644, None));
    assert_eq!(owner_of(&file), owner_of(root.path()));
    let new = root.join("new");
    assert!(put_kept(&new, "text\n", 0o640, None, Keep::All));
    assert_eq!((mode(&new), owner_of(&new)), (0o640, owner_of(root.path())));
}

#[test]
fn what_a_link_leads_to_keeps_its_owner() {
    let root = Scratch::new("link");
    let own = owner_of(root.path());
    assert!(put_text(&root.join("file"), "text\n", 0o644, None));
    symlink("file", root.join("link")).unwrap();
    assert!(put_text(
        &root.join("link"),
        "text\n",
        0o600,
        Some(other_owner())
    ));
    assert!(root.join("link").is_symlink());
    assert_eq!(owner_of(&root.join("file")), own);
    let mode = fs::metadata(root.join("file")).unwrap().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn what_is_no_file_stays_what_it_is() {
    let root = Scratch::new("special");
    let fifo = root.join("fifo");
    let mode = Mode::from_raw_mode(0o600);
    mknodat(CWD, &fifo, FileType::Fifo, mode, 0).unwrap();
    symlink("fifo", root.join("link")).unwrap();
    for name in ["fifo", "link", "new/"] {
        assert!(!put_text(&root.join(name), "text\n", 0o644, None), "{name}");
    }
    assert!(fs::metadata(&fifo).unwrap().file_type().is_fifo());
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 2);
}

#[test]
fn without_the_word_the_old_file_stays() {
    let root = Scratch::new("word");
    fs::write(root.join("file"), "old").unwrap();
    for text in ["", "tex", "text", "textx"] {
        assert!(!put_text(&root.join("file"), text, 0o644, None), "{text}");
        assert_eq!(fs::read_to_string(root.join("file")).unwrap(), "old");
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1);
    }
}
