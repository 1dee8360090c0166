//! Configuration from the environment.

use std::env::{self, VarError};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Limits;
use crate::identity::{IdentityError, PeerCertificate, SpiffeId};
use crate::ids::AgencyId;
use crate::jws::SigningKey;
use crate::statement::Signer;
use crate::tls::{MutualTls, TlsError};

/// What [`serve`](super::serve) needs besides a provider.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Config {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Whom to show and whom to trust.
    pub tls: MutualTls,
    /// The gateways that may ask.
    pub gateways: Vec<SpiffeId>,
    /// What the server bears.
    pub limits: Limits,
    /// What every answer is signed with; without one, none is.
    pub signer: Option<Arc<Signer>>,
}

/// Which variable of the environment can't be used, and why.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// It isn't set.
    #[error("{0} isn't set")]
    Missing(&'static str),
    /// It isn't UTF-8, or not of the form that is expected.
    #[error("{name} must be {expected}")]
    Malformed {
        /// Which variable.
        name: &'static str,
        /// What it must be.
        expected: &'static str,
    },
    /// A gateway's name isn't a SPIFFE ID.
    #[error(
        "LOKET_GATEWAYS, entry {entry}, isn't a SPIFFE ID of the form spiffe://<trust-domain>/<member>/<system>"
    )]
    Gateway {
        /// Which one, from 1.
        entry: usize,
        /// What is wrong with it.
        source: IdentityError,
    },
    /// The files of LOKET_CERT, LOKET_KEY, LOKET_CA or LOKET_CRL can't be used.
    #[error("the TLS files can't be used: {0}")]
    Tls(#[from] TlsError),
    /// The key for signatures can't be used.
    #[error("LOKET_SIGNING_KEY, {}: {reason}", path.display())]
    SigningKey {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it, or with the id.
        reason: String,
    },
}

impl Config {
    /// The port that is listened at if none is said.
    pub const DEFAULT_PORT: u16 = 8443;

    /// Everything from code, with default limits.
    #[must_use]
    pub fn new(listen: SocketAddr, tls: MutualTls, gateways: Vec<SpiffeId>) -> Self {
        Self {
            listen,
            tls,
            gateways,
            limits: Limits::default(),
            signer: None,
        }
    }

    /// Reads the environment:
    ///
    /// | variable | what |
    /// |---|---|
    /// | `LOKET_LISTEN` | address and port; `0.0.0.0:8443` if not set |
    /// | `LOKET_CERT` | PEM file: our certificate, then its chain |
    /// | `LOKET_KEY` | PEM file: its private key |
    /// | `LOKET_CA` | PEM file: the anchors that a gateway's certificate chains to |
    /// | `LOKET_CRL` | PEM file: revocation lists; not checked if not set |
    /// | `LOKET_GATEWAYS` | SPIFFE IDs of the gateways that may ask, by commas |
    /// | `LOKET_SIGNING_KEY` | PEM file: the key (PKCS#8, Ed25519 or P-256) that every answer is signed with; none is signed if not set |
    /// | `LOKET_SIGNING_KEY_ID` | the id under which the key is enrolled; required with it |
    ///
    /// Who signs is read from the certificate's SPIFFE ID.
    ///
    /// # Errors
    /// The variable that can't be used, and why.
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::read(|name| match env::var(name) {
            Ok(value) => Ok(Some(value)),
            Err(VarError::NotPresent) => Ok(None),
            Err(VarError::NotUnicode(_)) => Err(ConfigError::Malformed {
                name,
                expected: "UTF-8",
            }),
        })
    }

    pub(super) fn read(
        variable: impl Fn(&'static str) -> Result<Option<String>, ConfigError>,
    ) -> Result<Self, ConfigError> {
        let required = |name| variable(name)?.ok_or(ConfigError::Missing(name));
        let listen = match variable("LOKET_LISTEN")? {
            None => (Ipv4Addr::UNSPECIFIED, Self::DEFAULT_PORT).into(),
            Some(text) => text.parse().map_err(|_| ConfigError::Malformed {
                name: "LOKET_LISTEN",
                expected: "an address and port such as 0.0.0.0:8443",
            })?,
        };
        let gateways = required("LOKET_GATEWAYS")?
            .split(',')
            .map(str::trim)
            .enumerate()
            .map(|(index, name)| {
                name.parse().map_err(|source| ConfigError::Gateway {
                    entry: index + 1,
                    source,
                })
            })
            .collect::<Result<_, _>>()?;
        let lists: Vec<PathBuf> = variable("LOKET_CRL")?
            .map(PathBuf::from)
            .into_iter()
            .collect();
        let tls = MutualTls::from_files(
            required("LOKET_CERT")?.as_ref(),
            required("LOKET_KEY")?.as_ref(),
            required("LOKET_CA")?.as_ref(),
            &lists,
        )?;
        let mut config = Self::new(listen, tls, gateways);
        if let Some(path) = variable("LOKET_SIGNING_KEY")? {
            let id = required("LOKET_SIGNING_KEY_ID")?;
            let signer = signer(path.as_ref(), &id, &config.tls);
            let signer = signer.map_err(|reason| ConfigError::SigningKey {
                path: path.into(),
                reason,
            })?;
            config.signer = Some(Arc::new(signer));
        }
        Ok(config)
    }
}

fn signer(path: &Path, id: &str, tls: &MutualTls) -> Result<Signer, String> {
    let pem = std::fs::read(path).map_err(|error| format!("can't be read: {error}"))?;
    let key = SigningKey::from_pem(&pem).map_err(|error| error.to_string())?;
    let own = tls.certificate().map(PeerCertificate::from_der);
    let own = own.and_then(Result::ok).and_then(|own| own.spiffe);
    let own = own.ok_or("the certificate has no SPIFFE ID, which says who signs")?;
    let agency = AgencyId::parse(own.member.as_str()).map_err(|error| error.to_string())?;
    Signer::new(agency, own.system, id, key).map_err(|error| error.to_string())
}
