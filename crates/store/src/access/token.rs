//! One token: its secret, its fingerprint, and its row.

use crate::database::DamageLog;
use crate::errors::WorkError;
use ecp_core::Timestamp;
use ecp_core::access::Role;
use ecp_core::ids::TenantId;
use rusqlite::{Connection, Row, params};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::fmt::{self, Write};

/// What every token begins with, so that people and scanners of leaked secrets recognize one.
const PREFIX: &str = "ecp_";
/// Longest name, in characters.
const NAME_MAX_LENGTH: usize = 64;
/// Names that the audit trail uses for others than bearers of tokens.
const RESERVED_NAMES: [&str; 2] = ["anonymous", "controller"];

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
        && !RESERVED_NAMES.contains(&name)
}

/// True where the name's constraint is what refused a row.
pub(super) fn is_name_taken(error: &rusqlite::Error) -> bool {
    matches!(
        error,
        rusqlite::Error::SqliteFailure(failure, Some(text))
            if failure.extended_code == rusqlite::ffi::SQLITE_CONSTRAINT_UNIQUE && text.contains("tokens.name")
    )
}

/// Columns in the order in which [`from_row`] reads them.
pub(super) const COLUMNS: &str = "id, name, role, tenants, sha256, last_four, created_at, expires_at";

pub(super) fn insert(
    connection: &Connection,
    info: &TokenInfo,
    secret: &TokenSecret,
) -> Result<(), WorkError> {
    let tenants = info.tenants.as_ref().map(serde_json::to_string).transpose()?;
    connection
        .prepare_cached(&format!("INSERT INTO tokens ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"))?
        .execute(params![
            info.id,
            info.name,
            info.role.as_str(),
            tenants,
            Fingerprint::of(&secret.0).0,
            info.last_four,
            info.created_at.to_string(),
            info.expires_at.map(|expiry| expiry.to_string())
        ])?;
    Ok(())
}

/// Every token that can be read, oldest first; the others are set aside.
pub(super) fn read_all(connection: &Connection, damage: &DamageLog) -> Result<Vec<KnownToken>, WorkError> {
    let mut statement =
        connection.prepare_cached(&format!("SELECT {COLUMNS} FROM tokens ORDER BY created_at, rowid"))?;
    let mut rows = statement.query([])?;
    let mut tokens = Vec::new();
    while let Some(row) = rows.next()? {
        match from_row(row) {
            Ok(token) => tokens.push(token),
            Err(error) => {
                let id = row.get_ref(0)?.as_str().unwrap_or("?").to_owned();
                damage.set_aside("tokens", id, None, &error);
            }
        }
    }
    Ok(tokens)
}

pub(super) fn from_row(row: &Row<'_>) -> Result<KnownToken, WorkError> {
    let (id, role): (String, String) = (row.get(0)?, row.get(2)?);
    let damaged = |what: &str| WorkError::Damaged(format!("token {id} has a damaged {what}"));
    let time = |text: String, what: &str| text.parse::<Timestamp>().map_err(|_| damaged(what));
    let (tenants, expires_at): (Option<String>, Option<String>) = (row.get(3)?, row.get(7)?);
    let info = TokenInfo {
        name: row.get(1)?,
        role: role.parse().map_err(|()| damaged("role"))?,
        tenants: tenants.map(|tenants| serde_json::from_str(&tenants)).transpose()?,
        last_four: row.get(5)?,
        created_at: time(row.get(6)?, "time of creation")?,
        expires_at: expires_at.map(|expiry| time(expiry, "expiry")).transpose()?,
        id: id.clone(),
    };
    Ok(KnownToken { info, fingerprint: Fingerprint(row.get(4)?) })
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
