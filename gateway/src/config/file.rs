//! The file as it is written: every key that a table may have, and its TOML type.
//!
//! Nothing here is checked beyond that. A key that isn't named here is refused, so that a typing
//! error never silently leaves a default in place.

use std::fmt;

use jiff::civil::Date;
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserializer, MapAccess, SeqAccess, Visitor};
use toml::Spanned;

use crate::directory::{GrantState, KeyUse, Mode, Protocol, Role};
use crate::telemetry::LogFormat;

/// `[gateway]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Gateway {
    pub(crate) trust_domain: String,
    pub(crate) time_zone: Option<String>,
    pub(crate) danger_unsigned_grants: Option<bool>,
}

/// `[listener]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Listener {
    pub(crate) address: String,
    pub(crate) max_connections: Option<usize>,
    pub(crate) max_connections_per_member: Option<usize>,
    pub(crate) max_connections_per_address: Option<usize>,
    pub(crate) max_handshakes: Option<usize>,
    pub(crate) max_handshakes_per_address: Option<usize>,
    pub(crate) max_streams: Option<u32>,
    pub(crate) handshake_timeout: Option<String>,
    pub(crate) header_timeout: Option<String>,
    pub(crate) idle_timeout: Option<String>,
    pub(crate) write_timeout: Option<String>,
    pub(crate) max_connection_age: Option<String>,
    pub(crate) max_header_bytes: Option<usize>,
}

/// `[tls]`: towards counters.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tls {
    pub(crate) certificate: String,
    pub(crate) key: String,
    pub(crate) client_ca: String,
    pub(crate) revocation_lists: Vec<String>,
}

/// `[upstream]`: towards agencies.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Upstream {
    pub(crate) certificate: String,
    pub(crate) key: String,
    pub(crate) server_ca: String,
    pub(crate) revocation_lists: Vec<String>,
}

/// `[admin]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Admin {
    pub(crate) address: Option<String>,
}

/// `[limits]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Limits {
    pub(crate) max_requests: Option<usize>,
    pub(crate) max_requests_per_member: Option<usize>,
    pub(crate) max_body: Option<usize>,
    pub(crate) body_timeout: Option<String>,
    pub(crate) edge_deadline: Option<String>,
    pub(crate) fan_out_deadline: Option<String>,
    pub(crate) stale_for: Option<String>,
    pub(crate) stale_entries: Option<u64>,
}

/// `[audit]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Audit {
    pub(crate) directory: Option<String>,
    pub(crate) postgres: Option<Postgres>,
    pub(crate) subject_key_file: String,
    pub(crate) origin: Option<Spanned<String>>,
    pub(crate) signing_key_files: Vec<Spanned<String>>,
    #[serde(default)]
    pub(crate) verifier_keys: Vec<Spanned<String>>,
    pub(crate) segment_mib: Option<u64>,
    pub(crate) commit_interval: Option<String>,
    pub(crate) retention: Option<String>,
    pub(crate) witness_interval: Option<String>,
    #[serde(default)]
    pub(crate) witnesses: Vec<Witness>,
}

/// `[[audit.witnesses]]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Witness {
    pub(crate) key: Spanned<String>,
    pub(crate) url: Spanned<String>,
}

/// `[audit.postgres]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Postgres {
    pub(crate) host: String,
    pub(crate) port: Option<u16>,
    pub(crate) database: String,
    pub(crate) user: String,
    pub(crate) password_file: Option<String>,
    pub(crate) ca: Option<String>,
    pub(crate) connect_timeout: Option<String>,
    pub(crate) statement_timeout: Option<String>,
}

/// `[replay]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Replay {
    pub(crate) enabled: Option<bool>,
    pub(crate) directory: Option<String>,
    pub(crate) max_mib: Option<u64>,
    pub(crate) max_entries: Option<usize>,
    pub(crate) require_key: Option<bool>,
}

/// `[telemetry]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Telemetry {
    pub(crate) instance_id: Option<String>,
    pub(crate) environment: Option<String>,
    pub(crate) otlp_endpoint: Option<String>,
    pub(crate) sampling_ratio: Option<f64>,
    pub(crate) slow: Option<String>,
    pub(crate) traces_mib: Option<usize>,
    pub(crate) log_format: Option<LogFormat>,
    pub(crate) log_level: Option<String>,
}

