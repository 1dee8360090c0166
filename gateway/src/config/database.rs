//! Database: what `[audit]` says of the place of its entries in, files or a database out.

use std::fs;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use loket_sdk::sensitive::Sensitive;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::document::{Keys, Report};
use super::material::{is_for_everyone, path, readable};
use super::value::{duration, number};
use super::{AuditStore, file};

/// Time-outs: long enough for a commit, and short enough that callers hear of a database that hangs.
const TIMES: std::ops::RangeInclusive<Duration> =
    Duration::from_millis(100)..=Duration::from_secs(60);

/// A PostgreSQL database, and how it is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Database {
    /// A name, an address, or the directory of a socket.
    pub host: String,
    /// Its port; of a socket, the number in its name.
    pub port: u16,
    /// Which of the server's databases.
    pub name: String,
    /// Who comes in.
    pub user: String,
    /// By which password.
    pub password: Option<Sensitive<Vec<u8>>>,
    /// Who signs the server's certificate, in PEM. Without, nothing is encrypted.
    pub authorities: Option<Vec<u8>>,
    /// How long a connection may take.
    pub connect_timeout: Duration,
    /// How long a statement may take.
    pub statement_timeout: Duration,
}

impl Database {
    /// One behind a socket of this machine, with the usual time-outs.
    #[must_use]
    pub fn behind(socket: &Path, name: &str, user: &str) -> Self {
        Self {
            host: socket.to_string_lossy().into_owned(),
            port: 5432,
            name: name.to_owned(),
            user: user.to_owned(),
            password: None,
            authorities: None,
            connect_timeout: Duration::from_secs(2),
            statement_timeout: Duration::from_secs(3),
        }
    }
}

/// Whether what is said to it stays on this machine.
fn is_local(host: &str) -> bool {
    let loopback = host
        .parse()
        .is_ok_and(|address: IpAddr| address.is_loopback());
    host.starts_with('/') || host == "localhost" || loopback
}

/// Where entries are kept: in files or in a database.
pub(super) fn store(
    raw: &file::Audit,
    at: &Keys,
    base: &Path,
    out: &mut Report,
) -> Option<AuditStore> {
    let segment = number(at, "segment_mib", raw.segment_mib, 64, 1, 65_536, out);
    let directory = match (&raw.directory, &raw.postgres) {
        (Some(directory), None) => directory,
        (None, Some(postgres)) => {
            if raw.segment_mib.is_some() {
                let message = "a database has no segments";
                out.error(
                    at,
                    "segment_mib",
                    message,
                    "leave it out, or name a directory",
                );
            }
            return read(at, postgres, base, out).map(AuditStore::Postgres);
        }
        (Some(_), Some(_)) => {
            let message = "names a second place for the log";
            let remedy = "leave out directory or [audit.postgres]; \
                          `loket audit migrate` takes the entries from one to the other";
            out.error(at, "postgres", message, remedy);
            return None;
        }
        (None, None) => {
            let message = "no place for the log is named";
            let remedy = "add directory = \"audit\", or [audit.postgres] for a database";
            out.error(at, "directory", message, remedy);
            return None;
        }
    };
    let directory = path(at, "directory", directory, base, out)?;
    if directory.exists() && !directory.is_dir() {
        let remedy = "name a directory of its own";
        out.error(at, "directory", "isn't a directory", remedy);
    }
    Some(AuditStore::Files {
        directory,
        segment_bytes: segment << 20,
    })
}

fn read(at: &Keys, raw: &file::Postgres, base: &Path, out: &mut Report) -> Option<Database> {
    let key = "postgres";
    for (name, value) in [
        ("host", &raw.host),
        ("database", &raw.database),
        ("user", &raw.user),
    ] {
        if value.is_empty() || value.contains(char::is_whitespace) {
            let key = format!("postgres.{name}");
            let message = "is empty or has a space in it";
            out.error(at, &key, message, "loket.example.toml shows one");
        }
    }
    if raw.ca.is_none() && !is_local(&raw.host) {
        out.error(
            at,
            key,
            "the database is on another machine, and there is no ca to know it by",
            "name the PEM file of who signed the server's certificate: ca = \"tls/database-ca.pem\"",
        );
    }
    if raw.ca.is_some() && raw.host.starts_with('/') {
        out.error(
            at,
            "postgres.ca",
            "there is no TLS over a socket",
            "leave it out",
        );
    }
    let password = match &raw.password_file {
        Some(file) => Some(password(at, file, base, out)?),
        None => None,
    };
    let authorities = match &raw.ca {
        Some(file) => Some(authorities(at, file, base, out)?),
        None => None,
    };
    let mut time = |name: &'static str, text: &Option<String>, seconds| {
        let default = Duration::from_secs(seconds);
        let key = format!("postgres.{name}");
        duration(at, &key, text.as_deref(), default, TIMES, out)
    };
    let connect_timeout = time("connect_timeout", &raw.connect_timeout, 2);
    let statement_timeout = time("statement_timeout", &raw.statement_timeout, 3);
    Some(Database {
        host: raw.host.clone(),
        port: number(at, "postgres.port", raw.port, 5432, 1, u16::MAX, out),
        name: raw.database.clone(),
        user: raw.user.clone(),
        password,
        authorities,
        connect_timeout,
        statement_timeout,
    })
}

fn password(at: &Keys, file: &str, base: &Path, out: &mut Report) -> Option<Sensitive<Vec<u8>>> {
    let key = "postgres.password_file";
    let path = readable(at, key, file, base, out)?;
    if is_for_everyone(&path) {
        let message = format!("{} is open to every user of this machine", path.display());
        out.error(
            at,
            key,
            message,
            "chmod 0600 it and give it to the gateway's user",
        );
        return None;
    }
    let password = fs::read(&path).unwrap_or_default();
    let password = password.trim_ascii();
    if password.is_empty() {
        out.error(
            at,
            key,
            format!("{} is empty", path.display()),
            "write the password into it",
        );
        return None;
    }
    Some(Sensitive::new(password.to_vec()))
}

fn authorities(at: &Keys, file: &str, base: &Path, out: &mut Report) -> Option<Vec<u8>> {
    let key = "postgres.ca";
    let path = readable(at, key, file, base, out)?;
    let pem = fs::read(&path).unwrap_or_default();
    let mut count = 0;
    let whole = CertificateDer::pem_slice_iter(&pem)
        .inspect(|_| count += 1)
        .all(|one| one.is_ok());
    if !whole || count == 0 {
        let message = format!("{} has no certificates, or broken ones", path.display());
        out.error(
            at,
            key,
            message,
            "name a PEM file; `loket pki inspect` shows what is in one",
        );
        return None;
    }
    Some(pem)
}
