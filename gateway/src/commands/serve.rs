//! `loket serve`: the gateway as a service, until SIGTERM or SIGINT.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Context;
use clap::Args as ClapArgs;
use tokio::signal::unix::{SignalKind, signal};

use crate::audit::log::OpenError;
use crate::config::{Config, ConfigErrors};
use crate::service::{Service, StartError};
use crate::telemetry::{self, Telemetry};

/// Exit code: the audit log has been changed.
const BROKEN: u8 = 8;
/// Exit code: the configuration is wrong.
const WRONG: u8 = 3;

/// Runs the gateway until it is told to stop.
///
/// SIGTERM and SIGINT drain it; a second one ends it at once.
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// Configuration file
    #[arg(long, short, env = "LOKET_CONFIG", default_value = "loket.toml")]
    config: PathBuf,
}

/// Runs the command; the process's exit code.
///
/// # Errors
/// When the gateway can't start.
pub fn run(args: &Args, out: &mut dyn Write) -> anyhow::Result<u8> {
    let config = match Config::load(&args.config) {
        Ok(config) => config,
        Err(errors) => return refuse(&errors, out),
    };
    let settings = config.telemetry.clone();
    telemetry::init_logs(&settings, std::io::stdout).context("logs can't be written")?;
    // A panic's message can quote a value; where it happened is enough.
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        tracing::error!(code.location = place.unwrap_or_default(), "a panic");
    }));
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("the runtime can't start")?;
    runtime.block_on(async {
        let telemetry = Telemetry::new(&settings, env!("CARGO_PKG_VERSION"))
            .context("telemetry can't start")?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let service = match Service::bind(config, telemetry).await {
            Err(StartError::Audit(broken @ OpenError::Broken { .. })) => {
                tracing::error!(loket.cause = %broken, "the audit log is broken");
                return Ok(BROKEN);
            }
            bound => bound?,
        };
        tracing::info!(
            server.address = %service.address()?,
            loket.admin.address = %service.admin_address()?,
            "listening"
        );
        tokio::spawn(hangups());
        let (told, tell) = tokio::sync::oneshot::channel::<()>();
        let second = async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            // The service is gone if nobody listens, and then so is the need.
            let _ = told.send(());
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        };
        tokio::select! {
            () = service.serve(async { let _ = tell.await; }) => Ok(0),
            () = second => Ok(130),
        }
    })
}

/// SIGHUP would end a process that doesn't expect it.
async fn hangups() {
    let Ok(mut hangup) = signal(SignalKind::hangup()) else {
        return;
    };
    while hangup.recv().await.is_some() {
        tracing::warn!("SIGHUP does nothing: what is configured is read at the start");
    }
}

fn refuse(errors: &ConfigErrors, out: &mut dyn Write) -> anyhow::Result<u8> {
    writeln!(out, "{errors}")?;
    Ok(WRONG)
}