/// `[drain]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Drain {
    pub(crate) delay: Option<String>,
    pub(crate) grace: Option<String>,
}

/// `[reload]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Reload {
    pub(crate) watch: Option<bool>,
    pub(crate) interval: Option<String>,
}

/// `[[members]]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Member {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) requests_per_second: u32,
    pub(crate) burst: Option<u32>,
    #[serde(default)]
    pub(crate) systems: Vec<System>,
    #[serde(default)]
    pub(crate) keys: Vec<MemberKey>,
}

/// `[[members.keys]]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MemberKey {
    pub(crate) id: Spanned<String>,
    pub(crate) r#use: Word<KeyUse>,
    pub(crate) public_key_file: Spanned<String>,
    pub(crate) from: Option<Day>,
    pub(crate) to: Option<Day>,
}

/// `[[narrowings]]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Narrowing {
    pub(crate) grant_id: String,
    pub(crate) reason: String,
    pub(crate) fields: Option<Vec<String>>,
    pub(crate) purposes: Option<Vec<Spanned<String>>>,
    pub(crate) daily_quota: Option<u64>,
    pub(crate) valid_to: Option<Day>,
    #[serde(default)]
    pub(crate) suspended: bool,
}

/// `[[members.systems]]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct System {
    pub(crate) id: Spanned<String>,
    pub(crate) mall: Option<Spanned<String>>,
    #[serde(default)]
    pub(crate) pins: Vec<Spanned<String>>,
    #[serde(default)]
    pub(crate) roles: Vec<Word<Role>>,
}

/// `[[visibility]]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Visibility {
    #[serde(default)]
    pub(crate) purposes: Vec<Spanned<String>>,
    #[serde(default)]
    pub(crate) legal_bases: Vec<Spanned<String>>,
    pub(crate) deferred_days: Option<u16>,
    pub(crate) withheld: Option<String>,
}

/// Tables that say where a back end is beside keys of their own.
macro_rules! with_backend {
    (@keys [$($key:ident: $Type:ty,)*]) => {
        /// The keys of a back end.
        #[derive(Debug)]
        pub(crate) struct Backend {
            $(pub(crate) $key: Option<$Type>,)*
        }
    };
    (
        @table $(#[$doc:meta])* $Table:ident { $($own:ident: $Own:ty,)* }
        [$($key:ident: $Type:ty,)*]
    ) => {
        $(#[$doc])*
        #[derive(Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub(crate) struct $Table {
            $(pub(crate) $own: $Own,)*
            $(pub(crate) $key: Option<$Type>,)*
        }

        impl $Table {
            pub(crate) fn backend(&self) -> Backend {
                Backend { $($key: self.$key.clone(),)* }
            }
        }
    };
    ($shared:tt $($(#[$doc:meta])* $Table:ident $own:tt)*) => {
        with_backend!(@keys $shared);
        $(with_backend!(@table $(#[$doc])* $Table $own $shared);)*
    };
}

with_backend! {
    [
        url: String,
        endpoints: Vec<Spanned<String>>,
        server_name: String,
        max_in_flight: usize,
        timeout: String,
        http: Word<Protocol>,
        connect_timeout: String,
        idle_timeout: String,
        max_queued: usize,
        queue_timeout: String,
        retry_percent: u8,
        hedge_after: String,
        eject_after: u32,
        eject_for: String,
        break_after: u32,
        break_percent: u8,
        break_for: String,
        health_path: String,
        health_interval: String,
        adaptive: bool,
        single_flight: bool,
    ]
    /// `[[sources]]`
    Source {
        agency: String,
        system: String,
        records: Vec<Spanned<String>>,
        max_answer_kib: Option<usize>,
        source_requires_signature: Option<bool>,
    }
    /// `[[services]]`
    Service {
        agency: String,
        service: String,
        system: String,
        first_byte_timeout: Option<String>,
        stall_timeout: Option<String>,
    }
}

/// `[[service_grants]]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ServiceGrant {
    pub(crate) grant_id: String,
    pub(crate) agreement: String,
    pub(crate) consumer: String,
    pub(crate) agency: String,
    pub(crate) service: String,
    pub(crate) methods: Vec<Spanned<String>>,
    pub(crate) paths: Vec<Spanned<String>>,
    pub(crate) daily_quota: Option<u64>,
    pub(crate) valid_from: Day,
    pub(crate) valid_to: Day,
    pub(crate) state: Word<GrantState>,
}

/// `[[grants]]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Grant {
    pub(crate) grant_id: String,
    pub(crate) agreement: String,
    pub(crate) consumer: String,
    pub(crate) source: String,
    pub(crate) record: String,
    pub(crate) purposes: Vec<Spanned<String>>,
    pub(crate) fields: Fields,
    pub(crate) mode: Word<Mode>,
    pub(crate) daily_quota: Option<u64>,
    pub(crate) valid_from: Day,
    pub(crate) valid_to: Day,
    pub(crate) state: Word<GrantState>,
    #[serde(default)]
    pub(crate) stale_ok: bool,
    #[serde(default)]
    pub(crate) break_glass_ok: bool,
    #[serde(default)]
    pub(crate) onward_transfer: bool,
    pub(crate) dpia_ref: Option<String>,
}

/// `fields`: a list, or the word `all`.
#[derive(Debug)]
pub(crate) enum Fields {
    All,
    Named(Vec<Spanned<String>>),
}

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Wanted;
        impl<'de> Visitor<'de> for Wanted {
            type Value = Fields;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of field names or the word \"all\"")
            }

            fn visit_str<E: de::Error>(self, word: &str) -> Result<Fields, E> {
                match word {
                    "all" => Ok(Fields::All),
                    _ => Err(E::invalid_value(de::Unexpected::Str(word), &self)),
                }
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut names: A) -> Result<Fields, A::Error> {
                let mut named = Vec::new();
                while let Some(name) = names.next_element()? {
                    named.push(name);
                }
                Ok(Fields::Named(named))
            }
        }
        deserializer.deserialize_any(Wanted)
    }
}

