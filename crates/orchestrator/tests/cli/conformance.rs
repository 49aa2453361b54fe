//! The scenarios and cases of `sdk/conformance`, run by the command line.

use crate::calls::command_of;
use crate::harness::{Ran, Server, finish, lines_of, program};
use crate::matching::mismatch;
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

/// How long a frame or an end may take before the test gives up.
const PATIENCE: Duration = Duration::from_secs(60);

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../sdk/conformance")
}

fn read(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).expect("a scenario");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn every_scenario_runs() {
    let server = Server::start();
    let mut files: Vec<_> = std::fs::read_dir(folder().join("scenarios"))
        .expect("the scenarios")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    files.sort();
    assert!(files.len() >= 11, "{files:?}");
    for file in files {
        let scenario = read(&file);
        let name = file.file_stem().expect("a name").to_string_lossy().into_owned();
        let mut run = Run { new: Box::new(|| server.command()), saved: Map::new(), at: name };
        run.saved.insert("run".to_owned(), json!("cli1"));
        run.steps(&scenario["steps"]);
    }
}

/// Operations that no scenario asks for, and why.
const LEFT_OUT: [&str; 1] = [
    // Its body is a whole catalog; that of the server itself is compared by `get_catalog_diff`.
    "compare_catalog",
];

#[test]
fn every_operation_is_asked_for_by_a_scenario() {
    fn walk(value: &Value, called: &mut Vec<String>) {
        match value {
            Value::Object(members) => {
                let names = ["call", "watch"].iter().filter_map(|name| members.get(*name)?.as_str());
                called.extend(names.map(str::to_owned));
                members.values().for_each(|value| walk(value, called));
            }
            Value::Array(values) => values.iter().for_each(|value| walk(value, called)),
            _ => {}
        }
    }
    let mut called = Vec::new();
    for entry in std::fs::read_dir(folder().join("scenarios")).expect("the scenarios") {
        walk(&read(&entry.expect("an entry").path()), &mut called);
    }
    let document = read(&folder().join("../../openapi.json"));
    let paths = document["paths"].as_object().expect("paths").values();
    let operations = paths.flat_map(|path| path.as_object().expect("operations").values());
    let ids = operations.filter_map(|operation| operation["operationId"].as_str());
    let missing: Vec<_> = ids.filter(|id| !called.iter().any(|called| called == id)).collect();
    assert_eq!(missing, LEFT_OUT);
}

struct MisbehavingServer {
    child: Child,
    port: u64,
}

impl MisbehavingServer {
    fn start() -> Self {
        let mut child = Command::new("python3")
            .arg(folder().join("misbehaving_server.py"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 starts");
        let first = lines_of(child.stdout.take().expect("piped")).recv_timeout(PATIENCE).expect("its port");
        let said: Value = serde_json::from_str(&first).expect("JSON");
        Self { child, port: said["port"].as_u64().expect("a port") }
    }
}

impl Drop for MisbehavingServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_unhappy_case_ends_as_it_should() {
    let server = MisbehavingServer::start();
    let http = ecp_testkit::http_client();
    let cases = read(&folder().join("unhappy.json"));
    for case in cases.as_array().expect("cases") {
        let name = case["name"].as_str().expect("a name").to_owned();
        let url = format!("http://127.0.0.1:{}/{name}", server.port);
        let client = &case["client"];
        let retries = client["retries"].as_u64().unwrap_or(0).to_string();
        let seconds = (client["timeout_ms"].as_f64().unwrap_or(30_000.0) / 1000.0).to_string();
        let new = {
            let url = url.clone();
            move || {
                let mut command = program();
                command.args(["--server", &url, "--demo", "--retries", &retries, "--timeout", &seconds]);
                command
            }
        };
        tokio::task::block_in_place(|| {
            Run { new: Box::new(new), saved: Map::new(), at: name.clone() }.step(case);
        });
        let sent: Value =
            http.get(format!("{url}/requests")).send().await.expect("sent").json().await.expect("JSON");
        if !case["requests"].is_null() {
            assert_eq!(
                sent.as_array().map(Vec::len),
                case["requests"].as_u64().map(|n| n as usize),
                "{name}"
            );
        }
        if !case["second_request"].is_null() {
            assert_eq!(mismatch(&case["second_request"], &sent[1], &name), None);
        }
    }
}

/// One run of a scenario.
struct Run<'a> {
    new: Box<dyn Fn() -> Command + 'a>,
    saved: Map<String, Value>,
    at: String,
}

impl Run<'_> {
    fn steps(&mut self, steps: &Value) {
        for (index, step) in steps.as_array().expect("steps").iter().enumerate() {
            let inner = format!("{} step {}", self.at, index + 1);
            let outer = std::mem::replace(&mut self.at, inner);
            self.step(step);
            self.at = outer;
        }
    }

