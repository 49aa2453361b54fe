//! Resource amounts, in the units and spellings that the contract prints.

use crate::sizing::ContainerResources;
use serde::{Deserialize, Serialize};

/// What a tenant's plan holds, or a cluster has: the sums of the four resources.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resources {
    /// CPU in thousandths of a core.
    pub cpu_millicores: u64,
    /// Memory in MiB.
    pub memory_mib: u64,
    /// Whole GPUs.
    pub gpu: u64,
    /// Storage in GB (10⁹ bytes), as it is sold.
    pub storage_gb: u64,
}

impl Resources {
    /// `45000m`.
    pub fn cpu_text(&self) -> String {
        format!("{}m", self.cpu_millicores)
    }

    /// `64Gi`; an amount that is not whole gibibytes is printed in `Mi`.
    pub fn memory_text(&self) -> String {
        memory_text(self.memory_mib)
    }

    /// `64Gi`, rounded up to whole gibibytes: for sums, where a part of one tells nobody anything.
    pub fn memory_gib_text(&self) -> String {
        format!("{}Gi", self.memory_mib.div_ceil(1024))
    }

    /// `2.0TB`, `0.25TB`: at least one decimal, no more than are needed.
    pub fn storage_text(&self) -> String {
        let (whole, rest) = (self.storage_gb / 1000, self.storage_gb % 1000);
        let mut decimals = format!("{rest:03}");
        while decimals.len() > 1 && decimals.ends_with('0') {
            decimals.pop();
        }
        format!("{whole}.{decimals}TB")
    }

    /// The sum of two.
    pub fn plus(&self, other: &Self) -> Self {
        Self {
            cpu_millicores: self.cpu_millicores + other.cpu_millicores,
            memory_mib: self.memory_mib + other.memory_mib,
            gpu: self.gpu + other.gpu,
            storage_gb: self.storage_gb + other.storage_gb,
        }
    }

    /// What remains after taking `other` away, never below zero.
    pub fn minus(&self, other: &Self) -> Self {
        Self {
            cpu_millicores: self.cpu_millicores.saturating_sub(other.cpu_millicores),
            memory_mib: self.memory_mib.saturating_sub(other.memory_mib),
            gpu: self.gpu.saturating_sub(other.gpu),
            storage_gb: self.storage_gb.saturating_sub(other.storage_gb),
        }
    }
}

impl From<ContainerResources> for Resources {
    fn from(pod: ContainerResources) -> Self {
        let ContainerResources { cpu_millicores, memory_mib, gpu } = pod;
        Self { cpu_millicores, memory_mib, gpu, storage_gb: 0 }
    }
}

/// `64Gi` for whole gibibytes, else `1536Mi`.
pub fn memory_text(memory_mib: u64) -> String {
    if memory_mib != 0 && memory_mib.is_multiple_of(1024) {
        format!("{}Gi", memory_mib / 1024)
    } else {
        format!("{memory_mib}Mi")
    }
}

/// Reads a Kubernetes quantity (`200m`, `4Gi`, `1.5`, `1e3`) in thousandths, rounded up; none where
/// it is not one, is negative or is beyond any machine.
pub fn parse_quantity(text: &str) -> Option<u128> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let (whole, decimals) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && decimals.is_empty()) || decimals.contains('.') {
        return None;
    }
    let binary = |power: u32| Some((1000 * 1024_u128.pow(power), 1));
    let (multiplier, mut divisor) = match suffix {
        "n" => Some((1, 1_000_000)),
        "u" => Some((1, 1000)),
        "m" => Some((1, 1)),
        "" => Some((1000, 1)),
        "k" => Some((10_u128.pow(6), 1)),
        "M" => Some((10_u128.pow(9), 1)),
        "G" => Some((10_u128.pow(12), 1)),
        "T" => Some((10_u128.pow(15), 1)),
        "P" => Some((10_u128.pow(18), 1)),
        "E" => Some((10_u128.pow(21), 1)),
        "Ki" => binary(1),
        "Mi" => binary(2),
        "Gi" => binary(3),
        "Ti" => binary(4),
        "Pi" => binary(5),
        "Ei" => binary(6),
        exponent => {
            let exponent: i32 = exponent.strip_prefix(['e', 'E'])?.parse().ok()?;
            let power = 10_u128.checked_pow(exponent.unsigned_abs())?;
            Some(if exponent < 0 { (1000, power) } else { (power.checked_mul(1000)?, 1) })
        }
    }?;
    let digits: u128 = format!("0{whole}{decimals}").parse().ok()?;
    divisor = 10_u128.checked_pow(u32::try_from(decimals.len()).ok()?)?.checked_mul(divisor)?;
    Some(digits.checked_mul(multiplier)?.div_ceil(divisor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_print_as_the_contract_prints_them() {
        let large = Resources { cpu_millicores: 45_000, memory_mib: 65_536, gpu: 6, storage_gb: 2000 };
        assert_eq!(large.cpu_text(), "45000m");
        assert_eq!(large.memory_text(), "64Gi");
        assert_eq!(large.storage_text(), "2.0TB");
        assert_eq!(Resources { storage_gb: 250, ..large }.storage_text(), "0.25TB");
        assert_eq!(memory_text(512), "512Mi");
        assert_eq!(Resources { memory_mib: 32_760, ..large }.memory_gib_text(), "32Gi");
    }

    #[test]
    fn quantities_are_read_in_every_spelling_that_kubernetes_takes() {
        for (text, thousandths) in [
            ("200m", 200),
            ("2", 2000),
            ("1.5", 1500),
            (".5", 500),
            ("0.0001", 1),
            ("4Gi", 4 * 1024 * 1024 * 1024 * 1000),
            ("0.5Ki", 512_000),
            ("1k", 1_000_000),
            ("2e3", 2_000_000),
            ("5E-1", 500),
            ("1500000n", 2),
            ("7u", 1),
        ] {
            assert_eq!(parse_quantity(text), Some(thousandths), "{text}");
        }
        for wrong in ["", ".", "m", "-1", "1.2.3", "1 Gi", "1gi", "1e", "1e99", "1Kib"] {
            assert_eq!(parse_quantity(wrong), None, "{wrong}");
        }
    }
}
