//! Ingress: the services that the tenant ordered, each under a host of its own.

use super::{HTTP, Object, Scope};
use crate::tenant::Service;
use k8s_openapi::api::networking::v1::{
    HTTPIngressPath, HTTPIngressRuleValue, Ingress, IngressBackend, IngressRule, IngressServiceBackend,
    IngressSpec, IngressTLS, ServiceBackendPort,
};

impl Scope<'_> {
    /// What was ordered is reached from outside; what another service brought along is not.
    pub(super) fn is_exposed(&self, service: Service) -> bool {
        self.tenant.spec.service_requirements.contains_key(&service)
    }
}

/// A host for each service, since nothing says that a service can live under a path.
pub(super) fn ingress(scope: &Scope<'_>) -> Object {
    let settings = &scope.settings.ingress;
    let exposed = || scope.services().iter().filter(|plan| scope.is_exposed(plan.service));
    let host = |service: Service| format!("{service}.{}.{}", scope.tenant.id.as_str(), settings.domain);
    let rules = exposed().map(|plan| IngressRule {
        host: Some(host(plan.service)),
        http: Some(HTTPIngressRuleValue { paths: vec![path(plan.service)] }),
    });
    let tls = (!settings.tls_secret.is_empty()).then(|| {
        let hosts = exposed().map(|plan| host(plan.service)).collect();
        vec![IngressTLS { hosts: Some(hosts), secret_name: Some(settings.tls_secret.clone()) }]
    });
    let mut metadata = scope.metadata("services");
    metadata.annotations = (!settings.annotations.is_empty()).then(|| settings.annotations.clone());
    let spec = IngressSpec {
        ingress_class_name: Some(settings.class.clone()),
        rules: Some(rules.collect()),
        tls,
        default_backend: None,
    };
    Object::Ingress(Ingress { metadata, spec: Some(spec), ..Ingress::default() })
}

fn path(service: Service) -> HTTPIngressPath {
    let backend = IngressServiceBackend {
        name: format!("{service}-service"),
        port: Some(ServiceBackendPort { name: Some(HTTP.into()), number: None }),
    };
    HTTPIngressPath {
        path: Some("/".into()),
        path_type: "Prefix".into(),
        backend: IngressBackend { service: Some(backend), resource: None },
    }
}
