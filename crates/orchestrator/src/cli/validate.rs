//! `ecp validate`: what is wrong with manifests, found here.
//!
//! Reads files, folders, patterns and standard input (`inputs`), holds each against the API server's rules
//! and, where one is asked, a policy (`policy`), on all cores; shows the verdicts for people (`report`) or
//! for programs (`formats`).

mod formats;
mod policy;
mod report;

use super::Client;
use super::connection::Call;
use super::failure::{Failure, ManifestFault};
use super::input::read_text;
use super::inputs::{self, Input};
use super::language::{say_text, told};
use super::output::{Format, entries};
use super::size::catalog;
use clap::Args;
use ecp_api::offline;
use ecp_core::catalog::Catalog;
use ecp_core::ids::TenantId;
use ecp_core::text::Language;
use ecp_validate::{Options, Profile, Release, Schemas, Unreadable};
use serde_json::{Value, json};
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// Manifests, and what they are held against.
#[derive(Args)]
pub(super) struct Validate {
    /// File, folder or pattern; - reads standard input. May repeat.
    #[arg(short = 'f', long = "file", value_name = "PATH")]
    files: Vec<PathBuf>,
    /// More of them.
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Tenant whose namespace the objects must be in; asks the policy `tenant`.
    #[arg(long)]
    tenant: Option<String>,
    /// Which rules are asked beyond what the API server says: validity, tenant, restricted or strict.
    #[arg(long)]
    profile: Option<String>,
    /// File with a policy; without it .ecp-validate.yaml of this folder or one above is read.
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Code of a policy's rule that is not asked. May repeat.
    #[arg(long, value_name = "CODE", value_delimiter = ',')]
    off: Vec<String>,
    /// Kubernetes release whose API server is asked: 1.34, 1.35 or 1.36.
    #[arg(long, value_name = "VERSION", default_value = "1.36")]
    kubernetes_version: String,
    /// File or folder with definitions of custom resources. May repeat.
    #[arg(long, value_name = "PATH")]
    schemas: Vec<PathBuf>,
    /// Takes warnings for errors.
    #[arg(long)]
    strict: bool,
    /// Asks the server, which compares with its cluster, too. Takes one file.
    #[arg(long, conflicts_with_all = ["profile", "policy", "off", "kubernetes_version", "schemas"])]
    remote: bool,
}

/// What came of one input.
struct Verdict {
    /// As it was named, or found.
    name: String,
    /// Its text, for showing lines; empty where it cannot be read.
    text: String,
    /// As `validate_manifest` answers, with the file in each finding.
    answer: Value,
    /// It could not be read as a manifest at all.
    is_unreadable: bool,
}

impl Verdict {
    fn findings(&self) -> &[Value] {
        entries(&self.answer, "findings")
    }

    /// How it is at fault; warnings count where they are taken for errors.
    fn fault(&self, strict: bool) -> Option<ManifestFault> {
        if self.is_unreadable {
            return Some(ManifestFault::Unreadable);
        }
        let counts = |finding: &&Value| strict || finding["severity"] == "error";
        let counted = || self.findings().iter().filter(counts);
        if counted().any(|finding| finding["policy"] != true) {
            Some(ManifestFault::Invalid)
        } else {
            counted().next().map(|_| ManifestFault::AgainstPolicy)
        }
    }
}

impl Validate {
    pub(super) async fn run(self, client: &Client) -> Result<(), Failure> {
        let paths: Vec<&Path> = self.files.iter().chain(&self.paths).map(PathBuf::as_path).collect();
        if paths.is_empty() {
            return Err(Failure::Input(say_text!("cli.want_manifest")));
        }
        let is_one = matches!(paths.as_slice(), [path] if !path.is_dir() && !inputs::is_pattern(path));
        let language = client.options.language();
        let verdicts = if self.remote {
            if !is_one {
                return Err(Failure::Input(say_text!("cli.want_one_file")));
            }
            vec![self.ask(client, paths[0]).await?]
        } else {
            let found = inputs::find(&paths)?;
            if let ([one], true) = (found.as_slice(), is_one) {
                one.expect_to_open().map_err(Failure::Input)?;
            }
            self.judge(&found, language)?
        };
        self.show(client, &verdicts, is_one)?;
        match verdicts.iter().filter_map(|verdict| verdict.fault(self.strict)).max() {
            None => Ok(()),
            Some(fault) => Err(Failure::Manifest(fault)),
        }
    }

