use super::*;

fn seats(change: impl FnOnce(&mut config::Listener)) -> Seats {
    let mut settings = config::Listener::at(([127, 0, 0, 1], 0).into());
    change(&mut settings);
    Seats::new(&settings)
}

fn at(address: &str) -> SocketAddr {
    SocketAddr::new(address.parse().unwrap(), 1234)
}

fn member(name: &str) -> Option<MemberId> {
    Some(MemberId::parse(name).unwrap())
}

/// Comes from an address and sits down as a member.
fn come(seats: &Seats, address: &str, name: &str) -> Result<Seat, Refused> {
    seats.sit(seats.visit(at(address))?, member(name))
}

#[track_caller]
fn refused<T>(came: Result<T, Refused>, expected: Refused) {
    assert_eq!(came.err(), Some(expected));
}

#[test]
fn a_full_house() {
    let seats = seats(|settings| settings.max_connections = 2);
    let first = come(&seats, "10.0.0.1", "bapenda").unwrap();
    let waiting = seats.visit(at("10.0.0.2")).unwrap();
    let _second = come(&seats, "10.0.0.1", "bpn").unwrap();
    refused(seats.visit(at("10.0.0.3")), Refused::Full);
    // The last seat went while this one shook hands.
    refused(seats.sit(waiting, None), Refused::Full);
    drop(first);
    assert!(come(&seats, "10.0.0.3", "bpn").is_ok());
}

#[test]
fn so_many_of_one_member() {
    let seats = seats(|settings| settings.max_connections_per_member = 1);
    let first = come(&seats, "10.0.0.1", "bapenda").unwrap();
    refused(come(&seats, "10.0.0.2", "bapenda"), Refused::Member);
    let _other = come(&seats, "10.0.0.2", "bpn").unwrap();
    // Strangers share the seats of one member.
    let visit = || seats.visit(at("10.0.0.3")).unwrap();
    let _stranger = seats.sit(visit(), None).unwrap();
    refused(seats.sit(visit(), None), Refused::Member);
    drop(first);
    assert!(come(&seats, "10.0.0.2", "bapenda").is_ok());
}

#[test]
fn so_many_of_one_address() {
    let seats = seats(|settings| settings.max_connections_per_address = 1);
    for (address, same, other) in [
        ("10.0.0.1", "::ffff:10.0.0.1", "10.0.0.2"),
        ("2001:db8::1", "2001:db8::2", "2001:db8:0:1::1"),
    ] {
        let visitor = seats.visit(at(address)).unwrap();
        refused(seats.visit(at(same)), Refused::Address);
        assert!(seats.visit(at(other)).is_ok());
        let seat = seats.sit(visitor, None).unwrap();
        refused(seats.visit(at(same)), Refused::Address);
        drop(seat);
        assert!(seats.visit(at(same)).is_ok());
    }
    assert!(seats.addresses.counts.lock().unwrap().is_empty());
}

#[tokio::test]
async fn handshakes_take_turns() {
    let seats = seats(|settings| settings.max_handshakes = 1);
    let first = seats.visit(at("10.0.0.1")).unwrap();
    let turn = seats.turn().await;
    let _second = seats.visit(at("10.0.0.2")).unwrap();
    let mut wait = std::pin::pin!(seats.turn());
    assert!(futures_util::poll!(wait.as_mut()).is_pending());
    refused(seats.visit(at("10.0.0.3")), Refused::Handshakes);
    drop(turn);
    assert!(futures_util::poll!(wait.as_mut()).is_ready());
    // A seat in the house isn't one of the anteroom's.
    let _seat = seats.sit(first, None).unwrap();
    assert!(seats.visit(at("10.0.0.3")).is_ok());
}

/// One that knocks and says nothing leaves others room to come in, and those who are in aren't
/// counted with it.
#[test]
fn one_address_cant_fill_the_anteroom() {
    let seats = seats(|settings| {
        settings.max_handshakes = 2;
        settings.max_handshakes_per_address = 2;
    });
    let visit = |address: &str| seats.visit(at(address));
    let _inside = come(&seats, "10.0.0.1", "bpn").unwrap();
    let first = visit("10.0.0.1").unwrap();
    let _second = visit("10.0.0.1").unwrap();
    refused(visit("10.0.0.1"), Refused::Address);
    let other = come(&seats, "10.0.0.2", "bapenda");
    assert!(other.is_ok());
    drop(first);
    assert!(visit("10.0.0.1").is_ok());
}
