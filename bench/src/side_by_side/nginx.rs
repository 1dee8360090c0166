//! nginx: where it listens and whom it asks in, its configuration out.
//!
//! Tuned as its manual advises for a busy proxy: a worker per core, each with a socket of its own;
//! connections to callers and back ends kept without end; the log written through a buffer. It
//! keeps no TLS sessions, as none of the peers does.

use std::fmt::Write;
use std::path::Path;

use super::peer::{Setting, Work};
use crate::stub::AGENCIES;
use crate::town::GATEWAY;

/// Its binary in Debian's package.
pub(crate) const PROGRAM: &str = "/usr/sbin/nginx";
const MODULES: &str = "/usr/lib/nginx/modules";

/// The configuration; `scratch` is a directory of this process alone.
pub(crate) fn configuration(setting: &Setting<'_>, scratch: &Path) -> String {
    let scratch = scratch.display();
    let (modules, back_ends, locations) = match setting.work {
        Work::Calls(back_end) => (String::new(), upstream(0, back_end), CALLS.to_owned()),
        Work::Lookups(sources) => {
            let modules = format!(
                "load_module {MODULES}/ndk_http_module.so;\n\
                 load_module {MODULES}/ngx_http_lua_module.so;\n"
            );
            let back_ends = sources.iter().enumerate();
            let back_ends = back_ends.map(|(index, address)| upstream(index, *address));
            (modules, back_ends.collect(), lookups(sources.len()))
        }
    };
    let server = server(setting, &locations);
    format!(
        r#"{modules}daemon off;
worker_processes auto;
worker_rlimit_nofile {files};
pid {scratch}/pid;
error_log stderr warn;

events {{
    worker_connections 8192;
}}

http {{
    client_body_temp_path {scratch}/client_body;
    proxy_temp_path {scratch}/proxy;
    fastcgi_temp_path {scratch}/fastcgi;
    uwsgi_temp_path {scratch}/uwsgi;
    scgi_temp_path {scratch}/scgi;

    log_format trail '$remote_addr:$remote_port [$time_iso8601] "$ssl_client_s_dn" "$request" '
                     '$status $bytes_sent $request_time $upstream_addr $http_traceparent';
    access_log {scratch}/access.log trail buffer=64k flush=1s;

    keepalive_timeout 1h;
    keepalive_requests 1000000000;
    client_body_buffer_size 16k;
    limit_req_zone $ssl_client_s_dn zone=clients:1m rate=100000r/s;
    limit_req_status 429;
{back_ends}{server}}}
"#,
        files = setting.open_files,
    )
}

fn server(setting: &Setting<'_>, locations: &str) -> String {
    let listen = setting.listen;
    let trusted = setting.files.dir().display();
    let own = format!("{trusted}/{GATEWAY}");
    format!(
        r#"
    server {{
        listen {listen} ssl http2 reuseport backlog=4096;
        server_name localhost;

        ssl_protocols TLSv1.3;
        ssl_conf_command Ciphersuites TLS_AES_256_GCM_SHA384;
        ssl_ecdh_curve X25519;
        ssl_certificate {own}.pem;
        ssl_certificate_key {own}.key;
        ssl_client_certificate {trusted}/ca.pem;
        ssl_crl {trusted}/crl.pem;
        ssl_verify_client on;
        ssl_session_cache off;
        ssl_session_tickets off;
        ssl_conf_command NumTickets 0;

        limit_req zone=clients burst=100000 nodelay;

        proxy_http_version 1.1;
        proxy_set_header Host localhost;
        proxy_set_header Connection "";
        proxy_ssl_protocols TLSv1.3;
        proxy_ssl_conf_command Ciphersuites TLS_AES_256_GCM_SHA384;
        proxy_ssl_conf_command Groups X25519;
        proxy_ssl_certificate {own}.pem;
        proxy_ssl_certificate_key {own}.key;
        proxy_ssl_trusted_certificate {trusted}/ca.pem;
        proxy_ssl_crl {trusted}/crl.pem;
        proxy_ssl_verify on;
        proxy_ssl_name localhost;
        proxy_ssl_server_name on;
{locations}    }}
"#
    )
}

fn upstream(index: usize, address: std::net::SocketAddr) -> String {
    format!(
        "
    upstream agency{index} {{
        server {address};
        keepalive 256;
        keepalive_requests 1000000000;
        keepalive_timeout 1h;
    }}
"
    )
}

const CALLS: &str = "
        location /v1/services/ {
            proxy_pass https://agency0;
        }
";

/// The fan-out: a subrequest per agency, all at once, the answers in one.
fn lookups(count: usize) -> String {
    let mut asked = String::new();
    let mut locations = String::new();
    for (index, agency) in AGENCIES.iter().enumerate().take(count) {
        let record = agency.record;
        // Writing to a string can't fail.
        let _ = writeln!(
            asked,
            "                    {{ \"/agency/{index}\", question }},"
        );
        let _ = write!(
            locations,
            "
        location = /agency/{index} {{
            internal;
            proxy_pass https://agency{index}/v1/records/{record};
        }}
"
        );
    }
    format!(
        r#"
        location = /v1/lookups {{
            content_by_lua_block {{
                ngx.req.read_body()
                local question = {{ method = ngx.HTTP_POST, body = ngx.req.get_body_data() }}
                local parts = {{ ngx.location.capture_multi({{
{asked}                }}) }}
                local results = {{}}
                for index, part in ipairs(parts) do
                    if part.status ~= 200 or part.truncated then
                        return ngx.exit(502)
                    end
                    results[index] = part.body
                end
                local answer = '{{"overall":"complete","results":['
                    .. table.concat(results, ",") .. ']}}'
                ngx.header["Content-Type"] = "application/json"
                ngx.header["Content-Length"] = #answer
                ngx.print(answer)
            }}
        }}
{locations}"#
    )
}
