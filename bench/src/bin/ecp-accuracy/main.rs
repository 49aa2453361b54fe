//! `make accuracy`: what the sizing promises against a simulation of what is rendered from it, for a grid of
//! orders and a census of random ones, written as `docs/ACCURACY.md`. Same seed, same file.

mod census;
mod grid;
mod orders;
mod page;
#[cfg(test)]
mod tests;

use anyhow::Context;
use census::Census;
use clap::Parser;
use ecp_core::catalog::Catalog;
use std::path::PathBuf;

/// Holds the sizing to a simulation.
#[derive(Parser)]
struct Arguments {
    /// Random tenants of the census.
    #[arg(long, default_value_t = 5000)]
    tenants: u32,
    /// Pairs of random tenants, the second with more load.
    #[arg(long, default_value_t = 20_000)]
    pairs: u32,
    /// Seed of orders and simulations.
    #[arg(long, default_value_t = 11)]
    seed: u64,
    /// Events of each simulation of the census.
    #[arg(long, default_value_t = 30_000)]
    events: u64,
    /// Another catalog than the one that the program carries.
    #[arg(long)]
    catalog: Option<PathBuf>,
    /// Where the page is written.
    #[arg(long, default_value = "docs/ACCURACY.md")]
    output: PathBuf,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let catalog = match &arguments.catalog {
        None => Catalog::embedded(),
        Some(path) => {
            let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
            Catalog::parse(&text)?
        }
    };
    let census = Census::take(&catalog, arguments.seed, arguments.tenants, arguments.events);
    let pairs = census::fewer_for_more(&catalog, arguments.seed, arguments.pairs);
    let grid = grid::run(&catalog, arguments.seed);
    let page = page::page(&catalog, arguments.seed, &grid, &census, &pairs);
    std::fs::write(&arguments.output, page).with_context(|| arguments.output.display().to_string())?;
    let broken = census.broken.iter().chain(grid.iter().flat_map(|row| &row.broken));
    let broken: Vec<&String> = broken.collect();
    anyhow::ensure!(broken.is_empty(), "promises that the simulation breaks:\n{broken:#?}");
    Ok(())
}
