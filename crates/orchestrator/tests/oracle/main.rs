//! The validator asked beside the API server: objects of every kind, and mutations of single fields of
//! them. `ECP_ORACLE_CASES` asks for more of them, `ECP_ORACLE_SEED` for others, `ECP_ORACLE_KUBERNETES`
//! an API server of that release. The validator speaks for the release that the server speaks for.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use ecp_core::catalog::Catalog;
use ecp_testkit::ControlPlane;
use ecp_validate::{Options, Release};
use futures_util::StreamExt;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::io::Write as _;
use std::path::Path;
use std::sync::OnceLock;

#[path = "../../../validate/tests/variants/mod.rs"]
mod variants;

const OBJECTS: &str = include_str!("objects.yaml");
const KNOWN: &str = include_str!("known.txt");
/// Cases of a usual run.
const CASES: u64 = 1500;
/// Of the variants on record, every so many is asked about in a usual run.
const VARIANTS: usize = 16;
/// Questions to the API server at once.
const AT_ONCE: usize = 6;

/// Numbers that look random and are the same for a seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % end
    }
}

/// The API server, as a plain HTTP client.
struct Server {
    http: reqwest::Client,
    address: String,
    /// What it is of.
    release: Release,
    /// Where objects of a kind are created, and whether in a namespace.
    paths: HashMap<(String, String), (String, bool)>,
}

impl Server {
    /// The server that is asked, the same for every test.
    async fn asked() -> Self {
        static OLDER: OnceLock<ControlPlane> = OnceLock::new();
        let cluster = match std::env::var("ECP_ORACLE_KUBERNETES") {
            Ok(release) if !release.is_empty() => {
                OLDER.get_or_init(|| ControlPlane::start_with("oracle", &["--kubernetes", &release]))
            }
            _ => ControlPlane::shared(),
        };
        Self::of(cluster.kubeconfig()).await
    }

    async fn of(kubeconfig: &Path) -> Self {
        let config: Value = serde_saphyr::from_str(&std::fs::read_to_string(kubeconfig).unwrap()).unwrap();
        let (cluster, user) = (&config["clusters"][0]["cluster"], &config["users"][0]["user"]);
        let read = |from: &Value, name: &str| {
            let path =
                from[name].as_str().unwrap_or_else(|| panic!("the kubeconfig names no file as {name}"));
            std::fs::read(path).unwrap()
        };
        let identity = [read(user, "client-certificate"), read(user, "client-key")].concat();
        ecp_orchestrator::tls::install_crypto_provider();
        let http = reqwest::Client::builder()
            .add_root_certificate(
                reqwest::Certificate::from_pem(&read(cluster, "certificate-authority")).unwrap(),
            )
            .identity(reqwest::Identity::from_pem(&identity).unwrap())
            .build()
            .unwrap();
        let address = cluster["server"].as_str().unwrap().to_owned();
        let mut server = Self { http, address, release: Release::default(), paths: HashMap::new() };
        // One of a newer release may speak for an older one.
        let said = server.get("/version").await;
        let part = |name: &str| said[name].as_str().unwrap_or_default().to_owned();
        let version = format!("{}.{}", part("emulationMajor"), part("emulationMinor"));
        server.release = Release::parse(&version).unwrap_or_else(|| panic!("nothing is known of {said}"));
        let groups = server.get("/apis").await;
        let versions = groups["groups"].as_array().unwrap().iter();
        let versions = versions.flat_map(|group| group["versions"].as_array().unwrap());
        let mut all: Vec<String> =
            versions.map(|version| version["groupVersion"].as_str().unwrap().to_owned()).collect();
        all.push("v1".to_owned());
        for version in all {
            let root = if version == "v1" { "/api/v1".to_owned() } else { format!("/apis/{version}") };
            for resource in server.get(&root).await["resources"].as_array().unwrap() {
                let name = resource["name"].as_str().unwrap();
                if !name.contains('/') {
                    let kind = resource["kind"].as_str().unwrap().to_owned();
                    let namespaced = resource["namespaced"] == true;
                    server.paths.insert((version.clone(), kind), (format!("{root}|{name}"), namespaced));
                }
            }
        }
        server
    }

    async fn get(&self, path: &str) -> Value {
        self.http.get(format!("{}{path}", self.address)).send().await.unwrap().json().await.unwrap()
    }

