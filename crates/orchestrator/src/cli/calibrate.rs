//! `ecp calibrate`: a device's entry of the catalog from an operator's load test.

use super::size::catalog;
use clap::Args;
use ecp_core::calibration::{entry, fit, read};
use jiff::Zoned;
use std::path::PathBuf;

use anyhow::Context as _;

/// A load test of a device.
#[derive(Args)]
pub(super) struct Calibrate {
    /// CSV with the columns stage, concurrency, latency_ms and throughput_per_second.
    file: PathBuf,
    /// Name of the device in the catalog, such as h100.
    #[arg(long, value_name = "NAME")]
    device: String,
    /// Device whose figures stand for what was not measured.
    #[arg(long, value_name = "NAME", default_value = "l40s")]
    like: String,
    /// Day of the load test [default: today].
    #[arg(long, value_name = "DATE")]
    measured_on: Option<jiff::civil::Date>,
    /// Catalog that has that device [default: the embedded one].
    #[arg(long, value_name = "FILE")]
    catalog: Option<PathBuf>,
}

impl Calibrate {
    /// The entry, with what each figure comes from.
    pub(super) fn run(self) -> anyhow::Result<String> {
        let catalog = catalog(self.catalog.as_deref()).map_err(|failure| anyhow::anyhow!("{failure}"))?;
        let named = |name: &str| catalog.devices.iter().find(|device| device.name == name);
        let like = named(&self.like).with_context(|| {
            let names: Vec<&str> = catalog.devices.iter().map(|device| device.name.as_str()).collect();
            format!("--like {}: the catalog has no such device; give one of {}", self.like, names.join(", "))
        })?;
        let is_name = |name: &str| {
            !name.is_empty()
                && name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.'))
        };
        anyhow::ensure!(
            is_name(&self.device),
            "--device {:?}: give a name of lower-case letters, digits, dashes and dots, such as h100 or a100-mig-1g.10gb",
            self.device
        );
        let file = self.file.display().to_string();
        let text = std::fs::read_to_string(&self.file).with_context(|| file.clone())?;
        let fits = read(&text).and_then(|measurements| fit(&measurements)).with_context(|| file.clone())?;
        anyhow::ensure!(
            !fits.is_empty(),
            "{file}: has no measurements; write a line for each step of the load"
        );
        let date = self.measured_on.unwrap_or_else(|| Zoned::now().date());
        let name = self.file.file_name().map_or(file, |name| name.to_string_lossy().into_owned());
        Ok(entry(&catalog, &self.device, like, &fits, &name, &date.to_string()))
    }
}
