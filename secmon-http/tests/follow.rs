//! A log that a service follows, while it is rotated as `logrotate` does it: no line is lost or doubled, whoever writes to
//! the renamed file still, whether the service runs or not.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use secmon_store::Store;

struct Service(Child);

impl Service {
    fn start(folder: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_secmon"))
            .args(["serve", "--listen", "127.0.0.1:0"])
            .current_dir(folder)
            .env_remove("SECMON_STORE")
            .env("SECMON_FOLLOW_AUTO", "false")
            .env("SECMON_PROBE_ENABLED", "false")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(OpenOptions::new().create(true).append(true).open(folder.join("log")).unwrap())
            .spawn()
            .unwrap();
        let mut ready = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut ready).unwrap();
        assert!(ready.starts_with("secmon listening on "), "{ready}");
        Self(child)
    }

    fn stop(mut self) {
        let pid = self.0.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        assert!(self.0.wait().unwrap().success());
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The lines that were stored, in their order.
fn stored(folder: &Path) -> Vec<String> {
    let url = format!("sqlite://{}/secmon.db", folder.display());
    let store = Store::open_existing(&url).unwrap();
    let Ok(stream) = store.stream("main") else { return Vec::new() };
    let (mut all, mut from) = (Vec::new(), 0);
    while let Some((next, events)) = store.events(&stream, from, None).unwrap() {
        all.extend(events.iter().filter_map(|event| event.raw().map(str::to_owned)));
        from = next;
    }
    all
}

fn until_stored(folder: &Path, wanted: &[String]) {
    let begun = Instant::now();
    while stored(folder).len() < wanted.len() && begun.elapsed() < Duration::from_mins(1) {
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(stored(folder), wanted, "{}", fs::read_to_string(folder.join("log")).unwrap());
}

/// A log, and all that was ever written to it.
struct Log<'a> {
    folder: &'a Path,
    file: File,
    written: Vec<String>,
}

impl<'a> Log<'a> {
    fn create(folder: &'a Path) -> Self {
        Self { folder, file: File::create(folder.join("app.log")).unwrap(), written: Vec::new() }
    }

    fn line(&mut self, text: &str) {
        self.half(text);
        self.file.write_all(b"\n").unwrap();
    }

    /// A line whose end never comes.
    fn half(&mut self, text: &str) {
        let text = format!("Nov 20 11:59:00 web-1 app[42]: {text}");
        self.file.write_all(text.as_bytes()).unwrap();
        self.written.push(text);
    }

    /// Renames what is there, and begins a new file; who writes goes on in the old one until told.
    fn rotate(&mut self) -> File {
        let path = |name: &str| self.folder.join(name);
        for old in (2..8).rev() {
            let old_path = path(&format!("app.log.{old}.gz"));
            if old_path.exists() {
                fs::rename(old_path, path(&format!("app.log.{}.gz", old + 1))).unwrap();
            }
        }
        if path("app.log.1").exists() {
            let packed = Command::new("gzip").arg(path("app.log.1")).status().unwrap();
            assert!(packed.success());
            fs::rename(path("app.log.1.gz"), path("app.log.2.gz")).unwrap();
        }
        fs::rename(path("app.log"), path("app.log.1")).unwrap();
        File::create(path("app.log")).unwrap()
    }
}

#[test]
fn rotation_loses_and_doubles_no_line() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let config = format!("[follow]\nfiles = [{:?}]\n", folder.join("app.log"));
    fs::write(folder.join("secmon.toml"), config).unwrap();
    let mut log = Log::create(folder);
    let service = Service::start(folder);
    (0..10).for_each(|number| log.line(&format!("first {number}")));
    until_stored(folder, &log.written);

    // Lines that nobody has read yet, and others that come when the new file is there already.
    log.line("before the rotation");
    let next = log.rotate();
    log.line("behind the rotation");
    log.half("without an end");
    log.file = next;
    log.line("in the new file");
    until_stored(folder, &log.written);

    // Twice at once, while it runs: the file in the middle has the name for a moment only.
    for name in ["fast", "faster"] {
        log.line(&format!("before {name}"));
        log.file = log.rotate();
        std::thread::sleep(Duration::from_millis(20));
        log.line(&format!("behind {name}"));
    }
    until_stored(folder, &log.written);

    // While the service is away: again and again, so that what it had read lies compressed, with an empty file between
    // and a copy of the first.
    service.stop();
    fs::copy(folder.join("app.log"), folder.join("app.log-20261119")).unwrap();
    log.line("unread");
    for name in ["second", "", "third"] {
        log.file = log.rotate();
        // Files are told apart by when they were written.
        std::thread::sleep(Duration::from_millis(20));
        (0..3 * name.len().min(1)).for_each(|number| log.line(&format!("{name} {number}")));
    }
    let service = Service::start(folder);
    until_stored(folder, &log.written);
    log.line("and on");
    until_stored(folder, &log.written);
    service.stop();

    // Truncated behind a copy, as `copytruncate` does it.
    let service = Service::start(folder);
    fs::copy(folder.join("app.log"), folder.join("app.log.9")).unwrap();
    log.file = File::create(folder.join("app.log")).unwrap();
    log.line("behind the copy");
    until_stored(folder, &log.written);
    service.stop();
}

#[test]
fn what_cannot_be_followed_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let pipe = folder.join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let packed = folder.join("app.log.gz");
    fs::write(&packed, [0x1f, 0x8b, 8, 0, 0]).unwrap();
    fs::write(folder.join("secmon.toml"), format!("[follow]\nfiles = [{pipe:?}, {packed:?}]\n"))
        .unwrap();
    let service = Service::start(folder);
    let begun = Instant::now();
    let log = || fs::read_to_string(folder.join("log")).unwrap();
    let said = || log().contains("no regular file") && log().contains("it is compressed");
    while !said() && begun.elapsed() < Duration::from_mins(1) {
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(said(), "{}", log());
    assert_eq!(stored(folder), Vec::<String>::new());
    service.stop();
}
