//! The operator's settings of who reaches the services, and whom they reach outside their tenant.

use super::kubernetes::{is_dns_name, is_label_key, is_label_value};
use super::rules::Faults;
use crate::ids::is_dns_1123_label;
use crate::tenant::Service;
use crate::text::Message;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// How the services are reached from outside through an Ingress: `<service>.<tenant_id>.<domain>`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IngressSettings {
    /// Ingress class.
    pub class: String,
    /// Namespace of the ingress controller's pods.
    pub namespace: String,
    /// Domain under which tenants' hosts are.
    pub domain: String,
    /// Name of the TLS secret in the tenant's namespace; empty: no TLS.
    pub tls_secret: String,
    /// Annotations, such as a certificate issuer.
    pub annotations: BTreeMap<String, String>,
    /// Labels of the controller's pods; empty: every pod of its namespace.
    #[serde(default)]
    pub pod_labels: BTreeMap<String, String>,
}

/// How the services are reached from outside through a Gateway (Gateway API).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GatewaySettings {
    /// Name of the Gateway.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// The listener that takes the routes; empty: every one that does.
    pub section: String,
    /// Domain under which tenants' hosts are.
    pub domain: String,
    /// Namespace of the pods that pass the requests on; empty: the Gateway's.
    pub proxy_namespace: String,
    /// Labels of those pods; empty: every pod of that namespace.
    pub pod_labels: BTreeMap<String, String>,
}

impl Default for GatewaySettings {
    fn default() -> Self {
        Self {
            name: "tenants".to_owned(),
            namespace: "gateway-system".to_owned(),
            section: String::new(),
            domain: "ecp-ai.internal".to_owned(),
            proxy_namespace: String::new(),
            pod_labels: BTreeMap::new(),
        }
    }
}

impl GatewaySettings {
    /// Namespace of the pods that pass the requests on.
    pub fn proxies(&self) -> &str {
        if self.proxy_namespace.is_empty() { &self.namespace } else { &self.proxy_namespace }
    }
}

/// A namespace of the cluster whose pods may call services of every tenant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallerSettings {
    /// The namespace.
    pub namespace: String,
    /// Labels of its pods that may; empty: every one.
    #[serde(default)]
    pub pod_labels: BTreeMap<String, String>,
    /// The services that they may call.
    pub services: Vec<Service>,
}

/// A service outside the tenant that its pods may call, such as a shared model server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlatformService {
    /// Its name: the pods find it in `<NAME>_URL`, `<NAME>_HOST` and `<NAME>_PORT`.
    pub name: String,
    /// Where it is: a Service (`nlp.platform.svc`, `….svc.cluster.local`), an IP address, or a host
    /// name with `cidrs`.
    pub address: String,
    /// Its port.
    pub port: u16,
    /// Port of its pods where a Service passes to another one; absent: the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_port: Option<u16>,
    /// Scheme of the URL.
    #[serde(default = "http")]
    pub scheme: String,
    /// Labels of its pods, where it is a Service; empty: every pod of its namespace.
    #[serde(default)]
    pub pod_labels: BTreeMap<String, String>,
    /// Addresses that a host name stands for: a policy knows no names.
    #[serde(default)]
    pub cidrs: Vec<String>,
    /// The tenant's services that may call it; empty: every one.
    #[serde(default)]
    pub services: Vec<Service>,
}

fn http() -> String {
    "http".to_owned()
}

impl PlatformService {
    /// The namespace that it is in, where its address is that of a Service.
    pub fn namespace(&self) -> Option<&str> {
        let mut labels = self.address.split('.');
        let (_service, namespace, svc) = (labels.next()?, labels.next()?, labels.next()?);
        (svc == "svc").then_some(namespace)
    }

    /// Its address, where that is an IP address.
    pub fn ip(&self) -> Option<IpAddr> {
        self.address.parse().ok()
    }

    /// Whether a service of the tenant may call it.
    pub fn may_be_called_by(&self, service: Service) -> bool {
        self.services.is_empty() || self.services.contains(&service)
    }

