//! Bearer tokens: made, listed, revoked, and recognized from memory.
//!
//! They have a file of their own, which the command line and a running server may have open at the
//! same time, or a schema on a server: what one writes the others notice within a second. Whether a token is asked for
//! is the API's to say.

mod token;

pub use token::{NewToken, TokenInfo, TokenSecret};

use crate::database::{DamageLog, files};
use crate::errors::{OpenFault, WorkError};
use crate::migrations::{ACCESS_MIGRATIONS, migrate};
use crate::postgres::{PostgresDatabase, PostgresUrl};
use crate::sql::{Sql, values};
use ecp_core::Timestamp;
use ecp_core::access::{Access, AccessControl};
use ecp_core::damage::Damage;
use ecp_core::ports::{Clock, StoreError};
use parking_lot::{Mutex, RwLock};
use rusqlite::Connection;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use subtle::ConstantTimeEq;
use token::{Fingerprint, KnownToken};

/// How often at most a running server looks whether another process changed the file, in
/// milliseconds; a token that it does not know makes it look at once.
const LOOK_EVERY_MS: i64 = 1_000;

/// What the token store refuses or fails at.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// Names appear in the audit trail, where two bearers must not look alike.
    #[error("a token named {0:?} exists already: choose another name, or revoke that one first")]
    NameTaken(String),
    /// The name can not be printed, is too long, or means something else in the audit trail.
    #[error(
        "{0:?} can not be a token's name: use 1 to 64 visible characters, and neither `anonymous` nor `controller`"
    )]
    NameInvalid(String),
    /// There is no such token.
    #[error("there is no token {0:?}: list the tokens to see their ids")]
    TokenNotFound(String),
    /// The operating system gives no random bits.
    #[error("the operating system's random generator does not answer")]
    NoRandomness(#[source] getrandom::Error),
    /// The file failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The tokens of an installation.
pub struct AccessStore {
    place: Place,
    shared: Arc<Shared>,
    /// When the file was last looked at, in milliseconds since 1970.
    looked_ms: AtomicI64,
    clock: Arc<dyn Clock>,
}

/// Where tokens are kept.
enum Place {
    /// A file that several processes may have open.
    File(Mutex<Connection>),
    /// A server, which tells what others wrote.
    Server(PostgresDatabase),
}

/// Tokens in memory.
struct Shared {
    /// By the beginning of their fingerprint.
    known: RwLock<Known>,
    damage: DamageLog,
}

#[derive(Default)]
struct Known {
    tokens: HashMap<[u8; 8], Vec<KnownToken>>,
    /// Until when each token is good, by its id; `None` where it does not end.
    expiries: HashMap<String, Option<Timestamp>>,
    /// SQLite's `data_version` when they were read.
    version: i64,
}

impl AccessControl for AccessStore {
    fn verify(&self, token: &str) -> Option<Access> {
        Self::verify(self, token)
    }

    fn is_valid(&self, token_id: &str) -> bool {
        Self::is_valid(self, token_id)
    }

    fn damage(&self) -> Vec<Damage> {
        self.shared.damage.rows()
    }
}

impl AccessStore {
    /// Opens or makes the file, which its owner alone can read, and reads the tokens. Several
    /// processes may have it open.
    pub fn open(path: &Path, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        files::make_folder(path)?;
        files::make_private(path)?;
        let mut connection =
            files::open_writer(path).map_err(|source| OpenFault::from_sqlite(path, source))?;
        migrate(&mut connection, path, ACCESS_MIGRATIONS)?;
        Self::on(Place::File(Mutex::new(connection)), DamageLog::of_file(path), clock)
    }

    /// Connects to the server that keeps the tokens, and reads them. Blocks; not to be called from a task.
    pub fn connect(url: &PostgresUrl, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        let server = PostgresDatabase::open_access(url)?;
        let damage = server.damage().clone();
        let store = Self::on(Place::Server(server.clone()), damage, clock)?;
        let shared = store.shared.clone();
        server.follow(Arc::new(move |sql| shared.reload(sql, 0)))?;
        Ok(store)
    }

    fn on(place: Place, damage: DamageLog, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        let shared = Arc::new(Shared { known: RwLock::default(), damage });
        let looked_ms = AtomicI64::new(clock.now().as_millisecond());
        let store = Self { place, shared, looked_ms, clock };
        store.with("reading tokens", |_| Ok(()))?;
        Ok(store)
    }

    /// Runs `work` on the tokens, and reads them again.
    fn with<T: Send + 'static>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&Sql<'_>) -> Result<T, WorkError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let shared = self.shared.clone();
        let work = move |sql: &Sql<'_>, version: i64| {
            let done = work(sql).and_then(|value| {
                shared.reload(sql, version)?;
                Ok(value)
            });
            done.map_err(|error| error.into_store_error(operation))
        };
        match &self.place {
            Place::File(connection) => {
                let connection = connection.lock();
                // Asked first: what is written between the two is read now and once more at the next look.
                let version = data_version(&connection)
                    .map_err(|error| WorkError::from(error).into_store_error(operation))?;
                work(&Sql::sqlite(&connection), version)
            }
            Place::Server(server) => server.write_blocking(operation, move |sql| work(sql, 0)),
        }
    }

    /// Makes a token. The secret is returned this once; it can not be found out again. On a server it
    /// blocks, and is not to be called from a task.
    pub fn create_token(&self, new: NewToken) -> Result<(TokenInfo, TokenSecret), AccessError> {
        if !token::is_name(&new.name) {
            return Err(AccessError::NameInvalid(new.name));
        }
        let secret = TokenSecret::generate().map_err(AccessError::NoRandomness)?;
        let info = new.into_info(&secret, self.clock.now()).map_err(AccessError::NoRandomness)?;
        let (kept, fingerprint) = (info.clone(), Fingerprint::of(secret.expose()));
        match self.with("creating a token", move |sql| token::insert(sql, &kept, &fingerprint))? {
            true => Ok((info, secret)),
            false => Err(AccessError::NameTaken(info.name)),
        }
    }

    /// Every token, oldest first, expired ones too.
    pub fn list_tokens(&self) -> Result<Vec<TokenInfo>, StoreError> {
        let shared = self.shared.clone();
        let tokens = self.with("listing tokens", move |sql| token::read_all(sql, &shared.damage))?;
        Ok(tokens.into_iter().map(|token| token.info).collect())
    }

    /// Takes a token away for ever; this process refuses it at once, others within a second.
    pub fn revoke_token(&self, id: &str) -> Result<TokenInfo, AccessError> {
        let wanted = id.to_owned();
        let revoked = self.with("revoking a token", move |sql| {
            let delete = format!("DELETE FROM tokens WHERE id = ?1 RETURNING {}", token::COLUMNS);
            sql.row(&delete, values![&wanted], token::from_row)
        })?;
        revoked.map(|token| token.info).ok_or_else(|| AccessError::TokenNotFound(id.to_owned()))
    }

    /// What the bearer of a token may do; `None` where it is unknown, revoked or expired. Answers
    /// from memory.
    pub fn verify(&self, presented: &str) -> Option<Access> {
        let now = self.clock.now();
        let fingerprint = Fingerprint::of(presented);
        self.look_where_due(now);
        let mut found = self.find(&fingerprint);
        if found.is_none() {
            self.look();
            found = self.find(&fingerprint);
        }
        let token = found?;
        let valid = token.expires_at.is_none_or(|expiry| now < expiry);
        valid.then_some(Access {
            token_id: Some(token.id),
            actor: token.name,
            role: token.role,
            tenants: token.tenants,
        })
    }

    /// Whether a token is neither revoked nor expired. Answers from memory.
    pub fn is_valid(&self, token_id: &str) -> bool {
        let now = self.clock.now();
        self.look_where_due(now);
        let known = self.shared.known.read();
        known.expiries.get(token_id).is_some_and(|expiry| expiry.is_none_or(|expiry| now < expiry))
    }

    fn look_where_due(&self, now: Timestamp) {
        let since_last_look = now.as_millisecond() - self.looked_ms.load(Ordering::Relaxed);
        // A clock that was set back must not put the next look off.
        if !(0..LOOK_EVERY_MS).contains(&since_last_look) {
            self.look();
        }
    }

    fn find(&self, fingerprint: &Fingerprint) -> Option<TokenInfo> {
        let known = self.shared.known.read();
        let candidates = known.tokens.get(&fingerprint.beginning())?;
        // The whole is compared in constant time; what the look-up tells about the beginning of a
        // hash helps nobody to find what it is the hash of.
        let same = |token: &&KnownToken| bool::from(token.fingerprint.0.ct_eq(&fingerprint.0));
        candidates.iter().find(same).map(|token| token.info.clone())
    }

    /// Reads the tokens again where another process wrote the file. A server tells by itself.
    fn look(&self) {
        self.looked_ms.store(self.clock.now().as_millisecond(), Ordering::Relaxed);
        let Place::File(connection) = &self.place else { return };
        let connection = connection.lock();
        let look = || -> Result<(), WorkError> {
            let version = data_version(&connection)?;
            if version != self.shared.known.read().version {
                self.shared.reload(&Sql::sqlite(&connection), version)?;
            }
            Ok(())
        };
        if let Err(error) = look() {
            // The tokens that were known stay good: a full disk must not lock everybody out.
            tracing::error!(%error, "the token file could not be read again");
        }
    }
}

impl Shared {
    fn reload(&self, sql: &Sql<'_>, version: i64) -> Result<(), WorkError> {
        let mut tokens: HashMap<_, Vec<KnownToken>> = HashMap::new();
        let mut expiries = HashMap::new();
        for token in token::read_all(sql, &self.damage)? {
            expiries.insert(token.info.id.clone(), token.info.expires_at);
            tokens.entry(token.fingerprint.beginning()).or_default().push(token);
        }
        *self.known.write() = Known { tokens, expiries, version };
        Ok(())
    }
}

fn data_version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0))
}

#[cfg(test)]
mod tests;
