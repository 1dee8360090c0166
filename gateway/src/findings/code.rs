//! The codes of findings, each of one rule.

macro_rules! codes {
    ($($rule:literal { $($variant:ident $text:literal,)* })*) => {
        /// What was found.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub(super) enum Code { $($($variant,)*)* }

        impl Code {
            /// Every code, in the order of the rules.
            #[cfg(test)]
            pub(super) const ALL: &[Self] = &[$($(Self::$variant,)*)*];

            /// The rule's number.
            pub(super) fn rule(self) -> &'static str {
                match self { $($(Self::$variant => $rule,)*)* }
            }

            /// The code on the wire.
            pub(super) fn as_str(self) -> &'static str {
                match self { $($(Self::$variant => $text,)*)* }
            }
        }
    };
}

codes! {
    "C01" {
        NameVariant "name_variant",
        NameDifferent "name_different",
        NameClaimVariant "name_claim_variant",
        NameClaimDifferent "name_claim_different",
    }
    "C02" {
        BirthDateDiffers "birth_date_differs",
        BirthDateClaimDiffers "birth_date_claim_differs",
    }
    "C03" {
        SexDiffers "sex_differs",
        SexNotAsInNik "sex_not_as_in_nik",
        SexClaimDiffers "sex_claim_differs",
    }
    "C04" {
        NikDateDiffers "nik_date_differs",
    }
    "C05" {
        NikRegionRetired "nik_region_retired",
        NikRegionUnknown "nik_region_unknown",
        KkRegionRetired "kk_region_retired",
        KkRegionUnknown "kk_region_unknown",
        VillageRegionRetired "village_region_retired",
        VillageRegionUnknown "village_region_unknown",
    }
    "C06" {
        AddressDiffers "address_differs",
        PropertyElsewhere "property_elsewhere",
    }
    "C07" {
        Deceased "deceased",
        DeceasedInsured "deceased_insured",
        DeceasedLicensed "deceased_licensed",
        DeceasedReceivesAid "deceased_receives_aid",
        DeceasedTaxpayer "deceased_taxpayer",
        DeceasedOwnsVehicle "deceased_owns_vehicle",
    }
    "C08" {
        MaritalStatusDiffers "marital_status_differs",
        MarriageEnded "marriage_ended",
    }
    "C09" {
        ParentNotInFamilyCard "parent_not_in_family_card",
        ChildWithoutBirthCertificate "child_without_birth_certificate",
    }
    "C10" {
        NikNotMatched "nik_not_matched",
        NpwpNotNik "npwp_not_nik",
    }
    "C11" {
        PassportExpired "passport_expired",
        PassportExpiresSoon "passport_expires_soon",
    }
    "C12" {
        LicenceExpired "licence_expired",
        LicenceNumberOdd "licence_number_odd",
        LicenceNumberLegacy "licence_number_legacy",
    }
    "C13" {
        VehicleOwnerDiffers "vehicle_owner_differs",
    }
    "C14" {
        PayerNotHolder "payer_not_holder",
        PayerDeceased "payer_deceased",
    }
    "C15" {
        HolderNotTaxpayer "holder_not_taxpayer",
        KbliOutdated "kbli_outdated",
    }
    "C16" {
        AidHolderNotInFamilyCard "aid_holder_not_in_family_card",
        AidFamilyCardDiffers "aid_family_card_differs",
    }
    "C17" {
        InsuranceNotActive "insurance_not_active",
        NotInsured "not_insured",
    }
    "C18" {
        Stale "stale",
        IdentityInactive "identity_inactive",
        IdentityWithoutBiometric "identity_without_biometric",
        IdentityMovedAbroad "identity_moved_abroad",
    }
    "C19" {
        SeveralRecords "several_records",
        IdentityDuplicate "identity_duplicate",
    }
    "C20" {
        Minor "minor",
    }
}
