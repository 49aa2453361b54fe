//! `ecp validate`: what is wrong with a manifest, found here.

use super::Client;
use super::connection::Call;
use super::failure::Failure;
use super::input::read_text;
use super::output::{entries, pairs_of, text_of};
use super::size::catalog;
use super::table::{Cell, Table, status_style};
use clap::Args;
use ecp_api::offline;
use ecp_core::ids::TenantId;
use ecp_validate::Options;
use serde_json::{Value, json};
use std::path::PathBuf;

/// A manifest.
#[derive(Args)]
pub(super) struct Validate {
    /// File with the manifest; - reads standard input.
    #[arg(short, long)]
    file: PathBuf,
    /// Tenant whose namespace the objects must be in.
    #[arg(long)]
    tenant: Option<String>,
    /// Takes warnings for errors.
    #[arg(long)]
    strict: bool,
    /// Asks the server, which compares with its cluster, too.
    #[arg(long)]
    remote: bool,
}

impl Validate {
    pub(super) async fn run(self, client: &Client) -> Result<(), Failure> {
        let content = read_text(&self.file)?;
        let verdict = if self.remote {
            let mut body = json!({"manifest_content": content});
            if let Some(tenant) = &self.tenant {
                body["tenant_id"] = json!(tenant);
            }
            let call = Call::post("/api/v1/tenants/validate-manifest", body).repeatable(true);
            client.options.connect()?.json(&call).await?
        } else {
            self.verdict(client, &content)?
        };
        client.output.value(&verdict, table)?;
        let warned = self.strict && !entries(&verdict, "warnings").is_empty();
        if verdict["valid"] == true && !warned { Ok(()) } else { Err(Failure::InvalidManifest) }
    }

    fn verdict(&self, client: &Client, content: &str) -> Result<Value, Failure> {
        let tenant = match self.tenant.as_deref().map(|text| (text, TenantId::parse(text))) {
            None => None,
            Some((_, Ok(id))) => Some(id),
            Some((text, Err(fault))) => return Err(Failure::Input(format!("--tenant {text:?}: {fault}"))),
        };
        let language = client.options.language();
        offline::validate(&catalog(None)?, content, &Options::for_tenant(tenant.as_ref()), language)
            .map_err(|error| Failure::offline(&error, language))
    }
}

fn table(verdict: &Value) -> String {
    let mut findings = Table::new(["SEVERITY", "DOCUMENT", "LINE", "PATH", "WHAT"]);
    for finding in entries(verdict, "findings") {
        findings.row([
            Cell::status(&text_of(&finding["severity"])),
            Cell::from(text_of(&finding["document"])),
            Cell::from(text_of(&finding["line"])),
            Cell::from(text_of(&finding["path"])),
            Cell::from(text_of(&finding["message"])),
        ]);
    }
    let valid = verdict["valid"] == true;
    let style = status_style(if valid { "ok" } else { "error" });
    let (errors, warned) = (entries(verdict, "errors").len(), entries(verdict, "warnings").len());
    let head = format!(
        "{style}{}{style:#}: {errors} errors, {warned} warnings\n{}\nabout {}, {}",
        if valid { "valid" } else { "invalid" },
        pairs_of(&verdict["resource_summary"]),
        text_of(&verdict["estimated_cost"]),
        text_of(&verdict["deployment_time"]),
    );
    if entries(verdict, "findings").is_empty() { head } else { format!("{head}\n\n{findings}") }
}
