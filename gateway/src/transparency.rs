//! Transparency: what those who are enrolled may read of the audit log. The number of an entry in, its
//! evidence out, for the system whose exchange it records; the newest checkpoint; the hashes of the
//! tree, which tell nothing of an entry, as C2SP's `tlog-tiles` names them.

use loket_sdk::transparency::Evidence;
use serde::Deserialize;
use tlog_tiles::tlog::stored_hash_index;

use crate::audit::Audit;
use crate::audit::proof;
use crate::audit::store::ReadError;
use crate::identity::Identified;
use crate::refusal::Refusal;
use crate::request::TileName;

/// The evidence of the entry of this number, which is of a request that the caller made.
///
/// # Errors
/// [`Refusal::NotFound`] when there is none, or it is another's: the two aren't told apart.
pub async fn receipt(audit: &Audit, caller: &Identified, entry: u64) -> Result<Evidence, Refusal> {
    let cosigned = audit.last_cosigned();
    let evidence = audit.serve(move |reader| proof::evidence(reader, entry, cosigned));
    let evidence = evidence.await?;
    #[derive(Deserialize)]
    struct Leaf<'a> {
        #[serde(borrow)]
        member: Option<std::borrow::Cow<'a, str>>,
        #[serde(borrow)]
        system: Option<std::borrow::Cow<'a, str>>,
    }
    let leaf: Option<Leaf<'_>> = serde_json::from_str(evidence.leaf.expose()).ok();
    let is_own = leaf.is_some_and(|leaf| {
        leaf.member.as_deref() == Some(caller.member().as_str())
            && leaf.system.as_deref() == Some(caller.system().as_str())
    });
    match is_own {
        true => Ok(evidence),
        false => Err(Refusal::NotFound),
    }
}

/// The checkpoint that witnesses cosigned last, or else the newest: a signed note.
///
/// # Errors
/// [`Refusal::NotFound`] while the log is empty.
pub async fn checkpoint(audit: &Audit) -> Result<String, Refusal> {
    let signed = match audit.last_cosigned() {
        Some(cosigned) => cosigned,
        None => audit.serve(|reader| reader.checkpoint()).await?,
    };
    match signed.size {
        0 => Err(Refusal::NotFound),
        _ => Ok(signed.note.to_string()),
    }
}

/// A tile: its hashes, one after the other.
///
/// # Errors
/// [`Refusal::NotFound`] when the tree has no such tile, or not of this width yet.
pub async fn tile(audit: &Audit, name: TileName) -> Result<Vec<u8>, Refusal> {
    let hashes = audit.serve(move |reader| {
        // The tree is never so large that this would overflow, but the name may be.
        let size = reader.checkpoint()?.size;
        let subtrees = size.checked_shr(8 * u32::from(name.level)).unwrap_or(0);
        let first = name.n.checked_mul(256).ok_or(ReadError::Unknown)?;
        if first.saturating_add(name.width.into()) > subtrees {
            return Err(ReadError::Unknown);
        }
        let indexes = (first..).take(name.width.into());
        let indexes: Vec<u64> = indexes
            .map(|n| stored_hash_index(8 * name.level, n))
            .collect();
        reader.hashes(&indexes)
    });
    Ok(hashes.await?.iter().flat_map(|hash| hash.0).collect())
}
