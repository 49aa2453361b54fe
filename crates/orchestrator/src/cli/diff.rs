//! `ecp diff`: what applying files would change, with old and new values; the exit code says whether any.

use super::Client;
use super::apply;
use super::changes;
use super::documents::{self, Document};
use super::failure::Failure;
use super::input::Unread;
use super::language::told;
use super::output::{entries, text_of};
use anstyle::Style;
use clap::Args;
use ecp_core::text::Message;
use serde_json::{Value, json};
use std::path::PathBuf;

/// Which files.
#[derive(Args)]
pub(super) struct Diff {
    /// File, folder or pattern with tenants as YAML or JSON, many in a file; - reads standard input. May repeat.
    #[arg(short, long = "file", required = true, value_name = "PATH")]
    files: Vec<PathBuf>,
    /// What becomes of members that nothing reads.
    #[command(flatten)]
    unread: Unread,
}

impl Diff {
    /// Ends well where nothing differs; with [`Failure::Differs`] where something does; every other failure is
    /// told apart from that by its exit code.
    pub(super) async fn run(self, client: &Client) -> Result<(), Failure> {
        let found = self.compare(client).await.map_err(|failure| Failure::InDiff(Box::new(failure)))?;
        if found { Err(Failure::Differs) } else { Ok(()) }
    }

    async fn compare(self, client: &Client) -> Result<bool, Failure> {
        let documents = documents::read(&self.files)?;
        let connection = client.options.connect()?;
        let mut compared = Vec::new();
        let mut failed = None;
        for document in &documents {
            let work = async {
                let present = apply::present(&connection, &document.tenant_id).await?;
                let call = apply::call(document, present.as_ref(), true);
                if self.unread.strict {
                    connection.refuse_unread(&call).await?;
                }
                Ok::<_, Failure>(connection.json(&call).await?)
            };
            match work.await {
                Ok(preview) => compared.push((document, preview)),
                Err(failure) => {
                    let said = Failure::of_tenant(&document.tenant_id, &document.origin, failure);
                    if failed.is_some() {
                        said.report(&client.output);
                    } else {
                        failed = Some(said);
                    }
                }
            }
        }
        let different: Vec<_> =
            compared.iter().filter(|(_, preview)| changes::is_difference(preview)).collect();
        if client.output.is_for_people() {
            for (document, preview) in &different {
                client.output.line(&text(document, preview))?;
            }
        } else {
            let entries: Vec<_> = compared.iter().map(|(_, preview)| preview).collect();
            client.output.value(&json!({"different": different.len(), "tenants": entries}), |value| {
                let mut table = super::table::Table::new(["TENANT", "FIELD", "BEFORE", "AFTER"]);
                for preview in entries_of(value) {
                    for change in super::output::entries(preview, "changes") {
                        let text = |name: &str| text_of(&change[name]);
                        table.row([
                            text_of(&preview["tenant_id"]),
                            text("field"),
                            text("before"),
                            text("after"),
                        ]);
                    }
                }
                table
            })?;
        }
        match failed {
            Some(failure) => Err(failure),
            None => Ok(!different.is_empty()),
        }
    }
}

fn entries_of(value: &Value) -> &[Value] {
    entries(value, "tenants")
}

fn text(document: &Document, preview: &Value) -> String {
    let bold = Style::new().bold();
    let is_new = preview["quota"]["before"].is_null();
    let key = if is_new { "cli.diff_new" } else { "cli.diff_changed" };
    let title =
        told(&Message::new(key).with("tenant_id", &document.tenant_id).with("origin", &document.origin));
    format!("{bold}{title}{bold:#}\n{}\n", changes::text(preview))
}
