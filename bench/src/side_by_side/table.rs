//! The table: rounds in, medians and ratios out; for programs the rounds too.

use std::io::{self, Write};

use comfy_table::{Table, presets};
use serde::Serialize;
use serde_json::json;

use super::measure::Figures;
use super::peer::Peer;
use super::scenario::Scenario;
use super::{Told, World};
use crate::plan::Output;

/// One round's figures.
#[derive(Debug, Serialize)]
pub(crate) struct Round {
    pub(crate) scenario: Scenario,
    pub(crate) peer: Peer,
    pub(crate) round: usize,
    #[serde(flatten)]
    pub(crate) figures: Figures,
}

/// Medians of a peer's rounds of a scenario.
#[derive(Debug, Serialize)]
struct Row {
    scenario: Scenario,
    peer: Peer,
    /// What the scenario is about, as a multiple of nginx's.
    ratio_to_nginx: Option<f64>,
    /// CPU time in the open loop, as a multiple of nginx's.
    open_ratio_to_nginx: Option<f64>,
    /// Between the lowest and the highest round, as a share of the median.
    spread: Option<f64>,
    #[serde(flatten)]
    figures: Figures,
}

/// Writes it.
///
/// # Errors
/// When it can't be written.
pub(crate) fn write(
    world: &World,
    told: &Told,
    rounds: &[Round],
    output: Output,
    out: &mut dyn Write,
) -> io::Result<()> {
    let rows = rows(rounds);
    match output {
        Output::Json => {
            let document = json!({
                "schema": "loket.side_by_side/1",
                "machine": told.machine,
                "versions": told.versions,
                "seconds": world.length.as_secs_f64(),
                "medians": rows,
                "rounds": rounds,
            });
            writeln!(out, "{document:#}")
        }
        Output::Table => {
            writeln!(out, "{}\n", told.line(world.length))?;
            table(&rows, out)
        }
    }
}

fn rows(rounds: &[Round]) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for round in rounds {
        let (scenario, peer) = (round.scenario, round.peer);
        if rows
            .iter()
            .any(|row| (row.scenario, row.peer) == (scenario, peer))
        {
            continue;
        }
        let of = |peer| {
            let same = move |round: &&Round| (round.scenario, round.peer) == (scenario, peer);
            let figures = rounds.iter().filter(same).map(|round| &round.figures);
            figures.collect::<Vec<_>>()
        };
        let own = of(peer);
        let about = |figures: &Figures| about(scenario, figures);
        let nginx = of(Peer::Nginx);
        let ratio = |figure: &dyn Fn(&Figures) -> Option<f64>| {
            Some(median(&own, figure)? / median(&nginx, figure)?)
        };
        rows.push(Row {
            scenario,
            peer,
            ratio_to_nginx: ratio(&about),
            open_ratio_to_nginx: ratio(&|figures| figures.cpu_us_per_request_open),
            spread: spread(&own, about),
            figures: medians(&own),
        });
    }
    rows.sort_by_key(|row| (row.scenario, row.peer));
    rows
}

/// The figure that a scenario is about.
fn about(scenario: Scenario, figures: &Figures) -> Option<f64> {
    match scenario {
        Scenario::Idle | Scenario::Kept => figures.kib_per_connection,
        Scenario::Start => figures.p50_ms,
        _ => figures.cpu_us_per_request,
    }
}

fn medians(rounds: &[&Figures]) -> Figures {
    let of = |figure: fn(&Figures) -> Option<f64>| median(rounds, figure);
    let mut errors = std::collections::BTreeMap::new();
    for (kind, count) in rounds.iter().flat_map(|round| &round.errors) {
        *errors.entry(kind.clone()).or_default() += count;
    }
    Figures {
        requests_per_s: of(|figures| figures.requests_per_s),
        cpu_us_per_request: of(|figures| figures.cpu_us_per_request),
        cpu_us_per_request_open: of(|figures| figures.cpu_us_per_request_open),
        p50_ms: of(|figures| figures.p50_ms),
        p99_ms: of(|figures| figures.p99_ms),
        late_p99_ms: of(|figures| figures.late_p99_ms),
        peak_mib: of(|figures| figures.peak_mib),
        rest_mib: of(|figures| figures.rest_mib),
        kib_per_connection: of(|figures| figures.kib_per_connection),
        errors,
    }
}

