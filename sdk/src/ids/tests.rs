use jiff::civil::{Date, date};
use proptest::prelude::*;
use serde::Deserialize;
use serde_json::json;

use super::*;

/// One line of `vectors.json`: `normal` is left out where it is the input itself.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Vector {
    scheme: String,
    input: String,
    normal: Option<String>,
    #[serde(default)]
    findings: Vec<FindingCode>,
    error: Option<String>,
    part: Option<String>,
    why: String,
}

/// Normal form, findings and what `Debug` shows.
type Read = Result<(String, Vec<FindingCode>, String), IdError>;

fn read(scheme: &str, raw: &str) -> Read {
    macro_rules! personal {
        ($Id:ident) => {
            $Id::parse(raw).map(|id| {
                let codes = id.findings().into_iter().map(|finding| finding.code);
                (id.expose().to_owned(), codes.collect(), format!("{id:?}"))
            })
        };
    }
    macro_rules! open {
        ($Id:ident) => {
            $Id::parse(raw).map(|id| (id.to_string(), vec![], String::new()))
        };
    }
    match scheme {
        "nik" => personal!(Nik),
        "kk" => personal!(KkNumber),
        "npwp" => personal!(Npwp),
        "nitku" => personal!(Nitku),
        "jkn" => personal!(JknCardNumber),
        "kpj" => personal!(Kpj),
        "sim" => personal!(LicenceNumber),
        "plate" => personal!(PlateNumber),
        "chassis" => personal!(ChassisNumber),
        "passport" => personal!(PassportNumber),
        "parcel" => personal!(ParcelId),
        "nop" => personal!(Nop),
        "business_nib" => personal!(BusinessNib),
        "certificate" => personal!(CertificateNumber),
        "az_fin" => personal!(AzFin),
        "az_voen" => personal!(AzVoen),
        "az_document" => personal!(AzDocumentNumber),
        "mrz" => Mrz::parse(raw).map(|mrz| {
            let lines = format!("{}\n{}", mrz.expose_line1(), mrz.expose_line2());
            (lines, vec![], format!("{mrz:?}"))
        }),
        "agency_id" => open!(AgencyId),
        "member_id" => open!(MemberId),
        "system_id" => open!(SystemId),
        "case_id" => open!(CaseId),
        "region_code" => open!(RegionCode),
        _ => panic!("no such scheme: {scheme}"),
    }
}

const NAMES: [&str; 23] = [
    "nik",
    "kk",
    "npwp",
    "nitku",
    "jkn",
    "kpj",
    "sim",
    "plate",
    "chassis",
    "passport",
    "parcel",
    "nop",
    "business_nib",
    "certificate",
    "az_fin",
    "az_voen",
    "az_document",
    "mrz",
    "agency_id",
    "member_id",
    "system_id",
    "case_id",
    "region_code",
];

fn vectors() -> Vec<Vector> {
    serde_json::from_str(include_str!("vectors.json")).unwrap()
}

#[track_caller]
fn check(vector: &Vector) {
    let Vector {
        scheme, input, why, ..
    } = vector;
    let context = format!("{scheme} {input:?}: {why}");
    match (read(scheme, input), &vector.error) {
        (Ok((normal, findings, _)), None) => {
            let expected = vector.normal.as_ref().unwrap_or(input);
            assert_eq!(&normal, expected, "{context}");
            assert_eq!(findings, vector.findings, "{context}");
        }
        (Err(error), Some(code)) => {
            assert_eq!(error.kind.code(), code, "{context}");
            assert_eq!(error.name, scheme, "{context}");
            if let Some(part) = &vector.part {
                assert!(error.to_string().contains(part), "{context}: {error}");
            }
            assert_static(error);
        }
        (read, expected) => panic!("{context}: {read:?}, expected {expected:?}"),
    }
}

#[test]
fn every_vector() {
    let vectors = vectors();
    assert!(vectors.len() >= 45);
    for name in NAMES {
        let mine: Vec<_> = vectors.iter().filter(|v| v.scheme == name).collect();
        assert!(
            mine.iter().any(|v| v.error.is_none()),
            "{name} has no good vector"
        );
        assert!(
            mine.iter().any(|v| v.error.is_some()),
            "{name} has no bad vector"
        );
    }
    vectors.iter().for_each(check);
}

/// An error that lives for ever and is copied can't hold a value: its texts are in the program.
fn assert_static<E: Copy + 'static>(_: E) {}

/// No run of four digits of the value stands in the text.
#[track_caller]
fn assert_says_nothing_of(text: &str, value: &str) {
    let digits: Vec<char> = value.chars().filter(char::is_ascii_digit).collect();
    for run in digits.windows(4) {
        let run: String = run.iter().collect();
        assert!(!text.contains(&run), "{text}");
    }
}

