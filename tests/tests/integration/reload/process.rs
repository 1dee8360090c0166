//! The real binary under a service manager's protocol: signals, notifications, sockets handed over,
//! a rolling restart.

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use loket_gateway::audit::verify;
use loket_sdk::client::Client;
use loket_sdk::ids::Nik;
use loket_sdk::message::{LegalBasisKind, Purpose};
use loket_sdk::testing::Fault;
use loket_tests::real::loket;
use loket_tests::town::eventually;
use loket_tests::{BAGAS, admin};
use serde_json::Value;
use tokio::task::JoinSet;

use super::site::{Site, Wish};
use super::{ask, problem};

/// A gateway process; it is killed when it is dropped.
struct Process {
    child: Child,
    address: SocketAddr,
    admin: SocketAddr,
    lines: Arc<Mutex<Vec<Value>>>,
}

impl Process {
    fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut lines = lines.map_while(Result::ok).map(|line| {
            let line: Value = serde_json::from_str(&line).expect(&line);
            line
        });
        let heard = lines.find(|line| line["body"] == "listening");
        let listening = heard.expect("it says where it listens");
        let address = |key: &str| listening["attributes"][key].as_str().unwrap().parse();
        let kept = Arc::new(Mutex::new(Vec::new()));
        let keeping = kept.clone();
        std::thread::spawn(move || lines.for_each(|line| keeping.lock().unwrap().push(line)));
        Self {
            address: address("server.address").unwrap(),
            admin: address("loket.admin.address").unwrap(),
            child,
            lines: kept,
        }
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args([name, &pid]).status();
        assert!(sent.unwrap().success());
    }

    /// Waits for its end by itself.
    async fn ended(mut self) {
        let end = tokio::task::spawn_blocking(move || self.child.wait().unwrap());
        assert_eq!(end.await.unwrap().code(), Some(0));
    }

    fn said(&self, what: &str) -> usize {
        let lines = self.lines.lock().unwrap();
        lines.iter().filter(|line| line["body"] == what).count()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may be dead already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn serve(config: &Path) -> Command {
    let mut command = Command::new(loket());
    command.args(["serve", "--config"]).arg(config);
    command
}

/// What the service manager hears, until it hears this.
fn hear(socket: &UnixDatagram, what: &str) -> String {
    let mut buffer = [0; 4096];
    let mut heard = Vec::new();
    loop {
        let Ok(length) = socket.recv(&mut buffer) else {
            panic!("{what} is never heard, but {heard:?}");
        };
        let message = String::from_utf8(buffer[..length].to_vec()).unwrap();
        if message.contains(what) {
            return message;
        }
        heard.push(message);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_service_manager_hears_how_it_stands() {
    let site = Site::new().await;
    let config = site.write(&Wish::default());
    let path = site.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    let patience = Some(Duration::from_secs(30));
    socket.set_read_timeout(patience).unwrap();
    let mut command = serve(&config);
    command.env("NOTIFY_SOCKET", &path);
    command.env("WATCHDOG_USEC", "300000");
    let process = Process::start(command);
    let ready = hear(&socket, "READY=1");
    let status = format!("STATUS=serving on {}", process.address);
    assert!(ready.contains(&status), "{ready}");
    hear(&socket, "WATCHDOG=1");
    hear(&socket, "WATCHDOG=1");

    let mut open = site.counter(0, process.address).connect().await.unwrap();
    assert_eq!(ask(&mut open).await.unwrap().status, 200);
    site.revoke(0);
    process.signal("-HUP");
    let reloading = hear(&socket, "RELOADING=1");
    assert!(reloading.contains("MONOTONIC_USEC="), "{reloading}");
    let ready = hear(&socket, "READY=1");
    assert!(
        ready.contains(&status) && !ready.contains("refused"),
        "{ready}"
    );
    problem(&ask(&mut open).await.unwrap(), 403, "not_enrolled");

    site.replace("crl.pem", "nothing");
    process.signal("-HUP");
    let ready = hear(&socket, "READY=1");
    assert!(ready.contains("the last reload was refused"), "{ready}");
    eventually("the refusal is logged", async || {
        (process.said("a reload was refused") == 1).then_some(())
    })
    .await;

    process.signal("-TERM");
    hear(&socket, "STOPPING=1");
    process.ended().await;
    site.agency.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_of_a_file_is_seen() {
    let site = Site::new().await;
    let reload = "interval = \"20ms\"".to_owned();
    let wish = Wish {
        reload,
        ..Wish::default()
    };
    let process = Process::start(serve(&site.write(&wish)));
    let mut open = site.counter(0, process.address).connect().await.unwrap();
    assert_eq!(ask(&mut open).await.unwrap().status, 200);
    site.revoke(0);
    eventually("the list is read", async || {
        (process.said("the configuration was reloaded") == 1).then_some(())
    })
    .await;
    problem(&ask(&mut open).await.unwrap(), 403, "not_enrolled");
    site.agency.stop().await;
}

/// A client with connections of its own.
fn client(site: &Site, address: SocketAddr) -> Client {
    let builder = Client::builder()
        .url(format!("https://localhost:{}", address.port()))
        .mutual_tls(site.counters[0].mutual_tls())
        // While nobody serves, a connection waits in the backlog: on a busy machine a start takes long.
        .connect_timeout(Duration::from_secs(30))
        .by("clk-7f3a", "B07");
    builder.build().unwrap()
}

async fn look_up(client: &Client, streamed: bool) -> loket_sdk::client::Result<()> {
    let lookup = client
        .lookup(BAGAS.parse::<Nik>().unwrap())
        .purpose(Purpose::IdentityCheck)
        .case("MPP-3510-000123")
        .legal_basis(LegalBasisKind::PublicTask, "UU 24/2013")
        .record_fields("person-identity/1", ["identity_status"]);
    let answer = match streamed {
        true => lookup.stream().await?.finish().await?,
        false => lookup.send().await?,
    };
    assert_eq!(answer.overall.as_str(), "complete");
    Ok(())
}

/// How a load fares.
#[derive(Default)]
struct Load {
    stop: AtomicBool,
    answered: AtomicUsize,
    lost: Mutex<Vec<String>>,
}

impl Load {
    fn note(&self, outcome: loket_sdk::client::Result<()>) {
        match outcome {
            Ok(()) => drop(self.answered.fetch_add(1, Ordering::Relaxed)),
            Err(error) => self.lost.lock().unwrap().push(format!("{error:?}")),
        }
    }

    /// Waits until so many more were answered.
    async fn goes_on(&self, more: usize) {
        let before = self.answered.load(Ordering::Relaxed);
        eventually("answers", async || {
            (self.answered.load(Ordering::Relaxed) >= before + more).then_some(())
        })
        .await;
    }

    async fn end(&self, mut workers: JoinSet<()>) {
        self.stop.store(true, Ordering::Relaxed);
        while let Some(ended) = workers.join_next().await {
            ended.unwrap();
        }
        let lost = self.lost.lock().unwrap();
        assert!(lost.is_empty(), "{} lost: {lost:#?}", lost.len());
    }
}

/// Sockets that stay while the process goes: as a wrapper hands them over that may leave
/// descriptors open in its child.
fn activated(config: &Path, public: &TcpListener, operators: &TcpListener) -> Command {
    let script = r#"
        export LISTEN_PID=$$ LISTEN_FDS=2 LISTEN_FDNAMES=public:admin
        exec "$0" "$@" 3<&0 4<&2 </dev/null 2>/dev/null"#;
    let mut command = Command::new("sh");
    command.args(["-c", script]).arg(loket());
    command.args(["serve", "--config"]).arg(config);
    let given = |socket: &TcpListener| OwnedFd::from(socket.try_clone().unwrap());
    command.stdin(given(public)).stderr(given(operators));
    command
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_on_handed_over_sockets_refuses_no_connection() {
    let site = Arc::new(Site::new().await);
    let config = site.write(&Wish::default());
    let public = TcpListener::bind("127.0.0.1:0").unwrap();
    let operators = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = public.local_addr().unwrap();
    let start = || Process::start(activated(&config, &public, &operators));
    let mut process = start();
    assert_eq!(process.address, address);
    assert_eq!(process.admin, operators.local_addr().unwrap());
    let operators_at = process.admin;
    eventually("it is ready", async || {
        let reply = admin::request(operators_at, "GET", "/readyz").await?;
        (reply.status == 200).then_some(())
    })
    .await;

    let load = Arc::new(Load::default());
    let mut workers = JoinSet::new();
    for n in 0..6 {
        let (site, load) = (site.clone(), load.clone());
        workers.spawn(async move {
            while !load.stop.load(Ordering::Relaxed) {
                load.note(look_up(&client(&site, address), n % 3 == 0).await);
            }
        });
    }
    for _ in 0..3 {
        load.goes_on(20).await;
        process.signal("-TERM");
        process.ended().await;
        process = start();
    }
    load.goes_on(20).await;
    load.end(workers).await;
    process.signal("-TERM");
    process.ended().await;
}

/// One of two gateways, as a balancer knows it.
struct Slot {
    client: Client,
    admin: SocketAddr,
    is_ready: bool,
}

type Slots = Arc<Mutex<Vec<Slot>>>;

async fn probe(slots: Slots, load: Arc<Load>, n: usize) {
    while !load.stop.load(Ordering::Relaxed) {
        let address = slots.lock().unwrap()[n].admin;
        let reply = admin::request(address, "GET", "/readyz").await;
        let is_ready = reply.is_some_and(|reply| reply.status == 200);
        {
            let slot = &mut slots.lock().unwrap()[n];
            // It may have been replaced meanwhile.
            slot.is_ready = is_ready && slot.admin == address;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn work(slots: Slots, load: Arc<Load>, n: usize) {
    let mut turn = n;
    while !load.stop.load(Ordering::Relaxed) {
        turn += 1;
        let chosen = {
            let slots = slots.lock().unwrap();
            let mut order = (0..slots.len()).map(|k| &slots[(turn + k) % slots.len()]);
            let ready = order.find(|slot| slot.is_ready);
            ready.map(|slot| slot.client.clone())
        };
        match chosen {
            Some(client) => load.note(look_up(&client, n.is_multiple_of(3)).await),
            None => tokio::task::yield_now().await,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolling_restart_of_two_loses_no_request() {
    let site = Site::new().await;
    site.agency
        .set_fault(Fault::Slow(Duration::from_millis(20)));
    let configs = [1, 2].map(|n| {
        let wish = Wish {
            audit: format!("audit-{n}"),
            delay: "1s".to_owned(),
            ..Wish::default()
        };
        site.write_as(&format!("loket-{n}.toml"), &wish)
    });
    let slot = |process: &Process| Slot {
        client: client(&site, process.address),
        admin: process.admin,
        is_ready: false,
    };
    let mut running = configs
        .each_ref()
        .map(|config| Some(Process::start(serve(config))));
    let first = running.iter().flatten().map(slot).collect();
    let slots: Slots = Arc::new(Mutex::new(first));
    let load = Arc::new(Load::default());
    let mut workers = JoinSet::new();
    for n in 0..2 {
        workers.spawn(probe(slots.clone(), load.clone(), n));
    }
    for n in 0..9 {
        workers.spawn(work(slots.clone(), load.clone(), n));
    }
    for n in 0..2 {
        eventually("both are ready", async || {
            slots
                .lock()
                .unwrap()
                .iter()
                .all(|slot| slot.is_ready)
                .then_some(())
        })
        .await;
        load.goes_on(50).await;
        let old = running[n].take().unwrap();
        old.signal("-TERM");
        old.ended().await;
        let new = Process::start(serve(&configs[n]));
        slots.lock().unwrap()[n] = slot(&new);
        running[n] = Some(new);
    }
    load.goes_on(50).await;
    load.end(workers).await;
    for process in running.into_iter().flatten() {
        process.signal("-TERM");
        process.ended().await;
    }
    let answered = load.answered.load(Ordering::Relaxed) as u64;
    let recorded = [1, 2].map(|n| {
        let audit = site.path().join(format!("audit-{n}"));
        verify::verify(&audit, None, |_| {}).unwrap().entries
    });
    assert!(recorded.iter().all(|entries| *entries > 0), "{recorded:?}");
    assert!(recorded.iter().sum::<u64>() >= answered, "{recorded:?}");
    site.agency.stop().await;
}
