//! What works with no server: sizing, rendering, validating.

use crate::harness::{finish, program};
use serde_json::{Value, json};

const TENANT: &str =
    "tenant_id: my-service\nname: 내 서비스\npreset: medium\nservice_requirements:\n  chatbot: 100\n";

/// A command that could reach no server if it tried.
fn offline(arguments: &[&str]) -> std::process::Command {
    let mut command = program();
    command.args(arguments).env("ECP_SERVER", "http://127.0.0.1:1");
    command
}

#[test]
fn a_tenant_s_file_is_sized_with_flags_over_it() {
    let ran = finish(&mut offline(&["size", "-f", "-", "-o", "json"]), TENANT).done();
    let answer: Value = serde_json::from_str(&ran).expect("JSON");
    assert_eq!(answer["recommended_preset"], "medium");
    let flags =
        ["size", "-s", "callbot=100", "-s", "chatbot=200", "-s", "advisor=50", "--response-time", "150ms"];
    let text = finish(&mut offline(&flags), "").done();
    assert!(text.contains("large") && text.contains("$450/month"), "{text}");
    let over = finish(&mut offline(&["size", "-f", "-", "--preset", "large", "-o", "json"]), TENANT).done();
    assert_eq!(serde_json::from_str::<Value>(&over).expect("JSON")["recommended_preset"], "large");
    let explained = finish(&mut offline(&["size", "-f", "-", "--explain", "-o", "json"]), TENANT).done();
    assert!(serde_json::from_str::<Value>(&explained).expect("JSON").is_object());
}

#[test]
fn a_manifest_is_rendered_from_a_file_the_same_each_time_and_validates() {
    let render = || finish(&mut offline(&["manifest", "-f", "-"]), TENANT).done();
    let manifest = render();
    assert_eq!(manifest, render());
    assert!(manifest.contains("name: ecp-ai-my-service") && manifest.contains("kind: ServiceMonitor"));
    let verdict =
        finish(&mut offline(&["validate", "-f", "-", "--tenant", "my-service", "-o", "json"]), &manifest);
    let verdict: Value = serde_json::from_str(&verdict.done()).expect("JSON");
    assert_eq!(verdict["valid"], true);

    let flags =
        ["manifest", "-f", "-", "--format", "json", "--no-monitoring", "--ingress", "-n", "elsewhere"];
    let list: Value = serde_json::from_str(&finish(&mut offline(&flags), TENANT).done()).expect("JSON");
    let kinds: Vec<_> = list["items"].as_array().expect("items").iter().map(|item| &item["kind"]).collect();
    assert!(kinds.contains(&&json!("Ingress")) && !kinds.contains(&&json!("ServiceMonitor")), "{kinds:?}");
}

#[test]
fn what_is_wrong_with_a_file_is_said_with_its_place_and_exit_code() {
    let broken = finish(&mut offline(&["manifest", "-f", "-"]), "name: [");
    assert_eq!(broken.code, 2);
    assert!(broken.err.contains("standard input") && broken.err.contains("line 1"), "{}", broken.err);
    let wrong =
        finish(&mut offline(&["manifest", "-f", "-"]), "tenant_id: A B\nname: x\nservice_requirements: {}\n");
    assert_eq!(wrong.code, 3);
    assert!(
        wrong.err.contains("/tenant_id:") && wrong.err.contains("/service_requirements:"),
        "{}",
        wrong.err
    );
    let missing = finish(&mut offline(&["validate", "-f", "/nonexistent.yaml"]), "");
    assert_eq!(missing.code, 2);
    assert!(missing.err.contains("/nonexistent.yaml"), "{}", missing.err);
    let unknown = finish(&mut offline(&["manifest", "-f", "-"]), &format!("{TENANT}colour: blue\n"));
    assert!(unknown.err.contains("colour"), "{}", unknown.err);
    assert_eq!(unknown.code, 0);
}

#[test]
fn an_invalid_manifest_is_shown_with_line_and_path_and_exit_code_3() {
    let manifest = "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: a\nspec:\n  replica: 2\n";
    let ran = finish(&mut offline(&["validate", "-f", "-"]), manifest);
    assert_eq!(ran.code, 3);
    assert!(ran.out.contains("invalid") && ran.out.contains("spec.replica"), "{}", ran.out);
    let latest = finish(&mut offline(&["manifest", "-f", "-"]), TENANT).done();
    let strict = finish(&mut offline(&["validate", "-f", "-", "--strict", "--tenant", "acme"]), &latest);
    assert_eq!(strict.code, 4, "the policy warns of images tagged latest: {}", strict.out);
}

