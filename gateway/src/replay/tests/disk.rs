//! A disk that is forged, torn, gone, or hangs.

use super::seal::Answer;
use super::*;

/// Whoever has the disk, and knows member, id, body and key, puts another answer in place of one.
#[tokio::test]
async fn without_the_gateways_key_nobody_forges_an_answer() {
    for (own, expected) in [([8; 32], 2), ([7; 32], 66)] {
        for key in [0, 1] {
            let desk = Desk::new();
            let lookup = Lookup { key, ..USUAL };
            let replay = desk.open();
            lookup.answered(&replay, 1).await;
            settled(replay).await;
            let file = desk.files(".sealed").remove(0);
            let head = seal::Head::read(&fs::read(&file).unwrap()[4..]).unwrap();
            let kept = Kept {
                entry: 66,
                sources: sources(),
                answer: answer(66),
            };
            let under = match key {
                0 => Under::Hour,
                _ => Under::Caller(ReplayKey::from_bytes([key; 32])),
            };
            let hour = || {
                let bytes = fs::read(desk.files(".key").remove(0))?;
                Ok(ReplayKey::from_bytes(bytes.try_into().unwrap()))
            };
            let id = Uuid::from_u128(lookup.id.into());
            let bound = Bound::of(
                &hashing(&own),
                &lookup.member(),
                id,
                lookup.body().as_bytes(),
            );
            // The head that was there is put before it, which anyone can.
            let answer = Answer {
                under: &under,
                bound: &bound,
                about: (&head.id, &head.mac, head.at),
                plain: &kept.pack(lookup.basis()),
            };
            let mut sealer = Sealer::new(hashing(&[7; 32]));
            fs::write(&file, sealer.seal(&answer, hour).unwrap()).unwrap();
            let replay = desk.open();
            // With the gateway's own key it is one, so that it is the key that keeps others out.
            assert_eq!(lookup.answered(&replay, 2).await, expected, "{key}");
        }
    }
}

#[tokio::test]
async fn a_restart_finds_what_is_whole() {
    let desk = Desk::new();
    let replay = desk.open();
    let lookups = [0, 1, 2].map(|id| Lookup { id, ..USUAL });
    for lookup in lookups {
        lookup.answered(&replay, 1).await;
    }
    settled(replay).await;
    let file = desk.files(".sealed").remove(0);
    let whole = fs::read(&file).unwrap();
    fs::write(&file, &whole[..whole.len() - 1]).unwrap();
    let replay = desk.open();
    let shorter = fs::metadata(&file).unwrap().len();
    assert!(shorter < whole.len() as u64 && shorter > 0, "it is cut off");
    assert_eq!(lookups[0].answered(&replay, 2).await, 1);
    assert_eq!(lookups[1].answered(&replay, 2).await, 1);
    assert_eq!(lookups[2].answered(&replay, 2).await, 2);
    settled(replay).await;
    let shorter = fs::metadata(&file).unwrap().len();
    // Whatever stands at an end that a power cut left behind.
    for rubbish in [vec![0; 100], vec![255; 100], vec![1; 3]] {
        let mut end = OpenOptions::new().append(true).open(&file).unwrap();
        end.write_all(&rubbish).unwrap();
        let replay = desk.open();
        assert_eq!(fs::metadata(&file).unwrap().len(), shorter);
        assert_eq!(lookups[1].answered(&replay, 3).await, 1);
        settled(replay).await;
    }
    // A bit that fell over opens nothing.
    let mut bytes = fs::read(&file).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&file, bytes).unwrap();
    let replay = desk.open();
    assert_eq!(lookups[0].answered(&replay, 4).await, 1);
    assert_eq!(lookups[2].answered(&replay, 4).await, 4);
}

