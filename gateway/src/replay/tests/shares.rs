//! One member and another, and one id again and again.

use super::*;

/// One asks as much as it can; what the other has stays.
#[tokio::test]
async fn a_member_pushes_out_its_own_only() {
    let mut desk = Desk::new();
    desk.settings.max_entries = 10;
    desk.settings.max_bytes = 16_384;
    let replay = desk.open();
    let theirs = [0, 1, 2].map(|id| Lookup {
        member: 1,
        id,
        ..USUAL
    });
    for lookup in theirs {
        lookup.answered(&replay, 1).await;
    }
    let flood = async |replay: &Replay| {
        for id in 0..100 {
            let lookup = Lookup { id, ..USUAL };
            lookup.answered(replay, 2).await;
        }
    };
    flood(&replay).await;
    for lookup in theirs {
        assert_eq!(lookup.answered(&replay, 3).await, 1);
    }
    // Nor when bytes are what is scarce.
    settled(replay).await;
    desk.settings.max_entries = 1_000;
    desk.settings.max_bytes = 4_096;
    let replay = desk.open();
    flood(&replay).await;
    for lookup in theirs {
        assert_eq!(lookup.answered(&replay, 4).await, 1);
    }
    let own = Lookup { id: 0, ..USUAL };
    assert_eq!(own.answered(&replay, 5).await, 5);
}

#[tokio::test]
async fn an_id_that_is_asked_again_and_again_stands_in_the_order_once() {
    let desk = Desk::new();
    let replay = desk.open();
    for key in 1..50 {
        let lookup = Lookup { key, ..USUAL };
        let entry = u64::from(key);
        assert_eq!(lookup.answered(&replay, entry).await, entry);
        let vain = Lookup { basis: 9, ..lookup };
        drop(vain.ask(&replay).await.unwrap().unwrap_err());
        let slots = &replay.0.as_ref().unwrap().slots;
        assert_eq!((slots.len(), slots.ordered()), (1, 1));
    }
}