    async fn ask(&self, client: &Client, path: &Path) -> Result<Verdict, Failure> {
        let text = read_text(path)?;
        let mut body = json!({"manifest_content": text});
        if let Some(tenant) = &self.tenant {
            body["tenant_id"] = json!(tenant);
        }
        let call = Call::post("/api/v1/tenants/validate-manifest", body).repeatable(true);
        let answer = client.options.connect()?.json(&call).await?;
        Ok(Verdict { name: inputs::name_of(path), text, answer, is_unreadable: false })
    }

    /// Judges every input, on all cores, in the order in which they were named.
    fn judge(&self, found: &[Input], language: Language) -> Result<Vec<Verdict>, Failure> {
        let tenant = match self.tenant.as_deref().map(|text| (text, TenantId::parse(text))) {
            None => None,
            Some((_, Ok(id))) => Some(id),
            Some((text, Err(fault))) => {
                let fault = told(&fault.message());
                let (option, value) = ("--tenant", format!("{text:?}"));
                return Err(Failure::Input(say_text!(
                    "cli.of_option",
                    option = option,
                    value = value,
                    fault = fault
                )));
            }
        };
        let release = Release::parse(&self.kubernetes_version).ok_or_else(|| {
            let known = Release::ALL.map(Release::as_str).join(", ");
            let (flag, value) = ("--kubernetes-version", &self.kubernetes_version);
            Failure::Input(say_text!("cli.not_known", flag = flag, value = value, known = known))
        })?;
        let default = if tenant.is_some() { Profile::Tenant } else { Profile::Validity };
        let policy =
            policy::chosen(self.profile.as_deref(), self.policy.as_deref(), &self.off, default, language)?;
        let schemas = read_schemas(&self.schemas, language)?;
        let options = Options {
            release,
            policy,
            tenant_id: tenant.as_ref(),
            capacity: None,
            schemas: Some(&schemas).filter(|_| !self.schemas.is_empty()),
        };
        let catalog = catalog(None)?;
        let next = AtomicUsize::new(0);
        let verdicts: Mutex<Vec<(usize, Verdict)>> = Mutex::new(Vec::with_capacity(found.len()));
        let work = || {
            loop {
                let place = next.fetch_add(1, Ordering::Relaxed);
                let Some(input) = found.get(place) else { return };
                let verdict = verdict(&catalog, input, &options, language);
                verdicts.lock().unwrap_or_else(PoisonError::into_inner).push((place, verdict));
            }
        };
        let workers = std::thread::available_parallelism().map_or(1, NonZero::get).min(found.len());
        std::thread::scope(|scope| {
            for _ in 1..workers {
                scope.spawn(work);
            }
            work();
        });
        let mut verdicts = verdicts.into_inner().unwrap_or_else(PoisonError::into_inner);
        verdicts.sort_by_key(|(place, _)| *place);
        let mut verdicts: Vec<Verdict> = verdicts.into_iter().map(|(_, verdict)| verdict).collect();
        excuse_empty(&mut verdicts);
        Ok(verdicts)
    }

    fn show(&self, client: &Client, verdicts: &[Verdict], is_one: bool) -> Result<(), Failure> {
        let output = &client.output;
        let language = client.options.language();
        match output.format {
            Format::Table | Format::Wide => {
                output.line(&report::text(verdicts, is_one, self.strict, language))
            }
            Format::Name | Format::Csv => Err(output.format.refuse()),
            Format::Json | Format::Yaml | Format::JsonPath => {
                let value = match verdicts {
                    [one] if is_one => one.answer.clone(),
                    _ => all_of(verdicts, self.strict),
                };
                output.value(&value, |_| String::new())
            }
            Format::Sarif => output.line(&formats::sarif(verdicts)),
            Format::Junit => output.text(&formats::junit(verdicts, self.strict)),
            Format::Github => output.text(&formats::github(verdicts)),
        }
    }
}

