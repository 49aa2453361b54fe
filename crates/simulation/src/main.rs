//! Runs schedules: `ecp-simulate --seeds 200000`, or one that failed with `--seed`.

#![allow(clippy::print_stdout, reason = "what it finds is for people")]

use clap::Parser;
use ecp_simulation::{Stage, watch_panics};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;
use tracing_subscriber::EnvFilter;

/// Tries schedules of whole replicas over one database and one cluster.
#[derive(Parser)]
struct Arguments {
    /// How many schedules.
    #[arg(long, default_value_t = 2000)]
    seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Runs one schedule and tells what happens in it; what the program logs too, as RUST_LOG says.
    #[arg(long)]
    seed: Option<u64>,
    /// Threads; each runs schedules of its own.
    #[arg(long)]
    threads: Option<u64>,
    /// Goes on after a failure, up to so many.
    #[arg(long, default_value_t = 1)]
    failures: u64,
}

fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    watch_panics();
    if let Some(seed) = arguments.seed {
        let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
        tracing_subscriber::fmt().with_env_filter(filter).without_time().with_target(false).init();
        let outcome = Stage::new()?.run(seed, true);
        return Ok(match outcome.broken {
            None => {
                println!("seed {seed} keeps every promise ({:016x})", outcome.digest);
                ExitCode::SUCCESS
            }
            Some(broken) => {
                println!("seed {seed} breaks a promise: {broken}");
                ExitCode::FAILURE
            }
        });
    }
    let threads = arguments
        .threads
        .unwrap_or_else(|| std::thread::available_parallelism().map_or(1, |threads| threads.get() as u64));
    let (next, failed) = (AtomicU64::new(0), AtomicU64::new(0));
    let (acknowledged, lasted) = (AtomicU64::new(0), AtomicU64::new(0));
    let begun = Instant::now();
    std::thread::scope(|scope| {
        let run = || -> anyhow::Result<()> {
            let stage = Stage::new()?;
            while failed.load(Ordering::Relaxed) < arguments.failures {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= arguments.seeds {
                    break;
                }
                let seed = arguments.from + number;
                let outcome = stage.run(seed, false);
                acknowledged.fetch_add(outcome.acknowledged as u64, Ordering::Relaxed);
                lasted.fetch_add(u64::try_from(outcome.lasted_ms).unwrap_or(0), Ordering::Relaxed);
                if let Some(broken) = outcome.broken {
                    failed.fetch_add(1, Ordering::Relaxed);
                    println!("seed {seed} breaks a promise: {broken}");
                    println!("  again, with all that happens: make simulate SEED={seed}");
                }
                if (number + 1).is_multiple_of(10_000) {
                    println!("{} schedules after {:.0} s", number + 1, begun.elapsed().as_secs_f64());
                }
            }
            Ok(())
        };
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(run)).collect();
        running.into_iter().try_for_each(|thread| match thread.join() {
            Ok(result) => result,
            Err(_) => anyhow::bail!("a thread panicked"),
        })
    })?;
    let (tried, failed) = (next.into_inner().min(arguments.seeds), failed.into_inner());
    println!(
        "{tried} schedules in {:.1} s: {} requests acknowledged, {:.1} hours of their own time, {failed} broke a promise",
        begun.elapsed().as_secs_f64(),
        acknowledged.into_inner(),
        lasted.into_inner() as f64 / 3_600_000.0,
    );
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