    /// What a creation and a server-side apply would be answered: nothing where both would take it, else why
    /// not. Absent where the answer is not about the object (another of its name, no right, too busy).
    async fn refusal(&self, object: &Value) -> Option<Option<String>> {
        let text =
            |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        let Some((place, namespaced)) = self.paths.get(&(text("/apiVersion"), text("/kind"))) else {
            return Some(Some("no such kind".to_owned()));
        };
        let (root, name) = place.split_once('|').unwrap();
        let namespace = Some(text("/metadata/namespace")).filter(|name| !name.is_empty());
        let namespace = namespace.unwrap_or_else(|| "default".to_owned());
        let path = if *namespaced {
            format!("{root}/namespaces/{namespace}/{name}")
        } else {
            format!("{root}/{name}")
        };
        let query = "dryRun=All&fieldValidation=Strict";
        let request = self.http.post(format!("{}{path}?{query}", self.address)).json(object);
        let (status, message) = answered(request).await?;
        match status {
            200 | 201 => {}
            400 | 422 => return Some(Some(message)),
            // It names a pod that is not there, and was looked at before.
            404 if text("/kind") == "Binding" => return Some(None),
            _ => return None,
        }
        let name = text("/metadata/name");
        // What has a name yet to come can not be applied, and questions are not kept.
        if name.is_empty() || text("/apiVersion").starts_with("auth") {
            return Some(None);
        }
        let name = name.replace('%', "%25").replace('/', "%2F");
        let url = format!("{}{path}/{name}?{query}&fieldManager=oracle&force=true", self.address);
        let request = self.http.patch(url).header("Content-Type", "application/apply-patch+yaml");
        let (status, message) = answered(request.body(object.to_string())).await?;
        match status {
            200 | 201 => Some(None),
            400 | 409 | 422 | 500 => Some(Some(message)),
            _ => None,
        }
    }
}

async fn answered(request: reqwest::RequestBuilder) -> Option<(u16, String)> {
    let response = request.send().await.ok()?;
    let status = response.status().as_u16();
    let answer: Value = response.json().await.ok()?;
    Some((status, answer["message"].as_str().unwrap_or_default().to_owned()))
}

/// Every place in a document but its kind.
fn places(value: &Value, at: &mut Vec<String>, all: &mut Vec<Vec<String>>) {
    let members: Vec<(String, &Value)> = match value {
        Value::Object(members) => members.iter().map(|(name, value)| (name.clone(), value)).collect(),
        Value::Array(items) => {
            items.iter().enumerate().map(|(place, value)| (place.to_string(), value)).collect()
        }
        _ => Vec::new(),
    };
    for (name, value) in members {
        at.push(name);
        if !matches!(at.join(".").as_str(), "apiVersion" | "kind") {
            all.push(at.clone());
        }
        places(value, at, all);
        at.pop();
    }
}

fn find<'v>(value: &'v mut Value, place: &[String]) -> &'v mut Value {
    place.iter().fold(value, |value, step| match value {
        Value::Array(items) => &mut items[step.parse::<usize>().unwrap()],
        other => &mut other[step.as_str()],
    })
}

/// What fields are set to.
fn values() -> Vec<Value> {
    let texts = [
        "",
        " ",
        "x",
        "X_y",
        "-a",
        "a.b",
        "a/b",
        "http://x",
        "10.0.0.1",
        "10.0.0.300",
        "::1",
        "10.0.0.0/33",
        "25%",
        "101%",
        "-1%",
        "0",
        "5",
        "1.5",
        "true",
        "null",
        "*",
        "*.a",
        "a b",
        "/x",
        "../x",
        "a..b",
        "한글",
        "1Gi",
        "100m",
        "-1",
        "1e3",
        "0x1",
    ];
    let mut values: Vec<Value> = texts.iter().map(|text| json!(text)).collect();
    values.extend([json!("A".repeat(64)), json!("a".repeat(254))]);
    values.extend(
        [0_i64, 1, -1, 2, 65_535, 65_536, 70_000, 2_147_483_647, 2_147_483_648].map(|number| json!(number)),
    );
    values.extend([json!(1.5), json!(3.0), json!(true), json!(false), Value::Null]);
    values.extend([json!([]), json!({}), json!([1]), json!(["a", "a"]), json!({"a": "b"})]);
    values
}

/// Changes one field; which and how.
fn mutate(object: &mut Value, dice: &mut Dice, values: &[Value]) -> String {
    let mut all = Vec::new();
    places(object, &mut Vec::new(), &mut all);
    let place = all[dice.below(all.len())].clone();
    let (last, parents) = place.split_last().unwrap();
    let name = place.join(".");
    let parent = find(object, parents);
    let how = dice.below(100);
    if how < 20 {
        match parent {
            Value::Array(items) => drop(items.remove(last.parse::<usize>().unwrap())),
            Value::Object(members) => drop(members.remove(last.as_str())),
            _ => unreachable!("a place has a parent"),
        }
        return format!("{name} removed");
    }
    let value = find(parent, std::slice::from_ref(last));
    if how < 28 {
        match value {
            Value::Object(members) => drop(members.insert("unknownField".to_owned(), json!(1))),
            Value::Array(items) if !items.is_empty() => items.push(items[0].clone()),
            other => *other = json!({}),
        }
        return format!("{name} grown");
    }
    let new = &values[dice.below(values.len())];
    *value = new.clone();
    format!("{name}={}", new.to_string().chars().take(40).collect::<String>())
}

