//! Where the gateway is, who we are, whom we trust.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use hyper_util::client::legacy;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;

use super::connect::Connector;
use super::error::{Error, Result};
use super::replay::Secret;
use super::{Client, Inner};
use crate::message::{DEFAULT_DEADLINE_MS, MAX_DEADLINE_MS, MIN_DEADLINE_MS};
use crate::sensitive::Sensitive;
use crate::tls::MutualTls;

/// Connections that nobody used for so long are closed.
const IDLE: Duration = Duration::from_secs(60);
/// A connection that the network dropped silently is found out by a ping, or every lookup on it
/// would run into its deadline.
const PING: Duration = Duration::from_secs(5);

/// Sets a [`Client`] up. Needed: [`url`](Self::url), and either [`mutual_tls`](Self::mutual_tls)
/// or all three of [`certificate`](Self::certificate), [`key`](Self::key) and [`ca`](Self::ca).
///
/// ```no_run
/// use std::time::Duration;
/// use loket_sdk::client::Client;
///
/// let client = Client::builder()
///     .url("https://gateway.example:8443")
///     .certificate("counter.pem")
///     .key("counter.key")
///     .ca("gateway-ca.pem")
///     .deadline(Duration::from_secs(5))
///     .build()?;
/// # Ok::<(), loket_sdk::client::Error>(())
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct ClientBuilder {
    url: Option<String>,
    mutual_tls: Option<MutualTls>,
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
    ca: Option<PathBuf>,
    revocations: Vec<PathBuf>,
    server_name: Option<String>,
    connect_timeout: Duration,
    deadline: Duration,
    retries: u32,
    max_answer: usize,
    clerk: Option<String>,
    counter: Option<String>,
    replay_secret: Option<Sensitive<Vec<u8>>>,
    replay_secret_file: Option<PathBuf>,
}

impl Default for ClientBuilder {
    fn default() -> Self {
        Self {
            url: None,
            mutual_tls: None,
            certificate: None,
            key: None,
            ca: None,
            revocations: Vec::new(),
            server_name: None,
            connect_timeout: Duration::from_secs(2),
            deadline: Duration::from_millis(DEFAULT_DEADLINE_MS.into()),
            retries: 2,
            max_answer: 4 * 1024 * 1024,
            clerk: None,
            counter: None,
            replay_secret: None,
            replay_secret_file: None,
        }
    }
}

impl ClientBuilder {
    /// The gateway, `https://host[:port][/prefix]`.
    pub fn url(mut self, url: impl Into<String>) -> Self {
        self.url = Some(url.into());
        self
    }

    /// Certificate, key and anchors that are already in memory, in place of files.
    pub fn mutual_tls(mut self, tls: MutualTls) -> Self {
        self.mutual_tls = Some(tls);
        self
    }

    /// PEM file of our certificate chain, leaf first.
    pub fn certificate(mut self, path: impl Into<PathBuf>) -> Self {
        self.certificate = Some(path.into());
        self
    }

    /// PEM file of the certificate's private key.
    pub fn key(mut self, path: impl Into<PathBuf>) -> Self {
        self.key = Some(path.into());
        self
    }

    /// PEM file of the authorities that the gateway's certificate may come from.
    pub fn ca(mut self, path: impl Into<PathBuf>) -> Self {
        self.ca = Some(path.into());
        self
    }

    /// PEM file of a revocation list; with one, the gateway's whole chain must be covered.
    pub fn revocation_list(mut self, path: impl Into<PathBuf>) -> Self {
        self.revocations.push(path.into());
        self
    }

    /// The name in the gateway's certificate, where it isn't the URL's host.
    pub fn server_name(mut self, name: impl Into<String>) -> Self {
        self.server_name = Some(name.into());
        self
    }

    /// How long TCP and TLS may take, 2 s if not set. It never prolongs a lookup's deadline.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// Deadline of a lookup that sets none, 200 ms to 15 s, 3 s if not set.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// How often what may be sent again is sent again, 2 if not set, 0 for never.
    pub fn retries(mut self, retries: u32) -> Self {
        self.retries = retries.min(10);
        self
    }

    /// Largest answer, in bytes, 4 MiB if not set. A larger one is [`Error::Protocol`].
    pub fn max_answer_bytes(mut self, bytes: usize) -> Self {
        self.max_answer = bytes;
        self
    }

    /// Clerk and counter of a lookup that names none.
    pub fn by(mut self, clerk: impl Into<String>, counter: impl Into<String>) -> Self {
        self.clerk = Some(clerk.into());
        self.counter = Some(counter.into());
        self
    }

    /// What the keys are derived from under which the gateway keeps answers, 32 bytes or more. With the
    /// same secret a lookup that is sent again, from anywhere and for 24 hours, has its first answer;
    /// without one the client makes its own, which ends with it.
    pub fn replay_secret(mut self, secret: impl Into<Sensitive<Vec<u8>>>) -> Self {
        self.replay_secret = Some(secret.into());
        self
    }