/// A folder of manifests: one in order, one that no server takes, one against the policy, one unreadable.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
        std::fs::write(path, text).expect("a file");
    };
    let role = |verbs: &str, name: &str| {
        format!(
            "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {{name: {name}}}\nrules:\n- apiGroups: ['']\n  resources: [pods]\n  verbs: [{verbs}]\n"
        )
    };
    write("good.yaml", &role("get", "reader"));
    write("deep/broad.yml", &role("'*'", "all"));
    write(
        "wrong.yaml",
        "apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec:\n  ports: [{port: 70000}]\n",
    );
    write("notes.txt", "not a manifest");
    write(".hidden/wrong.yaml", "a: b: c\n");
    folder
}

#[test]
fn folders_and_patterns_are_validated_whole_and_the_exit_code_tells_the_worst() {
    let folder = folder();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let run = |arguments: &[&str]| finish(&mut offline(&[&["validate"], arguments].concat()), "");
    let all = run(&["-f", &at(""), "-o", "json"]);
    assert_eq!(all.code, 3, "{}", all.out);
    let answer: Value = serde_json::from_str(&all.out).expect("JSON");
    let totals =
        json!({"files": 3, "invalid": 1, "against_policy": 0, "unreadable": 0, "errors": 1, "warnings": 0});
    assert_eq!(answer["totals"], totals, "{answer:#}");
    let finding = &answer["files"][2]["findings"][0];
    assert_eq!(
        (&finding["file"], &finding["line"], &finding["code"]),
        (&json!(at("wrong.yaml")), &json!(5), &json!("schema.out_of_range"))
    );
    let text = run(&[&at("*.yaml")]);
    assert_eq!(text.code, 3);
    assert!(
        text.out.contains("wrong.yaml\n  5:") && text.out.contains("|   ports: [{port: 70000}]"),
        "{}",
        text.out
    );
    assert_eq!(run(&["-f", &at("good.yaml"), "-f", &at("deep/broad.yml")]).code, 0, "no policy is asked");
    // A file without an object is passed over among others, as kubectl does, and is a fault alone.
    std::fs::write(at("empty.yaml"), "# nothing yet\n").expect("a file");
    let beside = run(&["-f", &at("empty.yaml"), "-f", &at("good.yaml")]);
    assert!(beside.code == 0 && beside.out.contains("warning manifest.empty"), "{}", beside.out);
    assert_eq!(run(&["-f", &at("empty.yaml")]).code, 3);
    assert_eq!(run(&["-f", &at("deep"), "--profile", "strict"]).code, 4);
    assert_eq!(
        run(&["-f", &at("deep"), "--profile", "strict", "--off", "rbac.wildcard,namespace.missing"]).code,
        0
    );
    assert_eq!(finish(&mut offline(&["validate", "-f", "-"]), "a: b: c\n").code, 2, "it is no YAML");
    for (arguments, told) in [
        (&["-f", &at("none*.yaml")][..], "no file matches"),
        (&["-f", &at("good.yaml"), "--off", "rbac.wildcards"], "rbac.wildcard"),
        (&["-f", &at("good.yaml"), "--kubernetes-version", "1.20"], "1.36"),
        (&["-f", &at("good.yaml"), "--profile", "loose"], "restricted"),
        (&[], "-f FILE"),
    ] {
        let ran = run(arguments);
        assert!(ran.code == 2 && ran.err.contains(told), "{arguments:?}: {} {}", ran.code, ran.err);
    }
}

