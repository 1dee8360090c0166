//! Authority: a development CA in a directory. `ca.pem`, `ca.key`, `crl.pem`, and `index.json` with
//! what was issued and revoked.

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use jiff::Timestamp;
use loket_sdk::identity::{PeerCertificate, SpiffeId};
use loket_sdk::ids::{MemberId, SystemId};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer,
    DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, RevocationReason, RevokedCertParams, SanType,
    SerialNumber,
};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::store::{Entry, INDEX_SCHEMA, Index, create, replace};

const CA_DAYS: u32 = 3_650;
/// Clocks differ; what was issued now is valid for who is an hour late.
const BACKDATED: i64 = 3_600;

/// What a certificate is issued for.
#[derive(Debug, Clone)]
pub struct Leaf {
    /// The organisation.
    pub member: MemberId,
    /// Its system.
    pub system: SystemId,
    /// DNS names, for servers.
    pub dns: Vec<String>,
    /// IP addresses, for servers.
    pub ips: Vec<IpAddr>,
    /// Days of validity; negative ones make a certificate that has ended, for tests.
    pub days: i32,
    /// For which side of a connection.
    pub usage: Usage,
}

impl Leaf {
    /// For both sides, 90 days, without DNS names or addresses.
    #[must_use]
    pub fn new(member: MemberId, system: SystemId) -> Self {
        Self {
            member,
            system,
            dns: Vec::new(),
            ips: Vec::new(),
            days: 90,
            usage: Usage::Both,
        }
    }
}

/// For which side of a connection a certificate is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Usage {
    /// Either.
    Both,
    /// Who connects.
    Client,
    /// Who is connected to.
    Server,
}

/// The files of a certificate that was issued.
#[derive(Debug, Clone)]
pub struct Issued {
    /// PEM certificate.
    pub certificate: PathBuf,
    /// PEM key, readable by its owner only.
    pub key: PathBuf,
}

/// A development CA in its directory.
#[derive(Debug)]
pub struct Authority {
    dir: PathBuf,
    issuer: Issuer<'static, KeyPair>,
    index: Index,
}

impl Authority {
    /// Makes a CA, with an empty revocation list.
    ///
    /// # Errors
    /// When the directory holds one already, or can't be written.
    pub fn init(dir: &Path, trust_domain: &str) -> anyhow::Result<Self> {
        if format!("spiffe://{trust_domain}/member/system")
            .parse::<SpiffeId>()
            .is_err()
        {
            bail!(
                "{trust_domain} isn't a trust domain; use a lower-case name such as loket.example"
            );
        }
        fs::create_dir_all(dir).with_context(|| format!("can't make {}", dir.display()))?;
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(
            DnType::CommonName,
            format!("Loket development CA of {trust_domain}"),
        );
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.serial_number = Some(serial()?);
        (params.not_before, params.not_after) = (moment(-BACKDATED), moment(days(CA_DAYS.into())));
        let ca =
            CertifiedIssuer::self_signed(params, KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?)?;
        create(
            &dir.join("ca.key"),
            ca.key().serialize_pem().as_bytes(),
            0o600,
        )?;
        create(&dir.join("ca.pem"), ca.pem().as_bytes(), 0o644)?;
        let index = Index {
            schema: INDEX_SCHEMA.to_owned(),
            trust_domain: trust_domain.to_owned(),
            crl_number: 0,
            crl_days: 30,
            issued: Vec::new(),
            revoked: Vec::new(),
        };
        replace(&dir.join("index.json"), &serde_json::to_vec_pretty(&index)?)?;
        let mut authority = Self::open(dir)?;
        authority.write_crl(None)?;
        Ok(authority)
    }

    /// Opens a CA that [`init`](Self::init) made.
    ///
    /// # Errors
    /// When there is none, or its files don't belong together.
    pub fn open(dir: &Path) -> anyhow::Result<Self> {
        let text = |name: &str| {
            let path = dir.join(name);
            fs::read_to_string(&path).with_context(|| {
                format!("can't read {}; `loket pki init` makes a CA", path.display())
            })
        };
        let key = KeyPair::from_pem(&text("ca.key")?).context("ca.key isn't a PEM private key")?;
        let issuer = Issuer::from_ca_cert_pem(&text("ca.pem")?, key)
            .context("ca.pem isn't a CA's certificate")?;
        let index: Index =
            serde_json::from_str(&text("index.json")?).context("index.json isn't an index")?;
        if index.schema != INDEX_SCHEMA {
            bail!("index.json is of another version than {INDEX_SCHEMA}");
        }
        Ok(Self {
            dir: dir.to_owned(),
            issuer,
            index,
        })
    }

    /// The CA's certificate.
    #[must_use]
    pub fn certificate(&self) -> PathBuf {
        self.dir.join("ca.pem")
    }

    /// The revocation list.
    #[must_use]
    pub fn revocation_list(&self) -> PathBuf {
        self.dir.join("crl.pem")
    }

    /// Issues a certificate with a key of its own. Never overwrites either.
    ///
    /// # Errors
    /// When a file of that name is there already, or a DNS name can't be one.
    pub fn issue(&mut self, leaf: &Leaf) -> anyhow::Result<Issued> {
        let name = format!("{}-{}", leaf.member, leaf.system);
        let issued = Issued {
            certificate: self.dir.join(format!("{name}.pem")),
            key: self.dir.join(format!("{name}.key")),
        };
        if issued.certificate.exists() {
            bail!(
                "{} is there already; move it away first",
                issued.certificate.display()
            );
        }
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let number = serial()?;
        let mut params = self.leaf_params(leaf)?;
        params.serial_number = Some(number);
        let pem = params.signed_by(&key, &self.issuer)?.pem();
        let serial = read(pem.as_bytes())?.serial;
        create(&issued.key, key.serialize_pem().as_bytes(), 0o600)?;
        create(&issued.certificate, pem.as_bytes(), 0o644)?;
        self.index.issued.push(Entry {
            serial,
            name,
            at: Timestamp::now(),
        });
        self.save()?;
        Ok(issued)
    }

