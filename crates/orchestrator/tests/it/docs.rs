//! The API's page: each example, executed as the page would, on a server as it is when a demo begins.

use ecp_testkit::{Client, Reply, TestServer};
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// A server with the tenants that a demo begins with.
async fn fresh() -> TestServer {
    TestServer::builder().configure(|config| config.demo.seed = true).start().await
}

async fn document(server: &TestServer) -> Value {
    server.client().get("/openapi.json").await.expect(200).json()
}

/// The operations in the order of the page: by tag, then as they stand in the document.
fn operations(document: &Value) -> Vec<(String, String, &Value)> {
    let mut found = Vec::new();
    for tag in document["tags"].as_array().expect("tags") {
        for (path, item) in document["paths"].as_object().expect("paths") {
            for (method, operation) in item.as_object().expect("methods") {
                if operation["tags"][0] == tag["name"] {
                    found.push((method.to_uppercase(), path.clone(), operation));
                }
            }
        }
    }
    found
}

/// What the page puts into the field of a parameter.
fn filled_in(parameter: &Value) -> Option<String> {
    let schema = &parameter["schema"];
    let value = [&parameter["example"], &schema["example"], &schema["default"]]
        .into_iter()
        .find(|value| !value.is_null())
        .or_else(|| (parameter["required"] == true).then(|| &schema["enum"][0]))?;
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

/// What the page puts into the field of a body: the example of the schema, or one made of its properties'.
fn sample(document: &Value, schema: &Value) -> Value {
    if let Some(reference) = schema["$ref"].as_str() {
        return sample(document, document.pointer(reference.trim_start_matches('#')).expect("a schema"));
    }
    if !schema["example"].is_null() {
        return schema["example"].clone();
    }
    let Some(properties) = schema["properties"].as_object() else { return Value::Null };
    properties.iter().map(|(name, schema)| (name.clone(), sample(document, schema))).collect()
}

/// `copied` is what was answered so far that a person copies into a path.
async fn execute(
    client: &Client,
    document: &Value,
    method: &str,
    path: &str,
    operation: &Value,
    copied: &Value,
) -> Reply {
    let mut address = path.to_owned();
    let mut query = Vec::new();
    let mut headers = Vec::new();
    for parameter in operation["parameters"].as_array().into_iter().flatten() {
        let name = parameter["name"].as_str().expect("a name");
        let answered = || copied[name].as_str().filter(|_| parameter["in"] == "path").map(str::to_owned);
        let Some(value) = filled_in(parameter).or_else(answered) else {
            assert_ne!(parameter["required"], true, "{method} {path}: the page leaves {name} empty");
            continue;
        };
        match parameter["in"].as_str() {
            Some("path") => address = address.replace(&format!("{{{name}}}"), &value),
            Some("query") => query.push((name, value)),
            _ => headers.push((name, value)),
        }
    }
    let method: Method = method.parse().expect("a method");
    let mut request = client.bare(method, &address).query(&query);
    for (name, value) in headers {
        request = request.header(name, value);
    }
    let body = &operation["requestBody"]["content"]["application/json"];
    if !body.is_null() {
        let value = if body["example"].is_null() {
            sample(document, &body["schema"])
        } else {
            body["example"].clone()
        };
        request = request.json(&value);
    }
    client.send(request).await
}

#[tokio::test]
async fn every_example_of_the_page_succeeds_in_order_on_a_fresh_demo() {
    let server = fresh().await;
    let document = document(&server).await;
    let mut executed = 0;
    let mut copied = json!({});
    for (method, path, operation) in operations(&document) {
        if path.starts_with("/ws/") {
            continue;
        }
        let reply = execute(server.client(), &document, &method, &path, operation, &copied).await;
        assert!(reply.status.is_success(), "{method} {path}: {} {}", reply.status, reply.text);
        assert_eq!(reply.header("warning"), "", "{method} {path}");
        if reply.status == 201 {
            for (name, value) in reply.json().as_object().into_iter().flatten() {
                copied[name] = value.clone();
            }
        }
        executed += 1;
    }
    assert!(executed >= 25, "{executed}");
}

#[tokio::test]
async fn no_example_fixes_what_must_be_new_or_read_first() {
    let document = document(&TestServer::start().await).await;
    for (method, path, operation) in operations(&document) {
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            let name = parameter["name"].as_str().expect("a name");
            if matches!(
                name,
                "Idempotency-Key" | "If-Match" | "deployment_id" | "since" | "until" | "X-Request-ID"
            ) {
                assert_eq!(filled_in(parameter), None, "{method} {path} {name}");
            }
        }
    }
}

#[tokio::test]
async fn each_stream_is_shown_with_what_opens_it() {
    let server = fresh().await;
    let document = document(&server).await;
    let deployments =
        server.client().get("/api/v1/tenants/global-call-center/deployments").await.expect(200).json();
    let deployment = deployments["deployments"][0]["deployment_id"].as_str().expect("an id");
    let mut opened = 0;
    for (_, path, operation) in operations(&document) {
        if !path.starts_with("/ws/") {
            continue;
        }
        let text = operation["description"].as_str().expect("a description");
        if !path.contains("{deployment_id}") {
            let reply = execute(server.client(), &document, "GET", &path, operation, &Value::Null).await;
            assert_eq!(reply.status.as_u16(), 426, "{path}: {}", reply.text);
            assert!(text.contains("is answered 426"), "{path}: {text}");
        }
        // The address of the command, and that of the script, without what is before it.
        let command = text.split("'ws://localhost:8001").nth(1).and_then(|rest| rest.split('\'').next());
        let script = text.split("URL('..").nth(1).and_then(|rest| rest.split('\'').next());
        assert_eq!(command, script, "{path}");
        let address = command.expect("an address").replace("{deployment_id}", deployment);
        let mut socket =
            server.try_socket(&address, &[]).await.unwrap_or_else(|refused| panic!("{path}: {refused:?}"));
        if let Some(frame) = text.split("socket.send('").nth(1).and_then(|rest| rest.split('\'').next()) {
            socket.send_text(frame).await;
            server
                .client()
                .post("/api/v1/tenants/global-call-center/monitoring", &json!({"metrics": {"cpu": 1}}))
                .await
                .expect(201);
            assert_eq!(socket.frame().await["tenant_id"], "global-call-center");
        }
        opened += 1;
    }
    assert!(opened >= 3, "{opened}");
}

