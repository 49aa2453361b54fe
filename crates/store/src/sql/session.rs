//! A connection to a PostgreSQL server, used from one thread, with the statements that it has prepared.

use super::Value;
use crate::postgres::PostgresError;
use std::collections::HashMap;
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Row, Statement};

/// How long one statement may take. The server has a limit of its own, which is shorter: this one is for a
/// server that says nothing at all.
const ANSWER_WITHIN: Duration = Duration::from_secs(15);

/// A connection. Its transactions are begun and ended by statements of its owner. What it awaits, it awaits
/// on a runtime of its own, so that it must not be used from a thread that runs tasks.
pub(crate) struct PostgresSession {
    runtime: Runtime,
    client: Client,
    prepared: HashMap<String, Statement>,
    /// Set once an answer did not come: what the server makes of the rest cannot be known.
    lost: bool,
}

impl PostgresSession {
    /// Over an open connection whose other half runs on `runtime`.
    pub(crate) fn new(runtime: Runtime, client: Client) -> Self {
        Self { runtime, client, prepared: HashMap::new(), lost: false }
    }

    /// Statements without values or results.
    pub(crate) fn batch(&mut self, sql: &str) -> Result<(), PostgresError> {
        let answer = self.runtime.block_on(within(self.client.batch_execute(sql)));
        self.noting(answer)
    }

    /// True once the connection has ended, or does not answer.
    pub(crate) fn is_closed(&self) -> bool {
        self.lost || self.client.is_closed()
    }

    /// Waits on the connection's own runtime, in which its notifications arrive.
    pub(crate) fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    /// Runs a statement; how many rows it wrote.
    pub(crate) fn execute(&mut self, sql: &str, values: &[Value<'_>]) -> Result<usize, PostgresError> {
        let statement = self.prepare(sql)?;
        let parameters = parameters(values);
        let answer = self.runtime.block_on(within(self.client.execute(&statement, &parameters)));
        Ok(usize::try_from(self.noting(answer)?).unwrap_or(usize::MAX))
    }

    /// Every row that a statement gives.
    pub(crate) fn query(&mut self, sql: &str, values: &[Value<'_>]) -> Result<Vec<Row>, PostgresError> {
        let statement = self.prepare(sql)?;
        let parameters = parameters(values);
        let answer = self.runtime.block_on(within(self.client.query(&statement, &parameters)));
        self.noting(answer)
    }

    fn prepare(&mut self, sql: &str) -> Result<Statement, PostgresError> {
        if let Some(prepared) = self.prepared.get(sql) {
            return Ok(prepared.clone());
        }
        let text = numbered(sql);
        let answer = self.runtime.block_on(within(self.client.prepare(&text)));
        let statement = self.noting(answer)?;
        self.prepared.insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }

    fn noting<T>(&mut self, answer: Result<T, PostgresError>) -> Result<T, PostgresError> {
        self.lost |= matches!(answer, Err(PostgresError::Silent(_)));
        answer
    }
}

async fn within<T>(
    answer: impl Future<Output = Result<T, tokio_postgres::Error>>,
) -> Result<T, PostgresError> {
    match tokio::time::timeout(ANSWER_WITHIN, answer).await {
        Ok(answer) => answer.map_err(PostgresError::from),
        Err(_) => Err(PostgresError::Silent(ANSWER_WITHIN)),
    }
}

fn parameters<'a>(values: &'a [Value<'a>]) -> Vec<&'a (dyn ToSql + Sync)> {
    values.iter().map(|value| value as &(dyn ToSql + Sync)).collect()
}

/// Parameters as PostgreSQL numbers them.
fn numbered(sql: &str) -> String {
    sql.replace('?', "$")
}
