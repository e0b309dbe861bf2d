//! Three services on the three nodes of a Galera cluster, while nodes and services die, hang and come back: nothing that
//! was acknowledged is lost or doubled, and one of them counts for all.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "helpers of tests, and how long things took"
)]

#[path = "../../tests/support/galera.rs"]
mod galera;
#[path = "../../tests/support/mariadb.rs"]
mod mariadb;

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use galera::Cluster;
use reqwest::blocking::Client;
use secmon_http::clock::now;
use secmon_store::{IncidentQuery, RecordQuery, Scope, Store, VerifyOptions};

/// The one address that attacks all of them.
const ATTACKER: &str = "203.0.113.7";

struct Service {
    child: Child,
    url: String,
}

impl Service {
    fn start(folder: &Path, store: &str, label: &str) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_secmon"))
            .args(["serve", "--listen", "127.0.0.1:0", "--keys", label])
            .current_dir(folder)
            .env("SECMON_STORE", store)
            .env("SECMON_LABEL", label)
            .env("SECMON_FOLLOW_AUTO", "false")
            .env("SECMON_PROBE_ENABLED", "false")
            .env("SECMON_LOG", "warn")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(folder.join(format!("{label}.log"))).unwrap())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.trim().strip_prefix("secmon listening on ").map(str::to_owned);
        let log = || std::fs::read_to_string(folder.join(format!("{label}.log"))).unwrap();
        let url = url.unwrap_or_else(|| panic!("{label} did not start: {}", log()));
        Self { child, url }
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A client that sends one request after another to its service, each until it is acknowledged: a message of its own,
/// and a failed login.
struct Load {
    url: Arc<Mutex<String>>,
    acknowledged: Arc<AtomicU64>,
    thread: JoinHandle<Vec<String>>,
}

impl Load {
    fn start(number: u64, url: &str, token: &str, ends: &Arc<AtomicBool>) -> Self {
        let url = Arc::new(Mutex::new(url.to_owned()));
        let acknowledged = Arc::new(AtomicU64::new(0));
        let (to, count, token, ends) =
            (Arc::clone(&url), Arc::clone(&acknowledged), token.to_owned(), Arc::clone(ends));
        let thread = std::thread::spawn(move || {
            let client = Client::builder().timeout(Duration::from_secs(15)).build().unwrap();
            let mut names = Vec::new();
            while !ends.load(Ordering::Relaxed) {
                let name = format!("client {number} request {}", names.len());
                let pid = names.len() as u64 * 3 + number + 100;
                let body = format!(
                    "{name}\n{} web-{number} sshd[{pid}]: Failed password for root from {ATTACKER} port 51234 ssh2\n",
                    now().format("%Y-%m-%dT%H:%M:%S%.6fZ")
                );
                while post(&client, &to.lock().unwrap().clone(), &token, &name, &body) != 201 {
                    std::thread::sleep(Duration::from_millis(50));
                }
                count.fetch_add(1, Ordering::Relaxed);
                names.push(name);
                std::thread::sleep(Duration::from_millis(10));
            }
            names
        });
        Self { url, acknowledged, thread }
    }

    fn count(&self) -> u64 {
        self.acknowledged.load(Ordering::Relaxed)
    }
}

/// The status of a request; 0 where nobody answers.
fn post(client: &Client, url: &str, token: &str, key: &str, body: &str) -> u16 {
    let request = client.post(format!("{url}/api/v1/events")).bearer_auth(token);
    let answer = request.header("idempotency-key", key).body(body.to_owned()).send();
    answer.map_or(0, |answer| answer.status().as_u16())
}

