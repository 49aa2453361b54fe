//! What a house demands beyond what the API server does: rules by code, each with a severity, in profiles.
//!
//! Without a policy nothing here is asked. A rule is switched off by its code for a run, in a file, or at
//! one object by an annotation `ignore.ecp.ai/<code>` whose value is the reason.

use super::Unreadable;
use super::own_rules::{self, OwnRule};
use super::tree::{Kind, Node};
use super::yaml::{self, Readers};
use std::collections::BTreeMap;
use std::fmt;

/// What begins the key of an annotation that switches a rule off at an object.
const IGNORE_PREFIX: &str = "ignore.ecp.ai/";

/// How much a finding counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth a look.
    Warning,
    /// Not acceptable.
    Error,
}

/// A named set of rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Profile {
    /// What the API server says, and nothing else.
    Validity,
    /// What a tenant of this product may bring.
    Tenant,
    /// That, and the restricted Pod Security Standard as errors.
    Restricted,
    /// Everything, warnings as errors.
    Strict,
}

impl Profile {
    /// Every profile.
    pub const ALL: [Self; 4] = [Self::Validity, Self::Tenant, Self::Restricted, Self::Strict];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Validity => "validity",
            Self::Tenant => "tenant",
            Self::Restricted => "restricted",
            Self::Strict => "strict",
        }
    }

    /// The profile of a name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|profile| profile.as_str() == text)
    }
}

/// A rule of the policy.
#[derive(Debug)]
pub struct PolicyRule {
    /// Its code, such as `image.floating`.
    pub code: &'static str,
    /// How much it counts in the profile `tenant` and those beyond.
    pub severity: Severity,
    /// The first profile that has it.
    pub from: Profile,
}

use Profile::{Restricted, Strict, Tenant};
use Severity::{Error, Warning};

const fn rule(code: &'static str, severity: Severity, from: Profile) -> PolicyRule {
    PolicyRule { code, severity, from }
}

/// Every rule, by code. `docs/VALIDATION.md` has a line on each.
pub static POLICY_RULES: &[PolicyRule] = &[
    rule("autoscaler.no_request", Warning, Tenant),
    rule("budget.blocks_eviction", Warning, Tenant),
    rule("image.floating", Warning, Tenant),
    rule("image.reference", Error, Tenant),
    rule("labels.missing", Warning, Strict),
    rule("namespace.cluster_scoped", Error, Tenant),
    rule("namespace.custom", Warning, Tenant),
    rule("namespace.missing", Warning, Tenant),
    rule("namespace.other", Error, Tenant),
    rule("privilege.capability", Warning, Tenant),
    rule("privilege.host", Error, Tenant),
    rule("privilege.host_path", Error, Tenant),
    rule("privilege.host_port", Error, Tenant),
    rule("privilege.not_restricted", Warning, Tenant),
    rule("privilege.privileged", Error, Tenant),
    rule("privilege.refused", Error, Tenant),
    rule("privilege.sysctl", Warning, Tenant),
    rule("probe.liveness_short", Warning, Tenant),
    rule("probe.no_liveness", Warning, Tenant),
    rule("probe.no_readiness", Warning, Tenant),
    rule("probe.port", Warning, Tenant),
    rule("quota.gpu_key", Warning, Tenant),
    rule("rbac.cluster_admin", Error, Tenant),
    rule("rbac.wildcard", Warning, Tenant),
    rule("reference.key", Error, Tenant),
    rule("reference.missing", Warning, Tenant),
    rule("reference.monitor_port", Error, Tenant),
    rule("reference.outside", Warning, Tenant),
    rule("reference.service_port", Error, Tenant),
    rule("resources.no_limits", Warning, Tenant),
    rule("resources.quota", Error, Tenant),
    rule("selector.no_service", Warning, Tenant),
    rule("selector.nothing", Warning, Tenant),
    rule("selector.policy_nothing", Warning, Tenant),
    rule("service.external_ips", Warning, Restricted),
    rule("service.target_port", Warning, Tenant),
];

/// Which rules are asked, and how much each counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    rules: BTreeMap<&'static str, Severity>,
    own: Vec<OwnRule>,
}

/// A code, profile or severity that does not exist, with the nearest that does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownName {
    /// What was asked for.
    pub name: String,
    /// What may be meant.
    pub nearest: Option<&'static str>,
}

impl fmt::Display for UnknownName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "there is no {:?} in a policy", self.name)?;
        self.nearest.map_or(Ok(()), |nearest| write!(f, ": perhaps {nearest:?} is meant"))
    }
}

/// What a policy's file can say.
const FIELDS: [&str; 4] = ["profile", "off", "severity", "rules"];