    fn step(&mut self, step: &Value) {
        let step = self.filled(step);
        if step.get("watch").is_some() {
            return self.watch(&step);
        }
        let call = step["call"].as_str().expect("a call");
        let (arguments, input) = command_of(call, step["args"].as_object().expect("args"));
        let ran = finish(&mut self.command(&arguments), &input);
        let at = format!("{} ({call})", self.at);
        if let Some(expected) = step.get("error") {
            assert_ne!(ran.code, 0, "{at}: {ran:?}");
            return check_error(expected, &error_of(&ran.err), &at);
        }
        let answer = answer_of(call, &ran, &at);
        if let Some(expected) = step.get("expect") {
            assert_eq!(mismatch(expected, &answer, &at), None, "{answer}");
        }
        for (name, path) in step["save"].as_object().into_iter().flatten() {
            let path = path.as_str().expect("a path");
            let found = path.split('.').filter(|part| !part.is_empty()).fold(&answer, |value, part| {
                part.parse::<usize>().map_or(&value[part], |index| &value[index])
            });
            self.saved.insert(name.clone(), found.clone());
        }
        if call == "calculate_resources" {
            // What the server sizes is sized here, too, to the same bytes.
            let mut offline = program();
            offline.args(["size", "-f", "-", "-o", "json"]);
            assert_eq!(finish(&mut offline, &input).out, ran.out, "{at}: without a server");
        }
    }

    /// The command with the flags of the run behind it: they belong to its group.
    fn command(&self, arguments: &[String]) -> Command {
        let template = (self.new)();
        let mut command = Command::new(template.get_program());
        command.args(arguments).args(template.get_args()).args(["-o", "json"]);
        for (name, value) in template.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command
    }

    fn watch(&mut self, step: &Value) {
        let call = step["watch"].as_str().expect("a stream");
        let at = format!("{} ({call})", self.at);
        let (arguments, _) = command_of(call, step["args"].as_object().expect("args"));
        let mut child = self
            .command(&arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the command starts");
        let out = lines_of(child.stdout.take().expect("piped"));
        let err = lines_of(child.stderr.take().expect("piped"));
        for (index, frame) in step["frames"].as_array().expect("frames").iter().enumerate() {
            let at = format!("{at} frame {}", index + 1);
            wait_for_frame(&out, &self.filled(&frame["expect"]), &at);
            if let Some(then) = frame.get("then") {
                self.steps(then);
            }
        }
        if step["ends"] == true || step.get("error").is_some() {
            let code = wait_for_end(&mut child, &at);
            // 8: the roll-out that was followed failed, which the scenario expects of the frames.
            assert!(step.get("error").is_some() || matches!(code, 0 | 8), "{at}: exit code {code}");
        } else {
            child.kill().expect("it runs until it is stopped");
            child.wait().expect("it ends");
        }
        let said: Vec<Value> = err.iter().filter_map(|line| serde_json::from_str(&line).ok()).collect();
        if let Some(expected) = step.get("error") {
            let error = said.iter().find(|said| said.get("error").is_some()).expect("an error");
            check_error(expected, &error["error"], &at);
        }
        if let Some(expected) = step.get("gaps") {
            let gaps: Vec<_> =
                said.iter().filter_map(|said| said.get("gap")).map(|gap| gap["reason"].clone()).collect();
            assert_eq!(expected, &json!(gaps), "{at}");
        }
    }

    /// The value with every `${name}` filled in; what nothing saved yet stays.
    fn filled(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => {
                let mut text = text.clone();
                for (name, value) in &self.saved {
                    let plain = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                    text = text.replace(&format!("${{{name}}}"), &plain);
                }
                Value::String(text)
            }
            Value::Array(values) => values.iter().map(|value| self.filled(value)).collect(),
            Value::Object(members) => {
                members.iter().map(|(name, value)| (name.clone(), self.filled(value))).collect()
            }
            other => other.clone(),
        }
    }
}

