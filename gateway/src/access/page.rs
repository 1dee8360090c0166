//! Page: a report in, a page to print out. It needs nothing else and runs nothing.

use std::fmt::{self, Display, Write};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use loket_sdk::message::{
    AccessEntry, AccessKind, AccessReport, AccessVisibility, AccessedField, AccessedRecord,
    HeldBack, LegalBasis, Locale,
};

use super::messages::{self, Phrase};

const STYLE: &str = include_str!("page.css");

/// The report as HTML.
#[must_use]
pub fn page(report: &AccessReport, zone: &TimeZone) -> String {
    let page = Page {
        out: String::with_capacity(2048 + report.entries.len() * 2048),
        locale: report.locale,
        zone,
    };
    page.whole(report)
}

struct Page<'a> {
    out: String,
    locale: Locale,
    zone: &'a TimeZone,
}

/// Text between tags or within a quoted attribute.
struct Text<'a>(&'a str);

impl Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for letter in self.0.chars() {
            match letter {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                // What turns the direction of text could make it read otherwise than it is.
                '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {}
                letter if letter.is_control() => f.write_char(' ')?,
                letter => f.write_char(letter)?,
            }
        }
        Ok(())
    }
}

impl Page<'_> {
    fn add(&mut self, words: fmt::Arguments<'_>) {
        // Writing to a string can't fail.
        let _ = self.out.write_fmt(words);
    }

    fn say(&self, phrase: Phrase) -> &'static str {
        messages::say(phrase, self.locale)
    }

    fn moment(&self, at: Timestamp) -> String {
        messages::moment(&self.zone.to_datetime(at), self.locale)
    }

    fn whole(mut self, report: &AccessReport) -> String {
        let (lang, title) = (self.locale, self.say(Phrase::Title));
        self.add(format_args!(
            "<!doctype html>\n<html lang=\"{lang}\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n\
             <h1>{title}</h1>\n<p>{}</p>\n",
            self.say(Phrase::Introduction),
        ));
        if report.entries.is_empty() {
            self.add(format_args!(
                "<p class=\"nobody\">{}</p>\n",
                self.say(Phrase::Nobody)
            ));
        }
        for entry in &report.entries {
            self.entry(entry);
        }
        self.held_back(&report.held_back);
        if report.next.is_some() {
            self.add(format_args!(
                "<p class=\"more\">{}</p>\n",
                self.say(Phrase::MoreFollows)
            ));
        }
        self.add(format_args!(
            "<footer>\n<p>{}</p>\n<p>{}</p>\n",
            self.say(Phrase::WhatToDo),
            self.say(Phrase::NotListed),
        ));
        let zone = self.zone.iana_name().unwrap_or("UTC");
        let made = self.moment(report.receipt.at);
        self.add(format_args!(
            "<p>{}: {} {}, {made}. {}: {}.</p>\n<p class=\"hash\">{}</p>\n\
             </footer>\n</main>\n</body>\n</html>\n",
            self.say(Phrase::Proof),
            self.say(Phrase::Number).to_lowercase(),
            report.receipt.entry,
            self.say(Phrase::Zone),
            Text(zone),
            Text(&report.receipt.hash),
        ));
        self.out
    }

    fn entry(&mut self, entry: &AccessEntry) {
        let when = self.moment(entry.at);
        self.add(format_args!(
            "<article>\n<h2>{}<small>{when}</small></h2>\n<p>{}</p>\n",
            Text(&entry.organisation.name),
            Text(&entry.summary),
        ));
        if entry.visibility == AccessVisibility::Deferred {
            self.add(format_args!("<p>{}</p>\n", self.say(Phrase::WasDeferred)));
        }
        self.add(format_args!("<dl>\n"));
        if let Some(basis) = &entry.legal_basis {
            let LegalBasis {
                kind, reference, ..
            } = basis;
            let text = format!("{}: {reference}", messages::basis(*kind, self.locale));
            self.term(Phrase::Basis, &text);
        }
        if let Some(case) = &entry.case_id {
            self.term(Phrase::Case, case.as_str());
        }
        self.term(Phrase::Number, &entry.entry.to_string());
        self.add(format_args!("</dl>\n"));
        if !entry.records.is_empty() {
            self.records(&entry.records);
        } else if entry.what == AccessKind::Lookup {
            self.add(format_args!("<p>{}</p>\n", self.say(Phrase::NotAsked)));
        }
        self.add(format_args!("</article>\n"));
    }

    fn term(&mut self, phrase: Phrase, text: &str) {
        let term = self.say(phrase);
        self.add(format_args!(
            "<div><dt>{term}</dt><dd>{}</dd></div>\n",
            Text(text)
        ));
    }

    fn records(&mut self, records: &[AccessedRecord]) {
        self.add(format_args!("<table>\n<thead><tr>"));
        for phrase in [
            Phrase::Record,
            Phrase::FieldsGiven,
            Phrase::FieldsVerified,
            Phrase::Result,
        ] {
            self.add(format_args!("<th scope=\"col\">{}</th>", self.say(phrase)));
        }
        self.add(format_args!("</tr></thead>\n<tbody>\n"));
        for record in records {
            self.add(format_args!(
                "<tr><th scope=\"row\">{}",
                Text(&record.label)
            ));
            if let Some(agency) = &record.agency {
                let term = self.say(Phrase::Agency);
                self.add(format_args!(
                    "<small>{term}: {}</small>",
                    Text(&agency.name)
                ));
            }
            self.add(format_args!("</th>"));
            for (phrase, fields) in [
                (Phrase::FieldsGiven, &record.given),
                (Phrase::FieldsVerified, &record.verified),
            ] {
                let text = self.fields(fields);
                let term = self.say(phrase);
                self.add(format_args!(
                    "<td data-term=\"{term}\">{}</td>",
                    Text(&text)
                ));
            }
            let term = self.say(Phrase::Result);
            let text = Text(&record.text);
            self.add(format_args!("<td data-term=\"{term}\">{text}</td></tr>\n"));
        }
        self.add(format_args!("</tbody>\n</table>\n"));
    }

    fn fields(&self, fields: &[AccessedField]) -> String {
        if fields.is_empty() {
            return self.say(Phrase::None).to_owned();
        }
        let labels: Vec<&str> = fields.iter().map(|field| field.label.as_str()).collect();
        labels.join(", ")
    }

    fn held_back(&mut self, held_back: &HeldBack) {
        if *held_back == HeldBack::default() {
            return;
        }
        self.add(format_args!(
            "<section>\n<h2>{}</h2>\n<ul>\n",
            self.say(Phrase::HeldBack)
        ));
        if let Some(days) = held_back.deferred_days {
            let what = self.say(Phrase::DeferredDays);
            self.add(format_args!("<li>{what}: {days}</li>\n"));
        }
        if !held_back.grounds.is_empty() {
            let grounds = held_back.grounds.join("; ");
            let (what, grounds) = (self.say(Phrase::Withheld), Text(&grounds));
            self.add(format_args!("<li>{what}: {grounds}</li>\n"));
        }
        self.add(format_args!(
            "</ul>\n<p>{}</p>\n</section>\n",
            self.say(Phrase::WhetherNotTold)
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped() {
        for (text, expected) in [
            ("plain", "plain"),
            (
                "<script>alert(1)</script>",
                "&lt;script&gt;alert(1)&lt;/script&gt;",
            ),
            (
                "\" onload='x' & more",
                "&quot; onload=&#39;x&#39; &amp; more",
            ),
            ("a\u{202e}b\u{0}c\nd", "ab c d"),
            ("Şəxsiyyət İı", "Şəxsiyyət İı"),
        ] {
            assert_eq!(Text(text).to_string(), expected);
        }
    }
}
