//! A log of our own making, signed with known keys; each part of a proof tampered with by name.

mod golden;
mod keys;
mod merkle;
mod tampering;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ct_merkle::mem_backed_tree::MemoryBackedTree;
use sha2::Sha256;
use signed_note::key_id;

use super::{Evidence, LogKeys};
use crate::message::Receipt;
use crate::sensitive::Sensitive;

pub(super) const ORIGIN: &str = "audit.loket.example/gateway";
const AT: &str = "2026-11-24T09:15:04.118Z";
const SEEN: u64 = 1_795_511_704;

/// Whoever signs a note: its name, the byte of its algorithm, a key from a seed.
pub(super) struct Signer {
    name: &'static str,
    algorithm: u8,
    pair: Ed25519KeyPair,
}

impl Signer {
    pub(super) fn log(seed: u8) -> Self {
        Self::new(ORIGIN, 1, seed)
    }

    pub(super) fn witness(name: &'static str, seed: u8) -> Self {
        Self::new(name, 4, seed)
    }

    pub(super) fn new(name: &'static str, algorithm: u8, seed: u8) -> Self {
        Self {
            name,
            algorithm,
            pair: Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap(),
        }
    }

    fn public(&self) -> Vec<u8> {
        [&[self.algorithm], self.pair.public_key().as_ref()].concat()
    }

    /// `name+hash+base64`.
    pub(super) fn key(&self) -> String {
        let key = self.public();
        let id = key_id(self.name, &key);
        format!("{}+{id:08x}+{}", self.name, STANDARD.encode(key))
    }

    /// A line of the note.
    pub(super) fn line(&self, text: &str) -> String {
        let mut bytes = key_id(self.name, &self.public()).to_be_bytes().to_vec();
        if self.algorithm == 4 {
            bytes.extend(SEEN.to_be_bytes());
            let signed = format!("cosignature/v1\ntime {SEEN}\n{text}");
            bytes.extend(self.pair.sign(signed.as_bytes()).as_ref());
        } else {
            bytes.extend(self.pair.sign(text.as_bytes()).as_ref());
        }
        format!("\u{2014} {} {}\n", self.name, STANDARD.encode(bytes))
    }
}

/// A text with its signatures.
pub(super) fn note(text: &str, signers: &[&Signer]) -> String {
    let lines: String = signers.iter().map(|signer| signer.line(text)).collect();
    format!("{text}\n{lines}")
}

pub(super) type Tree = MemoryBackedTree<Sha256, Vec<u8>>;

pub(super) fn leaf(number: u64) -> String {
    format!(
        r#"{{"at":"{AT}","kind":"lookup","request_id":"0192f0c4-7d1a-7e55-9b61-{number:012}","member":"korlantas"}}"#
    )
}

pub(super) fn tree(size: u64) -> Tree {
    let mut tree = Tree::new();
    for number in 1..=size {
        tree.push(leaf(number).into_bytes());
    }
    tree
}

pub(super) fn head(tree: &Tree) -> String {
    let root = STANDARD.encode(tree.root().as_bytes());
    format!("{ORIGIN}\n{}\n{root}\n", tree.len())
}

pub(super) fn lines(hashes: &[u8]) -> String {
    let line = |hash: &[u8]| STANDARD.encode(hash) + "\n";
    hashes.chunks(32).map(line).collect()
}

/// The evidence of one entry, under a checkpoint that these have signed.
pub(super) fn evidence(tree: &Tree, entry: u64, signers: &[&Signer]) -> Evidence {
    let index = entry - 1;
    let path = lines(tree.prove_inclusion(index as usize).as_bytes());
    let checkpoint = note(&head(tree), signers);
    Evidence {
        entry,
        leaf: Sensitive::new(leaf(entry)),
        proof: format!("c2sp.org/tlog-proof@v1\nindex {index}\n{path}\n{checkpoint}"),
    }
}

/// The receipt of one entry, as the gateway gave it out.
pub(super) fn receipt(entry: u64) -> Receipt {
    let hash = tlog_tiles::record_hash(leaf(entry).as_bytes());
    Receipt {
        entry,
        at: AT.parse().unwrap(),
        hash: hash.0.iter().map(|byte| format!("{byte:02x}")).collect(),
        checkpoint: None,
    }
}

pub(super) fn keys() -> LogKeys {
    LogKeys::new(ORIGIN, [Signer::log(1).key()]).unwrap()
}