fn wait_for_frame(frames: &Receiver<String>, expected: &Value, at: &str) {
    let until = Instant::now() + PATIENCE;
    let mut last = String::new();
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let line = frames
            .recv_timeout(left)
            .unwrap_or_else(|_| panic!("{at}: nothing matches {expected}; last {last}"));
        let frame: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("{at}: {line}"));
        if mismatch(expected, &frame, at).is_none() {
            return;
        }
        last = line;
    }
}

fn wait_for_end(child: &mut Child, at: &str) -> i32 {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(status) = child.try_wait().expect("its end can be asked for") {
            return status.code().expect("no signal");
        }
        assert!(Instant::now() < until, "{at}: it does not end");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn error_of(err: &str) -> Value {
    let line = err.lines().find(|line| line.starts_with('{') && line.contains("\"error\""));
    let value: Value =
        serde_json::from_str(line.unwrap_or_else(|| panic!("no error: {err:?}"))).expect("JSON");
    value["error"].clone()
}

fn check_error(expected: &Value, found: &Value, at: &str) {
    for (name, expected) in expected.as_object().expect("an error") {
        if name == "pointers" {
            let mut pointers: Vec<_> = found["details"]["fields"]
                .as_array()
                .into_iter()
                .flatten()
                .map(|field| field["pointer"].as_str().expect("a pointer").to_owned())
                .collect();
            let mut wanted: Vec<String> = serde_json::from_value(expected.clone()).expect("pointers");
            pointers.sort();
            wanted.sort();
            assert_eq!(pointers, wanted, "{at}");
        } else {
            assert_eq!(mismatch(expected, &found[name], &format!("{at} {name}")), None, "{found}");
        }
    }
    if found["status"].as_u64().is_some_and(|status| status >= 400) {
        assert!(found["request_id"].is_string(), "{at}: {found}");
    }
}

fn answer_of(call: &str, ran: &Ran, at: &str) -> Value {
    // An invalid manifest, or a receiver that took no test, is a verdict and an exit code.
    let is_verdict = matches!((call, ran.code), ("validate_manifest", 3) | ("test_receiver", 1));
    assert!(ran.code == 0 || is_verdict, "{at}: {ran:?}");
    if matches!(call, "get_manifest" | "get_metrics") {
        return Value::String(ran.out.clone());
    }
    if call == "read_logs" {
        let line = |frame: &str| -> Value { serde_json::from_str(frame).expect("a line of JSON") };
        let lines =
            ran.out.lines().map(|frame| line(frame)["line"].as_str().expect("text").to_owned() + "\n");
        return Value::String(lines.collect());
    }
    let answer: Value = serde_json::from_str(&ran.out).unwrap_or_else(|_| panic!("{at}: {ran:?}"));
    match call {
        "iterate_tenants" => answer["tenants"].clone(),
        "iterate_alerts" => answer["alerts"].clone(),
        "iterate_audit_entries" => answer["entries"].clone(),
        "iterate_deployments" => answer["deployments"].clone(),
        _ => answer,
    }
}
