//! The store in files.

use std::path::Path;

use tempfile::TempDir;

use super::*;
use crate::audit::store::suite::{self, keys, signer};

pub(super) fn open(dir: &Path) -> Files {
    Files::open(dir, 64 << 20, signer(), keys()).unwrap()
}

pub(super) fn dir() -> TempDir {
    tempfile::tempdir().unwrap()
}

#[test]
fn files_conform() {
    let dir = dir();
    suite::conforms(Box::new(open(dir.path())), |store| {
        drop(store);
        Box::new(open(dir.path()))
    });
}
