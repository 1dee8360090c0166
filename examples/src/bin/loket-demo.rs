//! The whole town in one command: agencies, gateway and counters, and the journeys of a family.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context;
use clap::{Parser, ValueEnum};
use loket_examples::counter;
use loket_examples::journeys::{self, Difference, Journey};
use loket_examples::mood::Mood;
use loket_examples::table;
use loket_examples::world::{COUNTER, Town, World};
use loket_sdk::message::{Answer, Locale};
use serde::Serialize;
use tokio::signal::unix::{SignalKind, signal};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Starts eight example agencies, the regional tax office and the gateway in this process, with
/// certificates of a throw-away authority and mutual TLS between all of them, and asks as a
/// counter would.
///
/// Some agencies are unwell on purpose, so that every outcome is seen. Stays up until Ctrl-C.
#[derive(Debug, Parser)]
#[command(version)]
struct Args {
    /// End after the journeys; the exit code is 1 when one differs from what is expected
    #[arg(long)]
    once: bool,
    /// How the answers are written to stdout
    #[arg(long, value_enum, default_value = "table")]
    output: Output,
    /// Language of the sentences in the answers
    #[arg(long, value_enum, default_value = "en")]
    lang: Lang,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Output {
    /// For people
    Table,
    /// One array of `{journey, answer, differences}`
    Json,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Lang {
    /// Indonesian
    Id,
    /// English
    En,
}

/// What became of one journey.
#[derive(Serialize)]
struct Report {
    journey: &'static str,
    answer: Answer,
    differences: Vec<Difference>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    match run(&args).await {
        Ok(code) => code,
        Err(error) => {
            // Nothing is left to do if nobody reads it.
            let _ = writeln!(std::io::stderr(), "loket-demo: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let started = Instant::now();
    let town = World::sample().start().await?;
    let request = town.directory().join("lookup.json");
    introduce(&town, &request, started)?;
    let all_well = tokio::select! {
        result = go_through(&town, args) => result?,
        result = told_to_stop() => {
            result?;
            town.stop().await;
            return Ok(ExitCode::FAILURE);
        }
    };
    if !args.once {
        writeln!(std::io::stderr(), "Ctrl-C stops everything.")?;
        told_to_stop().await?;
    }
    town.stop().await;
    Ok(if all_well {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Ctrl-C, or what ends a process politely: either way the directory is removed.
async fn told_to_stop() -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        result = tokio::signal::ctrl_c() => result,
        _ = terminate.recv() => Ok(()),
    }
}

/// Says where everything is, and how to ask by hand.
fn introduce(town: &Town, request: &Path, started: Instant) -> anyhow::Result<()> {
    let mut out = std::io::stderr().lock();
    writeln!(out, "up in {:.1} s", started.elapsed().as_secs_f64())?;
    writeln!(out, "gateway         {}", town.url())?;
    writeln!(out, "operators       http://{}", town.admin())?;
    for agency in town.agencies() {
        let records: Vec<&str> = agency.records.iter().map(|record| record.name()).collect();
        let mood = match agency.mood {
            Mood::Well => "",
            Mood::Slow(_) => " (slow)",
            Mood::Down => " (down)",
            Mood::Broken => " (broken records)",
            Mood::Refusing => " (refuses)",
            Mood::Later => " (answers later)",
        };
        let (id, address) = (agency.id, agency.address);
        let records = records.join(", ");
        writeln!(out, "{id:16}https://{address} {records}{mood}")?;
    }
    let certificates = town.certificates();
    writeln!(out, "certificates    {}", certificates.display())?;

    let journey = journeys::all().first().context("there is a journey")?;
    let message = counter::message(&town.client(journey.consumer)?, journey)?;
    std::fs::write(request, serde_json::to_vec_pretty(&message)?)?;
    let of_counter = |ending| {
        let name = format!("{}-{COUNTER}.{ending}", journey.consumer);
        certificates.join(name).display().to_string()
    };
    let (certificate, key) = (of_counter("pem"), of_counter("key"));
    let (ca, url) = (
        certificates.join("ca.pem").display().to_string(),
        town.url(),
    );
    let request = request.display();
    writeln!(
        out,
        "\ncurl --cert {certificate} --key {key} --cacert {ca} {url}/v1/lookups \
         -H 'content-type: application/json' -d @{request}\n\n\
         LOKET_URL={url} LOKET_CERT={certificate} LOKET_KEY={key} LOKET_CA={ca} \
         cargo run -p loket-examples --example counter\n",
    )?;
    Ok(())
}

/// Goes through every journey; whether each came out as expected.
async fn go_through(town: &Town, args: &Args) -> anyhow::Result<bool> {
    let mut reports = Vec::new();
    for journey in journeys::all() {
        let report = go(town, journey, args).await?;
        if let Output::Table = args.output {
            let mut out = std::io::stdout().lock();
            writeln!(out, "{}", table::render(journey, &report.answer))?;
        }
        for difference in &report.differences {
            writeln!(std::io::stderr(), "{}: {difference}", journey.name)?;
        }
        reports.push(report);
    }
    if let Output::Json = args.output {
        let mut out = std::io::stdout().lock();
        serde_json::to_writer_pretty(&mut out, &reports)?;
        writeln!(out)?;
    }
    Ok(reports.iter().all(|report| report.differences.is_empty()))
}

async fn go(town: &Town, journey: &'static Journey, args: &Args) -> anyhow::Result<Report> {
    let locale = match args.lang {
        Lang::Id => Locale::Id,
        Lang::En => Locale::En,
    };
    let client = town.client(journey.consumer)?;
    let answer = counter::ask_in(&client, journey, locale)
        .await
        .with_context(|| format!("the journey {}", journey.name))?;
    let differences = journey.check(&answer);
    Ok(Report {
        journey: journey.name,
        answer,
        differences,
    })
}
