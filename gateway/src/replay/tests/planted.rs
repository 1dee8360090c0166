//! Files that somebody else put among the kept answers, or a clock that ran ahead.

use std::os::unix::fs::symlink;
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode, mknodat};

use super::*;

const HOUR: i64 = 3_600;
const UNKEYED: Lookup = Lookup {
    id: 1,
    key: 0,
    ..USUAL
};

/// The names under which [`USUAL`] and [`UNKEYED`] are kept: the answers' and the key's.
async fn names() -> [String; 2] {
    let desk = Desk::new();
    let replay = desk.open();
    USUAL.answered(&replay, 1).await;
    UNKEYED.answered(&replay, 1).await;
    settled(replay).await;
    [".sealed", ".key"].map(|ending| {
        let name = desk.files(ending).remove(0);
        name.file_name().unwrap().to_str().unwrap().to_owned()
    })
}

fn pipe(at: &Path) {
    mknodat(CWD, at, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
}

#[tokio::test]
async fn whatever_stands_under_a_name_of_ours_is_left_alone_and_waited_for_by_nobody() {
    type Plant = fn(&Path, &Path);
    let plants: [(&str, Plant); 5] = [
        ("link", |another, at| symlink(another, at).unwrap()),
        ("broken link", |_, at| symlink("gone", at).unwrap()),
        ("second name", |another, at| {
            fs::hard_link(another, at).unwrap()
        }),
        ("pipe", |_, at| pipe(at)),
        ("copy", |another, at| {
            fs::copy(another, at).unwrap();
        }),
    ];
    for name in names().await {
        for (what, plant) in plants {
            for before in [true, false] {
                let desk = Desk::new();
                let another = desk.dir.path().join("another");
                let text = "somebody else's ".repeat(9);
                fs::write(&another, &text).unwrap();
                settled(desk.open()).await;
                let at = desk.settings.directory.join(&name);
                if before {
                    plant(&another, &at);
                }
                let replay = desk.open();
                if !before {
                    plant(&another, &at);
                }
                for lookup in [USUAL, UNKEYED] {
                    assert_eq!(lookup.answered(&replay, 1).await, 1, "{name} {what}");
                    assert_eq!(lookup.answered(&replay, 2).await, 1, "{name} {what}");
                }
                assert_eq!(fs::read_to_string(&another).unwrap(), text, "{name} {what}");
                assert!(!desk.settings.directory.join("gone").exists());
                settled(replay).await;
                let replay = desk.open();
                for lookup in [USUAL, UNKEYED] {
                    assert_eq!(lookup.answered(&replay, 3).await, 1, "{name} {what}");
                }
                // It goes when its hour is over, like any other.
                desk.later(26 * HOUR);
                sweep(&replay).await;
                assert!(at.symlink_metadata().is_err(), "{name} {what}");
                assert!(another.exists());
            }
        }
    }
}

#[tokio::test]
async fn a_lock_that_isnt_ours_starts_nobody() {
    for plant in [|at: &Path| symlink("../another", at).unwrap(), pipe] {
        let desk = Desk::new();
        let another = desk.dir.path().join("another");
        fs::create_dir(&desk.settings.directory).unwrap();
        plant(&desk.settings.directory.join("lock"));
        let refused = desk.try_open().map(drop).unwrap_err();
        assert!(refused.to_string().contains("replay/lock"), "{refused}");
        let cause = std::error::Error::source(&refused).unwrap().to_string();
        assert!(cause.contains("isn't a plain file"), "{cause}");
        assert!(!another.exists());
    }
}

/// A key that was half written is no key, and neither is what was left of writing one.
#[tokio::test]
async fn a_key_that_isnt_whole_is_made_anew() {
    let [_, key] = names().await;
    for (name, text) in [(key.clone(), "half"), (format!("{key}.new"), "a crash")] {
        let desk = Desk::new();
        settled(desk.open()).await;
        fs::write(desk.settings.directory.join(&name), text).unwrap();
        let replay = desk.open();
        for entry in [1, 2] {
            assert_eq!(UNKEYED.answered(&replay, entry).await, 1);
        }
        let bytes = fs::read(desk.settings.directory.join(&key)).unwrap();
        assert_eq!(bytes.len(), 32);
        assert!(desk.files(".new").is_empty());
    }
}

/// Whoever writes the disk, and doesn't have the gateway's key, has no id refused.
#[tokio::test]
async fn a_head_that_is_forged_takes_no_id() {
    let ids = [0, 1, 2].map(|id| Lookup { id, ..USUAL });
    // By whose key, when, which id and which body.
    for place in [0, 1, 5, 20, 21, 28] {
        let desk = Desk::new();
        let replay = desk.open();
        for lookup in ids {
            lookup.answered(&replay, 1).await;
        }
        settled(replay).await;
        let file = desk.files(".sealed").remove(0);
        let mut bytes = fs::read(&file).unwrap();
        let first = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        let second = 4 + usize::try_from(first).unwrap();
        bytes[second + 4 + place] ^= if place == 0 { 3 } else { 1 };
        fs::write(&file, &bytes).unwrap();
        let replay = desk.open();
        let forged = Lookup { body: 1, ..ids[1] };
        assert_eq!(forged.answered(&replay, 2).await, 2, "{place}");
        assert_eq!(ids[0].answered(&replay, 3).await, 1);
        assert_eq!(ids[2].answered(&replay, 3).await, 1, "{place}");
        let text = replay.0.as_ref().unwrap().telemetry.prometheus_text();
        let counted = |line: &str| line.contains(r#"outcome="forged""#) && line.ends_with(" 1");
        assert!(text.lines().any(counted), "{text}");
    }
}

/// What the log says came last is what an id was asked with, whatever the disk still has.
#[tokio::test]
async fn the_audit_log_wins_over_an_older_answer() {
    let other = Lookup { body: 1, ..USUAL };
    let mac = match other.ask(&Desk::new().open()).await.unwrap() {
        Err(claim) => claim.body_mac().unwrap(),
        Ok(_) => panic!("it is new"),
    };
    let desk = Desk::new();
    let replay = desk.open();
    USUAL.answered(&replay, 1).await;
    for (seconds, refused) in [(-1, &other), (1, &USUAL)] {
        let leaf = json!({
            "at": Timestamp::from_second(START + seconds).unwrap(), "kind": "lookup",
            "member": USUAL.member(), "body_mac": mac, "request_id": Uuid::from_u128(0),
        });
        replay.remember(&leaf.to_string());
        let met = refused.meet(&replay).map(drop);
        assert_eq!(met, Err(Refusal::RequestIdReused), "{seconds}");
    }
    assert_eq!(other.answered(&replay, 2).await, 2);
}

/// Whoever plants a name, or whose clock once ran ahead, keeps no answer from going.
#[tokio::test]
async fn a_later_hour_ends_no_deletion() {
    let name = names().await[0].clone();
    let (hour, rest) = name.split_once('-').unwrap();
    let owner = rest.split_once('-').unwrap().1;
    let hour: u32 = hour.parse().unwrap();
    let last = (1 << 20) - 1;
    for (later, number) in [(hour, 4_095), (hour + 2, 7), (last, 0), (last, 4_095)] {
        let desk = Desk::new();
        settled(desk.open()).await;
        for planted in [format!("{later}-{number}-{owner}"), format!("{later}.key")] {
            fs::write(desk.settings.directory.join(planted), [1; 32]).unwrap();
        }
        check_deletion(&desk, &desk.open()).await;
    }
    let desk = Desk::new();
    let replay = desk.open();
    let years = 10 * 365 * 24 * HOUR;
    for lookup in [USUAL, UNKEYED] {
        lookup.answered(&replay, 7).await;
    }
    desk.later(years);
    for lookup in [USUAL, UNKEYED] {
        assert_eq!(lookup.answered(&replay, 8).await, 8);
    }
    desk.later(-years);
    check_deletion(&desk, &replay).await;
}

async fn check_deletion(desk: &Desk, replay: &Replay) {
    for lookup in [USUAL, UNKEYED] {
        assert_eq!(lookup.answered(replay, 1).await, 1);
        assert_eq!(lookup.answered(replay, 2).await, 1);
    }
    desk.later(26 * HOUR);
    sweep(replay).await;
    let left = [desk.files(".sealed"), desk.files(".key")].concat();
    assert!(left.is_empty(), "{left:?}");
    assert_eq!(USUAL.answered(replay, 3).await, 3);
    assert_eq!(USUAL.answered(replay, 4).await, 3);
}

/// A clock that is set back by less than an hour costs nothing.
#[tokio::test]
async fn a_clock_that_is_set_back_a_little_costs_nothing() {
    let desk = Desk::new();
    desk.later(HOUR - START % HOUR);
    let replay = desk.open();
    for lookup in [USUAL, UNKEYED] {
        lookup.answered(&replay, 1).await;
    }
    desk.later(-5);
    sweep(&replay).await;
    let after = [2, 3].map(|id| Lookup { id, ..UNKEYED });
    for lookup in after {
        lookup.answered(&replay, 1).await;
    }
    settled(replay).await;
    let replay = desk.open();
    for lookup in [USUAL, UNKEYED].into_iter().chain(after) {
        assert_eq!(lookup.answered(&replay, 2).await, 1);
    }
}
