//! Findings: what is wrong or worth a look in the configuration, and where.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use miette::{Diagnostic, LabeledSpan, NamedSource, SourceCode};
use serde::Serialize;

/// Whether the gateway can run with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// It can't.
    Error,
    /// It can, and someone should look.
    Warning,
}

/// One thing that is wrong or worth a look.
#[derive(Debug, Clone, Serialize, thiserror::Error)]
#[error("{message}")]
pub struct Finding {
    /// Which file.
    pub file: PathBuf,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// Which key, with its table: `listener.address`, `grants[2].fields`. Empty when no key can be
    /// named.
    pub key: String,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub remedy: String,
    /// Whether the gateway can run with it.
    #[serde(skip)]
    pub severity: Severity,
    #[serde(skip)]
    span: Range<usize>,
    #[serde(skip)]
    shown: Option<NamedSource<Arc<str>>>,
}

impl Diagnostic for Finding {
    fn severity(&self) -> Option<miette::Severity> {
        Some(match self.severity {
            Severity::Error => miette::Severity::Error,
            Severity::Warning => miette::Severity::Warning,
        })
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(&self.remedy))
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.shown.as_ref().map(|source| source as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        self.shown.as_ref()?;
        let label = (!self.key.is_empty()).then(|| self.key.clone());
        let span = LabeledSpan::new(label, self.span.start, self.span.len());
        Some(Box::new(std::iter::once(span)))
    }
}

/// Everything that keeps the gateway from running, and what else was noticed on the way.
#[derive(Debug, Clone, Default, Serialize)]
pub struct ConfigErrors {
    /// What is wrong, in the order of the file.
    pub errors: Vec<Finding>,
    /// What deserves a look.
    pub warnings: Vec<Finding>,
    #[serde(skip)]
    unreadable: bool,
}

impl ConfigErrors {
    pub(crate) fn new(errors: Vec<Finding>, warnings: Vec<Finding>) -> Self {
        Self {
            errors,
            warnings,
            unreadable: false,
        }
    }

    pub(crate) fn unreadable(path: &Path, error: &std::io::Error) -> Self {
        let finding = Text::new(path, "").finding(
            Severity::Error,
            0..0,
            "",
            format!("the file can't be read: {}", error.kind()),
            "name a UTF-8 file that this user may read",
        );
        Self {
            errors: vec![finding],
            warnings: Vec::new(),
            unreadable: true,
        }
    }

    /// Whether the file itself couldn't be read, so that nothing is known of its content.
    #[must_use]
    pub fn is_unreadable(&self) -> bool {
        self.unreadable
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, finding) in self.errors.iter().enumerate() {
            if n > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{}:{}: ", finding.file.display(), finding.line)?;
            if !finding.key.is_empty() {
                write!(f, "{}: ", finding.key)?;
            }
            write!(f, "{} ({})", finding.message, finding.remedy)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

impl Diagnostic for ConfigErrors {
    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        let all = self.errors.iter().chain(&self.warnings);
        Some(Box::new(all.map(|finding| finding as &dyn Diagnostic)))
    }
}

/// A file's text, to place findings in it.
#[derive(Debug)]
pub(crate) struct Text {
    path: PathBuf,
    text: Arc<str>,
    shown: Option<NamedSource<Arc<str>>>,
}

impl Text {
    pub(crate) fn new(path: &Path, text: &str) -> Self {
        let masked: Arc<str> = masked(text).into();
        let shown = NamedSource::new(path.display().to_string(), masked);
        let shown = (!text.is_empty()).then_some(shown);
        Self {
            path: path.to_owned(),
            text: text.into(),
            shown,
        }
    }

    /// A text of which nothing is shown, only its lines counted.
    pub(crate) fn bare(path: &Path, text: &str) -> Self {
        Self {
            path: path.to_owned(),
            text: text.into(),
            shown: None,
        }
    }

    /// Builds a finding at a place of the text.
    pub(crate) fn finding(
        &self,
        severity: Severity,
        span: Range<usize>,
        key: &str,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Finding {
        let start = self.text.floor_char_boundary(span.start);
        let before = &self.text[..start];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Finding {
            file: self.path.clone(),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            key: key.to_owned(),
            message: message.into(),
            remedy: remedy.into(),
            severity,
            span: start..span.end.clamp(start, self.text.len()),
            shown: self.shown.clone(),
        }
    }
}

/// The text with the same length, in which nothing is left of what follows a key whose name says
/// that it is secret, nor of PEM blocks. A finding shows lines of the file; someone may have pasted
/// a secret where its file's name belongs.
fn masked(text: &str) -> String {
    const SECRET: [&str; 4] = ["key", "secret", "password", "token"];
    let mut out = String::with_capacity(text.len());
    // What ends the value that goes on over several lines.
    let mut until: Option<&str> = None;
    for line in text.split_inclusive('\n') {
        if let Some(end) = until {
            if line.contains(end) {
                until = None;
            }
            blank(line, &mut out);
            continue;
        }
        let (name, value) = line.split_once('=').unwrap_or((line, ""));
        let secret = SECRET
            .iter()
            .any(|word| name.to_ascii_lowercase().contains(word));
        let pem = line.contains("-----BEGIN");
        if (secret && !value.is_empty() && !name.trim_start().starts_with('#')) || pem {
            out.push_str(name);
            out.push_str(if name.len() < line.len() { "=" } else { "" });
            blank(value, &mut out);
            until = ["\"\"\"", "'''"]
                .into_iter()
                .find(|quote| value.matches(quote).count() == 1);
            if pem && until.is_none() && !line.contains("-----END") {
                until = Some("-----END");
            }
        } else {
            out.push_str(line);
        }
    }
    out
}

/// As many bytes, so that spans still hold.
fn blank(text: &str, out: &mut String) {
    out.extend(text.bytes().map(|byte| match byte {
        b'\n' | b'\r' | b' ' | b'"' | b'\'' => char::from(byte),
        _ => '*',
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_masked_text_keeps_its_length_and_loses_its_secrets() {
        let text = "a = 1\nsubject_key = \"S3CRÉT\"\nkey = \"\"\"\n-----BEGIN X-----\nS3CRET\n\"\"\"\nb = 2\n\
                    -----BEGIN PRIVATE KEY-----\nS3CRET\n-----END PRIVATE KEY-----\nc = 3\n";
        let masked = masked(text);
        assert_eq!(masked.len(), text.len());
        assert!(!masked.contains("S3CR"), "{masked}");
        for kept in ["a = 1\n", "\nb = 2\n", "\nc = 3\n"] {
            assert!(masked.contains(kept), "{masked}");
        }
    }
}
