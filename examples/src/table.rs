//! An answer as a table of 100 columns. Names of fields only, no value; words, no colours.

use std::fmt::Write as _;

use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use comfy_table::{ColumnConstraint, ContentArrangement, Table, Width};
use loket_sdk::message::{Answer, SourceResult};

use crate::journeys::Journey;

/// How wide the table is.
pub const WIDTH: u16 = 100;

/// One journey's answer.
#[must_use]
pub fn render(journey: &Journey, answer: &Answer) -> String {
    let mut table = Table::new();
    table
        .load_style(UTF8_HORIZONTAL_ONLY)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(WIDTH)
        .set_header(["agency, record", "outcome, reason", "ms", "what came"])
        .set_constraints([
            ColumnConstraint::Absolute(Width::Fixed(25)),
            ColumnConstraint::Absolute(Width::Fixed(27)),
            ColumnConstraint::Absolute(Width::Fixed(7)),
            // What is left beside three separators.
            ColumnConstraint::Absolute(Width::Fixed(WIDTH - 25 - 27 - 7 - 3)),
        ])
        .add_rows(answer.results.iter().map(row));
    let mut text = format!("{}, asked by {}\n", journey.title, journey.consumer);
    let missing: Vec<String> = answer
        .required_missing
        .iter()
        .map(ToString::to_string)
        .collect();
    // Writing to a String can't fail.
    let _ = writeln!(text, "{}", table.trim_fmt());
    let _ = write!(text, "overall: {}", answer.overall);
    if !missing.is_empty() {
        let _ = write!(text, "; required and missing: {}", missing.join(", "));
    }
    let _ = writeln!(text, "; audit entry {}", answer.receipt.entry);
    for finding in &answer.findings {
        let (rule, severity, message) = (&finding.rule, finding.severity, &finding.message);
        text.push_str(&wrap(&format!("finding {rule}, {severity}: {message}")));
    }
    text
}

fn row(result: &SourceResult) -> [String; 4] {
    let agency = result.source.as_ref().map(|source| source.agency.as_str());
    [
        format!("{}\n{}", agency.unwrap_or("nobody"), result.record),
        format!("{}\n{}", result.outcome, result.reason),
        result.elapsed_ms.to_string(),
        content(result),
    ]
}

fn content(result: &SourceResult) -> String {
    let mut lines = Vec::new();
    if let Some(data) = &result.data {
        lines.push(format!("fields: {}", list(data.expose().keys())));
    }
    let claims = result
        .claims
        .iter()
        .map(|claim| format!("{} {}", claim.field, claim.result.as_str()));
    if !result.claims.is_empty() {
        lines.push(format!("claims: {}", list(claims)));
    }
    let withheld = result
        .withheld
        .iter()
        .map(|withheld| format!("{} ({})", withheld.field, withheld.reason));
    if !result.withheld.is_empty() {
        lines.push(format!("withheld: {}", list(withheld)));
    }
    if let Some(seconds) = result.retry_after_s {
        lines.push(format!("ask again in {seconds} s"));
    }
    lines.join("\n")
}

/// Lines of whole words, the later ones indented.
fn wrap(text: &str) -> String {
    let mut wrapped = String::new();
    let mut column = 0;
    for word in text.split_whitespace() {
        let length = word.chars().count();
        let before = match column {
            0 => "",
            _ if column + 1 + length <= usize::from(WIDTH) => " ",
            _ => "\n  ",
        };
        column = match before {
            "\n  " => 2 + length,
            _ => column + before.len() + length,
        };
        wrapped.push_str(before);
        wrapped.push_str(word);
    }
    wrapped + "\n"
}

fn list<T: AsRef<str>>(words: impl Iterator<Item = T>) -> String {
    let words: Vec<T> = words.collect();
    let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_sentence_becomes_lines() {
        let text = wrap(&"kata ".repeat(40));
        let lengths: Vec<usize> = text.lines().map(|line| line.chars().count()).collect();
        assert_eq!(lengths, [99, 2 + 19 * 5 - 1, 2 + 4]);
    }
}
