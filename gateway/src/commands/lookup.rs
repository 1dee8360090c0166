//! `loket lookup`: a question on the command line in, what each agency said out.
//!
//! Data goes to standard output, talk to standard error, so that a pipe carries data only. What the
//! caller got wrong is refused before anything leaves the machine, and never repeats a value.

pub(super) mod arguments;
pub(super) mod code;
mod glass;
pub(super) mod question;
pub(super) mod subject;
pub(super) mod table;
#[cfg(test)]
pub(super) mod tests;
pub(super) mod voice;

use std::io::{self, BufRead, Write};

use anyhow::Context;
use loket_sdk::client::{self, Client, Event, LookupBuilder};
use loket_sdk::message::BreakGlass;
use serde_json::{Value, json};

pub use arguments::Args;
use arguments::{Gateway, Output};
use question::Asked;
use table::Showing;

/// Runs the command; the process's exit code.
///
/// # Errors
/// When the output can't be written.
pub fn run(args: &Args, out: &mut dyn Write) -> anyhow::Result<u8> {
    run_with(args, &mut io::stdin().lock(), out, &mut io::stderr())
}

fn run_with(
    args: &Args,
    input: &mut dyn BufRead,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> anyhow::Result<u8> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("the runtime can't start")?;
    let lookup = match prepare(args, input, err)? {
        Ok(lookup) => lookup,
        Err(what) => {
            voice::usage(&what, err)?;
            return Ok(code::USAGE);
        }
    };
    // Within the runtime, since the connection pool starts a task.
    let asked = runtime.block_on(async {
        match lookup.build() {
            Ok(lookup) => ask(args, lookup, out).await,
            Err(error) => Ok(Err(error)),
        }
    })?;
    match asked {
        Ok(code) => Ok(code),
        Err(error) => {
            voice::failure(&error, args.output, out, err)?;
            Ok(code::of_error(&error))
        }
    }
}

/// What is asked, before there is anyone to ask.
pub(super) struct Prepared<'a> {
    args: &'a Args,
    subject: loket_sdk::message::Subject,
    claims: Vec<Asked>,
    glass: Option<BreakGlass>,
}

/// Reads what the arguments leave open; the inner error is a sentence for the caller.
pub(super) fn prepare<'a>(
    args: &'a Args,
    input: &mut dyn BufRead,
    err: &mut dyn Write,
) -> io::Result<Result<Prepared<'a>, String>> {
    let claims = args
        .question
        .claim
        .iter()
        .map(|text| question::claim(text.expose()));
    let claims = match claims.collect::<Result<Vec<Asked>, String>>() {
        Ok(claims) => claims,
        Err(what) => return Ok(Err(what)),
    };
    let subject = subject::read(
        args.question.subject.as_ref(),
        args.question.scheme,
        input,
        err,
    )?;
    let value = match subject {
        Ok(value) => value,
        Err(what) => return Ok(Err(what)),
    };
    let glass = glass::read(&args.glass, input, err)?;
    Ok(glass.map(|glass| Prepared {
        args,
        subject: loket_sdk::message::Subject {
            scheme: args.question.scheme,
            value,
            presented_as: args.question.presented_as,
        },
        claims,
        glass,
    }))
}

impl Prepared<'_> {
    pub(super) fn build(self) -> client::Result<LookupBuilder> {
        let args = self.args;
        let (question, right) = (&args.question, &args.right);
        let mut lookup = args
            .gateway
            .client()?
            .lookup(self.subject)
            .purpose(right.purpose)
            .case(&right.case)
            .by(&right.clerk, &right.counter)
            .legal_basis(right.legal_basis.kind, &right.legal_basis.reference)
            .deadline(args.deadline);
        if let Some(id) = &right.agreement {
            lookup = lookup.agreement(id);
        }
        if let Some(id) = &right.consent {
            lookup = lookup.consent(id);
        }
        if let Some(locale) = args.lang {
            lookup = lookup.locale(locale);
        }
        if let Some(id) = args.request_id {
            lookup = lookup.request_id(id);
        }
        if let Some(glass) = self.glass {
            lookup = lookup.break_glass(glass.ground, glass.justification.into_exposed());
        }
        for text in &question.record {
            lookup = match &text.fields {
                Some(fields) => lookup.record_fields(&text.record, fields),
                None => lookup.record(&text.record),
            };
            if text.required {
                lookup = lookup.required(&text.record);
            }
        }
        for asked in self.claims {
            lookup = lookup.claim(asked.record, asked.field, asked.op, asked.value);
        }
        for record in &question.required {
            lookup = lookup.required(record);
        }
        Ok(lookup)
    }
}

impl Gateway {
    pub(super) fn client(&self) -> client::Result<Client> {
        let mut builder = Client::builder()
            .url(&self.url)
            .certificate(&self.cert)
            .key(&self.key)
            .ca(&self.ca);
        for list in &self.crl {
            builder = builder.revocation_list(list);
        }
        if let Some(file) = &self.replay_secret {
            builder = builder.replay_secret_file(file);
        }
        if let Some(name) = &self.server_name {
            builder = builder.server_name(name);
        }
        builder.build()
    }
}

/// Asks and shows; the inner error is the gateway's or the way's there.
async fn ask(
    args: &Args,
    lookup: LookupBuilder,
    out: &mut dyn Write,
) -> io::Result<client::Result<u8>> {
    if args.output == Output::Ndjson {
        return stream(lookup, out).await;
    }
    let answer = match lookup.send().await {
        Ok(answer) => answer,
        Err(error) => return Ok(Err(error)),
    };
    match args.output {
        Output::Json => writeln!(out, "{:#}", json!(answer))?,
        _ => table::write(&answer, Showing::new(args.expose), out)?,
    }
    Ok(Ok(code::of_answer(&answer)))
}

/// Writes each event the moment it comes.
async fn stream(lookup: LookupBuilder, out: &mut dyn Write) -> io::Result<client::Result<u8>> {
    let mut results = match lookup.stream().await {
        Ok(results) => results,
        Err(error) => return Ok(Err(error)),
    };
    while let Some(event) = results.next().await {
        let event = match event {
            Ok(event) => event,
            Err(error) => return Ok(Err(error)),
        };
        let (name, mut document) = match &event {
            Event::Accepted(accepted) => ("accepted", json!(accepted)),
            Event::Result(result) => ("result", json!(result)),
            Event::Finding(finding) => ("finding", json!(finding)),
            Event::Done(answer) => ("done", without_data(json!(answer))),
            _ => continue,
        };
        document["event"] = name.into();
        writeln!(out, "{document}")?;
        out.flush()?;
        if let Event::Done(answer) = event {
            return Ok(Ok(code::of_answer(&answer)));
        }
    }
    // Without an end there is an error, which says how it ended.
    Ok(results
        .finish()
        .await
        .map(|answer| code::of_answer(&answer)))
}

/// As on the wire: what was written before isn't written again.
fn without_data(mut answer: Value) -> Value {
    for result in answer["results"].as_array_mut().into_iter().flatten() {
        if let Some(members) = result.as_object_mut() {
            members.retain(|name, _| name != "data" && name != "claims");
        }
    }
    answer
}