    /// The environment by which it is found.
    pub fn environment(&self) -> [(String, String); 3] {
        let prefix = self.name.to_uppercase().replace('-', "_");
        let host = match self.ip() {
            Some(IpAddr::V6(address)) => format!("[{address}]"),
            _ => self.address.clone(),
        };
        [
            (format!("{prefix}_URL"), format!("{}://{host}:{}", self.scheme, self.port)),
            (format!("{prefix}_HOST"), self.address.clone()),
            (format!("{prefix}_PORT"), self.port.to_string()),
        ]
    }
}

/// Names that a platform service can not have: their variables are the tenant's own.
fn is_taken(name: &str) -> bool {
    ["redis", "tenant", "service", "sla", "gpu"].contains(&name) || name.parse::<Service>().is_ok()
}

/// True of `10.0.0.0/8`, `169.254.20.10/32`, `fd00::/8`.
pub(super) fn is_cidr(text: &str) -> bool {
    let Some((address, length)) = text.split_once('/') else { return false };
    let digits = !length.is_empty() && length.bytes().all(|byte| byte.is_ascii_digit());
    match (address.parse::<IpAddr>(), length.parse::<u8>()) {
        (Ok(IpAddr::V4(_)), Ok(length)) => digits && length <= 32,
        (Ok(IpAddr::V6(address)), Ok(length)) => {
            digits && length <= 128 && address.to_ipv4_mapped().is_none()
        }
        _ => false,
    }
}

/// Notes everything that is wrong.
pub(super) fn check(
    faults: &mut Faults,
    ingress: &IngressSettings,
    gateway: &GatewaySettings,
    callers: &[CallerSettings],
    platform_services: &[PlatformService],
) {
    let mut check = |right: bool, key: &str, fix| faults.check(right, format!("kubernetes.{key}"), fix);
    check(is_dns_name(&ingress.class), "ingress.class", "catalog.ingress_class");
    check(is_dns_1123_label(&ingress.namespace), "ingress.namespace", "catalog.namespace");
    for (key, domain) in [("ingress.domain", &ingress.domain), ("gateway.domain", &gateway.domain)] {
        // `advisor.` and a tenant id of 56 characters before it still make a host of 253.
        check(is_dns_name(domain) && domain.len() <= 180, key, "catalog.domain");
    }
    let tls = ingress.tls_secret.is_empty() || is_dns_name(&ingress.tls_secret);
    check(tls, "ingress.tls_secret", "catalog.tls_secret");
    let annotations = ingress.annotations.keys().all(|key| is_label_key(key));
    check(annotations, "ingress.annotations", "catalog.annotations");
    check(is_dns_name(&gateway.name), "gateway.name", "catalog.gateway");
    check(is_dns_1123_label(&gateway.namespace), "gateway.namespace", "catalog.namespace");
    let section = gateway.section.is_empty() || is_dns_name(&gateway.section);
    check(section, "gateway.section", "catalog.gateway_section");
    check(is_dns_1123_label(gateway.proxies()), "gateway.proxy_namespace", "catalog.namespace");
    for caller in callers {
        check(is_dns_1123_label(&caller.namespace), "callers", "catalog.namespace");
        check(!caller.services.is_empty(), "callers", "catalog.caller_services");
    }
    let labels = [("ingress.pod_labels", &ingress.pod_labels), ("gateway.pod_labels", &gateway.pod_labels)]
        .into_iter()
        .chain(callers.iter().map(|caller| ("callers", &caller.pod_labels)))
        .chain(platform_services.iter().map(|service| ("platform_services", &service.pod_labels)));
    for (key, labels) in labels {
        let right = |(name, value): (&String, &String)| {
            is_label_key(name) && (value.is_empty() || is_label_value(value))
        };
        check(labels.iter().all(right), key, "catalog.labels");
    }
    let mut names = BTreeSet::new();
    for service in platform_services {
        let PlatformService { name, address, cidrs, .. } = service;
        let mut check = |right: bool, fix| {
            let of_service = || {
                Message::new("catalog.of_name")
                    .with("name", format!("{name:?}"))
                    .with_part("fault", Message::new(fix))
            };
            faults.check_with(right, "kubernetes.platform_services", of_service);
        };
        check(is_dns_1123_label(name), "catalog.service_name");
        check(!is_taken(name), "catalog.service_name_taken");
        check(names.insert(name), "catalog.service_name_twice");
        check(service.ip().is_some() || is_dns_name(address), "catalog.service_address");
        let place = service.ip().is_some() || service.namespace().is_some() || !cidrs.is_empty();
        check(place, "catalog.service_cidrs");
        check(cidrs.iter().all(|cidr| is_cidr(cidr)), "catalog.cidrs");
        check(service.port > 0 && service.pod_port != Some(0), "catalog.service_port");
        let scheme =
            !service.scheme.is_empty() && service.scheme.bytes().all(|byte| byte.is_ascii_lowercase());
        check(scheme, "catalog.service_scheme");
    }
}

