//! A cluster of Galera of a test's own: nodes on loopback, on free ports, in a temporary folder.

#![allow(dead_code, unreachable_pub, reason = "each test uses some of it")]

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::mariadb::{self, free_port};

/// The provider, where Debian puts it.
const PROVIDER: &str = "/usr/lib/galera/libgalera_smm.so";

/// How long nodes may take to find each other again.
const JOINING: Duration = Duration::from_mins(2);

/// How long one may take to join, before it is tried again: copying a database of this size takes seconds, but the
/// scripts that do it wait without end where one of them has missed the other.
const TRYING: Duration = Duration::from_secs(45);

/// The nodes.
pub struct Cluster {
    folder: TempDir,
    nodes: Vec<Node>,
}

/// One of them.
struct Node {
    /// Of SQL, of the group, of what it missed, of the whole.
    ports: [u16; 4],
    child: Option<Child>,
}

impl Cluster {
    /// Starts one of so many nodes.
    pub fn start(nodes: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        // The server runs as a user of its own: one that is root cannot copy itself to others.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let node = |_| Node { ports: [(); 4].map(|()| free_port()), child: None };
        let mut cluster = Self { folder, nodes: (0..nodes).map(node).collect() };
        for at in 0..nodes {
            cluster.prepare(at);
            cluster.join(&[at], at == 0);
        }
        cluster
    }

    fn path(&self, at: usize, name: &str) -> PathBuf {
        self.folder.path().join(format!("node{at}")).join(name)
    }

    fn prepare(&self, at: usize) {
        let folder = self.path(at, "");
        fs::create_dir(&folder).unwrap();
        let user = user();
        let owned = Command::new("chown").arg(&user).arg(&folder).status().unwrap();
        assert!(owned.success());
        let done = Command::new("mariadb-install-db")
            .args(["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db"])
            .arg(format!("--datadir={}", self.path(at, "data").display()))
            .arg(format!("--user={user}"))
            .env("TMPDIR", &folder)
            .output()
            .expect("mariadb-install-db is installed by tests/run");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }

    /// Starts nodes, and waits until they have all that the others have; the first of all makes the cluster.
    pub fn join(&mut self, nodes: &[usize], first: bool) {
        let mut nodes = nodes.to_vec();
        for _ in 0..3 {
            for at in &nodes {
                self.launch(*at, first);
            }
            nodes.retain(|at| !self.is_synced(*at, TRYING));
            for at in &nodes {
                println!("node {at} has not joined, and is started again: {}", self.log(*at));
                self.kill(*at);
                // Where it answers is known to others.
                self.nodes[*at].ports[1..].fill_with(free_port);
            }
        }
        assert!(nodes.is_empty(), "{nodes:?} do not join");
    }

    fn launch(&mut self, at: usize, first: bool) {
        let path = |name: &str| self.path(at, name).display().to_string();
        let [sql, group, missed, whole] = self.nodes[at].ports;
        let peers: Vec<String> =
            self.nodes.iter().map(|node| format!("127.0.0.1:{}", node.ports[1])).collect();
        let log = File::create(path("out.log")).unwrap();
        let mut server = Command::new("mariadbd");
        server
            .arg("--no-defaults")
            .arg(format!("--user={}", user()))
            .arg(format!("--datadir={}", path("data")))
            .arg(format!("--socket={}", path("socket")))
            .arg(format!("--pid-file={}", path("pid")))
            .arg(format!("--log-error={}", path("error.log")))
            .arg(format!("--port={sql}"))
            .args([
                "--bind-address=127.0.0.1",
                "--skip-name-resolve",
                "--character-set-server=utf8mb4",
                "--binlog-format=ROW",
                "--log-bin-trust-function-creators=1",
                "--innodb-autoinc-lock-mode=2",
                "--innodb-buffer-pool-size=64M",
                "--innodb-flush-log-at-trx-commit=1",
                "--wsrep-on=ON",
                "--wsrep-cluster-name=secmon",
                "--wsrep-sst-method=rsync",
            ])
            .arg(format!("--wsrep-provider={PROVIDER}"))
            .arg(format!("--wsrep-cluster-address=gcomm://{}", peers.join(",")))
            .arg(format!("--wsrep-node-name=node{at}"))
            .arg(format!("--wsrep-node-address=127.0.0.1:{group}"))
            .arg(format!("--wsrep-sst-receive-address=127.0.0.1:{whole}"))
            .arg(format!(
                "--wsrep-provider-options=gmcast.listen_addr=tcp://127.0.0.1:{group};\
                 ist.recv_addr=127.0.0.1:{missed};gcache.size=32M;evs.keepalive_period=PT0.5S;\
                 evs.inactive_check_period=PT0.5S;evs.suspect_timeout=PT2S;evs.inactive_timeout=PT6S;\
                 evs.install_timeout=PT6S"
            ))
            .env("TMPDIR", path(""))
            // What it starts to copy a database dies with it.
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log);
        if first {
            server.arg("--wsrep-new-cluster");
        }
        self.nodes[at].child = Some(server.spawn().expect("mariadbd is installed by tests/run"));
    }

    /// Waits until a node has all that the others have.
    pub fn wait(&self, at: usize) {
        assert!(self.is_synced(at, JOINING), "node {at}: {}", self.log(at));
    }

    /// Whether a node comes to have all that the others have, within a time.
    fn is_synced(&self, at: usize, time: Duration) -> bool {
        let begun = Instant::now();
        while self.status(at, "wsrep_local_state_comment").as_deref() != Ok("Synced") {
            if begun.elapsed() > time {
                return false;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        true
    }

    /// What a node says of itself.
    pub fn status(&self, at: usize, name: &str) -> Result<String, String> {
        let sql = format!(
            "SELECT variable_value FROM information_schema.global_status WHERE variable_name = '{name}'"
        );
        self.run(at, "", &sql)
    }

    /// What a statement answers at a node.
    pub fn run(&self, at: usize, database: &str, sql: &str) -> Result<String, String> {
        let mut client = mariadb::client(self.nodes[at].ports[0]);
        client.arg("--connect-timeout=2");
        mariadb::answer(client, database, sql)
    }

    /// The address of a database at a node.
    pub fn url(&self, at: usize, database: &str) -> String {
        format!("mysql://root@127.0.0.1:{}/{database}", self.nodes[at].ports[0])
    }

    /// Kills a node as a crash would.
    pub fn kill(&mut self, at: usize) {
        self.nodes[at].kill();
    }

    /// Sends a signal to a node.
    pub fn signal(&self, at: usize, signal: &str) {
        let pid = self.nodes[at].child.as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    }

    /// What a node has logged last.
    fn log(&self, at: usize) -> String {
        let log = fs::read_to_string(self.path(at, "error.log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }
}

impl Node {
    /// Kills it and all that it has started.
    fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ =
                Command::new("kill").args(["-KILL", "--", &format!("-{}", child.id())]).status();
            let _ = child.wait();
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.nodes.iter_mut().for_each(Node::kill);
    }
}

/// Who runs the servers: not root, if there is another.
fn user() -> String {
    let said = Command::new("id").arg("-un").output().unwrap().stdout;
    match String::from_utf8(said).unwrap().trim() {
        "root" => "mysql".into(),
        user => user.into(),
    }
}
