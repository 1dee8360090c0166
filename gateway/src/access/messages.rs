//! What a citizen reads of an entry, in their language. Plain words; the words of the wire stand
//! beside them.

use jiff::civil::DateTime;
use loket_sdk::message::{LegalBasisKind, Locale, Outcome, Purpose, Reason};

/// Something that is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phrase {
    // Of an entry.
    Counter,
    AskedForData,
    MadeReport,
    Purpose,
    OnePart,
    BrokeOff,
    WasRefused,
    // Of a record.
    Given,
    Verified,
    NoRecord,
    NotAllowed,
    OnHold,
    QuotaUsedUp,
    RefusedByAgency,
    NoAnswerYet,
    NotReached,
    Unusable,
    Later,
    NotAsked,
    // Of the page.
    Title,
    Introduction,
    Nobody,
    Number,
    Basis,
    Case,
    Record,
    Agency,
    FieldsGiven,
    FieldsVerified,
    Result,
    None,
    HeldBack,
    DeferredDays,
    Withheld,
    WhetherNotTold,
    MoreFollows,
    WasDeferred,
    NotListed,
    WhatToDo,
    Proof,
    Zone,
}

/// In a language.
pub(super) fn say(phrase: Phrase, locale: Locale) -> &'static str {
    pick(words(phrase), locale)
}

fn pick<T>([id, en, az]: [T; 3], locale: Locale) -> T {
    match locale {
        Locale::Id => id,
        Locale::En => en,
        Locale::Az => az,
    }
}

