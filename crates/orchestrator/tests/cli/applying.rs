//! Tenants in files: applied, compared, edited, exported.

use crate::harness::{Server, finish};
use serde_json::Value;
use std::path::Path;

const TWO: &str = "\
tenant_id: git-a
name: A
service_requirements: {chatbot: 10}
---
tenant_id: git-b
name: B
service_requirements: {callbot: 5, chatbot: 5}
";

fn file(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    std::fs::write(&path, text).expect("written");
    path.to_str().expect("UTF-8").to_owned()
}

#[test]
fn what_files_say_is_created_changed_or_left_tenant_by_tenant() {
    let server = Server::start();
    let folder = tempfile::tempdir().expect("a folder");
    let path = file(folder.path(), "two.yaml", TWO);
    let dry = server.run(["apply", "-f", &path, "--dry-run"]).done();
    assert!(
        dry.contains("tenant git-a created (dry run)") && dry.contains("+ /service_requirements/chatbot: 10"),
        "{dry}"
    );
    assert_eq!(server.run(["tenants", "get", "git-a"]).code, 4, "nothing was created");
    let first = server.run(["apply", "-f", &path, "--wait"]).done();
    assert!(first.contains("tenant git-a created (dep-") && first.contains("git-b: running"), "{first}");
    let again = server.run(["apply", "-f", &path]).done();
    assert_eq!(again, "tenant git-a unchanged\ntenant git-b unchanged\n");
    // A folder, standard input and JSON do as well; a service that is no longer named goes.
    file(folder.path(), "two.yaml", &TWO.replace("callbot: 5, ", ""));
    let changed = server.run(["apply", "-f", folder.path().to_str().expect("UTF-8"), "-o", "json"]).done();
    let changed: Value = serde_json::from_str(&changed).expect("JSON");
    assert_eq!(changed["tenants"][0]["effect"], "unchanged");
    assert_eq!(changed["tenants"][1]["effect"], "updated");
    let left = server.run(["tenants", "get", "git-b", "-o", "jsonpath={.service_requirements}"]).done();
    assert_eq!(left, "{\"chatbot\":5}\n");
    let json =
        r#"{"tenants": [{"tenant_id": "git-c", "name": "C", "service_requirements": {"chatbot": 1}}]}"#;
    let created = finish(server.command().args(["apply", "-f", "-"]), json).done();
    assert!(created.starts_with("tenant git-c created"), "{created}");
}

#[test]
fn only_prune_deletes_what_files_do_not_describe() {
    let server = Server::start();
    let folder = tempfile::tempdir().expect("a folder");
    let exported = server.run(["export"]).done();
    let path = file(folder.path(), "all.yaml", &exported);
    finish(server.command().args(["apply", "-f", "-", "--wait"]), TWO).done();
    server.run(["apply", "-f", &path]).done();
    server.run(["tenants", "get", "git-a"]).done();
    let dry = server.run(["apply", "-f", &path, "--prune", "--dry-run"]).done();
    assert!(dry.contains("tenant git-a deleted (dry run)"), "{dry}");
    server.run(["tenants", "get", "git-a"]).done();
    let pruned = server.run(["apply", "-f", &path, "--prune", "--wait"]).done();
    assert!(pruned.contains("tenant git-b deleted (del-"), "{pruned}");
    assert_eq!(server.run(["tenants", "get", "git-b"]).code, 4);
    server.run(["tenants", "get", "global-call-center"]).done();
}

#[test]
fn a_file_that_is_wrong_is_refused_whole_and_a_tenant_that_is_refused_stops_no_other() {
    let server = Server::start();
    let apply = |text: &str| finish(server.command().args(["apply", "-f", "-"]), text);
    let wrong = apply("tenant_id: x\n---\nname: nobody\n---\n[1]\n---\ntenant_id: x\n");
    assert_eq!(wrong.code, 2);
    for part in ["document 2: names no tenant_id", "document 3: must be", "document 4: tenant \"x\""] {
        assert!(wrong.err.contains(part), "{part}: {}", wrong.err);
    }
    let refused = apply(&format!("tenant_id: bad\nname: B\nservice_requirements: {{chat: 1}}\n---\n{TWO}"));
    assert_eq!(refused.code, 3, "{refused:?}");
    assert!(refused.err.contains("bad (<stdin>, document 1)"), "{refused:?}");
    assert!(refused.out.contains("git-a created") && refused.out.contains("git-b created"), "{refused:?}");
    let strict = finish(
        server.command().args(["apply", "-f", "-", "--strict"]),
        "tenant_id: typo\nname: T\nservice_requirements: {chatbot: 1}\nslaa: {}\n",
    );
    assert_eq!(strict.code, 3, "{strict:?}");
    assert_eq!(server.run(["tenants", "get", "typo"]).code, 4);
}