#[test]
fn a_policy_is_a_file_beside_the_manifests_and_an_annotation_excuses_an_object() {
    let folder = folder();
    let run = |arguments: &[&str]| {
        finish(offline(&[&["validate"], arguments].concat()).current_dir(folder.path().join("deep")), "")
    };
    let file = folder.path().join(".ecp-validate.yaml");
    std::fs::write(&file, "profile: strict\noff: [namespace.missing]\n").expect("a policy");
    assert_eq!(run(&["broad.yml"]).code, 4, "found in the folder above");
    assert_eq!(run(&["broad.yml", "--profile", "validity"]).code, 0, "a flag wins");
    std::fs::write(&file, "profile: strict\noff: [namespace.missing]\nseverity: {rbac.wildcard: warning}\n")
        .expect("a policy");
    let warned = run(&["broad.yml", "-o", "json"]);
    let answer: Value = serde_json::from_str(&warned.out).expect("JSON");
    assert_eq!((warned.code, &answer["findings"][0]["code"]), (0, &json!("rbac.wildcard")));
    assert_eq!(answer["findings"][0]["policy"], true);
    let manifest = std::fs::read_to_string(folder.path().join("deep/broad.yml")).expect("a file");
    let excused = manifest.replace(
        "metadata: {name: all}",
        "metadata: {name: all, annotations: {ignore.ecp.ai/rbac.wildcard: 'the backup needs all'}}",
    );
    std::fs::write(folder.path().join("deep/broad.yml"), excused).expect("a file");
    assert_eq!(run(&["broad.yml", "-o", "json"]).done().matches("rbac.wildcard\"").count(), 0);
    std::fs::write(&file, "profil: strict\n").expect("a policy");
    let misspelt = run(&["broad.yml"]);
    assert!(misspelt.code == 2 && misspelt.err.contains("profile"), "{}", misspelt.err);
}

#[test]
fn findings_are_written_for_code_scanning_for_junit_and_for_github() {
    let folder = folder();
    let wrong = folder.path().join("wrong.yaml").display().to_string();
    let run = |format: &str| finish(&mut offline(&["validate", "-f", &wrong, "-o", format]), "");
    let log: Value = serde_json::from_str(&run("sarif").out).expect("SARIF");
    let result = &log["runs"][0]["results"][0];
    assert_eq!(
        (&log["version"], &result["ruleId"], &result["level"]),
        (&json!("2.1.0"), &json!("schema.out_of_range"), &json!("error"))
    );
    assert_eq!(result["locations"][0]["physicalLocation"]["region"]["startLine"], 5);
    let junit = run("junit").out;
    assert!(
        junit.contains("tests=\"1\" failures=\"1\"")
            && junit.contains("<failure type=\"schema.out_of_range\""),
        "{junit}"
    );
    let github = run("github").out;
    assert!(
        github.starts_with("::error file=")
            && github.contains(",line=5,")
            && github.contains("title=schema.out_of_range::"),
        "{github}"
    );
    let elsewhere = finish(&mut offline(&["capacity", "-s", "chatbot=1", "-o", "sarif"]), "");
    assert_ne!(elsewhere.code, 0);
}

#[test]
fn a_load_test_becomes_a_device_of_the_catalog_and_says_what_was_measured() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("h100.csv");
    // 800 queries a second at most, 80 ms on an idle device.
    let steps = [(4.0, 100.0), (16.0, 320.0), (40.0, 266.7)];
    let mut text = "stage,concurrency,latency_ms,throughput_per_second\n".to_owned();
    for used in [0.1, 0.3, 0.5, 0.7, 0.9] {
        let (throughput, latency) = (800.0 * used, 80.0 / (1.0 - used));
        text += &format!("nlp,{},{latency},{throughput}\n", throughput * latency / 1000.0);
    }
    std::fs::write(&file, &text).expect("writes");
    let path = file.display().to_string();
    let entry =
        finish(&mut offline(&["calibrate", &path, "--device", "h100", "--measured-on", "2026-11-20"]), "")
            .done();
    assert!(entry.contains("name = \"h100\"") && entry.contains("nlp_queries_per_second = 800.0"), "{entry}");
    assert!(entry.contains("service_time_ms = { nlp = 80.0 }"), "{entry}");
    let measured = "label = \"measured\", source = \"h100.csv, 5 measurements; 800.0 ± 0.0 a second at most, \
                    80.0 ± 0.0 ms on an idle device\", date = \"2026-11-20\"";
    assert!(entry.contains(measured), "{entry}");
    assert!(entry.contains("label = \"assumed\", source = \"as l40s's, not measured;"), "{entry}");
    let lines = steps.map(|(concurrency, latency)| format!("nlp,{concurrency},{latency},1\n")).concat();
    std::fs::write(&file, format!("stage,concurrency,latency_ms,throughput_per_second\n{lines}"))
        .expect("writes");
    let refused = finish(&mut offline(&["calibrate", &path, "--device", "h100"]), "");
    let says = refused.err.contains("line 2: 4 requests of 100 ms are 40.0 a second");
    assert!(refused.code != 0 && says, "{refused:?}");
}