/// Why a policy's file can not be used.
#[derive(Debug)]
pub enum PolicyFault {
    /// It can not be read.
    Unreadable(Unreadable),
    /// It names what does not exist.
    Unknown(UnknownName),
    /// A field has a value that it can not have.
    Shape(&'static str),
    /// A rule of its own does not compile.
    Expression {
        /// The rule.
        name: String,
        /// Why not.
        fault: String,
    },
}

impl PolicyFault {
    /// A name that does not exist, with the nearest that does.
    pub(super) fn unknown(name: &str, nearest: Option<&'static str>) -> Self {
        Self::Unknown(UnknownName { name: name.to_owned(), nearest })
    }
}

impl Policy {
    /// The rules of a profile.
    pub fn of(profile: Profile) -> Self {
        let severity = |rule: &PolicyRule| match profile {
            Profile::Strict => Error,
            Profile::Restricted if rule.code == "privilege.not_restricted" => Error,
            _ => rule.severity,
        };
        let included =
            POLICY_RULES.iter().filter(|rule| profile != Profile::Validity && rule.from <= profile);
        Self { rules: included.map(|rule| (rule.code, severity(rule))).collect(), own: Vec::new() }
    }

    /// True where something is asked.
    pub fn is_active(&self) -> bool {
        !self.rules.is_empty() || !self.own.is_empty()
    }

    /// Switches a rule off.
    ///
    /// # Errors
    /// There is no such rule.
    pub fn switch_off(&mut self, code: &str) -> Result<(), UnknownName> {
        let rule = known(code)?;
        self.rules.remove(rule.code);
        Ok(())
    }

    /// Reads a file: `profile`, `off` (codes), `severity` (`error` or `warning` by code), `rules` of its own. A profile that is
    /// asked wins over the file's, and that over the one `otherwise`.
    ///
    /// # Errors
    /// It can not be read, or names what does not exist.
    pub fn read(text: &str, asked: Option<Profile>, otherwise: Profile) -> Result<Self, PolicyFault> {
        let tree = yaml::read(text, Readers::Both).map_err(PolicyFault::Unreadable)?;
        let mut policy = Self::of(asked.unwrap_or(otherwise));
        for root in tree.roots() {
            if !matches!(root.kind(), Kind::Mapping | Kind::Null) {
                return Err(PolicyFault::Shape("policy"));
            }
            if let Some(field) = root.children().find(|field| !FIELDS.contains(&field.key())) {
                let nearest = super::format::nearest(field.key(), FIELDS);
                return Err(PolicyFault::Unknown(UnknownName { name: field.key().to_owned(), nearest }));
            }
            if let Some(name) = root.get("profile") {
                let profile = Profile::parse(name.text()).ok_or_else(|| {
                    let names = Profile::ALL.iter().map(|profile| profile.as_str());
                    PolicyFault::Unknown(UnknownName {
                        name: name.text().to_owned(),
                        nearest: super::format::nearest(name.text(), names),
                    })
                })?;
                policy = Self::of(asked.unwrap_or(profile));
            }
            policy.own.extend(own_rules::read(root)?);
            let off = root.get("off");
            if off.is_some_and(|off| off.kind() != Kind::Sequence) {
                return Err(PolicyFault::Shape("off"));
            }
            for code in root.list_at("off") {
                policy.switch_off(code.text()).map_err(PolicyFault::Unknown)?;
            }
            if root.get("severity").is_some_and(|severity| severity.kind() != Kind::Mapping) {
                return Err(PolicyFault::Shape("severity"));
            }
            for entry in root.get("severity").into_iter().flat_map(Node::children) {
                let severity = match entry.text() {
                    "error" => Error,
                    "warning" => Warning,
                    _ => return Err(PolicyFault::Shape("severity")),
                };
                let rule = known(entry.key()).map_err(PolicyFault::Unknown)?;
                policy.rules.insert(rule.code, severity);
            }
        }
        Ok(policy)
    }

    /// How much a rule counts at a place; absent where it is not asked there.
    pub(super) fn severity(&self, code: &str, place: Option<Node<'_>>) -> Option<Severity> {
        let severity = *self.rules.get(code)?;
        (!is_ignored(code, place)).then_some(severity)
    }

    /// Rules of the file itself.
    pub(super) fn own(&self) -> &[OwnRule] {
        &self.own
    }
}

/// An annotation of the object switches the rule off, with a reason.
pub(super) fn is_ignored(code: &str, place: Option<Node<'_>>) -> bool {
    let annotations = place.and_then(|node| node.document().at(&["metadata", "annotations"]));
    let is_off = |annotation: Node<'_>| {
        annotation.key().strip_prefix(IGNORE_PREFIX) == Some(code) && !annotation.text().trim().is_empty()
    };
    annotations.into_iter().flat_map(Node::children).any(is_off)
}

fn known(code: &str) -> Result<&'static PolicyRule, UnknownName> {
    POLICY_RULES.iter().find(|rule| rule.code == code).ok_or_else(|| UnknownName {
        name: code.to_owned(),
        nearest: super::format::nearest(code, POLICY_RULES.iter().map(|rule| rule.code)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documentation_has_a_line_and_a_link_on_every_rule() {
        let text = include_str!("../../../docs/VALIDATION.md");
        for rule in POLICY_RULES {
            let severity = if rule.severity == Error { "error" } else { "warning" };
            let line = format!("| `{}` | {severity} | {} | ", rule.code, rule.from.as_str());
            let found = text.lines().find(|known| known.starts_with(&line));
            assert!(found.is_some_and(|known| known.contains("](https://")), "{line}");
        }
    }
}
