//! `ecp calibrate`: a device's entry of the catalog from an operator's load test.

use super::failure::Failure;
use super::language::{say_text, told};
use super::size::catalog;
use clap::Args;
use ecp_core::calibration::{entry, fit, read};
use jiff::Zoned;
use std::path::PathBuf;

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
    pub(super) fn run(self) -> Result<String, Failure> {
        let catalog = catalog(self.catalog.as_deref())?;
        let named = |name: &str| catalog.devices.iter().find(|device| device.name == name);
        let like = named(&self.like).ok_or_else(|| {
            let names: Vec<&str> = catalog.devices.iter().map(|device| device.name.as_str()).collect();
            let known = names.join(", ");
            Failure::Input(say_text!("calibration.like", device = self.like, known = known))
        })?;
        let is_name = |name: &str| {
            !name.is_empty()
                && name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.'))
        };
        if !is_name(&self.device) {
            let device = format!("{:?}", self.device);
            return Err(Failure::Input(say_text!("calibration.device_name", device = device)));
        }
        let file = self.file.display().to_string();
        let text = std::fs::read_to_string(&self.file)
            .map_err(|error| Failure::Input(say_text!("cli.can_not_be_read", name = &file, error = error)))?;
        let fits = read(&text)
            .and_then(|measurements| fit(&measurements))
            .map_err(|fault| Failure::Input(format!("{file}: {}", told(&fault.message()))))?;
        if fits.is_empty() {
            return Err(Failure::Input(say_text!("calibration.nothing", file = &file)));
        }
        let date = self.measured_on.unwrap_or_else(|| Zoned::now().date());
        let name = self.file.file_name().map_or(file, |name| name.to_string_lossy().into_owned());
        Ok(entry(&catalog, &self.device, like, &fits, &name, &date.to_string()))
    }
}
