//! The journeys themselves.

use loket_sdk::claims::ClaimResult::{Match, Mismatch, NotPermitted};
use loket_sdk::claims::{ClaimResult, Op};
use loket_sdk::message::{LegalBasisKind, Purpose, Reason};

use super::{Asked, Claimed, Expected, Journey, Wanted};

const FATHER: &str = "3510161405889901";
const NAME: &str = "BAGAS CONTOH PRATAMA";
const BORN: &str = "1988-05-14";

/// Long enough for all that are well, too short for the slow one.
const SHORT_MS: u64 = 1_000;
/// Long enough for the slow one.
const LONG_MS: u64 = 5_000;

pub(super) static JOURNEYS: [Journey; 5] = [
    Journey {
        name: "business_licence",
        title: "Business licence",
        consumer: "dpmptsp-3510",
        purpose: Purpose::BusinessLicence,
        basis: (LegalBasisKind::LegalObligation, "PP 28/2025"),
        case: "MPP-3510-000123",
        nik: FATHER,
        deadline_ms: LONG_MS,
        asked: &[
            required(
                "person-identity/1",
                Wanted::Claims(&[
                    claim("full_name", Op::NameMatches, NAME, Match),
                    claim("birth_date", Op::DateEquals, BORN, Match),
                ]),
            ),
            // The last two may not be read for this purpose: one only verified, one neither.
            asked(
                "person-identity/1",
                Wanted::Fields(&["identity_status", "address", "full_name", "mother_name"]),
            ),
            asked("taxpayer/1", Wanted::All),
            asked("business-licence/1", Wanted::All),
            asked("property-tax/1", Wanted::Fields(&["payment_status"])),
            asked(
                "land-title/1",
                Wanted::Claims(&[claim("holders", Op::NameMatches, NAME, Match)]),
            ),
        ],
        expected: &[
            expect("person-identity/1", "dukcapil", Reason::Complete),
            expect("person-identity/1", "dukcapil", Reason::InPart),
            expect("taxpayer/1", "djp", Reason::Complete),
            expect("business-licence/1", "bkpm", Reason::RefusedBySource),
            expect("property-tax/1", "bapenda-3510", Reason::Complete),
            expect("land-title/1", "bpn", Reason::Unreachable),
        ],
    },
    Journey {
        name: "passport",
        title: "Passport",
        consumer: "imigrasi",
        purpose: Purpose::PassportApplication,
        basis: (LegalBasisKind::PublicTask, "UU 6/2011"),
        case: "MPP-3510-000124",
        nik: FATHER,
        deadline_ms: LONG_MS,
        asked: &[
            required("person-identity/1", Wanted::All),
            // The child is on the card; whose name heads it isn't for this counter.
            asked(
                "family-card/1",
                Wanted::Claims(&[
                    claim("kk_number", Op::Equals, "3510161006159901", Match),
                    claim("members", Op::Equals, "3510164211269903", Match),
                    claim("head_name", Op::NameMatches, NAME, NotPermitted),
                ]),
            ),
            asked(
                "birth-certificate/1",
                Wanted::Claims(&[claim("child_name", Op::NameMatches, NAME, Match)]),
            ),
            asked(
                "marriage-certificate/1",
                Wanted::Claims(&[
                    claim("certificate_number", Op::Equals, "0123/045/VI/2015", Match),
                    claim("state", Op::Equals, "married", Match),
                ]),
            ),
            asked("passport/1", Wanted::All),
        ],
        expected: &[
            expect("person-identity/1", "dukcapil", Reason::Complete),
            expect("family-card/1", "dukcapil", Reason::InPart),
            expect("birth-certificate/1", "dukcapil", Reason::NoRecord),
            expect("marriage-certificate/1", "dukcapil", Reason::Complete),
            expect("passport/1", "imigrasi", Reason::SourceWillAnswerLater),
        ],
    },
    Journey {
        name: "driving_licence",
        title: "Driving licence",
        consumer: "korlantas",
        purpose: Purpose::DrivingLicenceRenewal,
        basis: (LegalBasisKind::PublicTask, "UU 22/2009 art. 85"),
        case: "MPP-3510-000125",
        nik: FATHER,
        deadline_ms: SHORT_MS,
        asked: &[
            // The old licence shortens the name: a variant is a mismatch, never a silent match.
            required(
                "person-identity/1",
                Wanted::Claims(&[
                    claim("full_name", Op::NameMatches, "BAGAS C. PRATAMA", Mismatch),
                    claim("birth_date", Op::DateEquals, BORN, Match),
                    claim("sex", Op::Equals, "1", Match),
                ]),
            ),
            asked(
                "person-identity/1",
                Wanted::Fields(&["identity_status", "address"]),
            ),
            asked("driving-licence/1", Wanted::All),
            asked("health-insurance/1", Wanted::Fields(&["membership_status"])),
        ],
        expected: &[
            expect("person-identity/1", "dukcapil", Reason::Complete),
            expect("person-identity/1", "dukcapil", Reason::Complete),
            expect("driving-licence/1", "korlantas", Reason::Complete),
            expect("health-insurance/1", "bpjs-kesehatan", Reason::NoAnswerYet),
        ],
    },
    Journey {
        name: "driving_licence_quota",
        title: "Driving licence, after the quota of the day",
        consumer: "korlantas",
        purpose: Purpose::DrivingLicenceRenewal,
        basis: (LegalBasisKind::PublicTask, "UU 22/2009 art. 85"),
        case: "MPP-3510-000126",
        nik: FATHER,
        deadline_ms: SHORT_MS,
        asked: &[
            required(
                "person-identity/1",
                Wanted::Claims(&[claim("full_name", Op::NameMatches, NAME, Match)]),
            ),
            asked("driving-licence/1", Wanted::All),
            asked("health-insurance/1", Wanted::All),
        ],
        expected: &[
            expect("person-identity/1", "dukcapil", Reason::QuotaUsedUp),
            expect(
                "driving-licence/1",
                "korlantas",
                Reason::RequiredSourceFailed,
            ),
            expect(
                "health-insurance/1",
                "bpjs-kesehatan",
                Reason::RequiredSourceFailed,
            ),
        ],
    },
    Journey {
        name: "vehicle_tax",
        title: "Vehicle tax",
        consumer: "samsat",
        purpose: Purpose::VehicleTax,
        basis: (LegalBasisKind::LegalObligation, "UU 22/2009"),
        case: "MPP-3510-000127",
        nik: FATHER,
        deadline_ms: LONG_MS,
        asked: &[
            required(
                "person-identity/1",
                Wanted::Claims(&[claim("full_name", Op::NameMatches, NAME, Match)]),
            ),
            asked("vehicle-registration/1", Wanted::All),
            asked("health-insurance/1", Wanted::All),
        ],
        expected: &[
            expect("person-identity/1", "dukcapil", Reason::Complete),
            expect("vehicle-registration/1", "samsat", Reason::BreaksSchema),
            expect("health-insurance/1", "bpjs-kesehatan", Reason::Complete),
        ],
    },
];

const fn asked(record: &'static str, wanted: Wanted) -> Asked {
    Asked {
        record,
        wanted,
        required: false,
    }
}

const fn required(record: &'static str, wanted: Wanted) -> Asked {
    Asked {
        record,
        wanted,
        required: true,
    }
}

const fn claim(field: &'static str, op: Op, value: &'static str, expected: ClaimResult) -> Claimed {
    Claimed {
        field,
        op,
        value,
        expected,
    }
}

const fn expect(record: &'static str, agency: &'static str, reason: Reason) -> Expected {
    Expected {
        record,
        agency,
        reason,
    }
}
