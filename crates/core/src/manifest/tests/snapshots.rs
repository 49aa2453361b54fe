//! Whole manifests, for people to review.

use super::*;

#[test]
fn the_contracts_tenant_with_all_options() {
    insta::assert_snapshot!(rendered(&my_ai_service(), &everything()).to_yaml());
}

#[test]
fn a_chatbot_alone_without_monitoring() {
    let options = RenderOptions { include_monitoring: false, ..RenderOptions::default() };
    insta::assert_snapshot!(rendered(&chatbot_only(), &options).to_yaml());
}
