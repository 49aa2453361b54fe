//! One token: its secret, its fingerprint, and its row.

use crate::database::DamageLog;
use crate::errors::WorkError;
use crate::sql::{Row, Sql, values};
use ecp_core::Timestamp;
use ecp_core::access::Role;
use ecp_core::ids::TenantId;
use ecp_core::origin::ServerActor;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::fmt::{self, Write};

/// What every token begins with, so that people and scanners of leaked secrets recognize one.
const PREFIX: &str = "ecp_";
/// Longest name, in characters.
const NAME_MAX_LENGTH: usize = 64;

/// A token to be made.
#[derive(Clone, Debug)]
pub struct NewToken {
    /// Who bears it; appears in the audit trail.
    pub name: String,
    /// What the bearer may do.
    pub role: Role,
    /// To which tenants; `None` for all of them.
    pub tenants: Option<BTreeSet<TenantId>>,
    /// Until when, where it ends.
    pub expires_at: Option<Timestamp>,
}

/// What is known of a token; never the token itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenInfo {
    /// `tok-…`, to revoke it by.
    pub id: String,
    /// Who bears it.
    pub name: String,
    /// What the bearer may do.
    pub role: Role,
    /// To which tenants; `None` for all of them.
    pub tenants: Option<BTreeSet<TenantId>>,
    /// Its last four characters, to recognize it by.
    pub last_four: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// Until when it is good, where it ends.
    pub expires_at: Option<Timestamp>,
}

/// A token as its bearer shows it: `ecp_` and 64 hexadecimal characters, 256 random bits.
#[derive(Clone)]
pub struct TokenSecret(String);

impl TokenSecret {
    pub(super) fn generate() -> Result<Self, getrandom::Error> {
        let mut bits = [0; 32];
        getrandom::fill(&mut bits)?;
        Ok(Self(format!("{PREFIX}{}", hexadecimal(&bits))))
    }

    /// The token itself, to be shown once.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for TokenSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenSecret(redacted)")
    }
}

/// SHA-256 of a token.
#[derive(Clone, Copy)]
pub(super) struct Fingerprint(pub(super) [u8; 32]);

impl Fingerprint {
    pub(super) fn of(token: &str) -> Self {
        Self(Sha256::digest(token.as_bytes()).into())
    }

    /// Enough of it to look it up by.
    pub(super) fn beginning(&self) -> [u8; 8] {
        let mut beginning = [0; 8];
        beginning.copy_from_slice(&self.0[..8]);
        beginning
    }
}

/// A token as it is kept in memory.
pub(super) struct KnownToken {
    pub(super) info: TokenInfo,
    pub(super) fingerprint: Fingerprint,
}

impl NewToken {
    pub(super) fn into_info(
        self,
        secret: &TokenSecret,
        now: Timestamp,
    ) -> Result<TokenInfo, getrandom::Error> {
        let mut bits = [0; 6];
        getrandom::fill(&mut bits)?;
        Ok(TokenInfo {
            id: format!("tok-{}", hexadecimal(&bits)),
            name: self.name,
            role: self.role,
            tenants: self.tenants,
            last_four: secret.0[secret.0.len() - 4..].to_owned(),
            created_at: now,
            expires_at: self.expires_at,
        })
    }
}

/// True where a name can stand in the audit trail.
pub(super) fn is_name(name: &str) -> bool {
    (1..=NAME_MAX_LENGTH).contains(&name.chars().count())
        && name.trim() == name
        && !name.chars().any(char::is_control)
        && ServerActor::ALL.iter().all(|actor| actor.as_str() != name)
}

/// Columns in the order in which [`from_row`] reads them.
pub(super) const COLUMNS: &str = "id, name, role, tenants, sha256, last_four, created_at, expires_at";

/// Adds a token; false where its name is taken.
pub(super) fn insert(sql: &Sql<'_>, info: &TokenInfo, fingerprint: &Fingerprint) -> Result<bool, WorkError> {
    let tenants = info.tenants.as_ref().map(serde_json::to_string).transpose()?;
    let expires_at = info.expires_at.map(|expiry| expiry.to_string());
    let added = sql.execute(
        &format!(
            "INSERT INTO tokens ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT (name) DO NOTHING"
        ),
        values![
            &info.id,
            &info.name,
            info.role.as_str(),
            tenants.as_ref(),
            &fingerprint.0[..],
            &info.last_four,
            &info.created_at.to_string(),
            expires_at.as_ref()
        ],
    )?;
    Ok(added > 0)
}

/// Every token that can be read, oldest first; the others are set aside.
pub(super) fn read_all(sql: &Sql<'_>, damage: &DamageLog) -> Result<Vec<KnownToken>, WorkError> {
    let tokens = sql.rows(&format!("SELECT {COLUMNS} FROM tokens ORDER BY created_at, id"), &[], |row| {
        Ok(from_row(row).map_err(|error| damage.set_aside("tokens", row.told(0), None, &error)).ok())
    })?;
    Ok(tokens.into_iter().flatten().collect())
}

pub(super) fn from_row(row: &Row<'_>) -> Result<KnownToken, WorkError> {
    let (id, role): (String, String) = (row.get(0)?, row.get(2)?);
    let damaged = |what: &str| WorkError::Damaged(format!("token {id} has a damaged {what}"));
    let time = |text: String, what: &str| text.parse::<Timestamp>().map_err(|_| damaged(what));
    let (tenants, expires_at): (Option<String>, Option<String>) = (row.get(3)?, row.get(7)?);
    let sha256: Vec<u8> = row.get(4)?;
    let info = TokenInfo {
        name: row.get(1)?,
        role: role.parse().map_err(|()| damaged("role"))?,
        tenants: tenants.map(|tenants| serde_json::from_str(&tenants)).transpose()?,
        last_four: row.get(5)?,
        created_at: time(row.get(6)?, "time of creation")?,
        expires_at: expires_at.map(|expiry| time(expiry, "expiry")).transpose()?,
        id: id.clone(),
    };
    let sha256 = sha256.try_into().map_err(|_| damaged("digest"))?;
    Ok(KnownToken { info, fingerprint: Fingerprint(sha256) })
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