/// Indonesian, English, Azerbaijani.
fn words(phrase: Phrase) -> [&'static str; 3] {
    match phrase {
        Phrase::Counter => ["loket", "counter", "pəncərə"],
        Phrase::AskedForData => [
            "meminta data tentang Anda",
            "asked for data about you",
            "sizin haqqınızda məlumat istəyib",
        ],
        Phrase::MadeReport => [
            "membuat laporan seperti ini untuk Anda",
            "made a report such as this one for you",
            "sizin üçün belə bir hesabat hazırlayıb",
        ],
        Phrase::Purpose => ["Keperluan", "Purpose", "Məqsəd"],
        Phrase::OnePart => [
            "Ini satu bagian dari permintaan yang tidak tercatat sampai selesai.",
            "This is one part of a request whose end isn't on record.",
            "Bu, sonu qeydə alınmamış sorğunun bir hissəsidir.",
        ],
        Phrase::BrokeOff => [
            "Permintaan terputus sebelum dijawab; instansi mungkin sudah menerimanya.",
            "The request broke off before it was answered; the agencies may have received it.",
            "Sorğu cavablandırılmadan kəsilib; qurumlar onu almış ola bilər.",
        ],
        Phrase::WasRefused => [
            "Permintaan ini ditolak.",
            "The request was refused.",
            "Sorğu rədd edilib.",
        ],
        Phrase::Given => ["Data diberikan.", "Data were given.", "Məlumat verilib."],
        Phrase::Verified => [
            "Hanya dicocokkan; jawabannya sesuai atau tidak sesuai.",
            "Only compared; the answer was match or no match.",
            "Yalnız tutuşdurulub; cavab uyğundur və ya uyğun deyil.",
        ],
        Phrase::NoRecord => [
            "Instansi menjawab bahwa datanya tidak ada atau ganda.",
            "The agency answered that it has no record, or several.",
            "Qurum belə bir qeydin olmadığını və ya bir neçə olduğunu bildirib.",
        ],
        Phrase::NotAllowed => [
            "Ditolak: organisasi ini tidak berhak. Tidak ada data yang diberikan.",
            "Refused: the organisation isn't entitled to it. Nothing was given.",
            "Rədd edilib: təşkilatın buna hüququ yoxdur. Heç nə verilməyib.",
        ],
        Phrase::OnHold => [
            "Ditolak: data Anda sedang ditahan atas permintaan. Tidak ada data yang diberikan.",
            "Refused: your data is on hold. Nothing was given.",
            "Rədd edilib: məlumatlarınızın verilməsi dayandırılıb. Heç nə verilməyib.",
        ],
        Phrase::QuotaUsedUp => [
            "Ditolak: jatah permintaan hari itu sudah habis. Tidak ada data yang diberikan.",
            "Refused: the organisation's requests of that day were used up. Nothing was given.",
            "Rədd edilib: təşkilatın həmin gün üçün sorğu həddi bitib. Heç nə verilməyib.",
        ],
        Phrase::RefusedByAgency => [
            "Instansi menolak. Tidak ada data yang diberikan.",
            "The agency refused. Nothing was given.",
            "Qurum rədd edib. Heç nə verilməyib.",
        ],
        Phrase::NoAnswerYet => [
            "Instansi belum menjawab; permintaan mungkin sudah diterima.",
            "The agency hadn't answered; it may have received the request.",
            "Qurum cavab verməyib; sorğunu almış ola bilər.",
        ],
        Phrase::NotReached => [
            "Instansi tidak dapat menjawab. Tidak ada data yang diberikan.",
            "The agency couldn't answer. Nothing was given.",
            "Qurum cavab verə bilməyib. Heç nə verilməyib.",
        ],
        Phrase::Unusable => [
            "Jawaban instansi tidak dapat dipakai. Tidak ada data yang diberikan.",
            "The agency's answer couldn't be used. Nothing was given.",
            "Qurumun cavabı yararsız olub. Heç nə verilməyib.",
        ],
        Phrase::Later => [
            "Instansi belum memberi data; jawabannya menyusul.",
            "The agency hasn't given data yet; its answer is to follow.",
            "Qurum hələ məlumat verməyib; cavab sonra gələcək.",
        ],
        Phrase::NotAsked => ["Tidak ditanyakan.", "Not asked.", "Soruşulmayıb."],
        Phrase::Title => [
            "Siapa yang melihat data saya",
            "Who looked at my data",
            "Məlumatlarıma kim baxıb",
        ],
        Phrase::Introduction => [
            "Daftar ini memuat siapa yang meminta data tentang Anda lewat gerbang ini, kapan, untuk apa, atas dasar hukum apa, dan data apa yang diberikan. Isi datanya tidak dimuat. Yang terbaru di atas.",
            "This list says who asked for data about you through this gateway, when, what for, by which right, and which data were given. The data themselves aren't in it. The newest come first.",
            "Bu siyahı bu şlüz vasitəsilə sizin haqqınızda kimin, nə vaxt, nə üçün və hansı əsasla məlumat istədiyini və hansı məlumatların verildiyini göstərir. Məlumatların özü burada yoxdur. Ən yenilər əvvəldədir.",
        ],
        Phrase::Nobody => [
            "Tidak ada permintaan yang tercatat dalam jangka waktu ini.",
            "No request is on record in this time.",
            "Bu müddətdə heç bir sorğu qeydə alınmayıb.",
        ],
        Phrase::Number => ["Nomor catatan", "Entry", "Qeydin nömrəsi"],
        Phrase::Basis => ["Dasar hukum", "Legal basis", "Hüquqi əsas"],
        Phrase::Case => ["Nomor perkara", "Case", "İşin nömrəsi"],
        Phrase::Record => ["Data", "Record", "Məlumat"],
        Phrase::Agency => ["Instansi", "Agency", "Qurum"],
        Phrase::FieldsGiven => ["Diberikan", "Given", "Verilib"],
        Phrase::FieldsVerified => ["Dicocokkan", "Compared", "Tutuşdurulub"],
        Phrase::Result => ["Hasil", "Result", "Nəticə"],
        Phrase::None => ["–", "–", "–"],
        Phrase::HeldBack => [
            "Yang belum atau tidak diberitahukan",
            "What isn't told",
            "Bildirilməyənlər",
        ],
        Phrase::DeferredDays => [
            "Ditunda menurut peraturan, paling lama (hari)",
            "Deferred by rule, at most (days)",
            "Qaydaya görə təxirə salınır, ən çoxu (gün)",
        ],
        Phrase::Withheld => [
            "Tidak diberitahukan menurut hukum",
            "Withheld by law",
            "Qanuna görə bildirilmir",
        ],
        Phrase::WhetherNotTold => [
            "Apakah ada catatan seperti itu tentang Anda tidak diberitahukan.",
            "Whether there are such entries about you isn't told.",
            "Haqqınızda belə qeydlərin olub-olmadığı bildirilmir.",
        ],
        Phrase::MoreFollows => [
            "Ada catatan yang lebih lama; mintalah halaman berikutnya di meja ini.",
            "There are older entries; ask for the next page at this desk.",
            "Daha köhnə qeydlər var; növbəti səhifəni bu masada istəyin.",
        ],
        Phrase::WasDeferred => [
            "Catatan ini baru boleh diberitahukan sekarang.",
            "This entry may be told only now.",
            "Bu qeydi yalnız indi bildirmək olar.",
        ],
        Phrase::NotListed => [
            "Tidak dimuat: data tentang Anda yang ada dalam catatan orang lain, dan panggilan langsung antarsistem yang tidak menyebut nama. Tanyakan itu kepada instansi pemilik data.",
            "Not listed: data about you within another person's record, and calls from system to system that name nobody. Ask the agency that owns the data about those.",
            "Siyahıda yoxdur: başqa şəxsin qeydində sizin haqqınızda olan məlumat və heç kimin adı çəkilməyən sistemlərarası çağırışlar. Bunları məlumatın sahibi olan qurumdan soruşun.",
        ],
        Phrase::WhatToDo => [
            "Bila ada yang tidak Anda kenali, sampaikan nomor catatannya kepada organisasi tersebut atau ajukan pengaduan di meja ini.",
            "If you don't recognise something, tell its entry number to the organisation, or complain at this desk.",
            "Tanımadığınız bir şey varsa, qeydin nömrəsini həmin təşkilata bildirin və ya bu masada şikayət edin.",
        ],
        Phrase::Proof => [
            "Laporan ini sendiri tercatat",
            "This report is on record itself",
            "Bu hesabatın özü də qeydə alınıb",
        ],
        Phrase::Zone => ["Zona waktu", "Time zone", "Saat qurşağı"],
    }
}