#[cfg(test)]
mod tests {
    use crate::catalog::Catalog;
    use crate::text::Language;

    /// What is said of the embedded catalog with more under `[kubernetes]`.
    fn faults(more: &str) -> Vec<String> {
        let text =
            crate::catalog::EMBEDDED.replace("callers = []\n", "").replace("platform_services = []\n", "")
                + more;
        let Err(faults) = Catalog::parse(&text) else { return Vec::new() };
        for fault in faults.each(Language::Ko) {
            let words = fault.split_once("kubernetes.").map_or("", |(_, words)| words);
            assert!(words.chars().any(|letter| ('가'..='힣').contains(&letter)), "{fault}");
        }
        faults.each(Language::En)
    }

    #[test]
    fn a_platform_service_is_a_service_an_address_or_a_host_with_its_addresses() {
        for (address, more) in [
            ("nlp.platform.svc", ""),
            ("nlp.platform.svc.cluster.local", "pod_port = 8000\npod_labels = { app = \"nlp\" }"),
            ("10.1.2.3", ""),
            ("fd00::1", ""),
            ("models.example.com", "cidrs = [\"203.0.113.0/24\"]\nscheme = \"https\""),
        ] {
            let text = format!(
                "[[kubernetes.platform_services]]\nname = \"nlp\"\naddress = \"{address}\"\nport = 80\n{more}\n"
            );
            assert_eq!(faults(&text), Vec::<String>::new(), "{address}");
        }
        for (name, address, more, says) in [
            ("nlp", "models.example.com", "", "add cidrs"),
            ("nlp", "models.example.com", "cidrs = [\"203.0.113.0\"]", "write CIDRs"),
            ("nlp", "models.example.com", "cidrs = [\"::ffff:10.0.0.0/104\"]", "write CIDRs"),
            ("stt", "10.1.2.3", "", "name it otherwise"),
            ("redis", "10.1.2.3", "", "name it otherwise"),
            ("N L P", "10.1.2.3", "", "name it by"),
            ("nlp", "not an address", "", "write an address"),
            ("nlp", "10.1.2.3", "scheme = \"\"", "give a scheme"),
            ("nlp", "10.1.2.3", "pod_port = 0", "give a port"),
        ] {
            let text = format!(
                "[[kubernetes.platform_services]]\nname = \"{name}\"\naddress = \"{address}\"\nport = 80\n{more}\n"
            );
            let said = faults(&text);
            assert!(said.iter().any(|fault| fault.contains(says)), "{says} in {said:#?}");
        }
    }

    #[test]
    fn callers_name_a_namespace_and_its_services() {
        assert_eq!(
            faults("[[kubernetes.callers]]\nnamespace = \"crm\"\nservices = [\"chatbot\"]\n"),
            Vec::<String>::new()
        );
        let said = faults("[[kubernetes.callers]]\nnamespace = \"C R M\"\nservices = []\n");
        assert!(
            said.len() == 2 && said.iter().all(|fault| fault.contains("kubernetes.callers")),
            "{said:#?}"
        );
        let said = faults("[[kubernetes.callers]]\nnamespace = \"crm\"\nservices = [\"crystal-ball\"]\n");
        assert!(said[0].contains("crystal-ball"), "{said:#?}");
    }
}