/// The directory went, as a disk does: nothing can be kept, everything can be asked.
#[tokio::test]
async fn a_disk_that_fails_costs_copies_and_no_lookup() {
    let desk = Desk::new();
    let replay = desk.open();
    fs::remove_dir_all(&desk.settings.directory).unwrap();
    assert_eq!(USUAL.answered(&replay, 1).await, 1);
    assert_eq!(USUAL.answered(&replay, 2).await, 2);
    let other = Lookup { body: 1, ..USUAL };
    assert!(other.meet(&replay).is_err());
    sweep(&replay).await;
    assert!(fails(&replay));
    fs::create_dir(&desk.settings.directory).unwrap();
    assert_eq!(USUAL.answered(&replay, 3).await, 3);
    sweep(&replay).await;
    assert!(!fails(&replay));
    assert_eq!(USUAL.answered(&replay, 4).await, 3);
}

/// As it is told, too.
fn fails(replay: &Replay) -> bool {
    let room = replay.0.as_ref().unwrap();
    let keeps = if room.health.fails() { 0 } else { 1 };
    let text = room.telemetry.prometheus_text();
    let told = text
        .lines()
        .any(|line| line.starts_with("loket_replay_keeps") && line.ends_with(&format!(" {keeps}")));
    assert!(told, "{text}");
    room.health.fails()
}

/// An answer waits for it once and the next not at all; who asks again isn't told that it is busy.
#[tokio::test(start_paused = true)]
async fn a_disk_that_hangs_holds_up_one_answer() {
    let desk = Desk::new();
    let replay = desk.open();
    let work = replay.0.as_ref().unwrap().work().clone().unwrap();
    let (answers, hangs) = std::sync::mpsc::channel();
    work.send(Work::Hang(hangs)).unwrap();
    let start = tokio::time::Instant::now();
    let never = Lookup { id: 1, ..USUAL };
    assert_eq!(never.answered(&replay, 1).await, 1);
    assert_eq!(start.elapsed(), PATIENCE);
    assert!(fails(&replay));
    for entry in 2..600 {
        assert_eq!(USUAL.answered(&replay, entry).await, entry);
    }
    assert_eq!(start.elapsed(), PATIENCE);
    let other = Lookup { body: 1, ..USUAL };
    assert_eq!(other.meet(&replay).map(drop), Err(Refusal::RequestIdReused));
    // When it answers, what still waited is kept.
    drop(answers);
    sweep(&replay).await;
    assert!(!fails(&replay));
    assert_eq!(never.answered(&replay, 600).await, 1);
}

/// As when the thread that writes fell over.
#[tokio::test]
async fn a_thread_that_has_ended_is_told_of() {
    let desk = Desk::new();
    let replay = desk.open();
    let (done, stopped) = oneshot::channel();
    let work = replay.0.as_ref().unwrap().work().clone().unwrap();
    work.send(Work::Stop(done)).unwrap();
    stopped.await.unwrap();
    assert!(!fails(&replay));
    assert_eq!(USUAL.answered(&replay, 1).await, 1);
    assert_eq!(USUAL.answered(&replay, 2).await, 2);
    assert!(fails(&replay));
}

#[tokio::test]
async fn a_directory_that_is_none_says_what_to_do() {
    let desk = Desk::new();
    for (broken, named) in [("replay", "replay"), ("replay/lock", "replay/lock")] {
        let path = desk.dir.path().join(broken);
        match broken {
            "replay" => fs::write(&path, "").unwrap(),
            _ => fs::create_dir_all(&path).unwrap(),
        }
        let refused = desk.try_open().map(drop).unwrap_err().to_string();
        assert!(refused.contains(named), "{refused}");
        assert!(refused.contains("move it away"), "{refused}");
        assert!(path.exists());
        let _ = fs::remove_file(&path);
    }
}

#[tokio::test]
async fn a_file_that_cant_be_read_costs_its_answers_only() {
    let desk = Desk::new();
    let replay = desk.open();
    let other = Lookup { member: 1, ..USUAL };
    USUAL.answered(&replay, 1).await;
    let lost = desk.files(".sealed").remove(0);
    other.answered(&replay, 1).await;
    settled(replay).await;
    fs::remove_file(&lost).unwrap();
    fs::create_dir(&lost).unwrap();
    let replay = desk.open();
    assert_eq!(other.answered(&replay, 2).await, 1);
    assert_eq!(USUAL.answered(&replay, 2).await, 2);
    assert_eq!(USUAL.answered(&replay, 3).await, 2);
    assert!(lost.exists(), "it is left to be looked at");
}
