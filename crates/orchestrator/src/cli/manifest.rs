//! `ecp manifest`: a tenant's manifest from the server, or of a file without one.

use super::Client;
use super::candidates;
use super::connection::{Call, tenant_path};
use super::failure::Failure;
use super::input::{Unread, read_object};
use super::output::{Format, entries, text_of};
use super::size::catalog;
use super::table::Table;
use clap::{Args, ValueEnum};
use ecp_api::offline;
use ecp_core::Mode;
use ecp_core::manifest::RenderOptions;
use serde_json::Value;
use std::path::PathBuf;

/// Whose manifest, and which.
#[derive(Args)]
pub(super) struct Manifest {
    /// Tenant whose manifest the server hands out.
    #[arg(add = candidates::tenants(), required_unless_present = "file", conflicts_with = "file")]
    tenant_id: Option<String>,
    /// File with a tenant as YAML or JSON, rendered here; - reads standard input. Secret values are redacted.
    #[arg(short, long)]
    file: Option<PathBuf>,
    /// yaml, or json for a `List`; kubectl apply takes either [default: yaml, with -o json json].
    #[arg(long, value_enum)]
    format: Option<ManifestFormat>,
    /// Leaves out ServiceMonitor and PrometheusRule.
    #[arg(long)]
    no_monitoring: bool,
    /// With Ingress, whatever the tenant's exposure.
    #[arg(long)]
    ingress: bool,
    /// With the values of Secrets; else they are redacted, so that the manifest can go to Git.
    #[arg(long, conflicts_with = "file")]
    with_secrets: bool,
    /// What becomes of a file's members that nothing reads.
    #[command(flatten)]
    unread: Unread,
    /// Another namespace than ecp-ai-TENANT.
    #[arg(short, long)]
    namespace: Option<String>,
    /// Catalog to render by [default: the embedded one].
    #[arg(long, requires = "file", value_name = "FILE")]
    catalog: Option<PathBuf>,
}

/// How the manifest is written.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ManifestFormat {
    /// Documents of YAML.
    Yaml,
    /// A `List` of JSON.
    Json,
}

impl Manifest {
    pub(super) async fn run(self, client: &Client) -> Result<(), Failure> {
        let text = match &self.tenant_id {
            Some(tenant_id) => {
                let json = self.format(client) == ManifestFormat::Json;
                let call = Call::get(tenant_path(tenant_id, "/manifest"))
                    .query("format", json.then_some("json"))
                    .query("include_monitoring", self.no_monitoring.then_some(false))
                    .query("include_ingress", self.ingress.then_some(true))
                    .query("redact", (!self.with_secrets).then_some(true))
                    .query("namespace", self.namespace.as_ref());
                let kind = if json { "application/json" } else { "application/yaml" };
                client.options.connect()?.text(&call, kind).await?
            }
            None => self.rendered(client)?,
        };
        match client.output.format {
            Format::Name | Format::Csv | Format::JsonPath => {
                let list: Value = serde_json::from_str(&text).map_err(anyhow::Error::from)?;
                client.output.value(&list, objects)
            }
            _ => client.output.text(&text),
        }
    }

    /// As asked for, else as results are written: a manifest is YAML unless somebody wants JSON, or what is read of it.
    fn format(&self, client: &Client) -> ManifestFormat {
        match client.output.format {
            Format::Name | Format::Csv | Format::JsonPath => ManifestFormat::Json,
            Format::Json => self.format.unwrap_or(ManifestFormat::Json),
            _ => self.format.unwrap_or(ManifestFormat::Yaml),
        }
    }

    fn rendered(&self, client: &Client) -> Result<String, Failure> {
        let body = self.file.as_deref().map(read_object).transpose()?.unwrap_or_default();
        let catalog = catalog(self.catalog.as_deref())?;
        let mode = if client.options.is_demo()? { Mode::Demo } else { Mode::Real };
        let options = RenderOptions {
            include_monitoring: !self.no_monitoring,
            include_ingress: self.ingress,
            namespace: self.namespace.clone(),
            redact_secrets: true,
        };
        let answer = offline::manifest(&catalog, &Value::Object(body), mode, &options)
            .map_err(|error| Failure::offline(&error, client.options.language()))?;
        self.unread.check(&client.output, &answer.unknown)?;
        Ok(match self.format(client) {
            ManifestFormat::Yaml => answer.value.to_yaml(),
            ManifestFormat::Json => answer.value.to_json(),
        })
    }
}

/// The objects of a `List`, as events name them.
fn objects(list: &Value) -> Table {
    let mut table = Table::new(["OBJECT", "NAMESPACE"]);
    for object in entries(list, "items") {
        let about = &object["metadata"];
        let kind = text_of(&object["kind"]).to_lowercase();
        table.row([format!("{kind}/{}", text_of(&about["name"])), text_of(&about["namespace"])]);
    }
    table
}
