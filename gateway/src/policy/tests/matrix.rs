//! The matrix as a golden text, and the decisions held against it.

use std::collections::HashMap;

use loket_sdk::schema;

use super::*;
use crate::fixture::golden;
use crate::fixture::services::with_calls;

/// The town, with grants that mustn't show: not in force, or on a field that can't be asked.
fn directory() -> Directory {
    let mut parts = town::parts();
    let mut odd = |line: &str, change: fn(&mut Grant)| {
        let mut grant = town::grant(parts.grants.len() + 1, line);
        change(&mut grant);
        parts.grants.push(grant);
    };
    let line = "bapenda property_tax taxpayer djp read npwp";
    odd(line, |grant| grant.state = GrantState::Suspended);
    odd(line, |grant| grant.valid_to = "2026-11-23".parse().unwrap());
    odd(line, |grant| {
        grant.valid_from = "2026-11-25".parse().unwrap()
    });
    odd(
        "dinsos social_assistance,complaint_handling social-assistance kemensos verify decile,registry",
        |grant| {
            grant.valid_to = "2026-11-24".parse().unwrap();
            grant.break_glass_ok = true;
        },
    );
    odd(
        "dinsos social_assistance person-identity dukcapil read identity_status,address",
        |grant| grant.break_glass_ok = true,
    );
    odd(
        "dinsos social_assistance person-identity dukcapil read religion",
        |grant| {
            grant.break_glass_ok = true;
            grant.state = GrantState::Suspended;
        },
    );
    Directory::new(with_calls(parts)).unwrap()
}

/// Both words of the text by consumer, purpose, record, agency and field.
fn cells(text: &str) -> HashMap<[String; 5], [String; 2]> {
    let mut cells = HashMap::new();
    let [mut consumer, mut purpose, mut record, mut agency] = [const { String::new() }; 4];
    for line in text
        .lines()
        .skip_while(|line| !line.starts_with("What isn't"))
        .skip(1)
        .take_while(|line| *line != "Routed calls")
    {
        let words: Vec<&str> = line.split_whitespace().collect();
        match (line.len() - line.trim_start().len(), words.as_slice()) {
            (_, []) => {}
            (0, [rule]) if rule.starts_with('=') => {}
            (0, [name]) => consumer = (*name).to_owned(),
            (2, ["for", name]) => purpose = (*name).to_owned(),
            (4, [name, "@", owner]) => {
                record = (*name).to_owned();
                agency = (*owner).to_owned();
            }
            (4, ["by", ..]) => {}
            (6, [field, word, broken]) => {
                let place = [&consumer, &purpose, &record, &agency, *field].map(str::to_owned);
                let words = [*word, *broken].map(str::to_owned);
                assert_eq!(cells.insert(place, words), None);
            }
            other => panic!("can't be read: {other:?}"),
        }
    }
    cells
}

#[test]
fn lawyers_read_it() {
    golden::check("policy-matrix.txt", &matrix(&directory(), town::TODAY));
}

#[test]
fn decisions_agree_with_every_cell() {
    let directory = directory();
    let cells = cells(&matrix(&directory, town::TODAY));
    let mut broken: HashMap<(&String, &[String; 3]), &str> = HashMap::new();
    for ([consumer, _, rest @ ..], [_, word]) in &cells {
        let before = broken.insert((consumer, rest), word);
        assert!(before.is_none_or(|before| before == word), "{rest:?}");
    }
    assert!(broken.values().any(|word| *word == "read"));
    let mut asked = 0;
    for source in directory.sources() {
        for record in &source.records {
            for field in schema::record(record).unwrap().fields() {
                for member in directory.members() {
                    for &purpose in Purpose::ALL {
                        let place = [
                            member.id.as_str(),
                            purpose.as_str(),
                            &record.to_string(),
                            source.agency.as_str(),
                            &field.name,
                        ];
                        let place = place.map(str::to_owned);
                        let word = cells.get(&place).map_or("-", |words| words[0].as_str());
                        let decide = |wanted, broken| {
                            let question = Question {
                                consumer: &member.id,
                                purpose,
                                record,
                                source: &source.agency,
                                wanted,
                                today: town::TODAY,
                                held: broken,
                                break_glass: broken,
                            };
                            decide(&directory, &question).is_ok()
                        };
                        let fields = [field.name.clone()];
                        let claims = [claim(&field.name, "exists")];
                        let (read, verify) = (
                            decide(Wanted::Fields(&fields), false),
                            decide(Wanted::Claims(&claims), false),
                        );
                        assert_eq!(read, word == "read", "{place:?}");
                        let askable = claims::allowed(field.verify, claims[0].op);
                        assert_eq!(verify, word != "-" && askable, "{place:?}");
                        asked += 1;
                        if purpose.is_mandatory() {
                            continue;
                        }
                        // The glass's word is the same for every purpose, also for one not listed.
                        let [consumer, _, rest @ ..] = &place;
                        let word = broken.get(&(consumer, rest)).map_or("-", |word| *word);
                        let read = decide(Wanted::Fields(&fields), true);
                        let verify = decide(Wanted::Claims(&claims), true);
                        assert_eq!(read, word == "read", "{place:?}, broken");
                        assert_eq!(verify, word != "-" && askable, "{place:?}, broken");
                    }
                }
            }
        }
    }
    assert!(asked > 10_000, "{asked}");
}