#[tokio::test]
async fn each_error_of_an_operation_has_an_example_of_its_own() {
    let document = document(&TestServer::start().await).await;
    let mut lists = BTreeSet::new();
    for (method, path, operation) in operations(&document) {
        let mut named = Vec::new();
        for (status, response) in operation["responses"].as_object().expect("responses") {
            let content = &response["content"]["application/json"];
            if content["schema"]["$ref"] != "#/components/schemas/ErrorOut" {
                continue;
            }
            let described = response["description"].as_str().expect("a description");
            let examples = content["examples"].as_object();
            let examples = examples.unwrap_or_else(|| panic!("{method} {path} {status}: no example"));
            for (code, example) in examples {
                let error = &example["value"]["error"];
                assert_eq!(error["code"], code.as_str(), "{method} {path} {status}");
                assert!(described.contains(code.as_str()), "{method} {path} {status} {code}");
                let message = error["message"].as_str().expect("a message");
                assert!(!message.contains(['{', '}']), "{method} {path} {status} {code}: {message}");
                named.push(format!("{status} {code}"));
            }
        }
        // Below /api/, nobody is refused for what the operation does not take.
        let has = |name: &str| named.iter().any(|error| error == name);
        if path.starts_with("/api/") {
            assert_eq!(has("413 INVALID_REQUEST"), !operation["requestBody"].is_null(), "{method} {path}");
            assert!(has("404 TENANT_NOT_FOUND") || !path.contains("{tenant_id}"), "{method} {path}");
            lists.insert(named);
        }
    }
    assert!(lists.len() >= 12, "operations differ in their errors: {}", lists.len());
}

/// What a page and its translation must share.
#[derive(Debug, PartialEq)]
enum Part {
    /// The level of a heading.
    Heading(usize),
    /// Cells of a row, and what its first cell says in code.
    Row { cells: usize, code: Vec<String> },
    /// A block of code, to the letter.
    Code(String),
}

/// The skeleton of a page, each part with its line.
fn skeleton(text: &str) -> Vec<(usize, Part)> {
    let mut parts = Vec::new();
    let mut block: Option<(usize, String)> = None;
    for (index, line) in text.lines().enumerate() {
        let number = index + 1;
        if line.starts_with("```") {
            match block.take() {
                Some((begun, code)) => parts.push((begun, Part::Code(code))),
                None => block = Some((number, format!("{line}\n"))),
            }
        } else if let Some((_, code)) = &mut block {
            code.push_str(line);
            code.push('\n');
        } else if line.starts_with('#') {
            parts.push((number, Part::Heading(line.chars().take_while(|letter| *letter == '#').count())));
        } else if line.starts_with("| ") && !line.starts_with("| ---") {
            let row = line.replace("\\|", "/");
            let cells: Vec<&str> = row.trim_matches('|').split('|').collect();
            let code = cells[0].split('`').skip(1).step_by(2).map(str::to_owned).collect();
            parts.push((number, Part::Row { cells: cells.len(), code }));
        }
    }
    parts
}

#[test]
fn each_korean_page_has_the_headings_tables_and_code_of_the_english_one() {
    let docs = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    let mut compared = 0;
    for entry in std::fs::read_dir(docs.join("ko")).expect("docs/ko") {
        let korean = entry.expect("an entry").path();
        let name = korean.file_name().expect("a name").to_owned();
        let read = |path: &std::path::Path| std::fs::read_to_string(path).expect("a page");
        let (ours, theirs) = (skeleton(&read(&korean)), skeleton(&read(&docs.join(&name))));
        for ((line, part), (original, wanted)) in ours.iter().zip(&theirs) {
            assert_eq!(
                part,
                wanted,
                "docs/ko/{0}:{line} is not what docs/{0}:{original} has: bring the Korean page into step",
                name.display()
            );
        }
        assert_eq!(ours.len(), theirs.len(), "docs/ko/{0} and docs/{0} differ in their end", name.display());
        compared += 1;
    }
    assert!(compared >= 5, "API, CLI, OPERATIONS, SIZING and VALIDATION have Korean pages, found {compared}");
}

#[test]
fn each_path_of_the_document_is_on_the_pages_of_calls() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let read = |path: &str| std::fs::read_to_string(root.join(path)).expect("a page");
    let document: Value = serde_json::from_str(&read("openapi.json")).expect("JSON");
    let ids = ["{tenant_id}", "{silence_id}", "{receiver_id}"];
    for page in ["docs/API.md", "docs/ko/API.md"] {
        let text = read(page);
        for path in document["paths"].as_object().expect("paths").keys() {
            let short = ids.iter().fold(path.clone(), |path, id| path.replace(id, "{id}"));
            let is_there = [path, &short]
                .iter()
                .any(|path| text.contains(&format!("{path}`")) || text.contains(&format!("{path}?")));
            assert!(is_there, "{page} has no {path}");
        }
    }
}
