//! Authorities that do what the certificate of none of them allows.

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams,
    CrlIssuingDistributionPoint, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyIdMethod, KeyPair, KeyUsagePurpose, RevocationReason, RevokedCertParams, SerialNumber,
};
use rustls::pki_types::{
    CertificateDer, CertificateRevocationListDer, PrivateKeyDer, PrivatePkcs8KeyDer,
};

use crate::tls::{MutualTls, TlsError};

pub(super) const DAY: i64 = 86_400;

/// So many seconds from now, in the type of rcgen.
pub(super) fn moment<T: From<std::time::SystemTime>>(from_now: i64) -> T {
    let now = std::time::SystemTime::now();
    let distance = std::time::Duration::from_secs(from_now.unsigned_abs());
    T::from(if from_now < 0 {
        now - distance
    } else {
        now + distance
    })
}

pub(super) struct Authority {
    pub(super) certificate: CertificateDer<'static>,
    // Knows nothing of the certificate's key usage, so it signs what it shouldn't.
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate with its key.
pub(super) struct Own {
    pub(super) certificate: CertificateDer<'static>,
    pub(super) key: PrivateKeyDer<'static>,
}

fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.use_authority_key_identifier_extension = true;
    (params.not_before, params.not_after) = (moment(-DAY), moment(365 * DAY));
    params
}

impl Authority {
    pub(super) fn root(name: &str, edit: impl FnOnce(&mut CertificateParams)) -> Self {
        Self::new(name, edit, None)
    }

    pub(super) fn below(&self, name: &str, edit: impl FnOnce(&mut CertificateParams)) -> Self {
        Self::new(name, edit, Some(&self.issuer))
    }

    fn new(
        name: &str,
        edit: impl FnOnce(&mut CertificateParams),
        above: Option<&Issuer<'static, KeyPair>>,
    ) -> Self {
        let mut params = params(name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        edit(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = match above {
            Some(issuer) => params.signed_by(&key, issuer).unwrap(),
            None => params.self_signed(&key).unwrap(),
        };
        params.key_usages.clear();
        Self {
            certificate: certificate.der().clone(),
            issuer: Issuer::new(params, key),
        }
    }

    pub(super) fn leaf(&self, edit: impl FnOnce(&mut CertificateParams)) -> Own {
        let mut params = params("leaf");
        params.subject_alt_names = vec![rcgen::SanType::DnsName("localhost".try_into().unwrap())];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        edit(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Own {
            certificate: certificate.der().clone(),
            key: PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
        }
    }

    /// A list for a week, made so many seconds ago.
    pub(super) fn list(
        &self,
        number: u64,
        age: i64,
        revoked: &[u64],
    ) -> CertificateRevocationListDer<'static> {
        self.list_of(None, number, age, revoked)
    }

    /// A list that speaks of some of the authority's certificates only.
    pub(super) fn list_of(
        &self,
        scope: Option<CrlIssuingDistributionPoint>,
        number: u64,
        age: i64,
        revoked: &[u64],
    ) -> CertificateRevocationListDer<'static> {
        let revoked_certs = revoked.iter().map(|serial| RevokedCertParams {
            serial_number: SerialNumber::from(*serial),
            revocation_time: moment(-age),
            reason_code: Some(RevocationReason::KeyCompromise),
            invalidity_date: None,
        });
        let list = CertificateRevocationListParams {
            this_update: moment(-age),
            next_update: moment(7 * DAY - age),
            crl_number: SerialNumber::from(number),
            issuing_distribution_point: scope,
            revoked_certs: revoked_certs.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        list.signed_by(&self.issuer).unwrap().der().clone()
    }
}

impl Own {
    pub(super) fn trusting(
        &self,
        issuers: &[&Authority],
        anchors: &[&Authority],
        lists: Vec<CertificateRevocationListDer<'static>>,
    ) -> Result<MutualTls, TlsError> {
        let ders = |of: &[&Authority]| of.iter().map(|one| one.certificate.clone()).collect();
        let mut chain: Vec<_> = ders(issuers);
        chain.insert(0, self.certificate.clone());
        MutualTls::new(chain, self.key.clone_key(), ders(anchors), lists)
    }
}
