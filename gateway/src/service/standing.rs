//! Standing: from time to time all that is known of grants, put on record, so that a start needn't read the
//! log from its beginning to know which serials were seen.

use std::sync::Arc;
use std::time::Duration;

use crate::audit::ActEntry;
use crate::audit::log::AuditError;
use crate::grants::Standing;
use crate::pipeline::Gateway;
use crate::reload::Reloader;

/// How often: a start reads back as far, even if the log is of no other interest.
const EVERY: Duration = Duration::from_secs(6 * 3600);

/// Puts it on record as often as said.
pub(super) async fn keep(gateway: Arc<Gateway>, reloader: Arc<Reloader>) {
    loop {
        tokio::time::sleep(EVERY).await;
        record(&gateway, reloader.standing().await).await;
    }
}

/// Puts it on record.
pub(super) async fn record(gateway: &Gateway, parts: Vec<Standing>) {
    if let Err(error) = write_all(gateway, parts).await {
        tracing::error!(
            loket.cause = %error,
            "what is known of grants isn't on record: the next start reads further back"
        );
    }
}

/// The last entry counts, and tells where the first is: what comes before it is durable by then.
async fn write_all(gateway: &Gateway, parts: Vec<Standing>) -> Result<(), AuditError> {
    let mut since = None;
    for part in parts {
        let number = write(gateway, part).await?;
        since = since.or(Some(number));
    }
    if since.is_some() {
        let end = Standing {
            since,
            ..Standing::default()
        };
        write(gateway, end).await?;
    }
    Ok(())
}

async fn write(gateway: &Gateway, part: Standing) -> Result<u64, AuditError> {
    let entry = ActEntry::grants_standing(part);
    let kind = entry.kind().as_str();
    let receipt = gateway.audit().log().record(&entry).await?;
    gateway.telemetry().metrics().audit_recorded(kind);
    Ok(receipt.entry)
}
