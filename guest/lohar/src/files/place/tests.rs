use std::fs;
use std::os::unix::fs::{lchown, symlink, PermissionsExt};

use super::*;
use crate::files::scratch::Scratch;

fn target(path: &Path, trust: Trust) -> Result<String, Refusal> {
    let place = Place::find(path, trust, Last::Target)?;
    let directory = readlinkat(CWD, format!("/proc/self/fd/{}", fd(&place)), Vec::new())?;
    Ok(format!(
        "{} {}",
        directory.to_string_lossy(),
        place.name.to_string_lossy()
    ))
}

fn fd(place: &Place) -> i32 {
    std::os::fd::AsRawFd::as_raw_fd(&place.directory)
}

fn is_root() -> bool {
    rustix::process::getuid().is_root()
}

#[test]
fn a_path_is_split_before_its_last_name() {
    for (path, parent, name) in [
        ("/a/b", "/a/", "b"),
        ("/a/b//", "/a/", "b"),
        ("/a", "/", "a"),
        ("/", "/", "."),
        ("/a/..", "/a/..", "."),
        ("/a/.", "/a/.", "."),
        ("a", ".", "a"),
    ] {
        let expected = (Path::new(parent), name.as_bytes());
        assert_eq!(split(Path::new(path)), expected, "{path}");
    }
}

#[test]
fn links_lead_to_where_they_point() {
    let root = Scratch::new("place");
    fs::create_dir_all(root.join("a/b")).unwrap();
    fs::write(root.join("a/b/file"), "").unwrap();
    symlink("a/b", root.join("relative")).unwrap();
    symlink(root.join("relative/file"), root.join("absolute")).unwrap();
    symlink("nowhere", root.join("dangling")).unwrap();
    symlink("loop", root.join("loop")).unwrap();
    let expected = format!("{} file", root.join("a/b").display());
    for path in ["a/b/file", "relative/file", "absolute", "a/../absolute"] {
        assert_eq!(
            target(&root.join(path), Trust::All).unwrap(),
            expected,
            "{path}"
        );
    }
    let dangling = target(&root.join("dangling"), Trust::All).unwrap();
    assert_eq!(dangling, format!("{} nowhere", root.path().display()));
    let refused = target(&root.join("loop"), Trust::All).unwrap_err();
    assert!(
        matches!(refused, Refusal::Kernel(Errno::LOOP)),
        "{refused:?}"
    );
}

#[test]
fn root_is_led_by_roots_links_alone() {
    if !is_root() {
        return;
    }
    let root = Scratch::new("trust");
    fs::set_permissions(root.path(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::create_dir(root.join("inside")).unwrap();
    symlink("inside", root.join("roots")).unwrap();
    symlink("inside", root.join("users")).unwrap();
    lchown(root.join("users"), Some(1000), Some(1000)).unwrap();
    let expected = format!("{} file", root.join("inside").display());
    let find = |path: &str| target(&root.join(path), Trust::RootsOnly);
    assert_eq!(find("roots/file").unwrap(), expected);
    assert_eq!(find("inside/../roots/file").unwrap(), expected);
    for path in ["users/file", "users", "roots/../users/file"] {
        let refused = find(path).unwrap_err();
        assert!(matches!(&refused, Refusal::Link(link) if link.ends_with("users")));
    }
    // A place where others may put links, also such as have been root's.
    for (mode, safe) in [(0o777, false), (0o775, false), (0o1777, true)] {
        fs::set_permissions(root.path(), fs::Permissions::from_mode(mode)).unwrap();
        assert_eq!(find("roots/file").is_ok(), safe, "{mode:o}");
    }
    fs::hard_link(root.join("roots"), root.join("second")).unwrap();
    assert!(find("second/file").is_err());
}

#[test]
fn what_lacks_is_made() {
    let root = Scratch::new("lacking");
    let path = root.join("a/b/c");
    assert!(Place::find(&path, Trust::All, Last::Target).is_err());
    let lacking = Some(Lacking::default());
    let place = Place::find_or_make(&path, Trust::All, Last::Target, lacking).unwrap();
    assert_eq!(place.name.to_bytes(), b"c");
    assert!(root.join("a/b").is_dir() && !path.exists());
}
