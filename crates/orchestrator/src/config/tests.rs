//! Sources, their order, and faults.

use super::check::{is_base_path, is_log_filter};
use super::*;
use std::io::Write;

fn nothing(_: &str) -> Option<String> {
    None
}

#[test]
fn the_defaults_are_valid_and_listen_on_loopback_without_tokens() {
    let config = Config::load(&Overrides::default(), nothing).expect("the defaults are valid");
    assert_eq!(config.listen.to_string(), "127.0.0.1:8001");
    assert!(!config.tokens_required());
    assert_eq!(config.requests_per_second(), None);
}

#[test]
fn flags_win_over_the_environment_and_the_environment_over_the_file() {
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    writeln!(file, "data_dir = 'from-file'\ndemo_speed = 3\nlisten = '127.0.0.1:1'").expect("writes");
    let overrides = Overrides {
        file: Some(file.path().to_owned()),
        flags: vec![("listen", Value::String("0.0.0.0:9".into()))],
    };
    let environment = |name: &str| match name {
        "ECP_LISTEN" => Some("127.0.0.1:2".to_owned()),
        "ECP_DEMO_SPEED" => Some("7".to_owned()),
        "ECP_RATE_LIMIT__BURST" => Some("9".to_owned()),
        _ => None,
    };
    let config = Config::load(&overrides, environment).expect("valid");
    assert_eq!(config.listen.to_string(), "0.0.0.0:9");
    assert_eq!(config.demo_speed, 7.0);
    assert_eq!(config.data_dir, PathBuf::from("from-file"));
    assert_eq!(config.rate_limit.burst, 9);
    assert!(config.tokens_required(), "listening elsewhere than on loopback needs tokens");
    assert_eq!(config.requests_per_second(), Some(1000));
}

#[test]
fn hosts_and_origins_are_lists_and_wrong_ones_are_faults() {
    let good = |name: &str| match name {
        "ECP_SERVER__ALLOWED_HOSTS" => Some("ecp.example.com, [2001:db8::1],192.0.2.7".to_owned()),
        "ECP_SERVER__ALLOWED_ORIGINS" => Some("https://console.example.com".to_owned()),
        _ => None,
    };
    let config = Config::load(&Overrides::default(), good).expect("valid");
    assert_eq!(config.server.allowed_hosts, ["ecp.example.com", "[2001:db8::1]", "192.0.2.7"]);
    let wrong = |name: &str| match name {
        "ECP_SERVER__ALLOWED_HOSTS" => Some("ecp.example.com:8001,*".to_owned()),
        "ECP_SERVER__ALLOWED_ORIGINS" => Some("console.example.com,null,https://a.example/x".to_owned()),
        _ => None,
    };
    let ConfigFaults(faults) = Config::load(&Overrides::default(), wrong).expect_err("five faults");
    assert_eq!(faults.len(), 5, "{faults:?}");
}

#[test]
fn a_metric_store_has_an_address_and_nothing_is_said_of_one_that_is_not_there() {
    let good = |name: &str| match name {
        "ECP_METRICS_URL" => Some("http://mimir:8080/prometheus".to_owned()),
        "ECP_METRICS__WRITE_URL" => Some("http://mimir:8080/api/v1/push".to_owned()),
        "ECP_METRICS__SCOPE_ORG_ID" => Some("ecp".to_owned()),
        _ => None,
    };
    let config = Config::load(&Overrides::default(), good).expect("valid");
    assert!(config.samples_are_shared());
    let store = config.metric_store().expect("valid").expect("there is one");
    assert_eq!(store.write_url.to_string(), "http://mimir:8080/api/v1/push");
    assert_eq!((store.scope_org_id.as_deref(), store.timeout), (Some("ecp"), Duration::from_secs(10)));
    let wrong = |name: &str| match name {
        "ECP_METRICS__WRITE_URL" => Some("mimir:8080".to_owned()),
        "ECP_METRICS__CREDENTIALS_FILE" => Some("token".to_owned()),
        "ECP_METRICS__TIMEOUT_SECONDS" => Some("60".to_owned()),
        _ => None,
    };
    let ConfigFaults(faults) = Config::load(&Overrides::default(), wrong).expect_err("four faults");
    assert_eq!(faults.len(), 4, "{faults:?}");
    assert!(!Config::load(&Overrides::default(), nothing).expect("valid").samples_are_shared());
}

#[test]
fn a_store_that_is_only_read_has_expressions_that_name_the_tenant() {
    let good = |name: &str| match name {
        "ECP_METRICS_URL" => Some("http://prometheus:9090".to_owned()),
        "ECP_METRICS__READ_ONLY" => Some("true".to_owned()),
        _ => None,
    };
    let config = Config::load(&Overrides::default(), good).expect("the defaults are valid");
    assert!(!config.expressions().is_empty());
    assert!(!config.samples_are_shared(), "demo mode keeps its own");
    let wrong = |name: &str| match name {
        "ECP_METRICS__READ_ONLY" => Some("true".to_owned()),
        "ECP_METRICS__EXPRESSIONS__ERROR_RATE" => Some("sum(errors)".to_owned()),
        _ => None,
    };
    let ConfigFaults(faults) = Config::load(&Overrides::default(), wrong).expect_err("two faults");
    assert_eq!(faults.len(), 2, "{faults:?}");
}