/// Waits for something that must become true.
fn until(what: &str, mut is: impl FnMut() -> bool) -> Duration {
    let begun = Instant::now();
    while !is() {
        assert!(begun.elapsed() < Duration::from_mins(2), "not within two minutes: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
    begun.elapsed()
}

/// Everything together: the nodes, a service on each, and a client of each.
struct Site {
    cluster: Cluster,
    services: Vec<Service>,
    loads: Vec<Load>,
    folder: tempfile::TempDir,
    token: String,
    client: Client,
}

impl Site {
    /// Which services say that they count.
    fn counting(&self) -> Vec<usize> {
        let counts = |service: &Service| {
            let asked =
                self.client.get(format!("{}/metrics", service.url)).bearer_auth(&self.token);
            let text = asked.send().and_then(reqwest::blocking::Response::text);
            text.is_ok_and(|text| text.contains("secmon_counts 1"))
        };
        (0..self.services.len()).filter(|at| counts(&self.services[*at])).collect()
    }

    /// The one that counts, once there is only one: whoever was deposed says so within a moment.
    fn leader(&self) -> usize {
        until("one counts", || self.counting().len() == 1);
        self.counting()[0]
    }

    /// Waits until each of these clients has got something acknowledged from now on; the longest of them.
    fn goes_on(&self, clients: &[usize]) -> Duration {
        let before: Vec<u64> = self.loads.iter().map(Load::count).collect();
        let went = clients.iter().map(|at| {
            // Two: the first may have been under way.
            until(&format!("client {at} goes on"), || self.loads[*at].count() >= before[*at] + 2)
        });
        went.max().unwrap_or_default()
    }

    /// How long the service at a node that does not answer takes to say so.
    fn refusal(&self, at: usize) -> Duration {
        let begun = Instant::now();
        let url = &self.services[at].url;
        let key = format!("refused at {at}");
        let status = post(&self.client, url, &self.token, &key, "nobody takes this");
        assert_eq!(status, 503);
        begun.elapsed()
    }
}

#[test]
fn nodes_and_services_die_hang_and_come_back() {
    let cluster = Cluster::start(3);
    cluster.run(0, "", "CREATE DATABASE secmon CHARACTER SET utf8mb4").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let start = &|at: usize| {
        Service::start(folder.path(), &cluster.url(at, "secmon"), &format!("web-{at}"))
    };
    // All at once: each would make the schema.
    let services: Vec<Service> = std::thread::scope(|scope| {
        let starting: Vec<_> = (0..3).map(|at| scope.spawn(move || start(at))).collect();
        starting.into_iter().map(|service| service.join().unwrap()).collect()
    });
    let keys = folder.path().join("test");
    let store = |cluster: &Cluster, at: usize| {
        Store::open_with(&cluster.url(at, "secmon"), Some(&keys), false).unwrap()
    };
    // May read what services count, and send.
    let token = store(&cluster, 0).create_token("test", Scope::Admin, now()).unwrap();
    let token = token.expose().to_owned();
    let ends = Arc::new(AtomicBool::new(false));
    let client = Client::builder().timeout(Duration::from_secs(15)).build().unwrap();
    let mut site = Site { cluster, services, loads: Vec::new(), folder, token, client };
    for (number, service) in (0..).zip(&site.services) {
        site.loads.push(Load::start(number, &service.url, &site.token, &ends));
    }
    site.goes_on(&[0, 1, 2]);
    site.leader();

    // A node dies, and comes back.
    site.cluster.kill(2);
    let others = site.goes_on(&[0, 1]);
    println!("a node killed: the other services go on within {others:?}");
    println!("a node killed: its service refuses within {:?}", site.refusal(2));
    site.cluster.join(&[2], false);
    println!("it is back: its service goes on within {:?}", site.goes_on(&[2]));

    // A node hangs, and goes on.
    site.cluster.signal(1, "-STOP");
    let refusal = site.refusal(1);
    println!("a node stopped: its service refuses within {refusal:?}");
    assert!(refusal < Duration::from_secs(8), "{refusal:?}");
    println!("a node stopped: the other services go on within {:?}", site.goes_on(&[0, 2]));
    site.cluster.signal(1, "-CONT");
    site.cluster.wait(1);
    println!("it goes on: its service goes on within {:?}", site.goes_on(&[1]));

    // Whoever counts is killed: another counts, and it comes back as one that does not.
    let leader = site.leader();
    site.services[leader].kill();
    let next = until("another counts", || site.counting().len() == 1);
    assert_ne!(site.counting(), [leader]);
    println!("the service that counts killed: another counts within {next:?}");
    let url = site.cluster.url(leader, "secmon");
    site.services[leader] = Service::start(site.folder.path(), &url, &format!("web-{leader}"));
    site.loads[leader].url.lock().unwrap().clone_from(&site.services[leader].url);
    site.goes_on(&[0, 1, 2]);
    let next = site.leader();
    assert_ne!(next, leader, "it has taken back what another has");

    // The node of whoever counts dies: another counts.
    let leader = next;
    site.cluster.kill(leader);
    let next = until("another counts for all", || site.counting().iter().any(|at| *at != leader));
    println!("the node of the service that counts killed: another counts within {next:?}");
    site.cluster.join(&[leader], false);
    site.goes_on(&[0, 1, 2]);
    site.leader();

    // Without a quorum nobody acknowledges anything.
    site.cluster.kill(0);
    site.cluster.kill(1);
    until("the last node has no quorum", || {
        site.cluster.status(2, "wsrep_cluster_status").as_deref() != Ok("Primary")
    });
    let before: Vec<u64> = site.loads.iter().map(Load::count).collect();
    let refusals: Vec<Duration> = (0..3).map(|at| site.refusal(at)).collect();
    println!("without a quorum: services refuse within {refusals:?}");
    std::thread::sleep(Duration::from_secs(5));
    // What was under way when it was lost may have been answered meanwhile.
    let since: u64 =
        site.loads.iter().zip(&before).map(|(load, before)| load.count() - before).sum();
    assert_eq!(since, 0, "acknowledged without a quorum");
    site.cluster.join(&[0, 1], false);
    site.cluster.wait(2);
    println!("the quorum is back: all services go on within {:?}", site.goes_on(&[0, 1, 2]));

    ends.store(true, Ordering::Relaxed);
    let loads = std::mem::take(&mut site.loads);
    let names: Vec<String> =
        loads.into_iter().flat_map(|load| load.thread.join().unwrap()).collect();
    let store = store(&site.cluster, 0);
    let incidents = || store.incidents(&IncidentQuery::default()).unwrap().rows;
    let total = names.len() as u64;
    until("all failures are counted", || {
        incidents().iter().map(|one| one.count).sum::<u64>() >= total
    });
    let found = incidents();
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].rule.as_str(), found[0].count), ("brute_force", total));
    site.leader();
    drop(std::mem::take(&mut site.services));
    let mut stored = Vec::new();
    let mut query = RecordQuery::default().limit(1_000);
    loop {
        let page = store.records(&query).unwrap();
        let said = page.rows.iter().map(|row| row.event.message().to_owned());
        stored.extend(said.filter(|said| said.starts_with("client ")));
        let Some(next) = page.next else { break };
        query = query.page(&next);
    }
    let distinct: BTreeSet<&String> = stored.iter().collect();
    assert_eq!(stored.len(), distinct.len(), "doubled");
    assert_eq!(distinct, names.iter().collect(), "lost");
    for verdict in store.verify(&VerifyOptions::default()).unwrap() {
        assert!(verdict.is_ok(), "{}: {:?}", verdict.origin, verdict.findings);
    }
    println!("{total} acknowledged, 0 lost, 0 doubled");
}
