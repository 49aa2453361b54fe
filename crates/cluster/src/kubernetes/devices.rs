//! Devices that nodes have and claims hold, where GPUs are asked for by claims; pure.
//!
//! Counted is what the scheduler can give to a claim for one device: devices of the catalog's driver in complete
//! pools of single nodes, without taints, that share nothing with others. Of which type one is says its product's
//! name; what expressions of classes and claims make of it is the scheduler's to judge.

use super::capacity::type_of_product;
use ecp_core::catalog::Catalog;
use ecp_core::placement::NodeGpus;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap, HashSet};

/// Why devices can not be counted.
pub(super) const UNKNOWN: &str = "the API server does not serve resource.k8s.io/v1 (Kubernetes 1.34 and newer do), \
    or the orchestrator's role may not watch its resourceslices and resourceclaims";

/// Attributes that say what a device is: its product, and the profile of a part of one.
const PRODUCT: &str = "productName";
const PROFILE: &str = "profile";

/// Whose devices are counted, and which types the catalog has.
#[derive(Clone, Debug)]
pub(crate) struct ClaimedDevices {
    driver: String,
    types: HashSet<String>,
}

impl ClaimedDevices {
    /// As a catalog has them; none where GPUs are not claimed.
    pub(super) fn of(catalog: &Catalog) -> Option<Self> {
        let claims = catalog.kubernetes.claims()?;
        let types = catalog.devices.iter().map(|device| device.name.clone()).collect();
        Some(Self { driver: claims.driver.clone(), types })
    }
}

/// What a slice of a pool says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SliceFacts {
    node: String,
    pool: String,
    generation: i64,
    /// Slices of the whole pool.
    slices: i64,
    /// Names and types.
    devices: Vec<(String, String)>,
}

impl SliceFacts {
    /// Reads a ResourceSlice; none where it is another driver's, or its devices are not of a single node.
    pub(super) fn of(slice: &Value, wanted: &ClaimedDevices) -> Option<Self> {
        let spec = &slice["spec"];
        let pool = &spec["pool"];
        if spec["driver"] != *wanted.driver {
            return None;
        }
        let is_free_to_give = |device: &&Value| {
            let is_empty = |key: &str| device[key].as_array().is_none_or(Vec::is_empty);
            is_empty("consumesCounters") && is_empty("taints")
        };
        let devices = spec["devices"].as_array().into_iter().flatten().filter(is_free_to_give);
        let named = |device: &Value| {
            Some((device["name"].as_str()?.to_owned(), device_type(&device["attributes"], &wanted.driver)))
        };
        Some(Self {
            node: spec["nodeName"].as_str()?.to_owned(),
            pool: pool["name"].as_str()?.to_owned(),
            generation: pool["generation"].as_i64().unwrap_or(0),
            slices: pool["resourceSliceCount"].as_i64().unwrap_or(1),
            devices: devices.filter_map(named).collect(),
        })
    }
}

/// An attribute may go by its name alone, which is the driver's then.
fn device_type(attributes: &Value, driver: &str) -> String {
    let text = |name: &str| {
        let attribute =
            [name, &format!("{driver}/{name}")].into_iter().find_map(|key| attributes.get(key))?;
        attribute["string"].as_str()
    };
    let Some(product) = text(PRODUCT) else { return "unknown".to_owned() };
    let whole = type_of_product(&product.replace(' ', "-"));
    text(PROFILE).map_or_else(|| whole.clone(), |profile| format!("{whole}-mig-{}", profile.to_lowercase()))
}

/// What a claim holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ClaimFacts {
    namespace: String,
    /// Pools and names of devices.
    devices: Vec<(String, String)>,
}

