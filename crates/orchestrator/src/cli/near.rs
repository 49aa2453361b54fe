//! Ids that are nearly what was typed, for people; a program gets its answer without another call.

use super::Client;
use super::connection::Call;
use super::failure::Failure;
use super::output::{entries, text_of};

/// How alike two ids have to be, from 0 to 1.
const ALIKE: f64 = 0.75;

/// Names the tenant whose id is nearest to one that was not found, where one is near.
pub(super) async fn suggest(client: &Client, mut failure: Failure) -> Failure {
    if let Failure::Call(call) = &mut failure
        && call.code == "TENANT_NOT_FOUND"
        && let Some(typed) = call.details["tenant_id"].as_str()
        && client.output.speaks_plainly()
        && let Ok(connection) = client.options.connect()
    {
        let list = Call::get("/api/v1/tenants/").query("limit", Some(1000));
        // What can not be suggested is not missed.
        let list = connection.once_json(&list).await.unwrap_or_default();
        let ids: Vec<String> =
            entries(&list, "tenants").iter().map(|tenant| text_of(&tenant["tenant_id"])).collect();
        let suggestion = nearest(typed, &ids).map(str::to_owned);
        call.missing.iter_mut().for_each(|missing| missing.suggestion = suggestion.clone());
    }
    failure
}

fn nearest<'a>(typed: &str, ids: &'a [String]) -> Option<&'a str> {
    let typed = typed.to_lowercase();
    let likeness = |id: &str| {
        // Part of an id is what people remember of it.
        let is_part = typed.len() >= 3 && id.contains(&typed);
        if is_part { 0.9 } else { strsim::normalized_damerau_levenshtein(&typed, id) }
    };
    let rated = ids.iter().map(|id| (id.as_str(), likeness(id)));
    let near = rated.filter(|(_, likeness)| *likeness >= ALIKE);
    near.max_by(|(_, one), (_, other)| one.total_cmp(other)).map(|(id, _)| id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_near_is_suggested() {
        let ids = ["hanbit-card", "global-call-center"].map(str::to_owned);
        assert_eq!(nearest("hanbit-crad", &ids), Some("hanbit-card"));
        assert_eq!(nearest("Hanbit-Card", &ids), Some("hanbit-card"));
        assert_eq!(nearest("hanbit", &ids), Some("hanbit-card"));
        assert_eq!(nearest("global-callcenter", &ids), Some("global-call-center"));
        assert_eq!(nearest("acme", &ids), None);
    }
}
