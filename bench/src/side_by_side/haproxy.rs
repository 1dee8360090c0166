//! HAProxy: where it listens and whom it calls in, its configuration out.
//!
//! Tuned as its manual advises: two threads, connections to the back end shared by all callers,
//! nothing in its pool ever closed. It can't write files, so its log is its standard output, which
//! is a file.

use std::net::SocketAddr;

use super::peer::Setting;
use crate::town::GATEWAY;

/// Its binary in Debian's package.
pub(crate) const PROGRAM: &str = "/usr/sbin/haproxy";

/// The configuration; `own` is a file with certificate and key.
pub(crate) fn configuration(setting: &Setting<'_>, back_end: SocketAddr) -> String {
    let (listen, dir) = (setting.listen, setting.files.dir().display());
    let own = format!("{dir}/{GATEWAY}.both");
    format!(
        r#"global
    nbthread 2
    maxconn 8000
    log stdout format raw local0 info
    tune.ssl.cachesize 0
    ssl-server-verify required

defaults
    mode http
    log global
    timeout connect 5s
    timeout client 1h
    timeout server 1h
    timeout http-request 60s
    timeout http-keep-alive 1h
    http-reuse always

frontend calls
    bind {listen} backlog 4096 alpn h2,http/1.1 ssl crt {own} ca-file {dir}/ca.pem crl-file {dir}/crl.pem verify required ssl-min-ver TLSv1.3 ciphersuites TLS_AES_256_GCM_SHA384 curves X25519 no-tls-tickets
    stick-table type string len 128 size 1k expire 10s store http_req_rate(1s)
    http-request track-sc0 ssl_c_s_dn(cn)
    http-request deny deny_status 429 if {{ sc_http_req_rate(0) gt 100000 }}
    http-request capture req.hdr(traceparent) len 55
    log-format "%ci:%cp [%tr] %{{+Q}}[ssl_c_s_dn(cn)] %{{+Q}}r %ST %B %Ta %si:%sp %[capture.req.hdr(0)]"
    default_backend agency

backend agency
    server agency0 {back_end} pool-purge-delay 1h ssl crt {own} ca-file {dir}/ca.pem crl-file {dir}/crl.pem verify required verifyhost localhost sni str(localhost) ssl-min-ver TLSv1.3 ciphersuites TLS_AES_256_GCM_SHA384
"#
    )
}
