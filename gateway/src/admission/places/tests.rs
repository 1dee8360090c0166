use super::*;

fn member(name: &str) -> Option<MemberId> {
    Some(MemberId::parse(name).unwrap())
}

/// As many places as the member gets, at most `wanted`.
fn fill(places: &Places, name: &str, wanted: usize) -> Vec<Place> {
    let share = places.share(member(name));
    (0..wanted)
        .map_while(|_| places.take(&share).ok())
        .collect()
}

#[test]
fn one_member_alone_leaves_an_eighth() {
    let places = Places::new(64, 64);
    let held = fill(&places, "bapenda", 100);
    assert_eq!(held.len(), 56);
    let share = places.share(member("bapenda"));
    assert_eq!(places.take(&share).unwrap_err(), Shed::Share);
    drop(held);
    assert_eq!(fill(&places, "bapenda", 100).len(), 56);
}

/// One member floods; others that come later each get the same in the end.
#[test]
fn a_flood_starves_nobody() {
    let places = Places::new(64, 64);
    let mut flood = fill(&places, "bapenda", 100);
    let mut bpn = fill(&places, "bpn", 100);
    assert_eq!(bpn.len(), 8, "the eighth that is in no share");
    for _ in 0..100 {
        // Whoever has a request answered wants the next one at once, the flood first.
        flood.pop();
        flood.extend(fill(&places, "bapenda", 1));
        bpn.extend(fill(&places, "bpn", 1));
    }
    assert_eq!((flood.len(), bpn.len()), (28, 28));
    assert_eq!(fill(&places, "samsat", 1).len(), 1, "a third still gets in");
}

#[test]
fn half_is_for_whoever_comes() {
    let places = Places::new(64, 64);
    let few: Vec<_> = ["a", "b", "c", "d", "e", "f", "g"]
        .iter()
        .flat_map(|name| fill(&places, &format!("member-{name}"), 1))
        .collect();
    assert_eq!(few.len(), 7);
    // Its share of eight would be 7.
    assert_eq!(fill(&places, "bapenda", 100).len(), 25);
}

#[test]
fn a_configured_limit_counts_always() {
    let places = Places::new(64, 3);
    let held = fill(&places, "bapenda", 100);
    assert_eq!(held.len(), 3);
    assert_eq!(fill(&places, "bpn", 100).len(), 3);
}

#[test]
fn full_is_full() {
    for capacity in [1, 2, 3] {
        let places = Places::new(capacity, capacity);
        assert_eq!(fill(&places, "bapenda", 100).len(), capacity, "{capacity}");
        let _held = fill(&places, "bapenda", 100);
        let share = places.share(member("bpn"));
        assert_eq!(places.take(&share).unwrap_err(), Shed::Full);
    }
}

/// Many at once: every place comes back, and nobody counts as active in the end.
#[test]
fn nothing_is_lost_between_threads() {
    let places = Places::new(16, 16);
    std::thread::scope(|scope| {
        for name in ["bapenda", "bpn", "samsat", "djp"] {
            let places = &places;
            scope.spawn(move || {
                let share = places.share(member(name));
                let mut held = Vec::new();
                for turn in 0..20_000 {
                    held.extend(places.take(&share));
                    if turn % 3 == 0 {
                        held.clear();
                    }
                }
            });
        }
    });
    assert_eq!(places.free.available_permits(), 16);
    assert_eq!(places.active.load(Ordering::Relaxed), 0);
    drop(places.share(None));
    let shares = places.shares.lock().unwrap();
    assert_eq!(shares.len(), 1, "shares of those who left are forgotten");
}

#[tokio::test]
async fn waits_until_all_have_ended() {
    let places = Places::new(4, 4);
    let held = fill(&places, "bapenda", 2);
    let mut quiet = std::pin::pin!(places.all_free());
    assert!(futures_util::poll!(quiet.as_mut()).is_pending());
    drop(held);
    assert!(futures_util::poll!(quiet.as_mut()).is_ready());
}

/// Refused requests' bodies are taken, but of those that found no place only so many at once.
#[test]
fn what_is_shed_waits_for_so_many_bodies() {
    let places = Places::new(2, 2);
    let room = |shed| places.room_for_rest(shed);
    let held = [room(Some(Shed::Full)), room(Some(Shed::Share))];
    assert!(held.iter().all(Option::is_some));
    assert!(room(Some(Shed::Full)).is_none());
    assert!(room(None).is_some(), "it has a place");
    drop(held);
    assert!(room(Some(Shed::Full)).is_some());
}
