//! Rules of taxpayers, in Indonesia and in Azerbaijan.

use super::{Data, at};
use crate::ids::AzVoen;

/// The type digit is in the schema's pattern, so what fails here is the check digit.
pub(super) fn voen_check_digit(data: &Data<'_>) -> Vec<String> {
    let is_broken = |voen| AzVoen::parse(voen).is_err();
    at("/voen", data.text("voen").map(is_broken))
}

pub(super) fn voen_type(data: &Data<'_>) -> Vec<String> {
    let both = data.text("voen").zip(data.text("taxpayer_type"));
    at(
        "/taxpayer_type",
        both.map(|(voen, code)| !voen.ends_with(code)),
    )
}

pub(super) fn nitku_of_taxpayer(data: &Data<'_>) -> Vec<String> {
    let (Some(npwp), Some(places)) = (data.text("npwp"), data.items("business_places")) else {
        return vec![];
    };
    let is_broken = |nitku: &str| !nitku.starts_with(npwp);
    let places = places.iter().enumerate();
    places
        .filter(|(_, place)| place["nitku"].as_str().is_some_and(is_broken))
        .map(|(index, _)| format!("/business_places/{index}/nitku"))
        .collect()
}

pub(super) fn npwp_is_nik(data: &Data<'_>) -> Vec<String> {
    let is_broken = || {
        let numbers = data.text("npwp")?.ne(data.text("nik")?);
        Some(data.text("taxpayer_type")? == "individual_resident" && numbers)
    };
    at("/npwp", is_broken())
}