    /// As [`replay_secret`](Self::replay_secret), from a file; spaces around it don't count.
    pub fn replay_secret_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.replay_secret_file = Some(path.into());
        self
    }

    /// Fills in what the environment says; `lookup` is [`std::env::var`] outside tests.
    pub(super) fn from_variables(lookup: impl Fn(&str) -> Option<String>) -> Self {
        let variable = |name| lookup(name).filter(|value| !value.is_empty());
        Self {
            url: variable("LOKET_URL"),
            certificate: variable("LOKET_CERT").map(PathBuf::from),
            key: variable("LOKET_KEY").map(PathBuf::from),
            ca: variable("LOKET_CA").map(PathBuf::from),
            clerk: variable("LOKET_CLERK"),
            counter: variable("LOKET_COUNTER"),
            replay_secret_file: variable("LOKET_REPLAY_SECRET").map(PathBuf::from),
            ..Self::default()
        }
    }

    /// The client. Reads the files; opens no connection yet.
    ///
    /// # Errors
    /// [`Error::Usage`] that names what is missing, the file that can't be read, or the value that
    /// is out of range.
    pub fn build(self) -> Result<Client> {
        let config = self
            .material()?
            .client()
            .map_err(|error| Error::usage(error.to_string()))?;
        self.build_with(config)
    }

    pub(super) fn build_with(self, config: ClientConfig) -> Result<Client> {
        let (base, host, port) = parse_url(self.url.as_deref())?;
        deadline_ms(self.deadline)?;
        let name = self.server_name.as_deref().unwrap_or(&host).to_owned();
        let server_name = ServerName::try_from(name)
            .map_err(|_| Error::usage("the server name isn't a host name or IP address"))?;
        let connector = Connector::new(config, &host, port, server_name, self.connect_timeout);
        let last_fault = connector.last_fault.clone();
        let http = legacy::Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .http2_keep_alive_interval(PING)
            .http2_keep_alive_timeout(PING)
            .build(connector);
        Ok(Client(Arc::new(Inner {
            http,
            last_fault,
            base,
            address: format!("{host}:{port}"),
            deadline: self.deadline,
            retries: self.retries,
            max_answer: self.max_answer,
            clerk: self.clerk,
            counter: self.counter,
            replay: Secret::new(
                self.replay_secret.as_ref(),
                self.replay_secret_file.as_deref(),
            )?,
        })))
    }

    fn material(&self) -> Result<MutualTls> {
        if let Some(tls) = &self.mutual_tls {
            return Ok(tls.clone());
        }
        let (Some(certificate), Some(key), Some(ca)) = (&self.certificate, &self.key, &self.ca)
        else {
            let missing: Vec<&str> = [
                ("the certificate (LOKET_CERT)", self.certificate.is_none()),
                ("its key (LOKET_KEY)", self.key.is_none()),
                ("the gateway's authority (LOKET_CA)", self.ca.is_none()),
            ]
            .into_iter()
            .filter_map(|(name, missing)| missing.then_some(name))
            .collect();
            return Err(Error::usage(format!(
                "set {}: the gateway talks only to clients that show a certificate",
                missing.join(", ")
            )));
        };
        MutualTls::from_files(certificate, key, ca, &self.revocations)
            .map_err(|error| Error::usage(error.to_string()))
    }
}

/// The base without its last slash, host and port.
fn parse_url(url: Option<&str>) -> Result<(String, String, u16)> {
    let url = url.ok_or_else(|| Error::usage("set the gateway's URL (LOKET_URL)"))?;
    let shape = || Error::usage("the gateway's URL must be https://host[:port][/prefix]");
    let uri: Uri = url.parse().map_err(|_| shape())?;
    let (Some("https"), Some(host), None) = (uri.scheme_str(), uri.host(), uri.query()) else {
        return Err(shape());
    };
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    if authority.contains('@') {
        return Err(shape());
    }
    // An IPv6 address stands in brackets in a URL, without them everywhere else.
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let base = format!("https://{authority}{}", uri.path().trim_end_matches('/'));
    Ok((base, host.to_owned(), uri.port_u16().unwrap_or(443)))
}

/// The deadline as it goes over the wire.
pub(super) fn deadline_ms(deadline: Duration) -> Result<u32> {
    u32::try_from(deadline.as_millis())
        .ok()
        .filter(|ms| (MIN_DEADLINE_MS..=MAX_DEADLINE_MS).contains(ms))
        .ok_or_else(|| {
            Error::usage(format!(
                "the deadline must be {MIN_DEADLINE_MS} to {MAX_DEADLINE_MS} ms"
            ))
        })
}
