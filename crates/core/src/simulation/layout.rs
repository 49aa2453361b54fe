//! What the objects say: which pods there are, what each may use, and at what address which work is done.

use crate::catalog::Catalog;
use crate::manifest::Object;
use crate::quantity::parse_quantity;
use crate::sizing::Stage;
use k8s_openapi::api::apps::v1::Deployment;
use std::collections::BTreeMap;

/// The pods of one Deployment.
#[derive(Clone, Debug, Default)]
pub(super) struct Pods {
    pub app: String,
    pub pods: usize,
    /// Of each, thousandths of a core.
    pub millicores: u64,
    /// Of all.
    pub gpus: usize,
}

/// Where work is done.
#[derive(Clone, Debug, Default)]
pub(super) struct Layout {
    /// The pods that recognise speech.
    pub recognition: Pods,
    /// The pods of each GPU stage that has an address.
    pub gpu_stages: BTreeMap<Stage, Pods>,
}

impl Layout {
    pub(super) fn of(catalog: &Catalog, objects: &[Object]) -> Self {
        let mut workloads: BTreeMap<String, Pods> = BTreeMap::new();
        let mut selected: BTreeMap<String, String> = BTreeMap::new();
        let mut addresses: BTreeMap<String, String> = BTreeMap::new();
        for object in objects {
            match object {
                Object::Deployment(deployment) => {
                    let pods = pods(catalog, object.name(), deployment);
                    workloads.insert(pods.app.clone(), pods);
                }
                Object::Service(service) => {
                    let selector = service.spec.as_ref().and_then(|spec| spec.selector.as_ref());
                    if let Some(app) = selector.and_then(|selector| selector.get("app")) {
                        selected.insert(object.name().to_owned(), app.clone());
                    }
                }
                Object::ConfigMap(config) => {
                    let data = config.data.iter().flatten();
                    addresses.extend(data.map(|(key, value)| (key.clone(), value.clone())));
                }
                _ => {}
            }
        }
        let at = |stage: Stage| -> Option<Pods> {
            let address = addresses.get(&format!("{}_URL", stage.as_str().to_uppercase()))?;
            let host = address.strip_prefix("http://")?;
            workloads.get(selected.get(host)?).cloned()
        };
        let gpu_stages = (Stage::ALL.into_iter())
            .filter(|stage| stage.is_on_gpu())
            .filter_map(|stage| Some((stage, at(stage)?)))
            .collect();
        // What comes from outside to the stand-alone channels comes to the pods of that name.
        let own = || workloads.get(Stage::Stt.as_str()).cloned();
        Self { recognition: at(Stage::Stt).or_else(own).unwrap_or_default(), gpu_stages }
    }
}

fn pods(catalog: &Catalog, name: &str, deployment: &Deployment) -> Pods {
    let spec = deployment.spec.as_ref();
    let labels = spec.and_then(|spec| spec.selector.match_labels.as_ref());
    let app = labels.and_then(|labels| labels.get("app")).map_or(name, String::as_str).to_owned();
    let count = spec.and_then(|spec| spec.replicas).unwrap_or(1);
    let pods = usize::try_from(count).unwrap_or(0);
    let containers = spec.and_then(|spec| spec.template.spec.as_ref()).map(|pod| &pod.containers);
    let sum = |resource: &str| -> u64 {
        let limits = containers
            .into_iter()
            .flatten()
            .filter_map(|container| container.resources.as_ref()?.limits.as_ref()?.get(resource));
        limits
            .filter_map(|quantity| parse_quantity(&quantity.0))
            .filter_map(|thousandths| u64::try_from(thousandths).ok())
            .sum()
    };
    let gpus = catalog.kubernetes.all_gpu_resources().into_iter().map(sum).fold(0, u64::saturating_add);
    // A claim is one device.
    let claims = containers.into_iter().flatten().filter_map(|container| container.resources.as_ref());
    let claims: usize = claims.map(|resources| resources.claims.as_ref().map_or(0, Vec::len)).sum();
    let gpus = usize::try_from(gpus / 1000).unwrap_or(0).saturating_add(claims);
    Pods { app, pods, millicores: sum("cpu"), gpus: gpus.saturating_mul(pods) }
}
