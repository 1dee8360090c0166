//! What one who writes the disk may do to runs, each attack by its name. None shortens what a citizen is
//! told: the run isn't believed, and is built again from the log.

use super::*;

const SUBJECT: u64 = 8;

struct Town {
    directory: TempDir,
    reader: Arc<dyn Reader>,
    _store: Memory,
}

impl Town {
    /// A log of two runs, which are in their files.
    fn new() -> Self {
        let mut store = Memory::new(suite::signer());
        append(&mut store, 0..LENGTH * 2, 1009);
        let town = Self {
            directory: tempfile::tempdir().unwrap(),
            reader: store.reader(),
            _store: store,
        };
        catch_up(&town.index());
        town
    }

    fn index(&self) -> Index {
        index(&self.directory, &self.reader)
    }

    fn path(&self, number: u64) -> PathBuf {
        self.directory.path().join(format!("{number:08}.run"))
    }
}

/// Attacks the second run before it is opened, and while it is in use.
fn check(attack: &str, tamper: &dyn Fn(&Town)) {
    let town = Town::new();
    let sound = fs::read(town.path(1)).unwrap();
    let all = town
        .reader
        .of_subject(&reference(SUBJECT), 0..u64::MAX, 50)
        .unwrap();
    let used = town.index();
    catch_up(&used);
    tamper(&town);
    assert!(
        fs::read(town.path(1)).ok() != Some(sound.clone()),
        "{attack}"
    );
    assert!(of_subject(&used, SUBJECT, u64::MAX, 50) == all, "{attack}");
    fs::write(town.path(1), &sound).unwrap();
    tamper(&town);
    let opened = town.index();
    catch_up(&opened);
    assert!(
        of_subject(&opened, SUBJECT, u64::MAX, 50) == all,
        "{attack}"
    );
    assert!(fs::read(town.path(1)).unwrap() == sound, "{attack}");
}

/// The second run as one would make it who leaves the citizen out.
fn without_the_citizen(town: &Town, key: &Key) -> Run {
    let wanted = prefix(reference(SUBJECT).as_bytes());
    let mut pairs = Vec::new();
    let each = &mut |place: u64, leaf: &[u8]| {
        let prefix = subject_of(leaf).and_then(prefix);
        if let Some(prefix) = prefix.filter(|prefix| Some(*prefix) != wanted) {
            pairs.push((prefix, (place % LENGTH) as u16));
        }
        ControlFlow::Continue(())
    };
    town.reader.leaves(LENGTH..LENGTH * 2, each).unwrap();
    let of = Of::now(1, LENGTH, &*town.reader).unwrap();
    let run = Run::new(of, pairs);
    run.written(town.directory.path(), key).unwrap()
}

#[test]
fn a_run_made_without_the_key_is_never_served() {
    let other = run::key(&subject_key(b"of somebody"));
    check("a citizen is left out, under another key", &|town| {
        without_the_citizen(town, &other);
    });
    check(
        "a citizen is left out, and macs of the sound run kept",
        &|town| {
            let sound = fs::read(town.path(1)).unwrap();
            without_the_citizen(town, &other);
            let mut forged = fs::read(town.path(1)).unwrap();
            let head = 8 * 4 + 32;
            forged[head..head + 32].copy_from_slice(&sound[head..head + 32]);
            let end = forged.len() - 32;
            forged[end..].copy_from_slice(&sound[sound.len() - 32..]);
            fs::write(town.path(1), forged).unwrap();
        },
    );
}

fn change(town: &Town, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(town.path(1)).unwrap();
    change(&mut bytes);
    fs::write(town.path(1), bytes).unwrap();
}

#[test]
fn a_run_that_is_altered_or_removed_is_built_again() {
    check("it is removed", &|town| {
        fs::remove_file(town.path(1)).unwrap();
    });
    check("it is emptied", &|town| change(town, Vec::clear));
    check("it is cut off", &|town| {
        change(town, |bytes| bytes.truncate(5000))
    });
    check("all of its pairs are others", &|town| {
        change(town, |bytes| {
            bytes[96..]
                .iter_mut()
                .step_by(7)
                .for_each(|byte| *byte ^= 1);
        });
    });
    check("it is the run before", &|town| {
        fs::copy(town.path(0), town.path(1)).unwrap();
    });
    check("blocks are swapped", &|town| {
        change(town, |bytes| {
            let (first, second) = bytes[96..].split_at_mut(1024 * 10 + 32);
            let length = first.len();
            first.swap_with_slice(&mut second[..length]);
        });
    });
    check("blocks are of the run before", &|town| {
        let before = fs::read(town.path(0)).unwrap();
        change(town, |bytes| {
            let length = before.len().min(bytes.len());
            bytes[96..length].copy_from_slice(&before[96..length]);
        });
    });
}

#[test]
fn what_stands_after_a_run_isnt_of_it() {
    let town = Town::new();
    let sound = fs::read(town.path(1)).unwrap();
    fs::write(town.path(1), [&sound[..], &[0; 10]].concat()).unwrap();
    catch_up(&town.index());
    assert!(fs::read(town.path(1)).unwrap() == sound);
}

#[test]
fn a_run_of_another_log_is_built_again() {
    let (ours, theirs) = (Town::new(), Town::new());
    for number in [0, 1] {
        fs::copy(theirs.path(number), ours.path(number)).unwrap();
    }
    let index = ours.index();
    catch_up(&index);
    assert!(compare(&index, &*ours.reader, SUBJECT) > 5);
}

/// Somebody told the gateway for a while that entries' terms are over.
#[test]
fn a_run_that_began_later_than_the_log_does_is_built_again() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = Memory::new(suite::signer());
    append(&mut store, 0..LENGTH, 3);
    let odd = Odd::of(store.reader(), || Ok(()));
    let reader: Arc<dyn Reader> = odd.clone();
    odd.first.store(LENGTH - 100, Ordering::Relaxed);
    let short = index(&directory, &reader);
    catch_up(&short);
    assert!(of_subject(&short, 1, u64::MAX, 500).len() < 50);
    assert_eq!(short.runs(), 1);
    odd.first.store(0, Ordering::Relaxed);
    let whole = index(&directory, &reader);
    catch_up(&whole);
    assert_eq!(of_subject(&whole, 1, u64::MAX, 500).len(), 500);
}
