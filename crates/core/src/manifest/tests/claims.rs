//! Options of the catalog that only newer clusters have: claims of devices, models from images, users of their own.

use super::*;
use crate::catalog::{DeviceClaim, GpuAllocation, ModelImage};
use crate::manifest::{changed_in_vain, claimed};

fn claiming(change: impl FnOnce(&mut Catalog)) -> Manifest {
    let mut catalog = Catalog::embedded();
    catalog.kubernetes.gpu_allocation = GpuAllocation::Claims;
    change(&mut catalog);
    render(&catalog, &my_ai_service(), &secrets(), &everything())
}

fn selecting(expression: &str) -> impl FnOnce(&mut Catalog) {
    let claim = DeviceClaim { device_class: None, selector: Some(expression.to_owned()) };
    |catalog| _ = catalog.kubernetes.gpu_claims.devices.insert("v100".to_owned(), claim)
}

#[test]
fn claimed_devices_are_asked_for_by_claims_alone_one_for_each_and_bounded_by_class() {
    let manifest = claiming(selecting("device.attributes['gpu.nvidia.com'].productName == 'V100'"));
    let [template] = of_kind(&manifest, "ResourceClaimTemplate").collect::<Vec<_>>()[..] else {
        panic!("the GPUs are callbot's");
    };
    assert!(template.name().starts_with("callbot-gpu-"), "{}", template.name());
    let exactly = json!({
        "deviceClassName": "gpu.nvidia.com", "allocationMode": "ExactCount", "count": 1,
        "selectors": [{"cel": {"expression": "device.attributes['gpu.nvidia.com'].productName == 'V100'"}}],
    });
    let spec = as_json(template)["spec"]["spec"].clone();
    assert_eq!(spec, json!({"devices": {"requests": [{"name": "gpu", "exactly": exactly}]}}));

    let callbot = as_json(find(&manifest, "Deployment", "callbot"))["spec"]["template"].clone();
    assert_eq!(
        callbot["spec"]["resourceClaims"],
        json!([{"name": "gpu-0", "resourceClaimTemplateName": template.name()}])
    );
    let resources = &callbot["spec"]["containers"][0]["resources"];
    assert_eq!(resources["claims"], json!([{"name": "gpu-0"}]));
    assert_eq!(resources["limits"], json!({"cpu": "2000m", "memory": "4Gi"}));
    assert_eq!(callbot["metadata"]["labels"]["ecp.ai/gpu-type"], "v100");
    let chatbot = as_json(find(&manifest, "Deployment", "chatbot"))["spec"]["template"].to_string();
    assert!(!chatbot.contains("laims") && !chatbot.contains("gpu-type"), "{chatbot}");

    let quota = as_json(find(&manifest, "ResourceQuota", "tenant-quota"));
    assert_eq!(quota["spec"]["hard"]["gpu.nvidia.com.deviceclass.resource.k8s.io/devices"], "3");
    assert!(!manifest.to_yaml().contains("nvidia.com/gpu:"), "nobody asks for the extended resource");
    // It is there before the pods that name it, and what a pod claims can be told.
    let place = |kind| manifest.objects.iter().position(|object| object.kind() == kind);
    assert!(place("ResourceClaimTemplate") < place("Deployment"));
    let pod = find(&manifest, "Deployment", "callbot").pod_template().unwrap().spec.as_ref().unwrap();
    let claims = pod.resource_claims.as_deref().unwrap();
    assert_eq!(claimed(&manifest.objects, claims).into_iter().collect::<Vec<_>>(), [("gpu.nvidia.com", 1)]);
    assert_eq!(find(&manifest, "Deployment", "callbot").workload().unwrap().requests.gpu, 1);
}

#[test]
fn a_pod_with_several_devices_has_a_claim_for_each() {
    let mut catalog = Catalog::embedded();
    catalog.kubernetes.gpu_allocation = GpuAllocation::Claims;
    let mut tenant = my_ai_service();
    for plan in &mut tenant.sizing.services {
        let gpu = 4 * plan.limits.gpu;
        (plan.limits.gpu, plan.requests.gpu) = (gpu, gpu);
    }
    let manifest = render(&catalog, &tenant, &secrets(), &everything());
    let pod = as_json(find(&manifest, "Deployment", "callbot"))["spec"]["template"]["spec"].clone();
    let names = json!([{"name": "gpu-0"}, {"name": "gpu-1"}, {"name": "gpu-2"}, {"name": "gpu-3"}]);
    assert_eq!(pod["containers"][0]["resources"]["claims"], names);
    assert_eq!(pod["resourceClaims"].as_array().unwrap().len(), 4);
    assert_eq!(of_kind(&manifest, "ResourceClaimTemplate").count(), 1);
}

#[test]
fn what_is_claimed_changes_by_another_template_since_none_can_be_changed() {
    let before = claiming(|_| {});
    let after = claiming(selecting("device.driver == 'gpu.nvidia.com'"));
    assert_eq!(changed_in_vain(&before.objects, &after.objects), []);
    let template = |manifest: &Manifest| {
        of_kind(manifest, "ResourceClaimTemplate").map(|one| one.name().to_owned()).collect::<Vec<_>>()
    };
    assert_ne!(template(&before), template(&after));
    assert_eq!(template(&before), template(&claiming(|_| {})));
}

#[test]
fn the_simulation_counts_claimed_devices_as_others() {
    let mut catalog = Catalog::embedded();
    catalog.kubernetes.gpu_allocation = GpuAllocation::Claims;
    assert_eq!(simulated(&catalog), simulated(&Catalog::embedded()));
}

#[test]
fn models_come_from_an_image_and_users_of_pods_mean_nothing_outside_where_the_catalog_says_so() {
    let mut catalog = Catalog::embedded();
    catalog.kubernetes.host_users = false;
    let models = ModelImage { image: "registry.example.com/models/voice:3".into(), path: "/models".into() };
    catalog.kubernetes.model_images.insert(Service::Callbot, models);
    let manifest = render(&catalog, &my_ai_service(), &secrets(), &everything());
    for object in &manifest.objects {
        if object.pod_template().is_some() {
            let pod = as_json(object)["spec"]["template"]["spec"].clone();
            assert_eq!(pod["hostUsers"], false, "{}", object.name());
            let volume =
                json!({"name": "models", "image": {"reference": "registry.example.com/models/voice:3"}});
            let mount = json!({"name": "models", "mountPath": "/models", "readOnly": true});
            let has = |list: &Value, one: &Value| list.as_array().is_some_and(|all| all.contains(one));
            let is_callbot = object.name() == "callbot";
            assert_eq!(has(&pod["volumes"], &volume), is_callbot, "{}", object.name());
            assert_eq!(has(&pod["containers"][0]["volumeMounts"], &mount), is_callbot, "{}", object.name());
        }
    }
    let plain = rendered(&my_ai_service(), &everything()).to_yaml();
    assert!(!plain.contains("hostUsers") && !plain.contains("models"));
    for path in ["models", "/", "/tmp/models", "/a/../b", "/a//b", "/proc"] {
        let models = ModelImage { image: "a:1".into(), path: path.into() };
        catalog.kubernetes.model_images.insert(Service::Callbot, models);
        let faults = catalog.faulty_keys();
        assert_eq!(faults, ["kubernetes.model_images.callbot.path"], "{path}");
    }
}