/// What became of a question.
pub(super) fn outcome(outcome: Outcome, reason: Reason, given: bool) -> Phrase {
    match (outcome, reason) {
        (Outcome::Found, _) if given => Phrase::Given,
        (Outcome::Found, _) => Phrase::Verified,
        (Outcome::NotFound, _) => Phrase::NoRecord,
        (Outcome::Denied, Reason::OnHold) => Phrase::OnHold,
        (Outcome::Denied, Reason::QuotaUsedUp) => Phrase::QuotaUsedUp,
        (Outcome::Denied, Reason::RefusedBySource) => Phrase::RefusedByAgency,
        (Outcome::Denied, _) => Phrase::NotAllowed,
        (Outcome::TimedOut, _) => Phrase::NoAnswerYet,
        (Outcome::Unavailable, _) => Phrase::NotReached,
        (Outcome::Invalid, _) => Phrase::Unusable,
        (Outcome::Deferred, _) => Phrase::Later,
        (Outcome::NotAttempted, _) => Phrase::NotAsked,
    }
}

/// A purpose, as `purposes.json` labels it.
pub(super) fn purpose(purpose: Purpose, locale: Locale) -> &'static str {
    let words = match purpose {
        Purpose::IdentityCheck => [
            "Pemeriksaan identitas di loket",
            "Identity check at the counter",
            "Pəncərədə şəxsiyyətin yoxlanması",
        ],
        Purpose::BirthRegistration => [
            "Pencatatan kelahiran",
            "Birth registration",
            "Doğumun qeydiyyatı",
        ],
        Purpose::DeathRegistration => [
            "Pencatatan kematian",
            "Death registration",
            "Ölümün qeydiyyatı",
        ],
        Purpose::AddressChange => ["Pindah alamat", "Change of address", "Ünvan dəyişikliyi"],
        Purpose::HealthInsuranceEnrolment => [
            "Pendaftaran jaminan kesehatan",
            "Enrolment in health insurance",
            "Tibbi sığortaya qoşulma",
        ],
        Purpose::DrivingLicenceRenewal => [
            "Perpanjangan SIM",
            "Renewal of a driving licence",
            "Sürücülük vəsiqəsinin yenilənməsi",
        ],
        Purpose::VehicleTax => [
            "Pajak kendaraan bermotor",
            "Vehicle tax",
            "Nəqliyyat vasitəsi vergisi",
        ],
        Purpose::PassportApplication => [
            "Permohonan paspor",
            "Application for a passport",
            "Pasport üçün müraciət",
        ],
        Purpose::PoliceClearance => [
            "Surat keterangan catatan kepolisian",
            "Police clearance",
            "Məhkumluq barədə arayış",
        ],
        Purpose::BusinessLicence => [
            "Perizinan berusaha",
            "Business licence",
            "Sahibkarlıq lisenziyası",
        ],
        Purpose::LandTransfer => [
            "Peralihan hak atas tanah",
            "Transfer of land",
            "Torpağın başqasına keçməsi",
        ],
        Purpose::PropertyTax => ["Pajak bumi dan bangunan", "Property tax", "Əmlak vergisi"],
        Purpose::SocialAssistance => ["Bantuan sosial", "Social assistance", "Sosial yardım"],
        Purpose::DataSubjectAccess => [
            "Akses subjek data",
            "The citizen's own access",
            "Vətəndaşın öz məlumatına çıxışı",
        ],
        Purpose::ComplaintHandling => [
            "Penanganan pengaduan",
            "Complaint handling",
            "Şikayətə baxılması",
        ],
    };
    pick(words, locale)
}

