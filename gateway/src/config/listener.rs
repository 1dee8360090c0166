//! `[listener]`: the table in, what the public listener bears out.

use std::time::Duration;

use super::document::{Report, Section};
use super::value::{SOME, address, duration, number};
use super::{Listener, file};

/// A share of all connections follows from how many there may be, unless it is set.
const MEMBERS_SHARE: usize = 4;
const ADDRESSES_SHARE: usize = 2;
/// And of all handshakes.
const KNOCKERS_SHARE: usize = 4;
const MOST: usize = 1 << 20;

pub(super) fn read(section: &Section<file::Listener>, out: &mut Report) -> Listener {
    let (raw, at) = (&section.raw, &section.at);
    let default = Listener::at(address(at, &raw.address, out));
    let mut count = |key, value, default, least| number(at, key, value, default, least, MOST, out);
    let all = count(
        "max_connections",
        raw.max_connections,
        default.max_connections,
        1,
    );
    let max_connections_per_member = count(
        "max_connections_per_member",
        raw.max_connections_per_member,
        all.div_ceil(MEMBERS_SHARE),
        1,
    );
    let max_connections_per_address = count(
        "max_connections_per_address",
        raw.max_connections_per_address,
        all.div_ceil(ADDRESSES_SHARE),
        1,
    );
    let max_handshakes = count(
        "max_handshakes",
        raw.max_handshakes,
        default.max_handshakes,
        1,
    );
    let max_handshakes_per_address = count(
        "max_handshakes_per_address",
        raw.max_handshakes_per_address,
        max_handshakes.div_ceil(KNOCKERS_SHARE),
        1,
    );
    let max_header_bytes = count(
        "max_header_bytes",
        raw.max_header_bytes,
        default.max_header_bytes,
        8_192,
    );
    let mut time = |key, text: &Option<String>, default: Duration| {
        duration(at, key, text.as_deref(), default, SOME, out)
    };
    Listener {
        max_connections: all,
        max_connections_per_member,
        max_connections_per_address,
        max_handshakes,
        max_handshakes_per_address,
        max_header_bytes,
        handshake_timeout: time(
            "handshake_timeout",
            &raw.handshake_timeout,
            default.handshake_timeout,
        ),
        header_timeout: time(
            "header_timeout",
            &raw.header_timeout,
            default.header_timeout,
        ),
        idle_timeout: time("idle_timeout", &raw.idle_timeout, default.idle_timeout),
        write_timeout: time("write_timeout", &raw.write_timeout, default.write_timeout),
        max_connection_age: time(
            "max_connection_age",
            &raw.max_connection_age,
            default.max_connection_age,
        ),
        max_streams: number(
            at,
            "max_streams",
            raw.max_streams,
            default.max_streams,
            1,
            1024,
            out,
        ),
        ..default
    }
}
