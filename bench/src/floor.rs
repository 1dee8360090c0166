//! The floor of a call: hyper to hyper over one shared pool, and nothing else.
//!
//! A request comes in, goes out over a pooled connection, and its answer streams back. No identity
//! beyond the handshake, no limits, no log: what is left is the price of the libraries.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use clap::Args as ClapArgs;
use http::{Request, Response, StatusCode, Version};
use http_body_util::{Either, Empty};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::client::conn::http1::SendRequest;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use rustls::ServerConfig;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::connections::{Target, origin_form};
use crate::tls::{HTTP1, HTTP2};
use crate::town::Files;

/// What the measuring process passes on.
#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    #[arg(long)]
    dir: PathBuf,
    #[arg(long)]
    listen: SocketAddr,
    #[arg(long)]
    service: SocketAddr,
}

/// Serves until it is killed.
///
/// # Errors
/// When it can't start.
pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let tls = Files::new(args.dir).gateway_tls()?;
    let pool = Arc::new(Pool {
        target: Target::new(args.service, &tls, HTTP1)?,
        idle: Mutex::default(),
    });
    let listener = TcpListener::bind(args.listen).await?;
    let serve = move |request| forward(request, pool.clone());
    self::serve(listener, tls.server()?, serve).await
}

/// Serves each connection with clones of one function.
///
/// # Errors
/// When no connection can be accepted.
pub(crate) async fn serve<F, A, B>(
    listener: TcpListener,
    tls: ServerConfig,
    respond: F,
) -> anyhow::Result<()>
where
    F: Fn(Request<Incoming>) -> A + Clone + Send + 'static,
    A: Future<Output = Result<Response<B>, std::convert::Infallible>> + Send + 'static,
    B: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + 'static,
{
    let acceptor = TlsAcceptor::from(Arc::new(tls));
    loop {
        let (tcp, _) = listener.accept().await?;
        let (acceptor, respond) = (acceptor.clone(), respond.clone());
        tokio::spawn(async move {
            let _ = tcp.set_nodelay(true);
            let Ok(stream) = acceptor.accept(tcp).await else {
                return;
            };
            let mut server = auto::Builder::new(TokioExecutor::new());
            server.http2().max_concurrent_streams(4096);
            let server = match stream.get_ref().1.alpn_protocol() {
                Some(HTTP2) => server.http2_only(),
                _ => server.http1_only(),
            };
            let server = server.serve_connection(TokioIo::new(stream), service_fn(respond));
            let _ = server.await;
        });
    }
}

type Answer = Response<Either<Forwarded, Empty<Bytes>>>;

async fn forward(
    request: Request<Incoming>,
    pool: Arc<Pool>,
) -> Result<Answer, std::convert::Infallible> {
    let answer = pool.send(request).await;
    Ok(answer.unwrap_or_else(|_| {
        let mut failed = Response::new(Either::Right(Empty::new()));
        *failed.status_mut() = StatusCode::BAD_GATEWAY;
        failed
    }))
}

/// Connections to the one back end, the last used first.
struct Pool {
    target: Target,
    idle: Mutex<Vec<SendRequest<Incoming>>>,
}

impl Pool {
    async fn send(self: Arc<Self>, mut request: Request<Incoming>) -> anyhow::Result<Answer> {
        origin_form(&mut request);
        *request.version_mut() = Version::HTTP_11;
        let mut sender = self.take().await?;
        let answer = sender.send_request(request).await?;
        Ok(answer.map(|body| {
            let mut body = Forwarded {
                body,
                lease: Some((sender, self)),
            };
            body.give_back_at_end();
            Either::Left(body)
        }))
    }

    async fn take(&self) -> anyhow::Result<SendRequest<Incoming>> {
        loop {
            let idle = self.lock().pop();
            let Some(mut sender) = idle else {
                return self.target.http1().await;
            };
            if sender.ready().await.is_ok() {
                return Ok(sender);
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<SendRequest<Incoming>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An answer's body that gives its connection back when it has ended well.
struct Forwarded {
    body: Incoming,
    lease: Option<(SendRequest<Incoming>, Arc<Pool>)>,
}

impl Forwarded {
    fn give_back_at_end(&mut self) {
        if self.body.is_end_stream()
            && let Some((sender, pool)) = self.lease.take()
        {
            pool.lock().push(sender);
        }
    }
}

impl Body for Forwarded {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        self.give_back_at_end();
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
