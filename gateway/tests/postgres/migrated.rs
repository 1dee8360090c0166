//! A log that moves from files to the database and back.

use std::path::Path;

use loket_gateway::audit::draft::Draft;
use loket_gateway::audit::store::copy::{CopyError, copy};
use loket_gateway::audit::store::postgres::SCHEMA;
use loket_gateway::audit::store::suite::{append, cases, draft, keys, signer};
use loket_gateway::audit::store::{Committed, Files, Store};
use loket_gateway::audit::{proof, verify};
use tlog_tiles::tlog::{check_tree, prove_tree};

use super::{Database, open, whole};

fn files(dir: &Path) -> Files {
    Files::open(dir, 64 << 20, signer(), keys()).unwrap()
}

/// Whether the log still holds what a receipt names.
fn holds(store: &dyn Store, receipt: &Committed) {
    let reader = store.reader();
    let there = reader.checkpoint().unwrap();
    let hashes = loket_gateway::audit::store::Hashes::of(&*reader);
    let then = &receipt.checkpoint;
    let path = prove_tree(there.size, then.size, &hashes).unwrap();
    check_tree(&path, there.size, there.root, then.size, then.root).unwrap();
    for (place, placed) in (receipt.first..).zip(&receipt.placed) {
        let evidence = proof::evidence(&*reader, place + 1, None).unwrap();
        assert_eq!(
            tlog_tiles::tlog::record_hash(evidence.leaf.expose().as_bytes()),
            placed.hash
        );
    }
}

#[test]
fn every_receipt_stays_good_there_and_back() {
    let [there, back] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let mut old = files(there.path());
    append(&mut old, 1..=1500);
    let drafts: Vec<Draft> = (1501..=1503).map(draft).collect();
    let receipt = old.append(&drafts).unwrap();
    append(&mut old, 1504..=2100);
    let database = Database::start(SCHEMA);
    let mut new = open(&database).unwrap();
    let mut told = Vec::new();
    let progress = &mut |count| told.push(count);
    let copied = copy(&*old.reader(), &mut new, &signer(), &keys(), progress).unwrap();
    assert_eq!(copied, old.reader().checkpoint().unwrap());
    assert_eq!(told, [1024, 2048, 2100]);
    assert_eq!(new.head(), old.head());
    holds(&new, &receipt);
    assert_eq!(whole(&database).unwrap().entries, 2100);
    append(&mut new, 2101..=2110);
    let mut again = files(back.path());
    copy(&*new.reader(), &mut again, &signer(), &keys(), &mut |_| {}).unwrap();
    assert_eq!(again.head(), new.head());
    holds(&again, &receipt);
    append(&mut again, 2111..=2111);
    assert_eq!(cases(&*again.reader(), 2109..2111), ["c-2110", "c-2111"]);
    drop(again);
    let verified = verify::verify(back.path(), Some(&keys()), |_| {}).unwrap();
    assert_eq!(verified.entries, 2111);
}

/// The database ends halfway, as by a power cut; the second run copies the rest.
#[test]
fn a_copy_that_was_broken_off_is_gone_on_with() {
    let dir = tempfile::tempdir().unwrap();
    let mut old = files(dir.path());
    append(&mut old, 1..=3000);
    let database = Database::start(SCHEMA);
    database.ask(
        "CREATE FUNCTION enough() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
         IF NEW.place >= 2048 THEN RAISE 'enough'; END IF; RETURN NEW; END $$; \
         CREATE TRIGGER enough BEFORE INSERT ON loket_audit.leaf FOR EACH ROW EXECUTE FUNCTION enough()",
    );
    let mut new = open(&database).unwrap();
    let broken = copy(&*old.reader(), &mut new, &signer(), &keys(), &mut |_| {});
    assert!(matches!(broken, Err(CopyError::Write(_))), "{broken:?}");
    database.ask("DROP TRIGGER enough ON loket_audit.leaf");
    let mut new = open(&database).unwrap();
    assert_eq!(new.head().tree.size(), 2048);
    copy(&*old.reader(), &mut new, &signer(), &keys(), &mut |_| {}).unwrap();
    assert_eq!(new.head(), old.head());
    append(&mut new, 3001..=3001);
    let other = tempfile::tempdir().unwrap();
    let refused = copy(
        &*files(other.path()).reader(),
        &mut new,
        &signer(),
        &keys(),
        &mut |_| {},
    );
    assert!(
        matches!(refused, Err(CopyError::Other { entries: 3001 })),
        "{refused:?}"
    );
}