/// A day, quoted or as TOML's own date.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Day(pub(crate) Date);

impl<'de> Deserialize<'de> for Day {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Wanted;
        impl<'de> Visitor<'de> for Wanted {
            type Value = Day;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a date such as 2026-01-31")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Day, E> {
                let wrong = |_| E::invalid_value(de::Unexpected::Str(text), &self);
                text.parse().map(Day).map_err(wrong)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Day, A::Error> {
                let date = toml::value::Datetime::deserialize(MapAccessDeserializer::new(map))?;
                self.visit_str(&date.to_string())
            }
        }
        deserializer.deserialize_any(Wanted)
    }
}

/// A word of a closed list that the directory owns.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Word<T>(pub(crate) T);

impl<'de> Deserialize<'de> for Word<Mode> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        word(
            deserializer,
            &[("verify", Mode::Verify), ("read", Mode::Read)],
        )
    }
}

impl<'de> Deserialize<'de> for Word<Role> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        word(deserializer, &[("subject_desk", Role::SubjectDesk)])
    }
}

impl<'de> Deserialize<'de> for Word<Protocol> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let words = [
            ("auto", Protocol::Auto),
            ("1", Protocol::Http1),
            ("2", Protocol::Http2),
        ];
        word(deserializer, &words)
    }
}

impl<'de> Deserialize<'de> for Word<GrantState> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        word(
            deserializer,
            &GrantState::ALL.map(|state| (state.as_str(), state)),
        )
    }
}

impl<'de> Deserialize<'de> for Word<KeyUse> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let words = [KeyUse::Grant, KeyUse::Answer].map(|key| (key.as_str(), key));
        word(deserializer, &words)
    }
}

fn word<'de, T: Copy, D: Deserializer<'de>>(
    deserializer: D,
    words: &[(&str, T)],
) -> Result<Word<T>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let known = words.iter().find(|(word, _)| *word == text);
    known.map(|(_, value)| Word(*value)).ok_or_else(|| {
        // The wording of serde for enums, which `document` reads.
        let all: Vec<String> = words.iter().map(|(word, _)| format!("`{word}`")).collect();
        de::Error::custom(format!(
            "unknown variant `{text}`, expected one of {}",
            all.join(", ")
        ))
    })
}
