//! `loket serve`: the gateway as a service, until SIGTERM or SIGINT. SIGHUP reads what is configured
//! again.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::Args as ClapArgs;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::audit::Asker;
use crate::audit::store::OpenError;
use crate::config::{Config, ConfigErrors};
use crate::reload::{Reloader, Watch};
use crate::service::{Service, StartError};
use crate::supervisor::Sockets;
use crate::telemetry::{self, Telemetry, Traces};
use crate::workers::{self, Workers};

/// Exit code: the audit log has been changed.
const BROKEN: u8 = 8;
/// Exit code: the configuration is wrong.
const WRONG: u8 = 3;
/// How long what reads the disk may take to notice the end.
const LEFT_WITHIN: Duration = Duration::from_secs(1);

/// Runs the gateway until it is told to stop.
///
/// SIGTERM and SIGINT drain it; a second one ends it at once. SIGHUP reads the configuration again,
/// and so does a change of a file that it names.
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
    let sockets = Sockets::inherited().context("the service manager's sockets can't be used")?;
    let watch = Watch::of(&args.config);
    let config = match Config::load(&args.config) {
        Ok(config) => config,
        Err(errors) => return refuse(&errors, out),
    };
    let (settings, reload) = (config.telemetry.clone(), config.reload);
    let (lines, flush) = stdout()
        .and_then(telemetry::in_batches)
        .context("logs can't be written")?;
    // Ends after the runtime, which is made later: its last lines get out too.
    let _flush = flush;
    let traces = Traces::new(settings.traces);
    telemetry::init_logs(&settings, lines.clone(), &traces).context("logs can't be written")?;
    // A panic's message can quote a value; where it happened is enough.
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        tracing::error!(code.location = place.unwrap_or_default(), "a panic");
    }));
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("the runtime can't start")?;
    let code = runtime.block_on(async {
        let telemetry = Telemetry::keeping(&settings, env!("CARGO_PKG_VERSION"), traces)
            .context("telemetry can't start")?;
        telemetry.count_lost_lines(&lines);
        let mut terminate = signal(SignalKind::terminate())?;
        let hangup = signal(SignalKind::hangup())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let bound = tokio::select! {
            bound = Service::bind_on(config, telemetry, sockets) => bound,
            _ = terminate.recv() => return Ok(stopped()),
            _ = interrupt.recv() => return Ok(stopped()),
        };
        let service = match bound {
            Err(StartError::Audit(ref broken @ OpenError::Broken { ref what, .. })) => {
                let cause = format!("{broken}: {what}");
                tracing::error!(loket.cause = cause, "the audit log is broken");
                return Ok(BROKEN);
            }
            Err(StartError::PutBack(put_back)) => {
                tracing::error!(loket.cause = %put_back, "a grant was put back");
                return Ok(WRONG);
            }
            bound => bound?,
        };
        let workers = Workers::start(workers::usual()).context("no thread can be started")?;
        let service = service.on(workers);
        tracing::info!(
            server.address = %service.address()?,
            loket.admin.address = %service.admin_address()?,
            "listening"
        );
        let reloader = service.reloader().clone();
        let path = args.config.clone();
        reloader.read_from(Arc::new(move || Config::load(&path)));
        if reload.watch {
            tokio::spawn(watch.run(reloader.clone(), reload.interval));
        }
        tokio::spawn(hangups(hangup, reloader));
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
    });
    // A disk or a database that doesn't answer holds up no end.
    runtime.shutdown_timeout(LEFT_WITHIN);
    code
}

fn stopped() -> u8 {
    tracing::info!("stopped before it served");
    0
}

async fn hangups(mut hangup: Signal, reloader: Arc<Reloader>) {
    while hangup.recv().await.is_some() {
        // What became of it is logged and counted.
        let _ = reloader.reload(Asker::Signal).await;
    }
}

/// Standard output without the library's lock and buffer: nobody else writes there while it serves,
/// and a write that hangs keeps no lock.
fn stdout() -> io::Result<File> {
    let descriptor = io::stdout().as_fd().try_clone_to_owned()?;
    Ok(File::from(descriptor))
}

fn refuse(errors: &ConfigErrors, out: &mut dyn Write) -> anyhow::Result<u8> {
    writeln!(out, "{errors}")?;
    Ok(WRONG)
}
