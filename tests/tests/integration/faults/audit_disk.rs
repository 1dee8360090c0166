//! The disk under the audit log: full, refusing, hanging, and back again.

use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use rustix::process::{Pid, Resource, Signal, kill_process};

use loket_tests::real::{
    BYSTANDERS, Disk, Gateway, Load, Saw, Seen, Site, SlowSync, is_well, loket, register, report,
    skip, untouched,
};
use loket_tests::town::eventually_within;

/// Whoever isn't answered is told why; nobody hears anything else.
fn told(case: &str, seen: &[Seen]) {
    for seen in seen {
        let well = match &seen.saw {
            Saw::Answer(_) => true,
            Saw::Problem(status, code) => *status == 503 && code == "audit_unavailable",
            Saw::Nothing(_) | Saw::Hung => false,
        };
        assert!(well, "{case}: {seen}");
    }
}

fn is_refused(seen: &Seen) -> bool {
    matches!(seen.saw, Saw::Problem(503, _))
}

/// From the moment when the last ten were refused.
async fn refused(load: &Load) -> Vec<Seen> {
    load.until("nothing is answered", |seen| {
        let last = seen.iter().rev().take(10);
        last.filter(|seen| is_refused(seen)).count() == 10
    })
    .await
}

/// The fault begins, is noticed and ends; then the gateway is ready again though nobody asks.
async fn out_and_back(
    case: &str,
    site: &Site,
    gateway: Gateway,
    begin: impl FnOnce(&Gateway),
    end: impl FnOnce(&Gateway),
) {
    let load = site.load(&gateway);
    load.before().await;
    begin(&gateway);
    let during = refused(&load).await;
    told(case, &during);
    let text = gateway.readiness(503).await;
    assert!(text.contains("[-]audit"), "{text}");
    let first = load.end().await;

    end(&gateway);
    gateway.readiness(200).await;
    let load = site.load(&gateway);
    load.well(case, BYSTANDERS).await;
    let second = load.end().await;
    told(case, &second);
    site.recorded(&[first, second].concat());
    gateway.stop().await;
}

