#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use super::*;
use crate::ControlPlane;
use std::time::Duration;

const NAMESPACES: &str = "/api/v1/namespaces";
const WATCH: &str = "/api/v1/namespaces?watch=true&timeoutSeconds=20";

fn proxy() -> FaultProxy {
    FaultProxy::start(ControlPlane::shared().kubeconfig())
}

async fn get(proxy: &FaultProxy, path: &str) -> reqwest::Result<reqwest::Response> {
    crate::http_client().get(format!("{}{path}", proxy.url())).send().await
}

async fn code(proxy: &FaultProxy) -> u16 {
    get(proxy, NAMESPACES).await.unwrap().status().as_u16()
}

#[tokio::test]
async fn requests_pass_and_are_counted() {
    let proxy = proxy();
    let answer = get(&proxy, NAMESPACES).await.unwrap();
    let list: serde_json::Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
    assert_eq!(list["kind"], "NamespaceList");
    assert_eq!(proxy.count(&Scope::reads().path("/namespaces")), 1);
    assert_eq!(proxy.count(&Scope::writes()), 0);
    assert_eq!(proxy.counts(), [("GET /api/v1/namespaces".to_owned(), 1)]);
}

#[tokio::test]
async fn a_client_of_its_kubeconfig_writes_through_it() {
    let proxy = proxy();
    let kubeconfig = proxy.kubeconfig();
    let kubeconfig = kubeconfig.to_str().unwrap();
    ControlPlane::shared().kubectl(&["--kubeconfig", kubeconfig, "create", "namespace", "through-the-proxy"]);
    ControlPlane::shared().kubectl(&["get", "namespace", "through-the-proxy"]);
    assert_eq!(proxy.count(&Scope::writes().verb("POST").path(NAMESPACES)), 1);
}

#[tokio::test]
async fn a_fault_is_met_as_often_as_asked() {
    let proxy = proxy();
    proxy.inject_times(Scope::all(), Fault::Status(409), 2);
    proxy.inject_times(Scope::writes(), Fault::Status(500), 1);
    let mut codes = Vec::new();
    for _ in 0..3 {
        codes.push(code(&proxy).await);
    }
    assert_eq!(codes, [409, 409, 200]);

    proxy.inject(Scope::reads(), Fault::TooManyRequests { retry_after_seconds: 7 });
    let answer = get(&proxy, NAMESPACES).await.unwrap();
    assert_eq!((answer.status().as_u16(), &answer.headers()["retry-after"]), (429, &HeaderValue::from(7)));
    proxy.clear();
    assert_eq!(code(&proxy).await, 200);
}

#[tokio::test]
async fn watches_end_break_off_or_are_told_that_they_are_too_old() {
    let proxy = proxy();
    proxy.inject_times(Scope::watches(), Fault::Gone, 1);
    let gone = get(&proxy, WATCH).await.unwrap().text().await.unwrap();
    assert!(gone.contains(r#""type":"ERROR""#) && gone.contains("410"), "{gone}");

    proxy.inject_times(Scope::watches(), Fault::EndAfter(Duration::from_millis(300)), 1);
    let ended = get(&proxy, WATCH).await.unwrap().text().await.unwrap();
    assert!(ended.contains(r#""type":"ADDED""#), "{ended}");

    proxy.inject_times(Scope::watches(), Fault::CutAfter(Duration::from_millis(300)), 1);
    assert!(get(&proxy, WATCH).await.unwrap().bytes().await.is_err());
    assert_eq!(proxy.count(&Scope::watches()), 3);
}

#[tokio::test]
async fn connections_can_be_cut_and_refused() {
    let proxy = proxy();
    let watch = get(&proxy, WATCH).await.unwrap();
    proxy.cut();
    assert!(watch.bytes().await.is_err());
    proxy.refuse();
    // The port closes a moment after the order.
    while get(&proxy, NAMESPACES).await.is_ok() {}
    proxy.clear();
    while get(&proxy, NAMESPACES).await.is_err() {}
}

#[tokio::test]
async fn silence_holds_answers_back_until_it_ends() {
    let proxy = proxy();
    proxy.silence();
    let mut request = std::pin::pin!(code(&proxy));
    let early = tokio::time::timeout(Duration::from_millis(300), &mut request).await;
    assert!(early.is_err(), "answered {early:?} in spite of the silence");
    proxy.clear();
    assert_eq!(request.await, 200);
}
