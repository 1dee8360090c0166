use http::HeaderValue;

use super::*;
use crate::directory::{Parts, System};
use crate::fixture::{now, peer, town};

const PIN: [u8; 32] = [9; 32];

fn directory() -> Directory {
    let mut parts = Parts {
        members: vec![town::member("bapenda"), town::member("bpn")],
        grants: Vec::new(),
        ..town::parts()
    };
    parts.members[1].systems.push(System {
        id: SystemId::parse("pinned").unwrap(),
        pins: vec![PIN],
        mall: None,
        roles: BTreeSet::new(),
    });
    Directory::new(parts).unwrap()
}

/// A certificate of `spiffe` (or none) with `key`, and `headers` that name members.
fn check(spiffe: &str, key: [u8; 32], headers: &[&[u8]], expected: &str) {
    let mut peer = peer("bapenda");
    peer.spiffe = (!spiffe.is_empty()).then(|| spiffe.parse().unwrap());
    peer.spki_sha256 = key;
    let mut claimed = HeaderMap::new();
    for header in headers {
        claimed.append(MEMBER_HEADER, HeaderValue::from_bytes(header).unwrap());
    }
    let found = identify(&peer, &claimed, &directory(), now().as_second());
    assert_eq!(show(&found), expected, "{spiffe} {headers:?}");
}

fn show(found: &Result<Identified, Refusal>) -> String {
    match found {
        Ok(who) => format!(
            "{}/{} {}",
            who.member(),
            who.system(),
            who.mall().map_or("-", MallId::as_str)
        ),
        Err(Refusal::NotEnrolled(why)) => format!("{why:?}"),
        Err(other) => format!("{other:?}"),
    }
}

const BAPENDA: &str = "spiffe://loket.example/bapenda/counter";

#[test]
fn a_spiffe_id_names_an_enrolled_system() {
    check(BAPENDA, [0; 32], &[], "bapenda/counter ID-3510");
    check(
        "spiffe://loket.example/bpn/pinned",
        [0; 32],
        &[],
        "bpn/pinned -",
    );
    for stranger in [
        "spiffe://loket.example/bapenda/pinned",
        "spiffe://loket.example/samsat/counter",
        "spiffe://other.example/bapenda/counter",
    ] {
        check(stranger, [0; 32], &[], "UnknownSystem");
        // The key doesn't help a certificate that names someone.
        check(stranger, PIN, &[], "UnknownSystem");
    }
    check(BAPENDA, PIN, &[], "bapenda/counter ID-3510");
}

#[test]
fn a_pinned_key_names_a_system_without_a_spiffe_id() {
    check("", PIN, &[], "bpn/pinned -");
    check("", [0; 32], &[], "Unnamed");
}

#[test]
fn a_header_changes_nothing_or_refuses() {
    check(BAPENDA, [0; 32], &[b"bapenda"], "bapenda/counter ID-3510");
    check(
        BAPENDA,
        [0; 32],
        &[b"bapenda", b"bapenda"],
        "bapenda/counter ID-3510",
    );
    check("", PIN, &[b"bpn"], "bpn/pinned -");
    for others in [
        &[b"bpn" as &[u8]] as &[&[u8]],
        &[b"bapenda", b"bpn"],
        &[b"BAPENDA"],
        &[b""],
        &[b"bapenda "],
        &[b"\xff"],
    ] {
        check(BAPENDA, [0; 32], others, "IdentityContradicted");
    }
    // Nobody learns from a header whether a member is enrolled.
    check(
        "spiffe://loket.example/samsat/counter",
        [0; 32],
        &[b"bapenda"],
        "UnknownSystem",
    );
}

#[test]
fn a_certificate_counts_within_its_validity_only() {
    let directory = directory();
    let now = now().as_second();
    for (from, to, valid) in [
        (now, now, true),
        (now - 10, now - 1, false),
        (now + 1, now + 10, false),
    ] {
        let mut peer = peer("bapenda");
        (peer.not_before, peer.not_after) = (from, to);
        let found = identify(&peer, &HeaderMap::new(), &directory, now);
        let expected = if valid {
            "bapenda/counter ID-3510"
        } else {
            "OutOfValidity"
        };
        assert_eq!(show(&found), expected);
    }
}

