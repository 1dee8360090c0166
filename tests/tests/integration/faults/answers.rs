//! Sources that break HTTP, TLS or their own word, all at once before one gateway.

use loket_tests::real::{BYSTANDERS, Frames, Liar, Lie, Register, Site, only, register, untouched};

/// What a source does, and what callers are told of it.
type Case = (&'static str, Lie, &'static [&'static str]);

const TOO_LATE: &[&str] = &["no_answer_yet", "breaker_open"];

const FIRST: &[Case] = &[
    ("korlantas", Lie::Reset, &["source_error", "breaker_open"]),
    (
        "kemensos",
        Lie::HalfClosed,
        &["source_error", "breaker_open"],
    ),
    (
        "imigrasi",
        Lie::HalfAnswer,
        &["source_error", "breaker_open"],
    ),
    ("djp", Lie::Garbage, &["source_error", "breaker_open"]),
    ("bapenda", Lie::GarbageBody, &["not_json"]),
    ("samsat", Lie::Drip, TOO_LATE),
    ("bpn", Lie::Flood, &["too_large", "breaker_open"]),
    ("bkpm", Lie::None, &["complete"]),
];

const SECOND: &[Case] = &[
    ("korlantas", Lie::TooShort, &["not_json"]),
    ("kemensos", Lie::TooLong, TOO_LATE),
    (
        "imigrasi",
        Lie::TooLongAndGone,
        &["source_error", "breaker_open"],
    ),
    // Never the other citizen's answer, at most a connection that had to be given up.
    ("djp", Lie::SecondAnswer, &["complete", "source_error"]),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sources_answer_as_no_source_should() {
    let mut site = Site::new().await;
    let mut liars = Vec::new();
    for (agency, ..) in FIRST {
        liars.push(site.liar(register(agency)).await);
    }
    let gateway = site.start();
    let load = site.load(&gateway);
    let before = load.before().await;
    for round in [FIRST, SECOND] {
        let told = |liar: &&Liar| {
            let name = liar.register().agency;
            round.iter().find(|(agency, ..)| *agency == name)
        };
        for liar in &liars {
            liar.tell(told(&liar).map_or(Lie::None, |(_, lie, _)| *lie));
        }
        let during = load.some(60).await;
        for (agency, lie, reasons) in round {
            only(&format!("{lie:?}"), &during, register(agency), reasons);
        }
        untouched("answers", &before, &during);
        for liar in &liars {
            liar.tell(Lie::None);
        }
        let all: Vec<Register> = liars.iter().map(Liar::register).collect();
        load.well("answers", &all).await;
    }
    site.recorded(&load.end().await);
    gateway.stop().await;
    site.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sources_take_connections_and_nothing_comes_of_it() {
    let mut site = Site::new().await;
    let (silent, babbling) = (register("bpn"), register("djp"));
    let (land, taxes) = (site.liar(silent).await, site.liar(babbling).await);
    let gateway = site.start();
    let load = site.load(&gateway);
    let before = load.before().await;

    land.tell(Lie::NoHandshake);
    taxes.tell(Lie::GarbageHttp2);
    // A connection may break while it is asked over it.
    land.cut();
    taxes.cut();
    let during = load.some(60).await;
    let reasons = [
        "unreachable",
        "breaker_open",
        "no_answer_yet",
        "source_error",
    ];
    only("no handshake", &during, silent, &reasons);
    let reasons = ["unreachable", "breaker_open", "source_error"];
    only("no HTTP/2", &during, babbling, &reasons);
    untouched("no handshake", &before, &during);

    land.tell(Lie::None);
    taxes.tell(Lie::None);
    load.well("no handshake", &[silent, babbling]).await;
    site.recorded(&load.end().await);
    gateway.stop().await;
    site.close().await;
}

const BROKE: &[&str] = &["source_error", "breaker_open", "no_answer_yet"];

/// What sources of HTTP/2 send without end, as frames.
const FLOODS: &[(&str, Frames, &[&str])] = &[
    (
        "korlantas",
        only_these(b"\0\0\x04\x03\0\0\0\0\x01\0\0\0\x08"),
        BROKE,
    ),
    (
        "kemensos",
        only_these(b"\0\0\x08\x07\0\0\0\0\0\0\0\0\0\0\0\0\0"),
        BROKE,
    ),
    (
        "imigrasi",
        only_these(b"\0\0\x08\x06\0\0\0\0\0pingping"),
        TOO_LATE,
    ),
    (
        "bapenda",
        only_these(b"\0\0\x06\x04\0\0\0\0\0\0\x04\0\x01\0\0"),
        TOO_LATE,
    ),
    // A head that doesn't end.
    (
        "samsat",
        Frames {
            first: b"\0\0\x01\x01\0\0\0\0\x01\x88",
            then: b"\0\0\0\x09\0\0\0\0\x01",
        },
        BROKE,
    ),
];

const fn only_these(then: &'static [u8]) -> Frames {
    Frames { first: b"", then }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sources_flood_over_http2() {
    let mut site = Site::new().await;
    site.http = "auto";
    let mut liars = Vec::new();
    for (agency, ..) in FLOODS {
        liars.push(site.liar(register(agency)).await);
    }
    let gateway = site.start();
    let load = site.load(&gateway);
    load.before().await;
    let memory = gateway.memory();
    for (liar, (_, frames, reasons)) in liars.iter().zip(FLOODS) {
        liar.tell(Lie::FloodHttp2(*frames));
        liar.cut();
        let during = load.some(30).await;
        only("flood", &during, liar.register(), reasons);
        // How fast says little: this process makes the flood, and waits for the machine as well.
        for register in BYSTANDERS {
            only("flood", &during, *register, &["complete"]);
        }
        liar.tell(Lie::None);
        liar.cut();
    }
    let grown = gateway.memory().saturating_sub(memory);
    assert!(grown <= 64, "{grown} MiB");
    let all: Vec<Register> = liars.iter().map(Liar::register).collect();
    load.well("flood", &all).await;
    site.recorded(&load.end().await);
    gateway.stop().await;
    site.close().await;
}