impl ClaimFacts {
    /// Reads a ResourceClaim; none where it holds nothing that is counted.
    pub(super) fn of(claim: &Value, wanted: &ClaimedDevices) -> Option<Self> {
        let results = claim["status"]["allocation"]["devices"]["results"].as_array()?;
        let held = results.iter().filter(|result| result["driver"] == *wanted.driver);
        // Whoever looks after devices takes none.
        let held = held.filter(|result| result["adminAccess"] != true);
        let named = |result: &Value| {
            Some((result["pool"].as_str()?.to_owned(), result["device"].as_str()?.to_owned()))
        };
        let devices: Vec<_> = held.filter_map(named).collect();
        let namespace = claim["metadata"]["namespace"].as_str()?.to_owned();
        (!devices.is_empty()).then_some(Self { namespace, devices })
    }
}

/// The devices of a node of one type, and how many of them others than tenants hold.
pub(super) type NodeDevices = HashMap<String, Vec<(NodeGpus, u64)>>;

/// Devices by node and type. `is_tenants` says of a namespace whether its pods are counted as a tenant's: what they
/// claim is known by the pods themselves.
pub(super) fn by_node<'f>(
    wanted: &ClaimedDevices,
    slices: impl Iterator<Item = &'f SliceFacts>,
    claims: impl Iterator<Item = &'f ClaimFacts>,
    is_tenants: impl Fn(&str) -> bool,
) -> NodeDevices {
    let mut pools: HashMap<&str, Vec<&SliceFacts>> = HashMap::new();
    for slice in slices {
        pools.entry(&slice.pool).or_default().push(slice);
    }
    let held: HashSet<(&str, &str)> = claims
        .filter(|claim| !is_tenants(&claim.namespace))
        .flat_map(|claim| claim.devices.iter().map(|(pool, device)| (&**pool, &**device)))
        .collect();
    let mut nodes: HashMap<String, BTreeMap<&str, (u64, u64)>> = HashMap::new();
    for (pool, slices) in pools {
        // Slices of an older generation are on their way out, and a pool that is not whole is not looked at.
        let newest = slices.iter().map(|slice| slice.generation).max().unwrap_or(0);
        let slices: Vec<_> = slices.into_iter().filter(|slice| slice.generation == newest).collect();
        let is_whole = slices.iter().all(|slice| usize::try_from(slice.slices) == Ok(slices.len()));
        for slice in slices.into_iter().filter(|_| is_whole) {
            for (device, gpu_type) in &slice.devices {
                let (count, taken) =
                    nodes.entry(slice.node.clone()).or_default().entry(gpu_type).or_default();
                *count += 1;
                *taken += u64::from(held.contains(&(pool, device.as_str())));
            }
        }
    }
    let of_type = |(gpu_type, (count, taken)): (&str, (u64, u64))| {
        let known = wanted.types.contains(gpu_type);
        let asked_as = known.then(|| gpu_type.to_owned());
        (NodeGpus { gpu_type: gpu_type.to_owned(), asked_as, count }, taken)
    };
    nodes.into_iter().map(|(node, types)| (node, types.into_iter().map(of_type).collect())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn wanted() -> ClaimedDevices {
        let mut catalog = Catalog::embedded();
        assert!(ClaimedDevices::of(&catalog).is_none());
        catalog.kubernetes.gpu_allocation = ecp_core::catalog::GpuAllocation::Claims;
        ClaimedDevices::of(&catalog).expect("devices are claimed")
    }

    fn slice(node: &str, generation: i64, slices: i64, devices: &[(&str, Value)]) -> Value {
        let devices: Vec<Value> = devices
            .iter()
            .map(|(name, more)| {
                let mut device = more.clone();
                device["name"] = json!(name);
                device
            })
            .collect();
        let pool = json!({"name": node, "generation": generation, "resourceSliceCount": slices});
        json!({"spec": {"driver": "gpu.nvidia.com", "nodeName": node, "pool": pool, "devices": devices}})
    }

    fn product(name: &str) -> Value {
        json!({"attributes": {"productName": {"string": name}, "type": {"string": "gpu"}}})
    }

    fn count(slices: &[Value], claims: &[Value]) -> Vec<(String, String, bool, u64, u64)> {
        let wanted = wanted();
        let slices: Vec<_> = slices.iter().filter_map(|slice| SliceFacts::of(slice, &wanted)).collect();
        let claims: Vec<_> = claims.iter().filter_map(|claim| ClaimFacts::of(claim, &wanted)).collect();
        let nodes = by_node(&wanted, slices.iter(), claims.iter(), |namespace| namespace == "ecp-ai-acme");
        let mut all: Vec<_> = nodes
            .into_iter()
            .flat_map(|(node, types)| {
                types.into_iter().map(move |(gpus, taken)| {
                    (node.clone(), gpus.gpu_type, gpus.asked_as.is_some(), gpus.count, taken)
                })
            })
            .collect();
        all.sort();
        all
    }

    #[test]
    fn devices_count_by_node_and_type_and_those_of_no_known_type_are_any() {
        let slices = [
            slice("a", 1, 1, &[("0", product("Tesla T4")), ("1", product("Tesla T4"))]),
            slice(
                "b",
                1,
                1,
                &[
                    ("0", product("NVIDIA A100-SXM4-80GB")),
                    (
                        "1",
                        json!({"attributes": {"gpu.nvidia.com/productName": {"string": "NVIDIA A100-SXM4-80GB"},
                    "gpu.nvidia.com/profile": {"string": "1g.10gb"}}}),
                    ),
                    ("2", json!({})),
                ],
            ),
        ];
        let row = |node: &str, gpu_type: &str, known, count| {
            (node.to_owned(), gpu_type.to_owned(), known, count, 0)
        };
        let expected = [
            row("a", "t4", true, 2),
            row("b", "a100", true, 1),
            row("b", "a100-mig-1g.10gb", true, 1),
            row("b", "unknown", false, 1),
        ];
        assert_eq!(count(&slices, &[]), expected);
    }

    #[test]
    fn what_the_scheduler_can_not_give_is_not_counted() {
        let t4 = || product("Tesla T4");
        let with = |key: &str, value: Value| {
            let mut device = t4();
            device[key] = value;
            device
        };
        // Another driver's, one without a node, a pool that is not whole, one that has a newer generation.
        let mut other = slice("a", 1, 1, &[("0", t4())]);
        other["spec"]["driver"] = json!("fpga.example.com");
        let mut anywhere = slice("b", 1, 1, &[("0", t4())]);
        anywhere["spec"]["nodeName"] = Value::Null;
        let partial = slice("c", 1, 2, &[("0", t4())]);
        let (old, new) = (slice("d", 1, 1, &[("0", t4()), ("1", t4())]), slice("d", 2, 1, &[("0", t4())]));
        let blocked = slice(
            "e",
            1,
            1,
            &[
                ("0", with("taints", json!([{"key": "broken", "effect": "NoSchedule"}]))),
                ("1", with("consumesCounters", json!([{"counterSet": "all"}]))),
                ("2", t4()),
            ],
        );
        let counted = count(&[other, anywhere, partial, old, new, blocked], &[]);
        let row = |node: &str| (node.to_owned(), "t4".to_owned(), true, 1, 0);
        assert_eq!(counted, [row("d"), row("e")]);
    }

    #[test]
    fn what_others_hold_is_taken_and_what_tenants_hold_is_told_by_their_pods() {
        let nodes = [slice(
            "a",
            1,
            1,
            &[("0", product("Tesla T4")), ("1", product("Tesla T4")), ("2", product("Tesla T4"))],
        )];
        let claim = |namespace: &str, device: &str, admin: bool| {
            let result =
                json!({"driver": "gpu.nvidia.com", "pool": "a", "device": device, "adminAccess": admin});
            json!({"metadata": {"namespace": namespace},
                "status": {"allocation": {"devices": {"results": [result]}}}})
        };
        let claims = [
            claim("research", "0", false),
            claim("monitoring", "1", true),
            claim("ecp-ai-acme", "2", false),
            json!({"metadata": {"namespace": "waiting"}}),
        ];
        assert_eq!(count(&nodes, &claims), [("a".to_owned(), "t4".to_owned(), true, 3, 1)]);
    }
}
