//! A database on another machine: who it is, and by which password one comes in.

use std::error::Error as _;

use loket_gateway::audit::store::postgres::SCHEMA;
use loket_gateway::audit::store::suite::{append, keys, signer};
use loket_gateway::audit::store::{OpenError, Postgres};
use loket_gateway::config;
use loket_sdk::sensitive::Sensitive;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

use super::Database;

/// Every address of 127.0.0.0/8 is this machine's; nobody else listens on this one.
fn address() -> String {
    let [high, low] = u16::try_from(std::process::id() % 65_536)
        .unwrap()
        .to_be_bytes();
    format!("127.83.{high}.{low}")
}

fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// Lets the server have a certificate for this name.
fn certify(database: &mut Database, authority: &CertifiedIssuer<'static, KeyPair>, name: &str) {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new([name.to_owned()]).unwrap();
    let certificate = params.signed_by(&key, authority).unwrap();
    database.stop();
    database.put("server.crt", &certificate.pem());
    database.put("server.key", &key.serialize_pem());
    let hba = "local all all trust\nhostssl all all 127.0.0.0/8 scram-sha-256\n";
    database.put("pg_hba.conf", hba);
    database.configure(&format!("listen_addresses = '{}'\nssl = on\n", address()));
    database.run();
}

fn open(settings: &config::Database) -> Result<Postgres, OpenError> {
    Postgres::open(settings, signer(), keys())
}

fn refused(settings: &config::Database) -> String {
    open(settings).unwrap_err().source().unwrap().to_string()
}

#[test]
fn only_the_right_server_and_the_right_password_will_do() {
    let mut database = Database::start(SCHEMA);
    database.ask("ALTER ROLE gateway PASSWORD 'right-horse'");
    let authority = authority();
    let mut settings = super::settings(&database);
    settings.host = address();
    settings.authorities = Some(authority.pem().into_bytes());
    settings.password = Some(Sensitive::new(b"right-horse".to_vec()));
    certify(&mut database, &authority, &address());
    let mut store = open(&settings).unwrap();
    append(&mut store, 1..=3);
    let encrypted = database.ask("SELECT count(*) FROM pg_stat_ssl WHERE ssl");
    assert_eq!(encrypted, "2", "who writes, and who reads");
    let wrong = config::Database {
        password: Some(Sensitive::new(b"wrong-horse".to_vec())),
        ..settings.clone()
    };
    let told = refused(&wrong);
    assert!(told.contains("28P01") && !told.contains("horse"), "{told}");
    assert!(!format!("{wrong:?}").contains("horse"));
    let unencrypted = config::Database {
        authorities: None,
        ..settings.clone()
    };
    let told = refused(&unencrypted);
    assert!(told.contains("no encryption"), "{told}");
    let other = config::Database {
        authorities: Some(self::authority().pem().into_bytes()),
        ..settings.clone()
    };
    let told = refused(&other);
    assert!(told.contains("invalid peer certificate"), "{told}");
    certify(&mut database, &authority, "127.83.0.0");
    let told = refused(&settings);
    assert!(told.contains("not valid for name"), "{told}");
    certify(&mut database, &authority, &address());
    append(&mut store, 4..=4);
}
