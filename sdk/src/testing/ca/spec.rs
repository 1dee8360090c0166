//! What an end-entity certificate shall say.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use jiff::Timestamp;
use rcgen::{
    CertificateParams, ExtendedKeyUsagePurpose, KeyUsagePurpose, SanType, SerialNumber,
    date_time_ymd,
};

use super::{YEAR, common_name, from_now, must, since_epoch};

/// Extended key usage of a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Eku {
    /// For clients only.
    Client,
    /// For servers only.
    Server,
    /// For both.
    #[default]
    Both,
    /// The extension is left out.
    None,
}

/// One bit of a certificate's key usage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyUsage {
    /// `digitalSignature`, which TLS needs.
    DigitalSignature,
    /// `keyEncipherment`.
    KeyEncipherment,
    /// `keyCertSign`, which no end entity has.
    KeyCertSign,
    /// `cRLSign`, which no end entity has.
    CrlSign,
}

/// What a certificate shall say. The default is valid from an hour ago for a year, for `localhost`,
/// `127.0.0.1` and `::1`, client and server, and names no system.
///
/// ```
/// use loket_sdk::testing::{Ca, Eku, LeafSpec};
///
/// let two_names = Ca::new("loket.example").issue(LeafSpec {
///     uris: vec!["spiffe://loket.example/a/b".into(), "spiffe://loket.example/c/d".into()],
///     eku: Eku::Client,
///     ..LeafSpec::default()
/// });
/// # drop(two_names);
/// ```
#[derive(Debug, Clone)]
pub struct LeafSpec {
    /// URI subject alternative names, ASCII.
    pub uris: Vec<String>,
    /// DNS subject alternative names, ASCII.
    pub dns: Vec<String>,
    /// IP address subject alternative names.
    pub ips: Vec<IpAddr>,
    /// Extended key usage.
    pub eku: Eku,
    /// Key usage; empty leaves the extension out.
    pub key_usage: Vec<KeyUsage>,
    /// Start of validity, to the second.
    pub not_before: Timestamp,
    /// End of validity, to the second.
    pub not_after: Timestamp,
    /// Common name of the subject.
    pub common_name: String,
    /// Serial number; the next free one when left out.
    pub serial: Option<u64>,
}

impl Default for LeafSpec {
    fn default() -> Self {
        Self {
            uris: Vec::new(),
            dns: vec!["localhost".to_owned()],
            ips: vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()],
            eku: Eku::Both,
            key_usage: vec![KeyUsage::DigitalSignature],
            not_before: from_now(-3_600),
            not_after: from_now(YEAR),
            common_name: "loket test".to_owned(),
            serial: None,
        }
    }
}

pub(super) fn params(spec: LeafSpec, serial: SerialNumber) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = common_name(&spec.common_name);
    params.serial_number = Some(serial);
    let uris = spec
        .uris
        .iter()
        .map(|uri| SanType::URI(must(uri.as_str().try_into())));
    let dns = spec
        .dns
        .iter()
        .map(|name| SanType::DnsName(must(name.as_str().try_into())));
    let ips = spec.ips.iter().map(|ip| SanType::IpAddress(*ip));
    params.subject_alt_names = uris.chain(dns).chain(ips).collect();
    params.key_usages = spec
        .key_usage
        .iter()
        .map(|usage| match usage {
            KeyUsage::DigitalSignature => KeyUsagePurpose::DigitalSignature,
            KeyUsage::KeyEncipherment => KeyUsagePurpose::KeyEncipherment,
            KeyUsage::KeyCertSign => KeyUsagePurpose::KeyCertSign,
            KeyUsage::CrlSign => KeyUsagePurpose::CrlSign,
        })
        .collect();
    params.extended_key_usages = match spec.eku {
        Eku::Client => vec![ExtendedKeyUsagePurpose::ClientAuth],
        Eku::Server => vec![ExtendedKeyUsagePurpose::ServerAuth],
        Eku::Both => vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ],
        Eku::None => Vec::new(),
    };
    params.use_authority_key_identifier_extension = true;
    params.not_before = date_time_ymd(1970, 1, 1) + since_epoch(spec.not_before);
    params.not_after = date_time_ymd(1970, 1, 1) + since_epoch(spec.not_after);
    params
}