#[test]
fn a_level_that_is_none_and_a_folder_without_a_name_are_faults() {
    for (level, right) in [
        ("info", true),
        ("WARN", true),
        ("warn,ecp=debug", true),
        ("info, ecp_api::access=off", true),
        ("inof", false),
        ("", false),
        ("info,ecp", false),
        ("ecp=loud", false),
        ("=info", false),
    ] {
        assert_eq!(is_log_filter(level), right, "{level:?}");
    }
    let wrong = |name: &str| match name {
        "ECP_LOG__LEVEL" => Some("verbose".to_owned()),
        "ECP_DATA_DIR" => Some(String::new()),
        _ => None,
    };
    let ConfigFaults(faults) = Config::load(&Overrides::default(), wrong).expect_err("two faults");
    assert_eq!(faults.len(), 2, "{faults:?}");
}

#[test]
fn a_variable_of_a_section_that_is_no_key_is_a_fault() {
    let base: Table = DEFAULTS.parse().expect("TOML");
    let mut faults = Vec::new();
    let names = [
        "ECP_AUTH__TOKENS",
        "ECP_METRICS__EXPRESSIONS__CPU_USAGE",
        "ECP_DEMO",
        "ECP_SERVER",
        "HOME",
        "OTHER__X",
        "ECP_AUTH__TOKEN",
        "ECP_LIMIT__MAX_CONNECTIONS",
        "ECP_METRICS__EXPRESSIONS",
        "ECP_AUTH__TOKENS__X",
    ];
    check_names(&base, names.into_iter().map(str::to_owned), &mut faults);
    let named: Vec<_> = faults.iter().filter_map(|fault| fault.split(':').next()).collect();
    assert_eq!(
        named,
        ["ECP_AUTH__TOKEN", "ECP_AUTH__TOKENS__X", "ECP_LIMIT__MAX_CONNECTIONS", "ECP_METRICS__EXPRESSIONS"]
    );
}

#[test]
fn a_base_path_is_a_plain_path_or_nothing() {
    for (path, right) in [
        ("", true),
        ("/", true),
        ("/ops", true),
        ("/ops/ecp-1.51/", true),
        ("ops", false),
        ("/ops//ecp", false),
        ("/../ecp", false),
        ("/a b", false),
        ("/%2e", false),
        ("https://a.example/ecp", false),
    ] {
        assert_eq!(is_base_path(path), right, "{path:?}");
    }
}

#[test]
fn every_fault_is_reported_at_once_with_its_source() {
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    writeln!(file, "lisen = 'x'\n[limits]\nmax_connections = 'many'").expect("writes");
    let overrides = Overrides { file: Some(file.path().to_owned()), flags: Vec::new() };
    let environment = |name: &str| (name == "ECP_DEMO_SPEED").then(|| "fast".to_owned());
    let ConfigFaults(faults) = Config::load(&overrides, environment).expect_err("three faults");
    assert_eq!(faults.len(), 3, "{faults:?}");
    for part in
        ["lisen: there is no such key", "limits.max_connections: must be of type integer", "ECP_DEMO_SPEED"]
    {
        assert!(faults.iter().any(|fault| fault.contains(part)), "{part} in {faults:?}");
    }
}

#[test]
fn the_simulated_cluster_is_what_a_file_says() {
    let load = |text: &str, environment: fn(&str) -> Option<String>| {
        let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
        file.write_all(text.as_bytes()).expect("writes");
        Config::load(&Overrides { file: Some(file.path().to_owned()), flags: Vec::new() }, environment)
    };
    let defaults = Config::load(&Overrides::default(), nothing).expect("valid");
    assert_eq!(defaults.demo.nodes, SimulatedNodes::default());
    let pool = "[[demo.nodes.pools]]\nname = 'ours'\nnodes = 3\ncpu_millicores = 8000\nmemory_mib = 65536\n";
    let [ours] = &load(pool, nothing).expect("valid").demo.nodes.pools[..] else { panic!("one pool") };
    assert_eq!((ours.nodes, ours.gpu), (3, 0));
    // The benchmark's own file.
    assert!(load(include_str!("../../../../bench/server.toml"), nothing).is_ok());

    let wrong = format!("{pool}gpu = 8\n{pool}");
    let ConfigFaults(faults) = load(&wrong, nothing).expect_err("two faults");
    assert_eq!(faults.len(), 2, "{faults:?}");
    assert!(faults.iter().all(|fault| fault.starts_with("demo.nodes.pool")), "{faults:?}");
    let variable = |name: &str| (name == "ECP_DEMO__NODES__POOLS").then(|| "ours".to_owned());
    let ConfigFaults(faults) = load("", variable).expect_err("a list of tables is no variable");
    assert!(faults[0].contains("ECP_CONFIG"), "{faults:?}");
}
