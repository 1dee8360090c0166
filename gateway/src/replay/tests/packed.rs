//! Packing: nothing is lost, and what wasn't packed is refused.

use super::super::packed::{WORDS, pack, unpack};
use super::*;

/// Bytes that repeat themselves and the words, more or less.
fn plain() -> impl Strategy<Value = Vec<u8>> {
    let words = (0..WORDS.len(), 0..90_usize).prop_map(|(from, length)| {
        let to = WORDS.len().min(from + length);
        WORDS[from..to].to_vec()
    });
    let same = (any::<u8>(), 0..700_usize).prop_map(|(byte, length)| vec![byte; length]);
    let any = proptest::collection::vec(any::<u8>(), 0..40);
    let parts = proptest::collection::vec(prop_oneof![words, same, any], 0..20);
    (parts, 1..4_usize).prop_map(|(parts, times)| parts.concat().repeat(times))
}

fn packed(plain: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    pack(plain, &mut out);
    out
}

#[test]
fn nothing_is_lost_and_little_added() {
    let config = ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let outcome = TestRunner::new(config).run(&plain(), |plain| {
        let packed = packed(&plain);
        prop_assert!(packed.len() <= plain.len() + plain.len() / 9 + 24);
        prop_assert_eq!(unpack(&packed), Some(plain));
        Ok(())
    });
    outcome.unwrap();
}

/// Farther back than a repetition can say.
#[test]
fn what_is_long_is_packed_too() {
    let long: Vec<u8> = (0..60_000_u32).flat_map(u32::to_le_bytes).collect();
    for plain in [long.repeat(2), vec![0; 3 << 20], Vec::new()] {
        assert_eq!(unpack(&packed(&plain)), Some(plain));
    }
}

#[test]
fn an_answer_takes_a_fraction_of_its_size() {
    let world = json!({
        "request_id": "01a21048-fced-71ce-9601-e757b428002c", "overall": "complete", "required_missing": [],
        "results": [{
            "record": "driving-licence/1", "version": "1.0",
            "source": {"agency": "korlantas", "system": "registry"}, "outcome": "found", "reason": "complete",
            "as_of": "2026-11-25T01:19:08.598981595Z", "elapsed_ms": 65,
            "data": {"birth_date": "1988-05-14", "full_name": "BAGAS CONTOH PRATAMA", "nik": NIK},
            "provenance": {"method": "source_tls"},
        }],
        "findings": [], "obligations": ["delete_after_case", "no_onward_transfer"],
    });
    let plain = world.to_string();
    let packed = packed(plain.as_bytes());
    assert!(
        packed.len() * 2 < plain.len(),
        "{} of {}",
        packed.len(),
        plain.len()
    );
}

#[test]
fn what_was_not_packed_is_refused_and_breaks_nothing() {
    let any = proptest::collection::vec(any::<u8>(), 0..300);
    let config = ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let outcome = TestRunner::new(config).run(&(plain(), any), |(plain, any)| {
        let packed = packed(&plain);
        for end in 0..packed.len().min(300) {
            let _ = unpack(&packed[..end]);
        }
        let _ = unpack(&any);
        Ok(())
    });
    outcome.unwrap();
    // A token with no end, a length with no end, a place before the beginning, none at all.
    for broken in [
        &[][..],
        &[9, 0],
        &[9, 0, 0, 0],
        &[9, 0, 0, 0, 0xF0, 255],
        &[9, 0, 0, 0, 0x10, 7, 255, 255],
        &[9, 0, 0, 0, 0x10, 7, 0, 0],
        &[9, 0, 0, 0, 0x10, 7, 1],
        &[255, 255, 255, 255, 0x10, 7],
    ] {
        assert_eq!(unpack(broken), None, "{broken:?}");
    }
}