    fn leaf_params(&self, leaf: &Leaf) -> anyhow::Result<CertificateParams> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params
            .distinguished_name
            .push(DnType::OrganizationName, leaf.member.as_str());
        params
            .distinguished_name
            .push(DnType::CommonName, leaf.system.as_str());
        let spiffe = format!(
            "spiffe://{}/{}/{}",
            self.index.trust_domain, leaf.member, leaf.system
        );
        params
            .subject_alt_names
            .push(SanType::URI(spiffe.try_into()?));
        for name in &leaf.dns {
            let name = name
                .as_str()
                .try_into()
                .with_context(|| format!("{name} isn't a name"))?;
            params.subject_alt_names.push(SanType::DnsName(name));
        }
        params
            .subject_alt_names
            .extend(leaf.ips.iter().copied().map(SanType::IpAddress));
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = match leaf.usage {
            Usage::Both => {
                vec![
                    ExtendedKeyUsagePurpose::ServerAuth,
                    ExtendedKeyUsagePurpose::ClientAuth,
                ]
            }
            Usage::Client => vec![ExtendedKeyUsagePurpose::ClientAuth],
            Usage::Server => vec![ExtendedKeyUsagePurpose::ServerAuth],
        };
        params.use_authority_key_identifier_extension = true;
        let end = days(leaf.days.into());
        (params.not_before, params.not_after) = (moment((end - 60).min(-BACKDATED)), moment(end));
        Ok(params)
    }

    /// Puts certificates on the revocation list and writes it anew; the serials that are new there.
    ///
    /// # Errors
    /// When one can't be read or was issued elsewhere; then none is revoked.
    pub fn revoke(&mut self, certificates: &[PathBuf]) -> anyhow::Result<Vec<String>> {
        let mut new: Vec<Entry> = Vec::new();
        for path in certificates {
            let pem = fs::read(path).with_context(|| format!("can't read {}", path.display()))?;
            let serial = read(&pem)
                .with_context(|| format!("can't use {}", path.display()))?
                .serial;
            let Some(entry) = self
                .index
                .issued
                .iter()
                .find(|entry| entry.serial == serial)
            else {
                bail!("{} wasn't issued by this CA", path.display());
            };
            let known = |entry: &&Entry| entry.serial == serial;
            if self.index.revoked.iter().chain(&new).find(known).is_none() {
                new.push(Entry {
                    at: Timestamp::now(),
                    ..entry.clone()
                });
            }
        }
        let serials = new.iter().map(|entry| entry.serial.clone()).collect();
        self.index.revoked.extend(new);
        self.write_crl(None)?;
        Ok(serials)
    }

    /// Writes the revocation list, valid for so many days; for as many as the last one by default.
    ///
    /// # Errors
    /// When it can't be signed or written.
    pub fn write_crl(&mut self, valid_days: Option<u32>) -> anyhow::Result<PathBuf> {
        self.index.crl_days = valid_days.unwrap_or(self.index.crl_days);
        self.index.crl_number += 1;
        // Saved first: a number that is lost does no harm, one that is used twice does.
        self.save()?;
        let now = Timestamp::now().as_second();
        let revoked = self.index.revoked.iter().map(|entry| {
            let digits: String = entry.serial.split(':').collect();
            Ok(RevokedCertParams {
                serial_number: SerialNumber::from(
                    crate::config::unhex(digits.as_bytes())
                        .context("index.json has a bad serial")?,
                ),
                revocation_time: moment(entry.at.as_second() - now),
                reason_code: Some(RevocationReason::CessationOfOperation),
                invalidity_date: None,
            })
        });
        let list = CertificateRevocationListParams {
            this_update: moment(-BACKDATED),
            next_update: moment(days(self.index.crl_days.into())),
            crl_number: SerialNumber::from(self.index.crl_number),
            issuing_distribution_point: None,
            revoked_certs: revoked.collect::<anyhow::Result<_>>()?,
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let path = self.revocation_list();
        replace(&path, list.signed_by(&self.issuer)?.pem()?.as_bytes())?;
        Ok(path)
    }

    fn save(&self) -> anyhow::Result<()> {
        replace(
            &self.dir.join("index.json"),
            &serde_json::to_vec_pretty(&self.index)?,
        )
    }
}

fn read(pem: &[u8]) -> anyhow::Result<PeerCertificate> {
    let der = CertificateDer::from_pem_slice(pem).context("it holds no PEM certificate")?;
    Ok(PeerCertificate::from_der(&der)?)
}

fn serial() -> anyhow::Result<SerialNumber> {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes).context("no random numbers")?;
    // Positive, and of the same length always.
    bytes[0] = bytes[0] & 0x7f | 0x40;
    Ok(SerialNumber::from_slice(&bytes))
}

fn days(count: i64) -> i64 {
    count * 86_400
}

/// So many seconds from now, in the type of rcgen.
fn moment<T>(from_now: i64) -> T
where
    T: From<std::time::SystemTime>,
{
    let now = std::time::SystemTime::now();
    let distance = Duration::from_secs(from_now.unsigned_abs());
    T::from(if from_now < 0 {
        now - distance
    } else {
        now + distance
    })
}
