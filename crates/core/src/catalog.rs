//! The catalog: presets, services, devices, prices, weights and the operator's settings.
//!
//! One commented file holds every figure; this module reads it and validates it whole. What the
//! figures mean for a tenant is the sizing's.

mod billing;
mod claims;
mod device;
mod edition;
mod kubernetes;
mod model;
mod reach;
mod rules;
mod shape;

pub use billing::{Billing, Currency};
pub use claims::{ClaimSettings, DeviceClaim, GpuAllocation};
pub use device::{Device, DeviceFigure, FigureSource, Provenance, ServiceTimes};
pub use edition::{CatalogDigest, Edition};
pub use kubernetes::{
    ImageSettings, KubernetesSettings, LifecycleSettings, ModelImage, MonitoringSettings, NodeSettings,
    RedisSettings, TolerationSettings,
};
pub use model::{
    Alternatives, AvailabilityModel, Catalog, CpuModel, DefaultSla, DeploymentMinutes, GpuModel, GrowthSteps,
    LimitSteps, LoadMultiplier, MemoryModel, NodeShape, OperatorCost, Overcommit, Plan, Prices, Requests,
    ServiceModel, StorageModel,
};

pub use reach::{CallerSettings, GatewaySettings, IngressSettings, PlatformService};

use crate::tenant::{Availability, Preset, Service, SlaTarget};
use crate::text::{Language, Message};
use serde::de::Error as _;
use std::fmt;

/// The catalog that the program carries.
pub const EMBEDDED: &str = include_str!("../catalog.toml");

/// Every fault of a catalog file, with where it is and how to fix it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CatalogFaults(pub Vec<Message>);

impl fmt::Display for CatalogFaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.told(Language::En))
    }
}

impl std::error::Error for CatalogFaults {}

impl CatalogFaults {
    /// All of them in a language, under how many there are.
    pub fn told(&self, language: Language) -> String {
        let faults = self.each(language).join("\n");
        let told = Message::new("catalog.faults").with("count", self.0.len()).with("faults", faults);
        told.render(language)
    }

    /// Each in a language.
    pub fn each(&self, language: Language) -> Vec<String> {
        self.0.iter().map(|fault| fault.render(language)).collect()
    }
}

/// A fault of the rules.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Fault {
    /// Keys joined by dots; an element of a list by its name.
    path: String,
    /// What must hold.
    fix: Message,
}

impl Catalog {
    /// The embedded catalog.
    pub fn embedded() -> Self {
        Self::parse(EMBEDDED).expect("a test reads the embedded catalog")
    }

    /// Reads and validates an operator's catalog (TOML, the same file as the embedded one).
    pub fn parse(text: &str) -> Result<Self, CatalogFaults> {
        let document = shape::Document::parse(text).map_err(CatalogFaults)?;
        let (catalog, mut faults) = document.read();
        let rules = catalog.as_ref().map(rules::faults).unwrap_or_default();
        faults.extend(rules.into_iter().map(|fault| document.locate(fault)));
        match catalog {
            Some(catalog) if faults.is_empty() => Ok(catalog),
            _ => Err(CatalogFaults(faults)),
        }
    }

    /// Keys whose values break a rule.
    #[cfg(test)]
    pub(crate) fn faulty_keys(&self) -> Vec<String> {
        rules::faults(self).into_iter().map(|fault| fault.path).collect()
    }

    /// What a tenant is promised that states no SLA.
    pub fn default_sla(&self) -> SlaTarget {
        SlaTarget {
            availability: self.default_sla.availability,
            response_time_ms: self.default_sla.response_time_ms,
            concurrent_users: None,
        }
    }

    /// The figures of a plan.
    pub fn plan(&self, preset: Preset) -> &Plan {
        self.presets
            .iter()
            .find(|plan| plan.name == preset)
            .expect("validation finds every preset in the catalog")
    }

