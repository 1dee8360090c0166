use std::sync::atomic::AtomicUsize;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::*;

struct Running {
    address: std::net::SocketAddr,
    started: Arc<AtomicBool>,
    draining: Arc<AtomicBool>,
    audit_writable: Arc<AtomicBool>,
    drains: Arc<AtomicUsize>,
    outcomes: tokio::sync::mpsc::UnboundedSender<Result<Changes, Refused>>,
    stop: oneshot::Sender<()>,
    served: JoinHandle<io::Result<()>>,
}

async fn run() -> Running {
    let started = Arc::new(AtomicBool::new(true));
    let draining = Arc::new(AtomicBool::new(false));
    let audit_writable = Arc::new(AtomicBool::new(true));
    let drains = Arc::new(AtomicUsize::new(0));
    let (outcomes, next) = tokio::sync::mpsc::unbounded_channel();
    let next = Arc::new(tokio::sync::Mutex::new(next));
    let (writable, drained) = (Arc::clone(&audit_writable), Arc::clone(&drains));
    let audit: Check = Box::new(move || match writable.load(Ordering::Relaxed) {
        true => Ok(()),
        false => Err("the disk is full".to_owned()),
    });
    let state = AdminState {
        readiness: Arc::new(Readiness {
            checks: vec![("audit", audit)],
            started: Arc::clone(&started),
            draining: Arc::clone(&draining),
        }),
        telemetry: crate::fixture::world::telemetry(),
        observe: Arc::new(|| {}),
        drain: Arc::new(move || {
            drained.fetch_add(1, Ordering::Relaxed);
        }),
        reload: Arc::new(move || {
            let next = next.clone();
            Box::pin(async move { next.lock().await.recv().await.unwrap() })
        }),
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel();
    let shutdown = async {
        let _ = stopped.await;
    };
    let served = tokio::spawn(serve_within(
        Duration::ZERO,
        listener,
        router(state),
        shutdown,
    ));
    Running {
        address,
        started,
        draining,
        audit_writable,
        drains,
        outcomes,
        stop,
        served,
    }
}

impl Running {
    /// The whole answer to one request, head and body.
    async fn ask(&self, request: &str, headers: &str) -> String {
        let mut socket = TcpStream::connect(self.address).await.unwrap();
        let head = format!("{request} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}\r\n");
        socket.write_all(head.as_bytes()).await.unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.unwrap();
        answer
    }

    /// Status code and body.
    async fn brief(&self, request: &str) -> String {
        let answer = self.ask(request, "").await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        format!("{} {body}", &head["HTTP/1.1 ".len()..][..3])
    }
}

#[tokio::test]
async fn health_while_serving() {
    let admin = run().await;
    let verbose = "200 [+]started ok\n[+]accepting ok\n[+]audit ok\nready\n";
    let cases = [
        ("GET /livez", "200 ok\n"),
        ("HEAD /livez", "200 "),
        ("GET /healthz", "200 ok\n"),
        ("GET /startupz", "200 ok\n"),
        ("GET /readyz", "200 ready\n"),
        ("GET /readyz?verbose", verbose),
        ("GET /readyz?a=b&verbose=1", verbose),
        ("HEAD /readyz", "200 "),
        ("HEAD /metrics", "200 "),
    ];
    for (request, answer) in cases {
        assert_eq!(admin.brief(request).await, answer, "{request}");
    }
}

#[tokio::test]
async fn not_ready_says_why() {
    let admin = run().await;
    admin.audit_writable.store(false, Ordering::Relaxed);
    let answer = admin.brief("GET /readyz").await;
    assert_eq!(answer, "503 [-]audit failed: the disk is full\nnot ready\n");
    admin.audit_writable.store(true, Ordering::Relaxed);

    admin.started.store(false, Ordering::Relaxed);
    let answer = admin.brief("GET /readyz").await;
    assert_eq!(answer, "503 [-]started failed: still starting\nnot ready\n");
    assert_eq!(admin.brief("GET /startupz").await, "503 starting\n");
    assert_eq!(admin.brief("GET /livez").await, "200 ok\n");
    admin.started.store(true, Ordering::Relaxed);

    admin.draining.store(true, Ordering::Relaxed);
    let answer = admin.brief("GET /readyz").await;
    assert_eq!(answer, "503 [-]accepting failed: draining\nnot ready\n");
    assert_eq!(admin.brief("GET /startupz").await, "200 ok\n");
}

#[tokio::test]
async fn drain_is_a_post_from_no_browser() {
    let admin = run().await;
    let answer = admin.ask("GET /drain", "").await;
    assert!(answer.starts_with("HTTP/1.1 405 "), "{answer}");
    assert!(answer.contains("allow: POST\r\n"), "{answer}");
    assert!(answer.contains("application/problem+json"), "{answer}");

    let from_page = "origin: http://evil.example\r\ncontent-length: 0\r\n";
    let answer = admin.ask("POST /drain", from_page).await;
    assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
    assert_eq!(admin.drains.load(Ordering::Relaxed), 0);
    assert_eq!(admin.brief("GET /readyz").await, "200 ready\n");

    assert_eq!(admin.brief("POST /drain").await, "202 draining\n");
    assert_eq!(admin.drains.load(Ordering::Relaxed), 1);
    assert!(admin.brief("GET /readyz").await.starts_with("503 "));
}

#[tokio::test]
async fn metrics_are_prometheus_text() {
    let admin = run().await;
    let answer = admin.ask("GET /metrics", "").await;
    assert!(answer.contains("content-type: text/plain; version=0.0.4\r\n"));
    let accept = "accept: application/openmetrics-text;version=1.0.0;q=0.5,text/plain;q=0.1\r\n";
    let answer = admin.ask("GET /metrics", accept).await;
    assert!(
        answer.contains(
            "content-type: application/openmetrics-text; version=1.0.0; charset=utf-8\r\n"
        )
    );
    assert!(answer.ends_with("# EOF\n"), "{answer}");
}

#[tokio::test]
async fn traces_are_listed_and_shown_by_what_is_asked() {
    let admin = run().await;
    let answer = admin.brief("GET /traces?agency=bpn").await;
    assert!(
        answer.starts_with("200 {\"gateway\":\"gateway-1\""),
        "{answer}"
    );
    for (path, code) in [
        ("/traces?color=red", "400"),
        ("/traces/4bf92f3577b34da6a3ce929d0e0e4736", "404"),
        (
            "/traces/4bf92f3577b34da6a3ce929d0e0e4736?format=otlp",
            "404",
        ),
        ("/traces/4bf92f3577b34da6a3ce929d0e0e4736?format=pdf", "400"),
        ("/traces/xyz", "400"),
    ] {
        let answer = admin.brief(&format!("GET {path}")).await;
        assert!(answer.starts_with(code), "{path}: {answer}");
    }
}

#[tokio::test]
async fn an_unknown_path_is_a_problem() {
    let admin = run().await;
    let answer = admin.ask("GET /nothing", "").await;
    assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
    assert!(answer.contains("content-type: application/problem+json\r\n"));
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    let problem: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(problem["status"], 404);
    assert_eq!(problem["title"], "Not Found");
    assert_eq!(problem["code"], "not_found");
}

#[tokio::test]
async fn a_half_sent_request_does_not_hold_the_server() {
    let admin = run().await;
    let mut socket = TcpStream::connect(admin.address).await.unwrap();
    socket.write_all(b"GET /livez HTTP/1.1\r\n").await.unwrap();
    // A whole exchange on another connection, so that this one has been accepted.
    admin.brief("GET /livez").await;
    admin.stop.send(()).unwrap();
    admin.served.await.unwrap().unwrap();
}

#[tokio::test]
async fn reload_is_a_post_from_no_browser() {
    let admin = run().await;
    let answer = admin.ask("GET /reload", "").await;
    assert!(answer.starts_with("HTTP/1.1 405 "), "{answer}");
    let from_page = "origin: http://evil.example\r\ncontent-length: 0\r\n";
    let answer = admin.ask("POST /reload", from_page).await;
    assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");

    let changes = Changes {
        holds: true,
        ..Changes::default()
    };
    let cases = [
        (Ok(changes), "200", "\"holds\":true"),
        (Err(Refused::Stopping), "409", "\"code\":\"draining\""),
        (Err(Refused::NoSource), "409", "\"code\":\"no_config_file\""),
        (
            Err(Refused::NeedsRestart(vec!["[audit]"])),
            "409",
            "[audit] changed",
        ),
        (Err(Refused::Panicked), "500", "\"code\":\"internal\""),
        (
            Err(Refused::Wrong(Default::default())),
            "422",
            "\"findings\":[]",
        ),
    ];
    for (outcome, status, said) in cases {
        admin.outcomes.send(outcome).unwrap();
        let answer = admin.brief("POST /reload").await;
        assert!(
            answer.starts_with(status) && answer.contains(said),
            "{answer}"
        );
    }
}
