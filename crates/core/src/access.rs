//! Who may do what: roles, and the tenants that a caller may see.
//!
//! Recognizing a token is the store's, asking for one the API's.

use crate::damage::Damage;
use crate::ids::TenantId;
use crate::origin::ServerActor;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

/// What a caller may do; each role includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Reads; sees no secret value.
    Viewer,
    /// Also creates, changes and deletes tenants, sends metrics and validates manifests.
    Operator,
    /// Also reads the audit trail.
    Admin,
}

impl Role {
    /// Every role, weakest first.
    pub const ALL: [Self; 3] = [Self::Viewer, Self::Operator, Self::Admin];

    /// The spelling of the command line and of logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|role| role.as_str() == text).ok_or(())
    }
}

/// What a recognized caller may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// The token that was shown, by which [`AccessControl::is_valid`] finds it again; `None` where
    /// tokens are off.
    pub token_id: Option<String>,
    /// Token name, for the audit trail; `anonymous` where tokens are off.
    pub actor: String,
    /// What the caller may do.
    pub role: Role,
    /// To which tenants, in either mode; `None` for all of them.
    pub tenants: Option<BTreeSet<TenantId>>,
}

impl Access {
    /// Everything, as where tokens are off.
    pub fn anonymous() -> Self {
        Self { token_id: None, actor: ServerActor::Anonymous.into(), role: Role::Admin, tenants: None }
    }

    /// True where the caller may do what `role` may.
    pub fn allows(&self, role: Role) -> bool {
        self.role >= role
    }

    /// True where the tenant is among those that the caller may see.
    pub fn may_see(&self, id: &TenantId) -> bool {
        self.tenants.as_ref().is_none_or(|tenants| tenants.contains(id))
    }

    /// True where the caller may see every tenant, and with them what is of the cluster as a whole.
    pub fn sees_everything(&self) -> bool {
        self.tenants.is_none()
    }

    /// True where a namespace is that of a tenant that the caller may see; any for who sees
    /// everything.
    pub fn may_see_namespace(&self, namespace: &str) -> bool {
        self.tenants.as_ref().is_none_or(|tenants| tenants.iter().any(|id| id.namespace() == namespace))
    }
}

/// Recognizes tokens. Answers from memory: it is asked on every request.
pub trait AccessControl: Send + Sync {
    /// What the bearer of this token may do; `None` where the token is not known or not valid now.
    fn verify(&self, token: &str) -> Option<Access>;
    /// Whether a token that was recognized once is neither revoked nor expired by now.
    fn is_valid(&self, token_id: &str) -> bool;
    /// Tokens that can not be read; nobody gets in by them.
    fn damage(&self) -> Vec<Damage> {
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_includes_the_weaker_ones() {
        for (index, role) in Role::ALL.into_iter().enumerate() {
            let access = Access { role, ..Access::anonymous() };
            for (other_index, other) in Role::ALL.into_iter().enumerate() {
                assert_eq!(access.allows(other), other_index <= index, "{role} does what {other} may");
            }
        }
    }

    #[test]
    fn a_tenant_list_hides_every_other_tenant_and_an_empty_one_hides_all() {
        let id = |text| TenantId::parse(text).expect("a label");
        let listed = |tenants| Access { tenants: Some(tenants), ..Access::anonymous() };
        let one = listed(BTreeSet::from([id("acme")]));
        assert!(one.may_see(&id("acme")) && !one.may_see(&id("acme-2")));
        assert!(one.may_see_namespace("ecp-ai-acme") && !one.may_see_namespace("acme"));
        assert!(!one.may_see_namespace("ecp-ai-acme-2") && !one.may_see_namespace(""));
        assert!(!one.sees_everything() && Access::anonymous().may_see_namespace("default"));
        assert!(!listed(BTreeSet::new()).may_see(&id("acme")));
        assert!(Access::anonymous().may_see(&id("acme")));
    }
}