    /// The figures of a device.
    pub fn device(&self, name: &str) -> &Device {
        self.devices
            .iter()
            .find(|device| device.name == name)
            .expect("validation finds every device that a plan names")
    }

    /// Devices that the installation has, smallest first.
    pub fn offered(&self) -> impl DoubleEndedIterator<Item = &Device> {
        self.devices.iter().filter(|device| device.offered)
    }

    /// The figures of a service.
    pub fn service(&self, service: Service) -> &ServiceModel {
        self.services.get(&service).expect("validation finds every service in the catalog")
    }

    /// The services that a service calls.
    pub fn needs(&self, service: Service) -> Vec<Service> {
        let model = self.service(service);
        [(Service::Stt, model.stt_channels), (Service::Tts, model.tts_channels)]
            .into_iter()
            .filter_map(|(needed, channels)| (channels > 0).then_some(needed))
            .collect()
    }

    /// Image reference of a service, such as `ecp-ai/callbot:latest`.
    pub fn image(&self, service: Service) -> String {
        self.kubernetes.image(service)
    }
}

fn availability<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Availability, D::Error> {
    let text: String = serde::Deserialize::deserialize(deserializer)?;
    Availability::parse(&text)
        .map_err(|fault| D::Error::custom(format!("{text:?}{}it {fault}", shape::NO_AVAILABILITY)))
}