fn sorted(rounds: &[&Figures], figure: impl Fn(&Figures) -> Option<f64>) -> Vec<f64> {
    let mut all: Vec<f64> = rounds.iter().filter_map(|round| figure(round)).collect();
    all.sort_by(f64::total_cmp);
    all
}

fn median(rounds: &[&Figures], figure: impl Fn(&Figures) -> Option<f64>) -> Option<f64> {
    let all = sorted(rounds, figure);
    let (low, high) = (
        all.get(all.len().saturating_sub(1) / 2)?,
        all.get(all.len() / 2)?,
    );
    Some((low + high) / 2.0)
}

fn spread(rounds: &[&Figures], figure: impl Fn(&Figures) -> Option<f64>) -> Option<f64> {
    let all = sorted(rounds, &figure);
    let (low, high) = (all.first()?, all.last()?);
    Some((high - low) / median(rounds, figure)?)
}

fn table(rows: &[Row], out: &mut dyn Write) -> io::Result<()> {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN);
    table.set_header([
        "scenario",
        "peer",
        "requests/s",
        "CPU µs",
        "CPU µs, open",
        "p50 ms",
        "p99 ms",
        "MiB at rest",
        "MiB at most",
        "KiB/connection",
        "errors",
        "to nginx",
        "open to nginx",
        "spread",
    ]);
    for row in rows {
        let figures = &row.figures;
        let number = |value: Option<f64>, digits: usize| match value {
            Some(value) => format!("{value:.digits$}"),
            None => "–".to_owned(),
        };
        let errors = figures
            .errors
            .iter()
            .map(|(kind, count)| format!("{count} {kind}"));
        let errors: Vec<String> = errors.collect();
        table.add_row([
            row.scenario.name().to_owned(),
            row.peer.name().to_owned(),
            number(figures.requests_per_s, 0),
            number(figures.cpu_us_per_request, 0),
            number(figures.cpu_us_per_request_open, 0),
            number(figures.p50_ms, 2),
            number(figures.p99_ms, 2),
            number(figures.rest_mib, 0),
            number(figures.peak_mib, 0),
            number(figures.kib_per_connection, 1),
            match errors.is_empty() {
                true => "0".to_owned(),
                false => errors.join(", "),
            },
            number(row.ratio_to_nginx, 2),
            number(row.open_ratio_to_nginx, 2),
            row.spread.map_or("–".to_owned(), |spread| {
                format!("{:.0} %", spread * 100.0)
            }),
        ]);
    }
    for line in table.lines() {
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(peer: Peer, cpu: f64) -> Round {
        Round {
            scenario: Scenario::GetH1,
            peer,
            round: 1,
            figures: Figures {
                cpu_us_per_request: Some(cpu),
                errors: [("http".to_owned(), 1)].into(),
                ..Figures::default()
            },
        }
    }

    #[test]
    fn medians_and_ratios_are_of_the_rounds() {
        let nginx = [40.0, 50.0, 20.0].map(|cpu| round(Peer::Nginx, cpu));
        let floor = [10.0, 30.0].map(|cpu| round(Peer::Floor, cpu));
        let rounds: Vec<Round> = nginx.into_iter().chain(floor).collect();
        let rows = rows(&rounds);
        let told = |row: &Row| (row.peer, row.figures.cpu_us_per_request, row.ratio_to_nginx);
        assert_eq!(told(&rows[0]), (Peer::Nginx, Some(40.0), Some(1.0)));
        assert_eq!(told(&rows[1]), (Peer::Floor, Some(20.0), Some(0.5)));
        assert_eq!(rows[0].spread, Some(0.75));
        assert_eq!(rows[0].figures.errors["http"], 3);
    }

    #[test]
    fn without_nginx_there_is_no_ratio() {
        let rows = rows(&[round(Peer::Floor, 10.0)]);
        assert_eq!(rows[0].ratio_to_nginx, None);
    }
}
