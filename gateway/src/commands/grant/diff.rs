//! What differs between two grants, in plain sentences.

use std::io::Write;

use super::WRONG;
use crate::grants::{Document, Effect, compare};

pub(super) fn write(old: &Document, new: &Document, out: &mut dyn Write) -> anyhow::Result<u8> {
    let said = compare(old, new);
    for difference in &said {
        let mark = match difference.effect {
            Effect::Wider => "wider   ",
            Effect::Narrower => "narrower",
            Effect::Alike => "        ",
        };
        writeln!(out, "{mark}  {}", difference.sentence)?;
    }
    let wider = said.iter().filter(|it| it.effect == Effect::Wider).count();
    let narrower = said
        .iter()
        .filter(|it| it.effect == Effect::Narrower)
        .count();
    match said.is_empty() {
        true => writeln!(out, "nothing differs")?,
        false => writeln!(out, "{wider} wider, {narrower} narrower")?,
    }
    Ok(if wider > 0 { WRONG } else { 0 })
}