fn availability_text<S: serde::Serializer>(value: &Availability, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_catalog_is_valid_and_has_every_preset_and_service() {
        let catalog = Catalog::parse(EMBEDDED).expect("valid");
        for preset in Preset::ALL {
            assert_eq!(catalog.plan(preset).name, preset);
        }
        for service in Service::ALL {
            assert!(catalog.service(service).cpu_weight > 0);
        }
        assert_eq!(catalog.needs(Service::Callbot), [Service::Stt, Service::Tts]);
        assert_eq!(catalog.needs(Service::Advisor), [Service::Stt]);
        assert_eq!(catalog.image(Service::Callbot), "ecp-ai/callbot:latest");
    }

    #[test]
    fn every_figure_of_every_device_says_where_it_is_from() {
        for device in Catalog::embedded().devices {
            for figure in DeviceFigure::ALL {
                let said = device.source_of(figure).map(|source| source.label);
                let own = figure != DeviceFigure::ServiceTimeMs || !device.service_time_ms.is_empty();
                assert_eq!(said.is_some(), own, "{} {}", device.name, figure.as_str());
                let published = ["t4", "v100", "l40s"].contains(&device.name.as_str());
                assert!(!own || (said == Some(Provenance::ProductLine)) == published, "{}", device.name);
            }
        }
    }

    #[test]
    fn a_source_or_a_time_that_says_nothing_is_refused_at_its_line() {
        let own = "up_to_count = 0\nservice_time_ms = { nlp = 0.0 }\nsources = [\n  { figures = [\"memory_gb\", \"power_watts\", \"memory_gb\"], label = \"vendor\", source = \" \", date = \"2026-13-27\" },\n  { figures = [\"power_watts\"], label = \"vendor\", source = \"s\", date = \"20261127\" },\n  { figures = [], label = \"vendor\", source = \"s\", date = \"2026-11-27\" },\n]\n[[presets]]";
        let (before, rest) = EMBEDDED.split_once("name = \"a100-mig-1g.10gb\"").expect("the slice");
        let (figures, after) = rest.split_once("up_to_count").expect("its figures");
        let after = after.split_once("]\n\n").expect("its sources").1;
        let own = own.replace("[[presets]]", "");
        let broken = format!("{before}name = \"a100-mig-1g.10gb\"{figures}{own}\n{after}");
        let faults = faults_of(&broken);
        let at = |part: &str| line_in(&broken, part);
        let of = |line: usize, rest: &str| format!("line {line}: devices.a100-mig-1g.10gb.{rest}");
        let (times, first) = (
            at("service_time_ms = { nlp"),
            at("  { figures = [\"memory_gb\", \"power_watts\", \"memory_gb\"]"),
        );
        for expected in [
            of(times, "service_time_ms.nlp: must be over 0"),
            of(first, "sources.0.figures: must name each figure once"),
            of(first, "sources.0.source: must say where"),
            of(first, "sources.0.date: must be a day"),
            of(first + 1, "sources.1.figures: must name each figure once"),
            of(first + 1, "sources.1.date: must be a day"),
            of(first + 2, "sources.2.figures: must name at least one"),
        ] {
            assert!(faults.iter().any(|fault| fault.starts_with(&expected)), "{expected} in {faults:#?}");
        }
        assert_eq!(faults.len(), 7, "{faults:#?}");
        let label = "label = \"vendor\"";
        let faults = faults_of(&EMBEDDED.replacen(label, "label = \"hearsay\"", 1));
        assert!(faults[0].contains("unknown variant `hearsay`, expected one of `measured`"), "{faults:#?}");
    }

    /// What the file says of how its assumed figures came about is so.
    #[test]
    fn devices_that_are_not_offered_are_t4_by_memory_bandwidth_or_a_part_of_such_a_device() {
        let catalog = Catalog::parse(EMBEDDED).expect("valid");
        let t4 = catalog.devices.iter().find(|device| device.name == "t4").expect("t4");
        // Memory bandwidth in GB/s, and how many parts share it.
        let bandwidths = [
            ("t4-shared", 320.0, 2.0),
            ("a100-mig-1g.10gb", 2039.0, 8.0),
            ("l4", 300.0, 1.0),
            ("h100-mig-1g.10gb", 3350.0, 8.0),
            ("a10", 600.0, 1.0),
            ("a100", 2039.0, 1.0),
            ("h100", 3350.0, 1.0),
            ("h200", 4800.0, 1.0),
        ];
        let others: Vec<&Device> = catalog.devices.iter().filter(|device| !device.offered).collect();
        let names: Vec<&str> = others.iter().map(|device| device.name.as_str()).collect();
        assert_eq!(names, bandwidths.map(|(name, ..)| name));
        let figures = |device: &Device| {
            [
                device.tts_channels_uncached,
                device.tts_channels_cached,
                device.nlp_queries_per_second,
                device.aicm_searches_per_second,
            ]
        };
        for (device, (name, bandwidth, parts)) in others.into_iter().zip(bandwidths) {
            let derived = figures(t4).map(|of_t4| (of_t4 * bandwidth / 320.0 / parts).floor());
            assert_eq!(figures(device), derived, "{name}");
        }
    }

    /// The embedded catalog with edits, each of which must hit.
    fn edited(edits: &[(&str, &str)]) -> String {
        edits.iter().fold(EMBEDDED.to_owned(), |text, (from, to)| {
            assert!(text.contains(from), "{from}");
            text.replacen(from, to, 1)
        })
    }

    fn faults_of(text: &str) -> Vec<String> {
        let faults = Catalog::parse(text).expect_err("a faulty catalog");
        for fault in faults.each(Language::Ko) {
            // The line is said in Korean anyway.
            let words = fault.split_once("행: ").expect("a line").1;
            assert!(words.chars().any(|letter| ('가'..='힣').contains(&letter)), "{fault}");
        }
        faults.each(Language::En)
    }

    fn line_in(text: &str, part: &str) -> usize {
        text.lines().position(|line| line.starts_with(part)).expect(part) + 1
    }

    #[test]
    fn every_fault_of_a_catalog_is_reported_at_once_with_its_line() {
        let broken = edited(&[
            ("tts_cache_share = 0.9481", "tts_cache_share = 1.9481"),
            ("gpu_type = \"t4\"", "gpu_type = \"h100\""),
            ("stt_channels_per_core = 6.5", "stt_channels_per_core = 0"),
            ("service_time_ms = 118", "service_time_ms = \"fast\""),
            ("lowest_utilization", "lowest_utilisation"),
            ("availability = \"99.9%\"", "availability = \"often\""),
            ("base_minutes = 4\n", ""),
            ("[kubernetes]", "[kubernetes]\nsurprise = 1"),
            ("scale_up_cpu_percent = 70", "scale_up_cpu_percent = 0"),
        ]);
        let faults = faults_of(&broken);
        for (start, path) in [
            ("tts_cache_share", "gpu.tts_cache_share: must be"),
            ("gpu_type = \"h100\"", "presets.micro.gpu_type: must name"),
            ("stt_channels_per_core", "cpu.stt_channels_per_core: must be"),
            ("service_time_ms", "gpu.service_time_ms: invalid type"),
            ("lowest_utilisation", "gpu.lowest_utilisation: unknown field"),
            ("[gpu]", "gpu.lowest_utilization: is missing"),
            ("availability = \"often\"", "default_sla.availability: \"often\""),
            ("[deployment_time]", "deployment_time.base_minutes: is missing"),
            ("surprise", "kubernetes.surprise: unknown field"),
            ("scale_up_cpu_percent", "kubernetes.scale_up_cpu_percent: must be between 1 and 100"),
        ] {
            let expected = format!("line {}: {path}", line_in(&broken, start));
            assert!(faults.iter().any(|fault| fault.starts_with(&expected)), "{expected} in {faults:#?}");
        }
        assert_eq!(faults.len(), 10, "{faults:#?}");
    }

    #[test]
    fn a_file_that_is_no_toml_is_refused_with_the_line() {
        let faults = faults_of("[gpu]\nservice_time_ms = = 3\n");
        assert!(faults[0].starts_with("line 2: "), "{faults:?}");
    }

    #[test]
    fn an_empty_file_lacks_every_table() {
        let faults = faults_of("");
        assert_eq!(faults.len(), 18, "{faults:#?}");
        assert!(faults.iter().all(|fault| fault.ends_with("is missing; add it")), "{faults:#?}");
    }

    #[test]
    fn an_unknown_service_is_refused_and_a_missing_one_is_named() {
        let faults = faults_of(&edited(&[("[services.ta]", "[services.tarot]")]));
        assert!(faults.iter().any(|fault| fault.contains("services.tarot: unknown variant")), "{faults:#?}");
        assert!(faults.iter().any(|fault| fault.contains("services.ta: is missing")), "{faults:#?}");
    }

    #[test]
    fn plans_that_shrink_or_can_not_hold_their_pods_are_refused() {
        let faults = faults_of(&edited(&[
            ("cpu_millicores = 45000", "cpu_millicores = 20000"),
            ("memory_mib = 8192", "memory_mib = 2048"),
        ]));
        for path in [
            "presets.large.cpu_millicores: must be at least",
            "presets.micro.memory_mib: must be between 4301",
        ] {
            assert!(faults.iter().any(|fault| fault.contains(path)), "{path} in {faults:#?}");
        }
        assert_eq!(faults.len(), 2, "{faults:#?}");
    }

    #[test]
    fn a_plan_names_only_devices_that_are_offered() {
        let faults = faults_of(&edited(&[("gpu_type = \"t4\"", "gpu_type = \"l4\"")]));
        assert!(
            faults.iter().any(|fault| fault.contains("presets.micro.gpu_type: must name")),
            "{faults:#?}"
        );
        let offered: Vec<_> = Catalog::embedded().offered().map(|device| device.name.clone()).collect();
        assert_eq!(offered, ["t4", "v100", "l40s"]);
    }

    #[test]
    fn an_operator_can_replace_a_figure() {
        let catalog =
            Catalog::parse(&edited(&[("list_price_usd = 450", "list_price_usd = 500")])).expect("valid");
        assert_eq!(catalog.plan(Preset::Large).list_price_usd, 500);
    }
}
