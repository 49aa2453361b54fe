//! Turns what SQLite says into the domain's errors.

use ecp_core::ports::StoreError;

/// Names the operation that failed.
pub fn database_error<E>(operation: &'static str) -> impl FnOnce(E) -> StoreError
where
    E: std::error::Error + Send + Sync + 'static,
{
    move |source| StoreError::Database { operation, source: Box::new(source) }
}