/// Among files that hold objects one without any is no fault, as kubectl passes it over: it is warned of.
fn excuse_empty(verdicts: &mut [Verdict]) {
    let is_empty =
        |verdict: &Verdict| matches!(verdict.findings(), [finding] if finding["code"] == "manifest.empty");
    if verdicts.iter().all(is_empty) {
        return;
    }
    for verdict in verdicts.iter_mut().filter(|verdict| is_empty(verdict)) {
        let answer = &mut verdict.answer;
        answer["valid"] = json!(true);
        answer["findings"][0]["severity"] = json!("warning");
        answer["warnings"] = answer["errors"].take();
        answer["errors"] = json!([]);
    }
}

/// The answers of many inputs, with their totals.
fn all_of(verdicts: &[Verdict], strict: bool) -> Value {
    let files: Vec<&Value> = verdicts.iter().map(|verdict| &verdict.answer).collect();
    let faulty = |fault| verdicts.iter().filter(|verdict| verdict.fault(strict) == Some(fault)).count();
    let counted = |severity: &str| {
        let all = verdicts.iter().flat_map(Verdict::findings);
        all.filter(|finding| finding["severity"] == severity).count()
    };
    json!({
        "valid": verdicts.iter().all(|verdict| verdict.answer["valid"] == true),
        "totals": {
            "files": files.len(),
            "invalid": faulty(ManifestFault::Invalid),
            "against_policy": faulty(ManifestFault::AgainstPolicy),
            "unreadable": faulty(ManifestFault::Unreadable),
            "errors": counted("error"),
            "warnings": counted("warning"),
        },
        "files": files,
    })
}

fn verdict(catalog: &Catalog, input: &Input, options: &Options<'_>, language: Language) -> Verdict {
    let text = match input.text() {
        Ok(text) => text,
        Err(fault) => return unreadable(input, String::new(), None, &fault),
    };
    match offline::validate(catalog, &text, options, language) {
        Ok(mut answer) => {
            name_file(&mut answer, &input.name);
            Verdict { name: input.name.clone(), text, answer, is_unreadable: false }
        }
        Err(fault) => {
            let message = fault.message.render(language);
            unreadable(input, text, Some(&fault), &message)
        }
    }
}

/// The verdict on what cannot be read: one error, where that is known.
fn unreadable(input: &Input, text: String, fault: Option<&Unreadable>, message: &str) -> Verdict {
    let place = |place: Option<usize>| place.unwrap_or(0);
    let finding = json!({
        "severity": "error",
        "code": "unreadable",
        "document": 0,
        "path": "",
        "line": place(fault.and_then(|fault| fault.line)),
        "column": place(fault.and_then(|fault| fault.column)),
        "policy": false,
        "message": message,
    });
    let mut answer = json!({"valid": false, "warnings": [], "errors": [message], "findings": [finding]});
    name_file(&mut answer, &input.name);
    Verdict { name: input.name.clone(), text, answer, is_unreadable: true }
}

/// Says the file in the verdict and in every finding.
fn name_file(answer: &mut Value, name: &str) {
    answer["file"] = json!(name);
    for finding in answer["findings"].as_array_mut().into_iter().flatten() {
        finding["file"] = json!(name);
    }
}

fn read_schemas(paths: &[PathBuf], language: Language) -> Result<Schemas, Failure> {
    let mut schemas = Schemas::default();
    let paths: Vec<&Path> = paths.iter().map(PathBuf::as_path).collect();
    for input in inputs::find(&paths)? {
        let text = input.text().map_err(Failure::Input)?;
        schemas
            .add(&text)
            .map_err(|fault| Failure::Input(format!("{}: {}", input.name, fault.message.render(language))))?;
    }
    Ok(schemas)
}
