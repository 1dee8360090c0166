//! The clock jumps. `libfaketime` stands between the gateway and the clock; without it nothing is
//! tried.

use std::path::{Path, PathBuf};
use std::process::Command;

use loket_tests::real::{BYSTANDERS, Gateway, Saw, Seen, Site, loket, skip, untouched};

/// Where Debian's package puts it, for any machine.
fn library() -> Option<PathBuf> {
    let folders = std::fs::read_dir("/usr/lib").ok()?;
    let mut paths = folders.filter_map(|folder| {
        let path = folder.ok()?.path().join("faketime/libfaketime.so.1");
        path.exists().then_some(path)
    });
    paths.next()
}

fn start(site: &Site, library: &Path, clock: &Path) -> Gateway {
    let mut command = Command::new(loket());
    command
        .env("LD_PRELOAD", library)
        .env("FAKETIME_TIMESTAMP_FILE", clock)
        .env("FAKETIME_NO_CACHE", "1")
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
        .env("DONT_FAKE_MONOTONIC", "1");
    Gateway::launch(command, &site.config())
}

fn is_refused(seen: &Seen) -> bool {
    matches!(&seen.saw, Saw::Problem(403, code) if code == "not_enrolled")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_clock_jumps() {
    let Some(library) = library() else {
        return skip("the_clock_jumps", "there is no libfaketime");
    };
    let site = Site::new().await;
    let clock = site.scratch().join("clock");
    let set = |text: &str| std::fs::write(&clock, text).unwrap();
    set("+0");
    let gateway = start(&site, &library, &clock);
    let load = site.load(&gateway);
    let before = load.before().await;
    // A day and a half ahead and back, a little back, and ahead again.
    for jump in ["+36h", "+0", "-30m", "+0"] {
        set(jump);
        let during = load.some(30).await;
        untouched(&format!("clock {jump}"), &before, &during);
    }
    // Before any certificate was valid, and long after: nobody is let in, everybody is later.
    for jump in ["-36h", "+900d"] {
        set(jump);
        let what = format!("clock {jump}: nobody is let in");
        let during = load.until(&what, |seen| {
            seen.iter().rev().take(5).all(is_refused) && seen.len() > 20
        });
        assert!(
            during
                .await
                .iter()
                .all(|seen| is_refused(seen) || seen.answer().is_some())
        );
        set("+0");
        load.well(jump, BYSTANDERS).await;
    }
    // The chain is whole, which has no entry before the one before it.
    site.recorded(&load.end().await);
    gateway.stop().await;
    site.close().await;
}