/// Whether a disagreement is on the list of those that are left.
fn is_known(kind: &str, mutation: &str) -> bool {
    KNOWN.lines().filter(|line| !line.starts_with('#')).any(|line| {
        let mut parts = line.split('|');
        let (of, place) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let fits = match place.strip_prefix('*') {
            Some(part) => mutation.contains(part),
            None => mutation.starts_with(place),
        };
        (of == "*" || of == kind) && fits
    })
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |text| text.parse().expect("a number"))
}

fn is_more_asked() -> bool {
    std::env::var_os("ECP_ORACLE_CASES").is_some()
}

#[tokio::test]
async fn the_validator_says_what_the_api_server_says() {
    let server = Server::asked().await;
    let objects: Vec<Value> = serde_saphyr::from_multiple(OBJECTS).unwrap();
    let (values, mut dice) =
        (values(), Dice(number("ECP_ORACLE_SEED", 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1));
    let mut cases: Vec<(Value, String)> =
        objects.iter().map(|object| (object.clone(), "as it is".to_owned())).collect();
    // Whoever asks for more has the variants changed once more too.
    let on_record = if is_more_asked() { variants::all(server.release) } else { Vec::new() };
    let taken: Vec<Value> =
        on_record.into_iter().filter(|variant| variant.is_valid).map(|variant| variant.object).collect();
    for _ in 0..number("ECP_ORACLE_CASES", CASES) {
        let from = if taken.is_empty() || dice.below(3) == 0 { &objects } else { &taken };
        let mut object = from[dice.below(from.len())].clone();
        let mutation = mutate(&mut object, &mut dice, &values);
        cases.push((object, mutation));
    }
    let asked =
        futures_util::stream::iter(&cases).map(|(object, _)| server.refusal(object)).buffered(AT_ONCE);
    let answers: Vec<_> = asked.collect().await;
    let catalog = Catalog::embedded();
    let options = Options { release: server.release, ..Options::default() };
    let mut counts: BTreeMap<String, [usize; 3]> = BTreeMap::new();
    let mut unknown = Vec::new();
    for ((object, mutation), answer) in cases.iter().zip(answers) {
        let Some(refusal) = answer else { continue };
        let report = ecp_validate::validate_manifest(&catalog, &object.to_string(), &options).unwrap();
        let kind = object["kind"].as_str().unwrap_or_default();
        let count = counts.entry(kind.to_owned()).or_default();
        match (report.is_valid(), &refusal) {
            (true, None) | (false, Some(_)) => count[0] += 1,
            (true, Some(_)) => count[1] += 1,
            (false, None) => count[2] += 1,
        }
        if report.is_valid() != refusal.is_none() && !is_known(kind, mutation) {
            let ours: Vec<&str> = report.errors.iter().map(|finding| finding.code).collect();
            unknown.push(format!("{kind} {mutation}: ours {ours:?}, the server {refusal:?}"));
        }
    }
    let sum = |place: usize| counts.values().map(|count| count[place]).sum::<usize>();
    let (agree, missed, alarms) = (sum(0), sum(1), sum(2));
    writeln!(std::io::stderr(), "kind, agree, missed, false alarms: {counts:#?}").unwrap();
    writeln!(std::io::stderr(), "{agree} agree, {missed} missed, {alarms} false alarms").unwrap();
    assert!(unknown.is_empty(), "{} new disagreements:\n{}", unknown.len(), unknown.join("\n"));
    assert!(agree * 100 >= 97 * (agree + missed + alarms), "{agree} of {}", agree + missed + alarms);
}

/// The verdicts that the validator is held to are the server's.
#[tokio::test]
async fn the_record_says_what_the_api_server_says() {
    let server = Server::asked().await;
    let every = if is_more_asked() { 1 } else { VARIANTS };
    let asked: Vec<_> = variants::all(server.release).into_iter().step_by(every).collect();
    let answers: Vec<_> = futures_util::stream::iter(&asked)
        .map(|variant| server.refusal(&variant.object))
        .buffered(AT_ONCE)
        .collect()
        .await;
    let mut wrong = Vec::new();
    for (variant, answer) in asked.iter().zip(answers) {
        if let Some(refusal) = answer
            && refusal.is_none() != variant.is_valid
        {
            wrong.push(format!("{} {}: the server {refusal:?}", variant.place, variant.change));
        }
    }
    assert!(wrong.is_empty(), "{} verdicts of {} differ:\n{}", wrong.len(), asked.len(), wrong.join("\n"));
}