#[test]
fn a_nik_tells_region_date_sex_and_serial() {
    let today = date(2026, 11, 24);
    let man = Nik::parse("3510161405889901").unwrap();
    assert_eq!(man.region().as_str(), "35.10.16");
    assert_eq!(man.region().province().map(|p| p.name), Some("Jawa Timur"));
    assert_eq!(man.birth_date(today), Some(date(1988, 5, 14)));
    assert_eq!(man.sex(), Some(Sex::Male));
    assert_eq!(man.serial(), "9901");

    let girl = Nik::parse("3510164211269903").unwrap();
    assert_eq!(girl.sex(), Some(Sex::Female));
    assert_eq!(girl.birth_date(date(2026, 11, 2)), Some(date(2026, 11, 2)));
    assert_eq!(girl.birth_date(date(2026, 11, 1)), Some(date(1926, 11, 2)));

    let nobody = Nik::parse("3510163512889906").unwrap();
    assert_eq!((nobody.sex(), nobody.birth_date(today)), (None, None));
}

#[test]
fn a_nik_is_held_against_the_record() {
    let nik = Nik::parse("3510164211269903").unwrap();
    let codes = |date: Option<Date>, sex| -> Vec<_> {
        let findings = nik.findings_against(date, sex).into_iter();
        findings.map(|f| (f.code, f.severity)).collect()
    };
    assert_eq!(codes(Some(date(2026, 11, 2)), Some(Sex::Female)), []);
    assert_eq!(codes(Some(date(1926, 11, 2)), None), []);
    assert_eq!(codes(None, None), []);
    assert_eq!(
        codes(Some(date(2026, 11, 3)), Some(Sex::Male)),
        [
            (FindingCode::NikDobDiffers, Severity::Info),
            (FindingCode::NikSexDiffers, Severity::Warning),
        ]
    );
}

#[test]
fn an_npwp_keeps_how_it_was_written() {
    let old = Npwp::parse("019999994627000").unwrap();
    let new = Npwp::parse("0019999994627000").unwrap();
    assert_eq!(old, new);
    assert!(old.written_as_15() && !new.written_as_15());
    assert_eq!(new.legacy(), Some("019999994627000"));
    assert_eq!(new.as_nik(), None);
    let person = Npwp::parse("3510161405889901").unwrap();
    assert_eq!(person.as_nik(), Nik::parse("3510161405889901").ok());

    let place = Nitku::parse("3510161405889901000000").unwrap();
    assert!(place.is_head_office());
    assert_eq!(place.findings_against(&person), []);
    assert_eq!(
        place.findings_against(&old),
        [FindingCode::NitkuPrefixDiffers.into()]
    );
}

#[test]
fn regions_nest_and_retire() {
    let region = |code| RegionCode::parse(code).unwrap();
    let village = region("35.10.16.1003");
    assert_eq!(village.level(), 4);
    assert_eq!(village.parent(), Some(region("35.10.16")));
    assert!(region("35.10").contains(&village));
    assert!(village.contains(&village));
    assert!(!village.contains(&region("35.10")));
    let successor = region("91.09").successor().unwrap();
    assert_eq!((successor.code, successor.name), ("94.04", "Mimika"));
    assert!(region("94.04").successor().is_none());
    assert!(region("91").successor().is_none());
}

#[test]
fn an_mrz_tells_what_the_passport_says() {
    let lines = json!({
        "line1": "P<IDNPRATAMA<<BAGAS<CONTOH<<<<<<<<<<<<<<<<<<",
        "line2": "X9990001<3IDN8805142M3401055<<<<<<<<<<<<<<08",
    });
    let mrz: Mrz = serde_json::from_value(lines.clone()).unwrap();
    assert_eq!(mrz.document_number(), "X9990001");
    assert_eq!((mrz.issuing_state(), mrz.nationality()), ("IDN", "IDN"));
    assert_eq!(mrz.surname(), "PRATAMA");
    assert_eq!(mrz.given_names(), "BAGAS CONTOH");
    assert_eq!(mrz.birth_date(date(2026, 11, 24)), Some(date(1988, 5, 14)));
    assert_eq!(mrz.expires_on(), Some(date(2034, 1, 5)));
    assert_eq!(mrz.sex(), Some(Sex::Male));
    assert_eq!(serde_json::to_value(&mrz).unwrap(), lines);
}

#[test]
fn schemes_are_the_words_of_the_wire() {
    for scheme in Scheme::ALL {
        assert_eq!(json!(scheme), json!(scheme.as_str()));
        assert_eq!(scheme.as_str().parse(), Ok(scheme));
    }
    assert!("ktp".parse::<Scheme>().is_err());
    for code in FindingCode::ALL {
        assert_eq!(json!(code), json!(code.as_str()));
    }
    for vector in vectors() {
        let Ok(scheme) = vector.scheme.parse::<Scheme>() else {
            continue;
        };
        let read = read(&vector.scheme, &vector.input);
        assert_eq!(
            normalise(scheme, &vector.input),
            read.clone().map(|(normal, ..)| normal)
        );
        let codes = findings(scheme, &vector.input)
            .map(|findings| findings.iter().map(|finding| finding.code).collect());
        assert_eq!(codes, read.map(|(_, codes, _)| codes));
    }
}

