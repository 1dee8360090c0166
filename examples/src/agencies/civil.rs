//! The civil registry: one system that answers for five records.

use loket_sdk::ids::Scheme;
use loket_sdk::message::RecordRef;
use loket_sdk::provider::{Provider, ProviderError, Query, Reply};
use loket_sdk::records::{
    BirthCertificate, DeathCertificate, FamilyCard, MarriageCertificate, PersonIdentity, Record,
};

use super::{Register, key, samples};

/// Dukcapil with its system SIAK.
pub struct CivilRegistry {
    people: Register<PersonIdentity>,
    families: Register<FamilyCard>,
    births: Register<BirthCertificate>,
    marriages: Register<MarriageCertificate>,
    deaths: Register<DeathCertificate>,
}

impl CivilRegistry {
    /// The registry of the sample family. It has the child's birth certificate, and none of the
    /// parents', who were born before there was a register to look in.
    ///
    /// # Errors
    /// When a sample is missing.
    pub fn sample() -> anyhow::Result<Self> {
        Ok(Self {
            people: Register::new(samples()?, |person: &PersonIdentity| {
                vec![key(Scheme::Nik, person.nik.expose())]
            }),
            families: Register::new(samples()?, |card: &FamilyCard| {
                let members = card.members.iter();
                let members = members.map(|member| key(Scheme::Nik, member.nik.expose()));
                let card = key(Scheme::Kk, card.kk_number.expose());
                members.chain([card]).collect()
            }),
            births: Register::new(samples()?, |deed: &BirthCertificate| {
                vec![
                    key(Scheme::Nik, deed.child_nik.expose()),
                    key(Scheme::Certificate, deed.certificate_number.expose()),
                ]
            }),
            marriages: Register::new(samples()?, |deed: &MarriageCertificate| {
                let spouses = [&deed.spouse_1, &deed.spouse_2].into_iter();
                let niks = spouses.filter_map(|spouse| spouse.nik.as_ref());
                let niks = niks.map(|nik| key(Scheme::Nik, nik.expose()));
                let number = key(Scheme::Certificate, deed.certificate_number.expose());
                niks.chain([number]).collect()
            }),
            deaths: Register::new(samples()?, |deed: &DeathCertificate| {
                vec![
                    key(Scheme::Nik, deed.deceased_nik.expose()),
                    key(Scheme::Certificate, deed.certificate_number.expose()),
                ]
            }),
        })
    }
}

impl Provider for CivilRegistry {
    fn records(&self) -> Vec<RecordRef> {
        vec![
            PersonIdentity::record_ref(),
            FamilyCard::record_ref(),
            BirthCertificate::record_ref(),
            MarriageCertificate::record_ref(),
            DeathCertificate::record_ref(),
        ]
    }

    async fn find(&self, query: &Query) -> Result<Reply, ProviderError> {
        let subject = &query.subject;
        match query.record.name() {
            PersonIdentity::NAME => self.people.reply(subject),
            FamilyCard::NAME => self.families.reply(subject),
            BirthCertificate::NAME => self.births.reply(subject),
            MarriageCertificate::NAME => self.marriages.reply(subject),
            DeathCertificate::NAME => self.deaths.reply(subject),
            // The kit asks only for what `records` names.
            _ => Err(ProviderError::new("a record of another agency was asked")),
        }
    }
}