#[test]
fn a_difference_shows_both_values_and_ends_with_1() {
    let server = Server::start();
    let diff = |text: &str| finish(server.command().args(["diff", "-f", "-"]), text);
    let new = diff(TWO);
    assert_eq!(new.code, 1, "{new:?}");
    assert!(new.out.contains("tenant git-a (<stdin>, document 1): new"), "{}", new.out);
    finish(server.command().args(["apply", "-f", "-", "--wait"]), TWO).done();
    let same = diff(TWO);
    assert_eq!((same.code, same.out.as_str(), same.err.as_str()), (0, "", ""), "{same:?}");
    let more = diff(&TWO.replace("callbot: 5", "callbot: 50"));
    assert_eq!(more.code, 1, "{more:?}");
    for part in [
        "- /service_requirements/callbot: 5\n",
        "+ /service_requirements/callbot: 50\n",
        "update Deployment/callbot",
        "cost: $",
    ] {
        assert!(more.out.contains(part), "{part}: {}", more.out);
    }
    assert!(!more.out.contains("git-a"), "{}", more.out);
    let trouble = diff("tenant_id: git-a\nservice_requirements: {chat: 1}\n");
    assert!(trouble.code > 1, "{trouble:?}");
    let nowhere = finish(server.command().args(["diff", "-f", "/nonexistent.yaml"]), "");
    assert!(nowhere.code > 1, "{nowhere:?}");
}

#[test]
fn what_an_editor_leaves_is_applied_and_never_lost() {
    let server = Server::start();
    server.run(["tenants", "create", "by-editor", "--name", "a", "-s", "chatbot=1", "--wait"]).done();
    let edit = |editor: &str| {
        finish(server.command().env("EDITOR", editor).env_remove("VISUAL").args(["edit", "by-editor"]), "")
    };
    assert!(edit("true").done().contains("nothing was changed"));
    let edited = edit("sed -i 's/chatbot: 1$/chatbot: 7/'").done();
    assert!(
        edited.contains("- /service_requirements/chatbot: 1") && edited.contains("by-editor updated"),
        "{edited}"
    );
    let units =
        server.run(["tenants", "get", "by-editor", "-o", "jsonpath=.service_requirements.chatbot"]).done();
    assert_eq!(units, "7\n");
    let wrong = edit("sed -i 's/chatbot: 7$/chatbot: many/'");
    assert_eq!(wrong.code, 3, "{wrong:?}");
    let kept = wrong.err.split_whitespace().find(|word| word.contains("ecp-edit-")).expect("a path");
    let kept = kept.trim_end_matches(';');
    assert!(std::fs::read_to_string(kept).expect("kept").contains("chatbot: many"));
    std::fs::remove_file(kept).expect("removed");
    assert_eq!(edit("false").code, 2);
}

#[test]
fn what_is_exported_can_be_applied_without_a_difference() {
    let server = Server::start();
    let folder = tempfile::tempdir().expect("a folder");
    finish(server.command().args(["apply", "-f", "-", "--wait"]), TWO).done();
    server.run(["export", "--dir", folder.path().to_str().expect("UTF-8")]).done();
    let one = std::fs::read_to_string(folder.path().join("git-b.yaml")).expect("a file");
    assert!(one.contains("callbot: 5") && one.contains("preset_chosen_by: calculator"), "{one}");
    assert!(!one.contains("status") && !one.contains("generation"), "{one}");
    let same = server.run(["diff", "--strict", "-f", folder.path().to_str().expect("UTF-8")]);
    assert_eq!((same.code, same.out.as_str(), same.err.as_str()), (0, "", ""), "{same:?}");
}
