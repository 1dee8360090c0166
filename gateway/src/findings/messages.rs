//! What a finding means and what to do, in the languages of the counters.
//!
//! The sentences are fixed: none takes a value, so none can show one.

use loket_sdk::message::Locale;

use super::code::Code;

/// The message of a code.
pub(super) fn text(code: Code, locale: Locale) -> &'static str {
    let [id, en, az] = sentences(code);
    match locale {
        Locale::Id => id,
        Locale::En => en,
        Locale::Az => az,
    }
}

/// Indonesian, English, Azerbaijani.
fn sentences(code: Code) -> [&'static str; 3] {
    match code {
        Code::NameVariant => [
            "Nama ditulis berbeda dari data kependudukan, tetapi mungkin orang yang sama. Cocokkan dengan dokumen asli dan minta instansi pemilik data memperbaikinya.",
            "The name is written differently from the civil record, but may be the same person. Compare it with the original document and ask the owning agency to correct it.",
            "Ad vətəndaşlıq qeydindəkindən fərqli yazılıb, lakin eyni şəxs ola bilər. Əsl sənədlə tutuşdurun və məlumatın sahibi olan qurumdan düzəliş istəyin.",
        ],
        Code::NameDifferent => [
            "Nama tidak sama dengan data kependudukan. Pastikan datanya milik orang yang sama, lalu perbaiki di instansi pemilik data.",
            "The name isn't the one in the civil record. Make sure that the data belongs to this person, then have it corrected at the owning agency.",
            "Ad vətəndaşlıq qeydindəki ad deyil. Məlumatın bu şəxsə aid olduğunu yoxlayın, sonra sahibi olan qurumda düzəliş etdirin.",
        ],
        Code::NameClaimVariant => [
            "Nama yang dimasukkan mirip, tetapi tidak sama dengan data sumber. Periksa ejaan, gelar, dan singkatan pada dokumen asli.",
            "The name that was entered resembles the source's, but isn't the same. Check spelling, titles and abbreviations on the original document.",
            "Daxil edilən ad mənbədəki ada bənzəyir, lakin eyni deyil. Əsl sənəddə yazılışı, titulları və qısaltmaları yoxlayın.",
        ],
        Code::NameClaimDifferent => [
            "Nama yang dimasukkan bukan nama pada data sumber. Periksa apakah nomor dan nama yang dimasukkan milik orang yang sama.",
            "The name that was entered isn't the source's. Check that number and name belong to the same person.",
            "Daxil edilən ad mənbədəki ad deyil. Nömrə ilə adın eyni şəxsə aid olduğunu yoxlayın.",
        ],
        Code::BirthDateDiffers => [
            "Tanggal lahir tidak sama antardata. Bandingkan dengan akta kelahiran dan perbaiki di instansi yang keliru.",
            "The birth dates in the records don't agree. Compare them with the birth certificate and have the wrong one corrected.",
            "Qeydlərdəki doğum tarixləri uyğun gəlmir. Doğum haqqında şəhadətnamə ilə tutuşdurun və səhv olanı düzəltdirin.",
        ],
        Code::BirthDateClaimDiffers => [
            "Tanggal lahir yang dimasukkan tidak sesuai dengan data sumber. Periksa lagi pada dokumen asli.",
            "The birth date that was entered isn't the source's. Check it again on the original document.",
            "Daxil edilən doğum tarixi mənbədəki ilə uyğun deyil. Əsl sənəddə yenidən yoxlayın.",
        ],
        Code::SexDiffers => [
            "Jenis kelamin tidak sama antardata. Perbaiki di instansi yang datanya keliru.",
            "The records don't agree on the person's sex. Have the wrong one corrected at its agency.",
            "Qeydlərdə şəxsin cinsi fərqli göstərilib. Səhv olanı öz qurumunda düzəltdirin.",
        ],
        Code::SexNotAsInNik => [
            "Jenis kelamin tidak sesuai dengan NIK. NIK tidak berubah; minta Dukcapil memeriksa datanya.",
            "The recorded sex isn't the one that the NIK stands for. The NIK stays as it is; ask Dukcapil to check the record.",
            "Qeyddəki cins NIK-in göstərdiyi ilə uyğun deyil. NIK dəyişmir; Dukcapil-dən qeydi yoxlamağı xahiş edin.",
        ],
        Code::SexClaimDiffers => [
            "Jenis kelamin yang dimasukkan tidak sesuai dengan data sumber. Periksa lagi pada dokumen asli.",
            "The sex that was entered isn't the source's. Check it again on the original document.",
            "Daxil edilən cins mənbədəki ilə uyğun deyil. Əsl sənəddə yenidən yoxlayın.",
        ],
        Code::NikDateDiffers => [
            "Tanggal dalam NIK berbeda dari tanggal lahir. Ini sah setelah pembetulan tanggal lahir, karena NIK berlaku seumur hidup; lanjutkan layanan.",
            "The date in the NIK isn't the birth date. This is lawful after a correction, since a NIK is for life; go on with the service.",
            "NIK-dəki tarix doğum tarixindən fərqlidir. NIK ömürlük verildiyi üçün düzəlişdən sonra bu qanunidir; xidməti davam etdirin.",
        ],
        Code::NikRegionRetired => [
            "NIK memakai kode wilayah lama, karena diterbitkan sebelum pemekaran. NIK tetap berlaku; tidak perlu diganti.",
            "The NIK has a region code of before a regency was moved to a new province. It stays valid and needn't be changed.",
            "NIK-də bölgü dəyişməzdən əvvəlki ərazi kodu var. NIK etibarlı qalır, dəyişdirilməsinə ehtiyac yoxdur.",
        ],
        Code::NikRegionUnknown => [
            "Kode wilayah dalam NIK tidak dikenal. Periksa pengetikan; bila benar, layanan dapat dilanjutkan.",
            "The NIK's region code isn't known. Check how it was typed; if it is right, go on with the service.",
            "NIK-dəki ərazi kodu tanınmır. Düzgün yazıldığını yoxlayın; düzgündürsə, xidməti davam etdirin.",
        ],
        Code::KkRegionRetired => [
            "Nomor KK memakai kode wilayah lama. Kartu tetap berlaku; nomornya menyesuaikan saat KK berikutnya diterbitkan.",
            "The family card's number has an old region code. The card stays valid; the number changes when the next card is issued.",
            "Ailə kartının nömrəsində köhnə ərazi kodu var. Kart etibarlı qalır; nömrə növbəti kart veriləndə dəyişir.",
        ],
        Code::KkRegionUnknown => [
            "Kode wilayah dalam nomor KK tidak dikenal. Periksa nomornya pada kartu keluarga.",
            "The region code in the family card's number isn't known. Check the number on the card.",
            "Ailə kartının nömrəsindəki ərazi kodu tanınmır. Nömrəni kartda yoxlayın.",
        ],
        Code::VillageRegionRetired => [
            "Alamat masih memakai kode wilayah lama. Minta instansi pemilik data memutakhirkan kodenya.",
            "The address still has an old region code. Ask the owning agency to update the code.",
            "Ünvanda hələ də köhnə ərazi kodu var. Məlumatın sahibi olan qurumdan kodu yeniləməyi xahiş edin.",
        ],
        Code::VillageRegionUnknown => [
            "Kode wilayah alamat tidak dikenal. Minta instansi pemilik data memeriksanya.",
            "The region code of the address isn't known. Ask the owning agency to check it.",
            "Ünvanın ərazi kodu tanınmır. Məlumatın sahibi olan qurumdan yoxlamağı xahiş edin.",
        ],
        Code::AddressDiffers => [
            "Alamat KTP dan KK tidak di desa/kelurahan yang sama. Mungkin baru pindah; tawarkan pemutakhiran KTP-el dan faskes.",
            "Identity card and family card aren't of the same village. The person may have moved; offer to update the card and the health facility.",
            "Şəxsiyyət vəsiqəsi ilə ailə kartı eyni kəndə aid deyil. Şəxs köçmüş ola bilər; vəsiqəni və tibb müəssisəsini yeniləməyi təklif edin.",
        ],
        Code::PropertyElsewhere => [
            "Objek pajak atau tanah berada di kabupaten/kota lain dari alamat. Ini sah; arahkan ke kantor di lokasi objek.",
            "The property lies in another regency than the address. This is lawful; the office at its place is in charge.",
            "Əmlak ünvandan başqa rayondadır. Bu qanunidir; əmlakın yerləşdiyi yerdəki idarəyə yönəldin.",
        ],
        Code::Deceased => [
            "Orang ini tercatat meninggal. Jangan lanjutkan layanan yang hanya untuk orang hidup; bila keliru, minta pemulihan data di Dukcapil.",
            "This person is recorded as dead. Don't go on with a service for the living; if it is a mistake, have it undone at the civil registry.",
            "Bu şəxs vəfat etmiş kimi qeydə alınıb. Yalnız sağ şəxslər üçün olan xidməti davam etdirməyin; səhvdirsə, qeydiyyat orqanında düzəltdirin.",
        ],
        Code::DeceasedInsured => [
            "Kematian tercatat, tetapi kepesertaan JKN masih aktif. Laporkan ke BPJS Kesehatan agar dihentikan.",
            "A death is recorded, but the health insurance is still active. Report it to the insurer, to be ended.",
            "Ölüm qeydə alınıb, lakin tibbi sığorta hələ aktivdir. Dayandırılması üçün sığortaçıya bildirin.",
        ],
        Code::DeceasedLicensed => [
            "Kematian tercatat, tetapi SIM masih berlaku. Laporkan ke Satpas agar dicabut.",
            "A death is recorded, but the driving licence is still valid. Report it to the police, to be withdrawn.",
            "Ölüm qeydə alınıb, lakin sürücülük vəsiqəsi hələ etibarlıdır. Ləğv edilməsi üçün polisə bildirin.",
        ],
        Code::DeceasedReceivesAid => [
            "Kematian tercatat, tetapi bantuan sosial masih disalurkan. Laporkan ke dinas sosial untuk dialihkan atau dihentikan.",
            "A death is recorded, but social assistance is still paid. Report it to the social office, to be passed on or ended.",
            "Ölüm qeydə alınıb, lakin sosial yardım hələ verilir. Keçirilməsi və ya dayandırılması üçün sosial idarəyə bildirin.",
        ],
        Code::DeceasedTaxpayer => [
            "Kematian tercatat, tetapi NPWP masih aktif. Ahli waris mengajukan penghapusan atau warisan belum terbagi ke kantor pajak.",
            "A death is recorded, but the taxpayer is still active. The heirs apply to the tax office for deletion or for an undivided estate.",
            "Ölüm qeydə alınıb, lakin vergi ödəyicisi hələ aktivdir. Vərəsələr ləğv və ya bölünməmiş miras üçün vergi orqanına müraciət edirlər.",
        ],
        Code::DeceasedOwnsVehicle => [
            "Kematian tercatat, tetapi kendaraan masih atas nama almarhum. Ahli waris mengurus balik nama di Samsat.",
            "A death is recorded, but a vehicle is still in the dead person's name. The heirs have it transferred at the vehicle office.",
            "Ölüm qeydə alınıb, lakin nəqliyyat vasitəsi hələ mərhumun adınadır. Vərəsələr onu qeydiyyat idarəsində öz adlarına keçirirlər.",
        ],
        Code::MaritalStatusDiffers => [
            "Status perkawinan tidak sesuai dengan akta atau buku nikah. Minta Dukcapil memutakhirkan KK dan KTP-el.",
            "The marital status isn't what the marriage record says. Ask the civil registry to update the family card and the identity card.",
            "Ailə vəziyyəti nikah qeydinə uyğun deyil. Qeydiyyat orqanından ailə kartını və vəsiqəni yeniləməyi xahiş edin.",
        ],
        Code::MarriageEnded => [
            "Perkawinan ini sudah berakhir, tetapi status masih kawin. Tanyakan apakah ada perkawinan baru; bila tidak, mutakhirkan di Dukcapil.",
            "This marriage has ended, but the status is still married. Ask whether there is a later marriage; if not, have the status updated.",
            "Bu nikah bitib, lakin status hələ də evlidir. Sonrakı nikahın olub-olmadığını soruşun; yoxdursa, statusu yenilətdirin.",
        ],
        Code::ParentNotInFamilyCard => [
            "Orang tua pada akta kelahiran tidak ada dalam KK anak. Ini dapat sah setelah kematian atau perceraian; bila tidak, perbaiki KK di Dukcapil.",
            "A parent on the birth certificate isn't on the child's family card. It may be lawful after death or divorce; if not, have the card corrected.",
            "Doğum şəhadətnaməsindəki valideyn uşağın ailə kartında yoxdur. Ölüm və ya boşanmadan sonra qanuni ola bilər; əks halda kartı düzəltdirin.",
        ],
        Code::ChildWithoutBirthCertificate => [
            "Anak ada dalam KK, tetapi akta kelahirannya tidak ditemukan. Tawarkan pencatatan kelahiran di Dukcapil.",
            "The child is on the family card, but no birth certificate was found. Offer to register the birth.",
            "Uşaq ailə kartındadır, lakin doğum şəhadətnaməsi tapılmadı. Doğumu qeydə aldırmağı təklif edin.",
        ],
        Code::NikNotMatched => [
            "NIK belum padan di kantor pajak. Lakukan pemadanan NIK dan NPWP di DJP sebelum melanjutkan layanan yang mensyaratkannya.",
            "The tax office hasn't matched the NIK yet. Have NIK and NPWP matched there before a service that requires it.",
            "Vergi orqanı NIK-i hələ tutuşdurmayıb. Bunu tələb edən xidmətdən əvvəl NIK ilə NPWP-ni orada tutuşdurtdurun.",
        ],
        Code::NpwpNotNik => [
            "NPWP tidak sama dengan NIK, padahal wajib pajak adalah penduduk. Minta DJP memadankan keduanya.",
            "The NPWP isn't the NIK, as it should be for a resident. Ask the tax office to bring the two together.",
            "NPWP rezident üçün olmalı olduğu kimi NIK ilə eyni deyil. Vergi orqanından onları uyğunlaşdırmağı xahiş edin.",
        ],
        Code::PassportExpired => [
            "Paspor sudah habis masa berlakunya. Ajukan penggantian di kantor imigrasi.",
            "The passport has expired. Apply for a new one at the immigration office.",
            "Pasportun müddəti bitib. Miqrasiya idarəsinə yenisi üçün müraciət edin.",
        ],
        Code::PassportExpiresSoon => [
            "Paspor habis kurang dari enam bulan lagi. Banyak negara menolaknya; tawarkan penggantian.",
            "The passport expires in less than six months. Many countries refuse it; offer to replace it.",
            "Pasportun müddətinin bitməsinə altı aydan az qalıb. Bir çox ölkə onu qəbul etmir; dəyişdirməyi təklif edin.",
        ],
        Code::LicenceExpired => [
            "SIM sudah habis masa berlakunya. Periksa apakah harus diterbitkan SIM baru, bukan diperpanjang.",
            "The driving licence has expired. Check whether a new one has to be issued in place of a renewal.",
            "Sürücülük vəsiqəsinin müddəti bitib. Uzatmaq əvəzinə yenisinin verilməli olub-olmadığını yoxlayın.",
        ],
        Code::LicenceNumberOdd => [
            "Nomor SIM tidak sesuai dengan skema penomorannya. Periksa pada kartu dan minta Satpas membetulkannya.",
            "The licence's number isn't what its numbering scheme says. Check the card and ask the issuing office to correct it.",
            "Vəsiqənin nömrəsi nömrələmə qaydasına uyğun deyil. Kartı yoxlayın və verən idarədən düzəliş istəyin.",
        ],
        Code::LicenceNumberLegacy => [
            "SIM masih memakai nomor lama. Tetap berlaku; nomornya menjadi NIK saat diperpanjang.",
            "The licence still has an old number. It stays valid; the number becomes the NIK at the renewal.",
            "Vəsiqədə hələ köhnə nömrə var. Etibarlı qalır; uzadılanda nömrə NIK olur.",
        ],
        Code::VehicleOwnerDiffers => [
            "Kendaraan terdaftar atas nama orang lain. Bila sudah dibeli, urus balik nama; bila sudah dijual, minta blokir di Samsat.",
            "The vehicle is registered to someone else. If it was bought, have it transferred; if it was sold, have it blocked.",
            "Nəqliyyat vasitəsi başqasının adına qeydiyyatdadır. Alınıbsa, ada keçirtdirin; satılıbsa, qeydiyyatı bağlatdırın.",
        ],
        Code::PayerNotHolder => [
            "Wajib pajak PBB bukan pemegang hak tanah. Ajukan mutasi PBB di Bapenda atas nama pemegang hak.",
            "The payer of the property tax isn't a holder of the land. Apply at the tax office for the tax to go to the holder's name.",
            "Əmlak vergisinin ödəyicisi torpağın sahibi deyil. Verginin sahibin adına keçirilməsi üçün vergi idarəsinə müraciət edin.",
        ],
        Code::PayerDeceased => [
            "Wajib pajak PBB tercatat meninggal. Ahli waris mengajukan mutasi PBB di Bapenda.",
            "The payer of the property tax is recorded as dead. The heirs apply for the tax to be put in their names.",
            "Əmlak vergisinin ödəyicisi vəfat etmiş kimi qeydə alınıb. Vərəsələr verginin öz adlarına keçirilməsi üçün müraciət edirlər.",
        ],
        Code::HolderNotTaxpayer => [
            "Pemegang NIB bukan wajib pajak yang sama. Samakan NIK dan NPWP di OSS.",
            "The holder of the business number isn't the same taxpayer. Have the holder's NIK and NPWP put right in OSS.",
            "Biznes nömrəsinin sahibi həmin vergi ödəyicisi deyil. Sahibin NIK və NPWP-sini OSS-də düzəltdirin.",
        ],
        Code::KbliOutdated => [
            "Kegiatan usaha masih memakai versi KBLI lama. Konversi ke versi yang berlaku di OSS.",
            "A business activity still has an old KBLI version. Convert it to the current one in OSS.",
            "Fəaliyyət növü hələ köhnə KBLI versiyasındadır. OSS-də onu qüvvədə olan versiyaya keçirin.",
        ],
        Code::AidHolderNotInFamilyCard => [
            "Penerima bantuan tidak ada dalam KK. Periksa KK terbaru; warga dapat mengajukan sanggah di dinas sosial.",
            "The holder of the aid isn't on the family card. Check the newest card; the citizen can object at the social office.",
            "Yardımı alan şəxs ailə kartında yoxdur. Ən yeni kartı yoxlayın; vətəndaş sosial idarədə etiraz edə bilər.",
        ],
        Code::AidFamilyCardDiffers => [
            "Data bantuan memakai nomor KK lain. Minta dinas sosial memutakhirkan datanya dengan KK terbaru.",
            "The aid is recorded under another family card. Ask the social office to update it from the newest card.",
            "Yardım başqa ailə kartı üzrə qeydə alınıb. Sosial idarədən onu ən yeni karta görə yeniləməyi xahiş edin.",
        ],
        Code::InsuranceNotActive => [
            "Kepesertaan JKN tidak aktif. Arahkan ke loket BPJS Kesehatan untuk mengaktifkannya; permohonan tetap dapat diterima.",
            "The health insurance isn't active. Send the citizen to the insurer's counter to have it activated; the application can still be taken.",
            "Tibbi sığorta aktiv deyil. Aktivləşdirmək üçün sığortaçının pəncərəsinə yönəldin; müraciət yenə də qəbul edilə bilər.",
        ],
        Code::NotInsured => [
            "Belum terdaftar sebagai peserta JKN. Arahkan ke loket BPJS Kesehatan untuk mendaftar; permohonan tetap dapat diterima.",
            "There is no health insurance. Send the citizen to the insurer's counter to enrol; the application can still be taken.",
            "Tibbi sığorta yoxdur. Qeydiyyat üçün sığortaçının pəncərəsinə yönəldin; müraciət yenə də qəbul edilə bilər.",
        ],
        Code::Stale => [
            "Data ini lebih lama dari batas kesegarannya. Periksa tanggalnya dan ulangi nanti bila keadaan mungkin sudah berubah.",
            "This data is older than it should be. Look at its date, and ask again later if things may have changed.",
            "Bu məlumat olmalı olduğundan köhnədir. Tarixinə baxın, dəyişiklik ola bilərsə, sonra yenidən soruşun.",
        ],
        Code::IdentityInactive => [
            "NIK tidak aktif atau belum sinkron. Minta konsolidasi data di Dukcapil; berlaku paling lama tiga kali dua puluh empat jam.",
            "The NIK isn't active or not synchronised. Ask Dukcapil for a consolidation; it takes effect within three days.",
            "NIK aktiv deyil və ya sinxronlaşdırılmayıb. Dukcapil-dən konsolidasiya istəyin; üç gün ərzində qüvvəyə minir.",
        ],
        Code::IdentityWithoutBiometric => [
            "NIK diblokir karena belum rekam KTP-el. Arahkan ke loket Dukcapil untuk perekaman.",
            "The NIK is blocked until the person's biometrics are recorded. Send the citizen to the Dukcapil counter.",
            "Biometrik məlumat alınana qədər NIK bloklanıb. Vətəndaşı Dukcapil pəncərəsinə yönəldin.",
        ],
        Code::IdentityMovedAbroad => [
            "Tercatat pindah ke luar negeri. Bila sudah kembali, laporkan kedatangan di Dukcapil.",
            "The person is recorded as living abroad. If they have returned, report it to the civil registry.",
            "Şəxs xaricdə yaşayan kimi qeydə alınıb. Qayıdıbsa, qeydiyyat orqanına bildirin.",
        ],
        Code::SeveralRecords => [
            "Instansi menemukan lebih dari satu data untuk nomor ini. Tanyakan dengan nomor yang lebih khusus, atau minta instansi menyelesaikan data ganda.",
            "The agency has more than one record for this number. Ask with a more exact number, or have the agency settle the duplicate.",
            "Qurumda bu nömrə üzrə birdən çox qeyd var. Daha dəqiq nömrə ilə soruşun və ya qurumdan təkrarı aradan qaldırmağı xahiş edin.",
        ],
        Code::IdentityDuplicate => [
            "NIK diblokir karena data ganda. Arahkan ke Dukcapil untuk penyelesaian sebelum melanjutkan.",
            "The NIK is blocked as a duplicate. Send the citizen to Dukcapil to have it settled before going on.",
            "NIK təkrar olduğu üçün bloklanıb. Davam etməzdən əvvəl həlli üçün Dukcapil-ə yönəldin.",
        ],
        Code::Minor => [
            "Usia di bawah 18 tahun: data anak dilindungi khusus. Periksa orang tua atau wali yang mendampingi.",
            "The person is under 18: a child's data has special protection. Check the parent or guardian who is with them.",
            "Şəxsin 18 yaşı tamam olmayıb: uşağın məlumatı xüsusi qorunur. Yanındakı valideyni və ya qəyyumu yoxlayın.",
        ],
    }
}
