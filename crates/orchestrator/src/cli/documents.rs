//! Tenants as files describe them: many documents of YAML or JSON, from files, folders and standard input.
//!
//! And the reverse: what a file has to say of a tenant so that it becomes the same again.

use super::failure::Failure;
use super::input::yaml_fault;
use super::inputs;
use super::language::say_text;
use super::output::text_of;
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// A tenant as a file describes it.
pub(super) struct Document {
    /// File, and which of its documents.
    pub(super) origin: String,
    /// Its id.
    pub(super) tenant_id: String,
    /// What is to be so.
    pub(super) body: Map<String, Value>,
}

/// Every tenant of these files, in their order. What is wrong with any of them is said at once.
pub(super) fn read(paths: &[PathBuf]) -> Result<Vec<Document>, Failure> {
    let paths: Vec<&Path> = paths.iter().map(PathBuf::as_path).collect();
    let mut documents = Vec::new();
    let mut faults = Vec::new();
    for input in inputs::find(&paths)? {
        match input.text() {
            Ok(text) => read_text(&input.name, &text, &mut documents, &mut faults),
            Err(fault) => faults.push(fault),
        }
    }
    let mut origins: HashMap<&str, &str> = HashMap::new();
    for document in &documents {
        if let Some(first) = origins.insert(&document.tenant_id, &document.origin) {
            let (id, second) = (&document.tenant_id, &document.origin);
            faults.push(say_text!(
                "cli.described_twice",
                second = second,
                tenant_id = format!("{id:?}"),
                first = first
            ));
        }
    }
    if !faults.is_empty() {
        return Err(Failure::Input(faults.join("\n")));
    }
    if documents.is_empty() {
        return Err(Failure::Input(say_text!("cli.no_documents")));
    }
    Ok(documents)
}

fn read_text(name: &str, text: &str, documents: &mut Vec<Document>, faults: &mut Vec<String>) {
    let values: Vec<Value> = match serde_saphyr::from_multiple(text) {
        Ok(values) => values,
        Err(error) => return faults.push(say_text!("cli.not_yaml", name = name, error = yaml_fault(&error))),
    };
    let several = values.len() > 1;
    for (number, value) in values.into_iter().enumerate() {
        let origin = if several {
            say_text!("cli.document_of", name = name, number = number + 1)
        } else {
            name.to_owned()
        };
        match value {
            Value::Null => {}
            // As lists are printed.
            Value::Object(mut list) if list.get("tenants").is_some_and(Value::is_array) => {
                let Some(Value::Array(tenants)) = list.remove("tenants") else { continue };
                tenants.into_iter().for_each(|tenant| push(origin.clone(), tenant, documents, faults));
            }
            other => push(origin, other, documents, faults),
        }
    }
}

fn push(origin: String, value: Value, documents: &mut Vec<Document>, faults: &mut Vec<String>) {
    let Value::Object(body) = value else {
        return faults.push(say_text!("cli.not_a_tenant", origin = origin));
    };
    match body.get("tenant_id") {
        Some(Value::String(id)) => documents.push(Document { tenant_id: id.clone(), origin, body }),
        None | Some(Value::Null) => faults.push(say_text!("cli.no_tenant_id", origin = origin)),
        Some(_) => faults.push(say_text!("cli.tenant_id_is_no_text", origin = origin)),
    }
}

impl Document {
    /// The body of a change that makes a tenant what the document says: services that it does not name go.
    pub(super) fn change_of(&self, tenant: &Value) -> Map<String, Value> {
        let mut body = self.body.clone();
        body.remove("tenant_id");
        if let Some(Value::Object(wanted)) = body.get_mut("service_requirements") {
            for (service, _) in tenant["service_requirements"].as_object().into_iter().flatten() {
                wanted.entry(service.clone()).or_insert_with(|| json!(0));
            }
        }
        body
    }
}

/// What a file has to say of a tenant: what was asked for, and nothing that follows from it.
pub(super) fn described(tenant: &Value) -> Value {
    let mut body = Map::new();
    for name in ["tenant_id", "name", "description"] {
        body.extend(kept(tenant, name));
    }
    for (name, chosen_by) in [("preset", "preset_chosen_by"), ("exposure", "exposure_chosen_by")] {
        let name = if text_of(&tenant[chosen_by]) == "request" { name } else { chosen_by };
        body.extend(kept(tenant, name));
    }
    for name in ["service_requirements", "sla_target", "sizing", "management", "demo_fault"] {
        body.extend(kept(tenant, name));
    }
    Value::Object(body)
}

fn kept(tenant: &Value, name: &str) -> Option<(String, Value)> {
    let value = &tenant[name];
    (!value.is_null()).then(|| (name.to_owned(), value.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_all(text: &str) -> (Vec<Document>, Vec<String>) {
        let (mut documents, mut faults) = (Vec::new(), Vec::new());
        read_text("file", text, &mut documents, &mut faults);
        (documents, faults)
    }

    #[test]
    fn a_file_holds_documents_lists_and_nothing_in_between() {
        let (documents, faults) =
            read_all("---\ntenant_id: a\n---\n---\ntenants: [{tenant_id: b}, {tenant_id: c}]\n");
        let ids: Vec<_> = documents.iter().map(|document| document.tenant_id.as_str()).collect();
        assert_eq!((ids, faults), (vec!["a", "b", "c"], vec![]));
    }

    #[test]
    fn every_document_that_is_no_tenant_is_named() {
        let (documents, faults) = read_all("tenant_id: a\n---\n[1]\n---\nname: b\n");
        assert_eq!(documents.len(), 1);
        assert!(faults[0].starts_with("file, document 2: must be an object"), "{faults:?}");
        assert!(faults[1].starts_with("file, document 3: names no tenant_id"), "{faults:?}");
        for text in ["tenant_id: 123", "tenant_id: no", "tenant_id: [a]"] {
            let (documents, faults) = read_all(text);
            assert!(documents.is_empty() && faults[0].contains("quotes"), "{text}: {faults:?}");
        }
        let (_, faults) = read_all("tenant_id: a\ntenant_id: b\n");
        assert!(faults[0].contains("duplicate") && !faults[0].contains("Options"), "{faults:?}");
    }

    #[test]
    fn a_service_that_the_file_no_longer_names_goes() {
        let (documents, _) = read_all("tenant_id: a\nservice_requirements: {callbot: 5}\n");
        let tenant = json!({"service_requirements": {"callbot": 1, "chatbot": 2}});
        let change = Value::Object(documents[0].change_of(&tenant));
        assert_eq!(change, json!({"service_requirements": {"callbot": 5, "chatbot": 0}}));
    }

    #[test]
    fn what_was_chosen_by_others_is_described_as_that() {
        let tenant = json!({"tenant_id": "a", "preset": "micro", "preset_chosen_by": "calculator",
            "exposure": "ingress", "exposure_chosen_by": "request", "status": "running", "description": null});
        let expected = json!({"tenant_id": "a", "preset_chosen_by": "calculator", "exposure": "ingress"});
        assert_eq!(described(&tenant), expected);
    }
}
