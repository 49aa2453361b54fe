//! What a dry run says would change, value by value, as `ecp diff`, `ecp edit` and `--dry-run` show it.

use super::language::{say_text, word};
use super::output::{entries, pairs_of, text_of};
use super::table::status_style;
use super::tenants::warnings;
use anstyle::{AnsiColor, Style};
use serde_json::Value;

/// True where something of a tenant, or of its objects, would change.
pub(super) fn is_difference(preview: &Value) -> bool {
    !entries(preview, "changes").is_empty()
        || entries(preview, "objects").iter().any(|object| object["action"] != "unchanged")
}

/// Values before and after: of the tenant, then of its objects; quota, cost, and what stands against it.
pub(super) fn text(preview: &Value) -> String {
    let mut lines = Vec::new();
    for change in entries(preview, "changes") {
        let field = text_of(&change["field"]);
        each_value(&field, &change["before"], &change["after"], &mut lines);
    }
    for object in entries(preview, "objects") {
        let action = text_of(&object["action"]);
        if action == "unchanged" {
            continue;
        }
        let style = status_style(&action);
        lines.push(format!(
            "{style}{action}{style:#} {}/{}",
            text_of(&object["kind"]),
            text_of(&object["name"])
        ));
        let values = entries(object, "values");
        for change in values {
            each_value(&text_of(&change["field"]), &change["before"], &change["after"], &mut lines);
        }
        let told = |field: &Value| values.iter().any(|change| change["field"] == *field);
        for field in entries(object, "fields").iter().filter(|field| !told(field)) {
            lines.push(format!("  {}", say_text!("cli.change_secret", field = text_of(field))));
        }
    }
    let (quota, cost) = (pairs_of(&preview["quota"]["difference"]), &preview["cost"]);
    lines.push(format!("{}: {quota}", word("quota")));
    lines.push(format!("{}: {} -> {}", word("cost"), text_of(&cost["before"]), text_of(&cost["after"])));
    let style = status_style("error");
    for refusal in entries(preview, "refusals") {
        lines.push(format!(
            "{style}{}{style:#}: {}/{}: {}",
            word("refused"),
            text_of(&refusal["kind"]),
            text_of(&refusal["name"]),
            text_of(&refusal["reason"])
        ));
    }
    lines.join("\n") + &warnings(preview)
}

/// `- field: before` and `+ field: after`; objects member by member.
fn each_value(field: &str, before: &Value, after: &Value, lines: &mut Vec<String>) {
    let members = match (before, after) {
        (Value::Object(old), Value::Object(new)) => Some((old.clone(), new.clone())),
        (Value::Null, Value::Object(new)) => Some((Default::default(), new.clone())),
        (Value::Object(old), Value::Null) => Some((old.clone(), Default::default())),
        _ => None,
    };
    if let Some((old, new)) = members {
        for name in old.keys().chain(new.keys().filter(|name| !old.contains_key(*name))) {
            let part =
                |members: &serde_json::Map<String, Value>| members.get(name).cloned().unwrap_or_default();
            each_value(&format!("{field}/{name}"), &part(&old), &part(&new), lines);
        }
        return;
    }
    for (sign, value, color) in [("-", before, AnsiColor::Red), ("+", after, AnsiColor::Green)] {
        if !value.is_null() {
            let style = Style::new().fg_color(Some(color.into()));
            lines.push(format!("{style}{sign} {field}: {}{style:#}", text_of(value)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn old_and_new_values_stand_under_each_other() {
        let preview = json!({
            "changes": [{"field": "/service_requirements/callbot", "before": 20, "after": 40},
                        {"field": "/sizing", "before": null, "after": {"headroom": "20%"}}],
            "objects": [
                {"kind": "Deployment", "name": "callbot", "action": "update", "fields": ["/spec/replicas"],
                 "values": [{"field": "/spec/replicas", "before": 1, "after": 2}]},
                {"kind": "Secret", "name": "keys", "action": "update", "fields": ["/data/a"], "values": []},
                {"kind": "Service", "name": "same", "action": "unchanged", "fields": []}],
            "quota": {"difference": {"gpu": 1}}, "cost": {"before": "$1/month", "after": "$2/month"},
        });
        let plain = anstream::adapter::strip_str(&text(&preview)).to_string();
        assert_eq!(
            plain,
            "- /service_requirements/callbot: 20\n+ /service_requirements/callbot: 40\n\
             + /sizing/headroom: 20%\n\
             update Deployment/callbot\n- /spec/replicas: 1\n+ /spec/replicas: 2\n\
             update Secret/keys\n  /data/a: changes, and is secret\n\
             quota: gpu=1\ncost: $1/month -> $2/month"
        );
        assert!(is_difference(&preview));
        assert!(!is_difference(&json!({"changes": [], "objects": [{"action": "unchanged"}]})));
    }
}
