//! The smallest counter: one lookup, every agency's answer. `loket-demo` prints the environment
//! with which it runs: `LOKET_URL`, `LOKET_CERT`, `LOKET_KEY` and `LOKET_CA`.

use std::io::Write;

use loket_sdk::claims::Op;
use loket_sdk::client::Client;
use loket_sdk::ids::Nik;
use loket_sdk::message::{LegalBasisKind, Purpose};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let answer = Client::from_env()?
        .lookup(Nik::parse("3510161405889901")?)
        .purpose(Purpose::BusinessLicence)
        .legal_basis(LegalBasisKind::LegalObligation, "PP 28/2025")
        .case("MPP-3510-000200")
        .by("clk-7f3a", "B07")
        .claim(
            "person-identity/1",
            "full_name",
            Op::NameMatches,
            "BAGAS CONTOH PRATAMA",
        )
        .record("taxpayer/1")
        .send()
        .await?;
    let mut out = std::io::stdout().lock();
    for card in &answer.results {
        writeln!(out, "{}: {}, {}", card.record, card.outcome, card.reason)?;
    }
    writeln!(out, "overall: {}", answer.overall)?;
    Ok(())
}
