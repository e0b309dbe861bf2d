//! A MariaDB server of a test's own: on loopback, a free port, in a temporary folder.

#![allow(dead_code, unreachable_pub, reason = "each test uses some of it")]

use std::fs::File;
use std::hash::{BuildHasher as _, RandomState};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// A server.
pub struct Server {
    folder: PathBuf,
    /// The folder, if it goes with the server.
    own: Option<TempDir>,
    /// Where it listens.
    pub port: u16,
    options: Vec<String>,
    child: Option<Child>,
}

impl Server {
    /// Starts one with further options.
    pub fn start(options: &[&str]) -> Self {
        let own = tempfile::tempdir().unwrap();
        let mut server = Self::start_in(own.path(), options);
        server.own = Some(own);
        server
    }

    /// Starts one in an empty folder.
    pub fn start_in(folder: &Path, options: &[&str]) -> Self {
        let done = Command::new("mariadb-install-db")
            .args(["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db"])
            .arg(format!("--datadir={}", folder.join("data").display()))
            .arg(format!("--user={}", user()))
            .args(options)
            // Several that are made at once take the same names for what passes.
            .env("TMPDIR", folder)
            .output()
            .expect("mariadb-install-db is installed by tests/run");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        let options = options.iter().map(ToString::to_string).collect();
        let folder = folder.to_path_buf();
        let mut server = Self { folder, own: None, port: free_port(), options, child: None };
        server.up();
        server
    }

    /// Starts it again, and waits until it answers.
    pub fn up(&mut self) {
        self.launch();
        self.wait();
    }

    /// Starts it again.
    pub fn launch(&mut self) {
        let path = |name: &str| self.folder.join(name).display().to_string();
        let log = File::create(path("out.log")).unwrap();
        let child = Command::new("mariadbd")
            .arg("--no-defaults")
            .arg(format!("--user={}", user()))
            .arg(format!("--datadir={}", path("data")))
            .arg(format!("--socket={}", path("socket")))
            .arg(format!("--pid-file={}", path("pid")))
            .arg(format!("--log-error={}", path("error.log")))
            .arg(format!("--port={}", self.port))
            .args([
                "--bind-address=127.0.0.1",
                "--skip-name-resolve",
                "--character-set-server=utf8mb4",
            ])
            .args(&self.options)
            .env("TMPDIR", &self.folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .expect("mariadbd is installed by tests/run");
        self.child = Some(child);
    }

    /// Waits until it answers.
    pub fn wait(&self) {
        let begun = Instant::now();
        while !self.answers() {
            assert!(begun.elapsed() < Duration::from_mins(1), "{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn answers(&self) -> bool {
        let mut client = self.client();
        client.args(["-e", "SELECT 1"]).stdout(Stdio::null()).stderr(Stdio::null());
        client.status().unwrap().success()
    }

    /// A client of it.
    pub fn client(&self) -> Command {
        client(self.port)
    }

    /// What a statement answers.
    pub fn run(&self, database: &str, sql: &str) -> Result<String, String> {
        answer(self.client(), database, sql)
    }

    /// The address of a database on it, made when it is absent.
    pub fn url(&self, database: &str) -> String {
        let sql = format!("CREATE DATABASE IF NOT EXISTS {database} CHARACTER SET utf8mb4");
        self.run("", &sql).unwrap();
        format!("mysql://root@127.0.0.1:{}/{database}", self.port)
    }

    /// Sends a signal to it.
    pub fn signal(&self, signal: &str) {
        let pid = self.child.as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    }

    /// Kills it as a crash would.
    pub fn kill(&mut self) {
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Processor time that it has used.
    pub fn cpu(&self) -> Duration {
        let pid = self.child.as_ref().unwrap().id();
        let facts = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        let behind_name = facts.rsplit_once(") ").unwrap().1;
        let ticks = |at: usize| behind_name.split(' ').nth(at).unwrap().parse::<u64>().unwrap();
        Duration::from_millis(10 * (ticks(11) + ticks(12)))
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("error.log")).unwrap_or_default()
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Who runs it: it refuses to be root without being told.
fn user() -> String {
    let said = Command::new("id").arg("-un").output().unwrap().stdout;
    String::from_utf8(said).unwrap().trim().into()
}

/// A client of the server at a port.
pub fn client(port: u16) -> Command {
    let mut client = Command::new("mariadb");
    client.args(["--no-defaults", "-h127.0.0.1", "-uroot", "-N", "-B", "--raw"]);
    client.arg(format!("-P{port}"));
    client
}

/// What a statement answers.
pub fn answer(mut client: Command, database: &str, sql: &str) -> Result<String, String> {
    if !database.is_empty() {
        client.args(["-D", database]);
    }
    let done = client.args(["-e", sql]).output().unwrap();
    if done.status.success() {
        Ok(String::from_utf8_lossy(&done.stdout).trim_end().into())
    } else {
        Err(String::from_utf8_lossy(&done.stderr).into())
    }
}

/// A port that nobody listens on now, and that no connection takes by chance: these are given from 32,768 on.
pub fn free_port() -> u16 {
    let chance = || 12_000 + (RandomState::new().hash_one(0) % 20_000) as u16;
    std::iter::repeat_with(chance)
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .unwrap()
}

/// Certificates of a private CA for 127.0.0.1: the CA's, the server's and its key.
pub fn certificates(folder: &Path) -> [PathBuf; 3] {
    let script = "openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -subj /CN=test-ca -days 2 \
        -addext basicConstraints=critical,CA:true
        openssl req -newkey rsa:2048 -nodes -keyout server.key -out server.csr -subj /CN=127.0.0.1
        printf 'subjectAltName=IP:127.0.0.1\nbasicConstraints=CA:false\n' > server.ext
        openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out server.pem -days 2 -extfile server.ext";
    let done = Command::new("sh").args(["-ec", script]).current_dir(folder).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    ["ca.pem", "server.pem", "server.key"].map(|name| folder.join(name))
}