/// A legal basis, before the law or document that it names.
pub(super) fn basis(kind: LegalBasisKind, locale: Locale) -> &'static str {
    let words = match kind {
        LegalBasisKind::Consent => ["Persetujuan Anda", "Your consent", "Sizin razılığınız"],
        LegalBasisKind::Contract => [
            "Perjanjian dengan Anda",
            "A contract with you",
            "Sizinlə müqavilə",
        ],
        LegalBasisKind::LegalObligation => ["Kewajiban hukum", "A duty by law", "Qanuni vəzifə"],
        LegalBasisKind::VitalInterest => [
            "Kepentingan vital Anda",
            "Your vital interest",
            "Sizin həyati marağınız",
        ],
        LegalBasisKind::PublicTask => ["Tugas publik", "A public task", "İctimai vəzifə"],
        LegalBasisKind::LegitimateInterest => [
            "Kepentingan yang sah",
            "A legitimate interest",
            "Qanuni maraq",
        ],
    };
    pick(words, locale)
}

/// A record's name, where its schema has none in the language.
pub(super) fn record(name: &str, locale: Locale) -> Option<&'static str> {
    if locale != Locale::Az {
        return None;
    }
    Some(match name {
        "person-identity" => "Şəxsiyyət məlumatı (İndoneziya)",
        "family-card" => "Ailə kartı",
        "birth-certificate" => "Doğum haqqında şəhadətnamə",
        "marriage-certificate" => "Nikah haqqında şəhadətnamə",
        "death-certificate" => "Ölüm haqqında şəhadətnamə",
        "taxpayer" => "Vergi ödəyicisi (İndoneziya)",
        "health-insurance" => "Tibbi sığorta",
        "driving-licence" => "Sürücülük vəsiqəsi",
        "vehicle-registration" => "Nəqliyyat vasitəsinin qeydiyyatı",
        "passport" => "Pasport",
        "land-title" => "Torpaq hüququ",
        "property-tax" => "Əmlak vergisi",
        "business-licence" => "Sahibkarlıq lisenziyası",
        "social-assistance" => "Sosial yardım",
        _ => return None,
    })
}

const MONTHS: [[&str; 3]; 12] = [
    ["Januari", "January", "yanvar"],
    ["Februari", "February", "fevral"],
    ["Maret", "March", "mart"],
    ["April", "April", "aprel"],
    ["Mei", "May", "may"],
    ["Juni", "June", "iyun"],
    ["Juli", "July", "iyul"],
    ["Agustus", "August", "avqust"],
    ["September", "September", "sentyabr"],
    ["Oktober", "October", "oktyabr"],
    ["November", "November", "noyabr"],
    ["Desember", "December", "dekabr"],
];

/// A day and the time on it, as it is written.
pub(super) fn moment(at: &DateTime, locale: Locale) -> String {
    let point = pick([".", ":", ":"], locale);
    format!(
        "{}, {:02}{point}{:02}",
        day(at.date(), locale),
        at.hour(),
        at.minute()
    )
}

/// A day, as it is written.
pub(super) fn day(date: jiff::civil::Date, locale: Locale) -> String {
    let month = MONTHS.get(usize::from(date.month().unsigned_abs()) - 1);
    let month = month.map_or("", |words| pick(*words, locale));
    format!("{} {month} {}", date.day(), date.year())
}
