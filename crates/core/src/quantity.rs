//! Resource amounts, in the units and spellings that the contract prints.

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

/// `64Gi` for whole gibibytes, else `1536Mi`.
pub fn memory_text(memory_mib: u64) -> String {
    if memory_mib != 0 && memory_mib.is_multiple_of(1024) {
        format!("{}Gi", memory_mib / 1024)
    } else {
        format!("{memory_mib}Mi")
    }
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
    }
}
