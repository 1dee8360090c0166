//! Rows: a header and rows in, text for people or programs out.

use std::io::Write;

use clap::ValueEnum;
use comfy_table::{ContentArrangement, Table, presets};
use serde_json::{Map, Value};

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    Table,
    /// RFC 4180, with a header.
    Csv,
    /// One JSON object a line.
    Json,
    /// A table for documents.
    Markdown,
}

/// Cells under a header.
#[derive(Debug, Default)]
pub struct Rows {
    header: Vec<&'static str>,
    rows: Vec<Vec<Value>>,
}

impl Rows {
    /// No rows yet.
    #[must_use]
    pub fn new(header: Vec<&'static str>) -> Self {
        Self {
            header,
            rows: Vec::new(),
        }
    }

    /// One more row, with a cell for each word of the header.
    pub fn push(&mut self, row: Vec<Value>) {
        self.rows.push(row);
    }

    /// Writes them.
    ///
    /// # Errors
    /// When they can't be written.
    pub fn write(&self, output: Output, out: &mut dyn Write) -> std::io::Result<()> {
        match output {
            Output::Table => {
                let mut table = Table::new();
                table
                    .load_style(presets::UTF8_HORIZONTAL_ONLY)
                    .set_content_arrangement(ContentArrangement::Dynamic)
                    .set_header(&self.header);
                for row in &self.rows {
                    table.add_row(row.iter().map(plain));
                }
                for line in table.lines() {
                    writeln!(out, "{}", line.trim_end())?;
                }
                Ok(())
            }
            Output::Csv => {
                let header: Vec<String> = self.header.iter().map(|word| csv(word)).collect();
                writeln!(out, "{}\r", header.join(","))?;
                for row in &self.rows {
                    let cells: Vec<String> = row.iter().map(|cell| csv(&plain(cell))).collect();
                    writeln!(out, "{}\r", cells.join(","))?;
                }
                Ok(())
            }
            Output::Json => {
                for row in &self.rows {
                    let names = self.header.iter().map(|name| (*name).to_owned());
                    let object: Map<String, Value> = names.zip(row.iter().cloned()).collect();
                    writeln!(out, "{}", Value::Object(object))?;
                }
                Ok(())
            }
            Output::Markdown => {
                writeln!(out, "| {} |", self.header.join(" | "))?;
                writeln!(out, "|{}", " --- |".repeat(self.header.len()))?;
                for row in &self.rows {
                    let cells = row.iter().map(|cell| plain(cell).replace('|', "\\|"));
                    writeln!(out, "| {} |", cells.collect::<Vec<_>>().join(" | "))?;
                }
                Ok(())
            }
        }
    }
}

fn plain(cell: &Value) -> String {
    match cell {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(" "),
        other => other.to_string(),
    }
}

/// What a spreadsheet would take for a formula is text.
fn csv(text: &str) -> String {
    let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']) && text.len() > 1;
    let text = match is_formula {
        true => format!("'{text}"),
        false => text.to_owned(),
    };
    match text.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn cells_stay_cells() {
        let mut rows = Rows::new(vec!["grant", "fields"]);
        rows.push(vec![json!("G,\"1\""), json!(["a", "b|c"])]);
        rows.push(vec![json!("=cmd()"), json!(-3)]);
        let written = |output| {
            let mut out = Vec::new();
            rows.write(output, &mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        assert_eq!(
            written(Output::Csv),
            "grant,fields\r\n\"G,\"\"1\"\"\",a b|c\r\n'=cmd(),'-3\r\n"
        );
        assert_eq!(
            written(Output::Json),
            "{\"fields\":[\"a\",\"b|c\"],\"grant\":\"G,\\\"1\\\"\"}\n{\"fields\":-3,\"grant\":\"=cmd()\"}\n"
        );
        assert_eq!(
            written(Output::Markdown),
            "| grant | fields |\n| --- | --- |\n| G,\"1\" | a b\\|c |\n| =cmd() | -3 |\n"
        );
        assert!(written(Output::Table).contains("=cmd()"));
    }
}
