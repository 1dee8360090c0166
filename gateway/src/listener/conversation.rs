//! Conversation: a stream and a service in, HTTP with every limit on what the peer controls out.

use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::{Body, Incoming};
use hyper::server::conn::{http1, http2};
use hyper::service::Service;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulConnection;
use tokio::io::{AsyncRead, AsyncWrite};

use super::life::Life;
use super::strict::Strict;
use crate::config;
use crate::request::head::MAX_FIELDS;

const H2_KEEP_ALIVE: Duration = Duration::from_secs(20);
/// What a peer may send before anyone reads it: of one request, and of all on a connection. With
/// many connections this is what memory has to bear.
const H2_STREAM_WINDOW: u32 = 128 * 1024;
const H2_CONNECTION_WINDOW: u32 = 256 * 1024;
/// What is kept of one answer that a peer doesn't take yet.
const H2_SEND_BUFFER: usize = 64 * 1024;
/// Requests that a peer takes back before they are looked at, waiting at once.
const H2_PENDING_RESETS: usize = 32;
/// Requests of one connection that end by a mistake of the peer's.
const H2_ERROR_RESETS: usize = 1024;

/// A connection that is served. Boxed at once: futures keep room for all that is moved into them.
pub(super) type Conversation = Pin<
    Box<dyn GracefulConnection<Error = hyper::Error, Output = Result<(), hyper::Error>> + Send>,
>;

/// HTTP/1.1, of the strict kind only.
pub(super) fn http1<I, S, B>(
    stream: I,
    service: S,
    settings: &config::Listener,
    life: Arc<Life>,
) -> Conversation
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: Service<Request<Incoming>, Response = Response<B>> + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let max_head = settings.max_header_bytes.max(8192);
    let strict = Strict::new(stream, max_head, settings.header_timeout, life);
    let connection = http1::Builder::new()
        // Heads are timed from their first byte, and unused connections by their own time.
        .header_read_timeout(None)
        .max_headers(MAX_FIELDS)
        .max_buf_size(max_head)
        .serve_connection(TokioIo::new(strict), service);
    Box::pin(connection)
}

/// HTTP/2, with prior knowledge.
pub(super) fn http2<I, S, B>(stream: I, service: S, settings: &config::Listener) -> Conversation
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: Service<Request<Incoming>, Response = Response<B>> + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let max_head = settings.max_header_bytes.max(8192);
    let connection = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .max_concurrent_streams(settings.max_streams)
        .max_header_list_size(u32::try_from(max_head).unwrap_or(u32::MAX))
        .initial_stream_window_size(H2_STREAM_WINDOW)
        .initial_connection_window_size(H2_CONNECTION_WINDOW)
        .max_send_buf_size(H2_SEND_BUFFER)
        .max_pending_accept_reset_streams(H2_PENDING_RESETS)
        .max_local_error_reset_streams(H2_ERROR_RESETS)
        .keep_alive_interval(H2_KEEP_ALIVE)
        .keep_alive_timeout(H2_KEEP_ALIVE)
        .serve_connection(TokioIo::new(stream), service);
    Box::pin(connection)
}

/// Serves one stream to its end as the listener does after a handshake, for the fuzz targets.
#[doc(hidden)]
pub async fn converse<I, S, B>(
    stream: I,
    is_http2: bool,
    service: S,
    settings: &config::Listener,
) -> Result<(), hyper::Error>
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: Service<Request<Incoming>, Response = Response<B>> + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    if is_http2 {
        http2(stream, service, settings).await
    } else {
        http1(stream, service, settings, Arc::new(Life::new())).await
    }
}
