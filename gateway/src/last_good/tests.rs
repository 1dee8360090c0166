use loket_sdk::message::ProvenanceMethod;

use super::*;

fn kept(second: i64) -> Kept {
    Kept {
        data: Some(Sensitive::new(Map::new())),
        answers: Vec::new(),
        missing: Vec::new(),
        as_of: Timestamp::from_second(second).unwrap(),
        provenance: Provenance {
            method: ProvenanceMethod::SourceTls,
            signature: None,
        },
    }
}

fn found(last_good: &LastGood, question: u8) -> Option<i64> {
    last_good
        .find(&[question; 32])
        .map(|kept| kept.as_of.as_second())
}

#[test]
fn the_last_answer_to_the_same_question_is_found() {
    let last_good = LastGood::new(10, Duration::from_secs(3600));
    last_good.keep([1; 32], kept(1));
    last_good.keep([2; 32], kept(2));
    last_good.keep([1; 32], kept(3));
    assert_eq!(found(&last_good, 1), Some(3));
    assert_eq!(found(&last_good, 2), Some(2));
    assert_eq!(found(&last_good, 3), None);
}

#[test]
fn nothing_is_kept_where_nothing_may_be() {
    for last_good in [
        LastGood::new(0, Duration::from_secs(3600)),
        LastGood::new(10, Duration::ZERO),
    ] {
        last_good.keep([1; 32], kept(1));
        assert_eq!(found(&last_good, 1), None, "{last_good:?}");
    }
}

#[test]
fn no_more_is_kept_than_agreed() {
    let last_good = LastGood::new(10, Duration::from_secs(3600));
    for question in 0..100 {
        last_good.keep([question; 32], kept(1));
    }
    last_good.0.run_pending_tasks();
    assert!(last_good.0.entry_count() <= 10, "{last_good:?}");
}

#[test]
fn an_answer_shows_nothing_in_a_log() {
    let mut data = Map::new();
    data.insert("full_name".to_owned(), "BAGAS".into());
    let kept = Kept {
        data: Some(Sensitive::new(data)),
        ..kept(1)
    };
    assert!(!format!("{kept:?}").contains("BAGAS"));
}
