//! Ingress and HTTPRoutes: the services that the tenant ordered, each under a host of its own.

use super::gateway::{
    BackendReference, HTTPPathMatch, HTTPRoute, HTTPRouteMatch, HTTPRouteRule, HTTPRouteSpec, ParentReference,
};
use super::{HTTP, Object, SERVICE_PORT, Scope};
use crate::sizing::ServicePlan;
use crate::tenant::{Exposure, Service};
use k8s_openapi::Resource;
use k8s_openapi::api::networking::v1::{
    HTTPIngressPath, HTTPIngressRuleValue, Ingress, IngressBackend, IngressRule, IngressServiceBackend,
    IngressSpec, IngressTLS, ServiceBackendPort,
};

impl Scope<'_> {
    /// What was ordered is reached from outside; what another service brought along is not.
    pub(super) fn is_exposed(&self, service: Service) -> bool {
        self.tenant.spec.service_requirements.contains_key(&service)
    }

    /// How the tenant is reached from outside.
    pub(super) fn exposure(&self) -> Exposure {
        self.tenant.spec.exposure.unwrap_or(self.settings.exposure)
    }

    /// With an Ingress, because the tenant has one or the caller wants to see it.
    pub(super) fn has_ingress(&self) -> bool {
        self.options.include_ingress || self.exposure() == Exposure::Ingress
    }

    fn host(&self, service: Service, domain: &str) -> String {
        format!("{service}.{}.{domain}", self.tenant.id.as_str())
    }

    fn exposed(&self) -> impl Iterator<Item = &ServicePlan> {
        self.services().iter().filter(|plan| self.is_exposed(plan.service))
    }
}

/// A host for each service, since nothing says that a service can live under a path.
pub(super) fn ingress(scope: &Scope<'_>) -> Object {
    let settings = &scope.settings.ingress;
    let host = |service: Service| scope.host(service, &settings.domain);
    let rules = scope.exposed().map(|plan| IngressRule {
        host: Some(host(plan.service)),
        http: Some(HTTPIngressRuleValue { paths: vec![path(plan.service)] }),
    });
    let tls = (!settings.tls_secret.is_empty()).then(|| {
        let hosts = scope.exposed().map(|plan| host(plan.service)).collect();
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

/// A route for each service: the hosts of one route all go to the same place.
pub(super) fn routes(scope: &Scope<'_>) -> impl Iterator<Item = Object> {
    let settings = &scope.settings.gateway;
    scope.exposed().map(|plan| {
        let service = plan.service;
        let gateway = ParentReference {
            group: HTTPRoute::GROUP.into(),
            kind: "Gateway".into(),
            name: settings.name.clone(),
            namespace: settings.namespace.clone(),
            section_name: Some(settings.section.clone()).filter(|section| !section.is_empty()),
        };
        let everything = HTTPPathMatch { kind: "PathPrefix".into(), value: "/".into() };
        let backend = BackendReference {
            group: String::new(),
            kind: "Service".into(),
            name: format!("{service}-service"),
            port: SERVICE_PORT,
            weight: 1,
        };
        let spec = HTTPRouteSpec {
            parent_refs: vec![gateway],
            hostnames: vec![scope.host(service, &settings.domain)],
            rules: vec![HTTPRouteRule {
                matches: vec![HTTPRouteMatch { path: everything }],
                backend_refs: vec![backend],
            }],
        };
        Object::HTTPRoute(HTTPRoute { metadata: scope.service_metadata(service.as_str(), service), spec })
    })
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