#[test]
fn serde_parses_and_never_repeats_the_value() {
    let nik: Nik = serde_json::from_str("\"3510 1614 0588 9901\"").unwrap();
    assert_eq!(json!(nik), json!("3510161405889901"));
    for wrong in [
        "3510161405889901",
        "3510161405889901.5",
        "\"35101614058899012\"",
        "true",
    ] {
        let error = serde_json::from_str::<Nik>(wrong).unwrap_err().to_string();
        assert!(error.starts_with("nik: must"), "{error}");
        assert_says_nothing_of(&error, wrong);
    }
    let number = 3_510_161_405_889_901_u64;
    for wrong in [
        json!({ "line1": number, "line2": "" }),
        json!("3510161405889901"),
    ] {
        let error = serde_json::from_value::<Mrz>(wrong)
            .unwrap_err()
            .to_string();
        assert_says_nothing_of(&error, "3510161405889901");
    }
}

fn inputs() -> Vec<String> {
    vectors().into_iter().map(|vector| vector.input).collect()
}

/// Texts near identifiers, so that chance finds good and nearly good ones.
fn raw() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[0-9]{9,23}",
        "[0-9 .-]{9,30}",
        "[A-Za-z]{1,3} ?[0-9]{1,5} ?[a-z]{0,4}",
        "[A-Z0-9]{5,17}",
        "[a-z][a-z0-9-]{0,41}",
        "[A-Z0-9<]{88}",
        prop::sample::select(inputs()),
    ]
}

const GOOD_LINE1: &str = "P<IDNPRATAMA<<BAGAS<CONTOH<<<<<<<<<<<<<<<<<<";

fn with_char(text: &str, at: usize, c: char) -> String {
    let changed = text.chars().enumerate();
    changed
        .map(|(i, old)| if i == at { c } else { old })
        .collect()
}

/// The value of a character as ICAO Doc 9303 part 3 section 4.9 has it.
fn icao_value(c: char) -> u32 {
    c.to_digit(36).unwrap_or(0)
}

proptest! {
    #[test]
    fn parsing_is_total_and_idempotent(raw in raw()) {
        for name in NAMES {
            if let Ok((normal, findings, _)) = read(name, &raw) {
                let again = read(name, &normal).unwrap();
                prop_assert_eq!((&normal, &findings), (&again.0, &again.1), "{}", name);
            }
        }
    }

    /// `Debug` is one text per type, whatever the value: stronger than "no four characters of
    /// it", and true even of a certificate whose number is the word "Certificate".
    #[test]
    fn debug_shows_nothing_of_the_value(raw in raw()) {
        for name in &NAMES[..18] {
            if let Ok((normal, _, debug)) = read(name, &raw) {
                prop_assert!(debug.ends_with("(…)"), "{}", debug);
                prop_assert!(debug.chars().all(|c| c.is_alphabetic() || "(…)".contains(c)));
                assert_says_nothing_of(&debug, &normal);
            }
        }
    }

    /// The five check digits cover columns 1–10, 14–20 and 22–44 of line 2. Each weight (7, 3, 1)
    /// is coprime to 10, so a changed character is detected exactly when the two characters'
    /// values differ modulo 10; `A` for `K` isn't.
    #[test]
    fn an_mrz_detects_every_change_that_differs_modulo_10(
        at in (0..44_usize).prop_filter("covered", |at| ![10, 11, 12, 20].contains(at)),
        c in prop::sample::select(('0'..='9').chain('A'..='Z').chain(['<']).collect::<Vec<_>>()),
        line2 in prop::sample::select(vec![
            "X9990001<3IDN8805142M3401055<<<<<<<<<<<<<<08",
            "X9990001<3IDN9107234F34010553510166307919<74",
        ]),
    ) {
        let old = line2.chars().nth(at).unwrap();
        let changed = Mrz::from_lines(GOOD_LINE1, &with_char(line2, at, c));
        if icao_value(old) % 10 != icao_value(c) % 10 {
            let error = changed.unwrap_err();
            prop_assert_eq!(error.kind.code(), "CHECK_DIGIT");
        }
    }

    /// The weights are coprime to 11 and two digits differ by less than 11.
    #[test]
    fn a_voen_detects_every_single_wrong_digit(
        voen in prop::sample::select(vec!["9900001062", "1401555071"]),
        at in 0..9_usize,
        digit in prop::char::range('0', '9'),
    ) {
        let changed = with_char(voen, at, digit);
        prop_assert_eq!(AzVoen::parse(&changed).is_ok(), changed == voen);
    }

    #[test]
    fn a_nik_is_never_from_the_future(digits in "[0-9]{16}", day in 0..40_000_i64) {
        let today = date(1950, 1, 1) + jiff::Span::new().days(day);
        if let Some(birth) = Nik::parse(&digits).unwrap().birth_date(today) {
            prop_assert!(birth <= today);
        }
    }
}