fn started_on(site: &mut Site, test: &str) -> Option<(Disk, Gateway)> {
    match Disk::new() {
        Ok(disk) => {
            site.audit = disk.path().join("audit");
            let gateway = site.start();
            Some((disk, gateway))
        }
        Err(reason) => {
            skip(test, &reason);
            None
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_disk_is_full_and_has_room_again() {
    let mut site = Site::new().await;
    let Some((disk, gateway)) = started_on(&mut site, "the_disk_is_full_and_has_room_again") else {
        return;
    };
    out_and_back("full", &site, gateway, |_| disk.fill(), |_| disk.empty()).await;
    site.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_disk_refuses_and_takes_again() {
    let mut site = Site::new().await;
    let Some((disk, gateway)) = started_on(&mut site, "the_disk_refuses_and_takes_again") else {
        return;
    };
    let audit = site.audit.clone();
    let (refuse, allow) = (|_: &_| disk.refuse(&audit), |_: &_| disk.allow(&audit));
    out_and_back("refusing", &site, gateway, refuse, allow).await;
    site.close().await;
}

/// Without root: the log may grow no more, as under a quota.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_reaches_a_limit_that_is_lifted() {
    let site = Site::new().await;
    // A process that outgrows its limit is killed unless it was started not to mind.
    let mut command = Command::new("sh");
    command
        .args(["-c", r#"trap "" XFSZ; exec "$0" "$@""#])
        .arg(loket());
    let gateway = Gateway::launch(command, &site.config());
    let segment = site.audit.join(format!("wal/{:020}.wal", 0));
    let limit = |gateway: &Gateway| {
        // What comes after the last batch is room.
        let bytes = std::fs::read(&segment).unwrap();
        let last = bytes.iter().rposition(|byte| *byte != 0).unwrap();
        gateway.limit(Resource::Fsize, Some(last as u64 + 100));
    };
    let lift = |gateway: &Gateway| {
        gateway.limit(Resource::Fsize, None);
    };
    out_and_back("limited", &site, gateway, limit, lift).await;
    site.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_disk_hangs_and_goes_on() {
    let mut site = Site::new().await;
    let land = site.liar(register("bpn")).await;
    let Some((disk, gateway)) = started_on(&mut site, "the_disk_hangs_and_goes_on") else {
        return;
    };
    let load = site.load(&gateway);
    load.before().await;
    // For a moment: everyone waits, and is answered.
    let frozen = disk.freeze();
    tokio::time::sleep(Duration::from_millis(300)).await;
    drop(frozen);
    let well = |seen: &[Seen]| is_well(seen, BYSTANDERS[0]);
    let during = load.until("it goes on", well).await;
    assert!(during.iter().all(|seen| seen.answer().is_some()));

    // For longer than anyone waits: those who ask first are told late, the others at once, and no
    // agency is asked in vain.
    let frozen = disk.freeze();
    let text = gateway.readiness(503).await;
    assert!(text.contains("[-]audit"), "{text}");
    let asked = land.asked();
    let during = refused(&load).await;
    assert_eq!(land.asked(), asked, "nobody is asked in vain");
    told("hanging", &during);
    let last = during.iter().rev().take(10);
    let slowest = last.map(|seen| seen.took).max().unwrap();
    assert!(slowest < Duration::from_secs(2), "{slowest:?}");

    drop(frozen);
    gateway.readiness(200).await;
    load.well("hanging", BYSTANDERS).await;
    site.recorded(&load.end().await);
    gateway.stop().await;
    site.close().await;
}

/// How long callers waited, the slowest twentieth left out.
fn usual(seen: &[Seen]) -> Duration {
    let mut all: Vec<Duration> = seen.iter().map(|seen| seen.took).collect();
    all.sort_unstable();
    all[all.len() * 95 / 100]
}

/// Every sync takes a fifth of a second: answers are that much later and nothing else changes, as
/// all that wait share one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_disk_is_slow_for_every_entry() {
    let site = Site::new().await;
    let slow = match SlowSync::new(&site) {
        Ok(slow) => slow,
        Err(reason) => return skip("the_disk_is_slow_for_every_entry", &reason),
    };
    let gateway = slow.start(&site);
    let load = site.load_of(&gateway, 20, Duration::from_millis(80));
    let before = load.before().await;

    let each = Duration::from_millis(200);
    slow.take(each);
    let during = load.some(100).await;
    untouched("slow disk", &before, &during);
    let (was, is) = (usual(&before), usual(&during));
    report(&format!("slow disk: answers after {was:?} -> {is:?}"));
    let soonest = during.iter().map(|seen| seen.took).min();
    assert!(soonest >= Some(each), "nothing leaves before it is durable");
    // One that is under way, and its own; the rest is the machine's.
    assert!(is <= was + 2 * each + Duration::from_secs(1), "{is:?}");
    gateway.readiness(200).await;

    slow.take(Duration::ZERO);
    load.well("slow disk", BYSTANDERS).await;
    let seen = load.end().await;
    let answered = seen.iter().all(|seen| seen.answer().is_some());
    assert!(answered, "nobody is refused");
    site.recorded(&seen);
    gateway.stop().await;
    site.close().await;
}

/// A process that doesn't outlive its test.
struct Started(Child);

impl Drop for Started {
    fn drop(&mut self) {
        // It may be dead already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The disk hangs when the log is open and the start puts on record what is known of grants.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_on_a_disk_that_hangs_can_be_stopped() {
    let site = Site::new().await;
    let slow = match SlowSync::new(&site) {
        Ok(slow) => slow,
        Err(reason) => return skip("a_start_on_a_disk_that_hangs_can_be_stopped", &reason),
    };
    let config = site.config();
    Gateway::start(&config).stop().await;
    let written = || -> u64 {
        let segments = std::fs::read_dir(site.audit.join("wal")).unwrap();
        let sizes = segments.map(|it| it.and_then(|it| it.metadata()).map_or(0, |it| it.len()));
        sizes.sum()
    };
    let before = written();
    slow.take(Duration::from_secs(3600));
    // That which writes; another one opens the log.
    let mut command = slow.command_of("audit");
    command.args(["serve", "--config"]).arg(&config);
    let mut child = Started(command.stdout(Stdio::null()).spawn().unwrap());
    eventually_within(60, "something waits to be durable", async || {
        (written() > before).then_some(())
    })
    .await;
    kill_process(Pid::from_child(&child.0), Signal::TERM).unwrap();
    let child = Mutex::new(&mut child.0);
    let status = eventually_within(60, "the start ends", async || {
        child.lock().unwrap().try_wait().unwrap()
    });
    assert_eq!(status.await.code(), Some(0));
    site.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_gateway_starts_on_a_log_that_cant_be_written() {
    let mut site = Site::new().await;
    let Some((disk, gateway)) = started_on(&mut site, "no_gateway_starts_on_a_log") else {
        return;
    };
    gateway.stop().await;
    disk.remount("ro").unwrap();
    let mut command = Command::new(loket());
    command.args(["serve", "--config"]).arg(site.config());
    let output = command.output().unwrap();
    assert!(!output.status.success());
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let text = text + &String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("audit log"), "{text}");
    assert!(text.contains("Read-only file system"), "{text}");

    disk.remount("rw").unwrap();
    let gateway = site.start();
    let load = site.load(&gateway);
    load.before().await;
    site.recorded(&load.end().await);
    gateway.stop().await;
    site.close().await;
}
