//! Which policy is asked: flags first, then a policy's file, then what the tenant's name implies.

use crate::cli::failure::Failure;
use crate::cli::input::read_text;
use crate::cli::language::say_text;
use ecp_core::text::Language;
use ecp_validate::{Policy, PolicyFault, Profile, UnknownName};
use std::path::{Path, PathBuf};

/// The file that is read where none is named.
const FILE_NAME: &str = ".ecp-validate.yaml";

/// The policy of the flags and files.
pub(super) fn chosen(
    profile: Option<&str>,
    file: Option<&Path>,
    off: &[String],
    default: Profile,
    language: Language,
) -> Result<Policy, Failure> {
    let asked = profile.map(parse_profile).transpose()?;
    // Who names a policy wants one asked.
    let default = if file.is_some() { default.max(Profile::Tenant) } else { default };
    let mut policy = match file.map(Path::to_owned).or_else(nearest_file) {
        None => Policy::of(asked.unwrap_or(default)),
        Some(path) => {
            let text = read_text(&path)?;
            Policy::read(&text, asked, default)
                .map_err(|fault| Failure::Input(format!("{}: {}", path.display(), told(&fault, language))))?
        }
    };
    for code in off {
        policy
            .switch_off(code)
            .map_err(|unknown| Failure::Input(format!("--off: {}", unknown_name(&unknown))))?;
    }
    Ok(policy)
}

fn parse_profile(name: &str) -> Result<Profile, Failure> {
    Profile::parse(name).ok_or_else(|| {
        let known = Profile::ALL.map(Profile::as_str).join(", ");
        Failure::Input(say_text!("cli.not_known", flag = "--profile", value = name, known = known))
    })
}

/// The policy's file of this folder, or of the nearest one above that has one.
fn nearest_file() -> Option<PathBuf> {
    let here = std::env::current_dir().ok()?;
    here.ancestors().map(|folder| folder.join(FILE_NAME)).find(|path| path.is_file())
}

fn unknown_name(unknown: &UnknownName) -> String {
    let name = format!("{:?}", unknown.name);
    match unknown.nearest {
        Some(nearest) => say_text!("cli.policy_unknown_near", name = name, nearest = format!("{nearest:?}")),
        None => say_text!("cli.policy_unknown", name = name),
    }
}

fn told(fault: &PolicyFault, language: Language) -> String {
    match fault {
        PolicyFault::Unreadable(unreadable) => unreadable.message.render(language),
        PolicyFault::Unknown(unknown) => unknown_name(unknown),
        PolicyFault::Shape("rules") => say_text!("cli.policy_rules"),
        PolicyFault::Shape("off") => say_text!("cli.policy_list"),
        PolicyFault::Shape("policy") => say_text!("cli.policy_fields"),
        PolicyFault::Shape(field) => say_text!("cli.policy_shape", field = field),
        PolicyFault::Expression { name, fault } => {
            say_text!("cli.policy_expression", name = name, fault = fault)
        }
    }
}