#[test]
fn a_stranger_is_described_for_the_log() {
    let mut peer = peer("samsat");
    assert_eq!(describe(&peer), "spiffe://loket.example/samsat/counter");
    peer.spiffe = None;
    assert_eq!(describe(&peer), format!("sha256:{}", "07".repeat(32)));
}

#[test]
fn a_chain_is_vetted_once_at_each_stage() {
    use loket_sdk::testing::Ca;

    let ca = Ca::new("loket.example");
    let (good, bad) = (ca.system("bapenda", "counter"), ca.system("bpn", "counter"));
    let peer = |leaf: &loket_sdk::testing::Leaf| {
        let tls = leaf.mutual_tls();
        Peer::of(Some(&[tls.end_entity().unwrap().clone()]))
    };
    let (good, revoked) = (peer(&good), (peer(&bad), ca.crl(&[&bad])));
    let trust = |list: &str, generation| {
        let tls = ca.mutual_tls(&bad, Some(list));
        Trust::new(tls.client_verifier().unwrap(), generation)
    };
    let (bad, list) = revoked;
    let now = UnixTime::now();
    let out = |why| Err(Refusal::NotEnrolled(why));
    // The handshake was the check of its generation.
    assert_eq!(trust(&list, 0).vet(&bad, now), Ok(()));
    let next = trust(&list, 1);
    assert_eq!(next.vet(&good, now), Ok(()));
    assert_eq!(next.vet(&bad, now), out(NotEnrolled::Revoked));
    assert_eq!(next.vet(&bad, now), out(NotEnrolled::Revoked));
    assert_eq!(good.vetted.load(Ordering::Relaxed), next.stage(now));
    // A request that still sees an earlier generation takes nothing back.
    let expired = ca.crl_expired();
    assert_eq!(trust(&expired, 1).vet(&good, now), Ok(()));
    assert_eq!(
        trust(&expired, 2).vet(&good, now),
        out(NotEnrolled::Untrusted)
    );
    let later = UnixTime::since_unix_epoch(std::time::Duration::from_secs(1 << 40));
    assert_eq!(
        trust(&list, 3).vet(&good, later),
        out(NotEnrolled::OutOfValidity)
    );
    let stranger = peer(&Ca::new("loket.example").system("bapenda", "counter"));
    assert_eq!(
        trust(&list, 1).vet(&stranger, now),
        out(NotEnrolled::Untrusted)
    );
    assert_eq!(
        trust(&list, 1).vet(&Peer::default(), now),
        out(NotEnrolled::Untrusted)
    );
}

/// A list that runs out shuts out whoever it was about, reload or none.
#[test]
fn a_list_that_runs_out_is_seen_by_open_connections() {
    use loket_sdk::testing::Ca;

    let ca = Ca::new("loket.example");
    let ours = ca.system("gateway", "edge");
    let tls = ca.mutual_tls(&ours, Some(&ca.crl(&[])));
    let trust = Trust::new(tls.client_verifier().unwrap(), 5);
    let ends = u64::try_from(tls.next_update().unwrap()).unwrap();
    let at = |seconds| UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds));
    let member = ca.system("bapenda", "counter").mutual_tls();
    // As the listener makes it, before the handshake.
    let peer = Peer {
        vetted: AtomicU64::new(trust.stage(UnixTime::now())),
        ..Peer::of(Some(&[member.end_entity().unwrap().clone()]))
    };
    let out = Err(Refusal::NotEnrolled(NotEnrolled::Untrusted));
    assert_eq!(trust.vet(&peer, at(ends - 1)), Ok(()));
    assert_eq!(trust.vet(&peer, at(ends)), out);
    assert_eq!(trust.vet(&peer, at(ends + 1)), out);
    // One that came with a list that ends later is let in by the next generation.
    let unlisted = ca.mutual_tls(&ours, None).client_verifier().unwrap();
    let next = Trust::new(unlisted, 6);
    assert_eq!(next.vet(&peer, at(ends)), Ok(()));
    assert_eq!(next.vet(&peer, at(ends + 1)), Ok(()));
}
