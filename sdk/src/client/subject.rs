//! Any of the fourteen identifiers is a subject.

use crate::ids::{
    AzFin, AzVoen, BusinessNib, CertificateNumber, JknCardNumber, KkNumber, LicenceNumber, Nik,
    Nitku, Nop, Npwp, ParcelId, PassportNumber, PlateNumber, Scheme,
};
use crate::message::Subject;
use crate::sensitive::Sensitive;

macro_rules! subjects {
    ($($Id:ident => $Scheme:ident,)*) => {$(
        impl From<$Id> for Subject {
            fn from(id: $Id) -> Self {
                Self {
                    scheme: Scheme::$Scheme,
                    value: Sensitive::new(id.expose().to_owned()),
                    presented_as: None,
                }
            }
        }
    )*
        #[cfg(test)]
        const COVERED: &[Scheme] = &[$(Scheme::$Scheme,)*];
    };
}

subjects! {
    Nik => Nik,
    KkNumber => Kk,
    Npwp => Npwp,
    Nitku => Nitku,
    JknCardNumber => Jkn,
    LicenceNumber => Sim,
    PlateNumber => Plate,
    PassportNumber => Passport,
    ParcelId => Parcel,
    Nop => Nop,
    BusinessNib => BusinessNib,
    CertificateNumber => Certificate,
    AzFin => AzFin,
    AzVoen => AzVoen,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scheme_has_its_identifier() {
        assert_eq!(COVERED, Scheme::ALL);
    }

    #[test]
    fn an_identifier_becomes_a_subject_in_normal_form() {
        let subject = Subject::from(PlateNumber::parse("p9901zz").unwrap());
        assert_eq!(subject.scheme, Scheme::Plate);
        assert_eq!(subject.value.expose(), "P 9901 ZZ");
    }
}
