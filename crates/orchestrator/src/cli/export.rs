//! `ecp export`: tenants as files that `ecp apply` takes, for Git.

use super::Client;
use super::candidates;
use super::connection::{Call, tenant_path};
use super::documents::described;
use super::failure::Failure;
use super::language::told;
use super::output::{entries, text_of, yaml};
use anyhow::Context as _;
use clap::Args;
use ecp_core::text::Message;
use serde_json::{Value, json};
use std::path::PathBuf;

/// Which tenants, and where to.
#[derive(Args)]
pub(super) struct Export {
    /// Their ids [default: every tenant].
    #[arg(add = candidates::tenants())]
    tenant_ids: Vec<String>,
    /// Folder to write into, a file for each tenant [default: documents on standard output].
    #[arg(long, value_name = "FOLDER")]
    dir: Option<PathBuf>,
}

impl Export {
    pub(super) async fn run(self, client: &Client) -> Result<(), Failure> {
        let connection = client.options.connect()?;
        let ids = if self.tenant_ids.is_empty() {
            let call = |skip: usize| Call::get("/api/v1/tenants/").query("skip", Some(skip));
            let list = connection.all_pages("tenants", 1000, call).await?;
            // What is going away is not to come back.
            let staying = entries(&list, "tenants").iter().filter(|tenant| tenant["status"] != "deleting");
            staying.map(|tenant| text_of(&tenant["tenant_id"])).collect()
        } else {
            self.tenant_ids
        };
        let mut tenants = Vec::new();
        for id in &ids {
            tenants.push(described(&connection.json(&Call::get(tenant_path(id, ""))).await?));
        }
        let Some(folder) = self.dir else {
            if client.output.is_for_people() {
                return client.output.text(&documents(&tenants)?);
            }
            return client.output.value(&json!({ "tenants": tenants }), |_| String::new());
        };
        std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
        for tenant in &tenants {
            let id = text_of(&tenant["tenant_id"]);
            // A server of whatever intent names files of this folder and no others.
            if !id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
                return Err(Failure::Input(told(&Message::new("cli.no_file_name").with("tenant_id", id))));
            }
            let path = folder.join(format!("{id}.yaml"));
            std::fs::write(&path, yaml(tenant)?).with_context(|| path.display().to_string())?;
        }
        let (count, folder) = (tenants.len(), folder.display());
        client.say(&told(&Message::new("cli.exported").with("count", count).with("folder", folder)))
    }
}

fn documents(tenants: &[Value]) -> Result<String, Failure> {
    let mut text = String::new();
    for tenant in tenants {
        text += "---\n";
        text += &yaml(tenant)?;
    }
    Ok(text)
}
