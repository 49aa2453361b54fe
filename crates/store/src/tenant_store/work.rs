//! Ends of leases and queueing anew; accepted changes queue their tenant themselves.

use super::{SqlStore, rows};
use crate::sql::{Change, values};
use ecp_core::Timestamp;
use ecp_core::ids::TenantId;
use ecp_core::ports::{StoreError, WorkItem};

impl SqlStore {
    /// The item is done, unless it was queued anew.
    pub(super) async fn end_lease(&self, item: WorkItem) -> Result<(), StoreError> {
        if !self.is_newest_or_release(&item) {
            return Ok(());
        }
        let (done, lease) = (item.clone(), item.clone());
        let written = self
            .write_held(
                &item.tenant_id,
                "finishing work",
                move |sql, _| {
                    sql.execute(
                        "DELETE FROM work_queue WHERE tenant_id = ?1 AND queue_number = ?2",
                        values![done.tenant_id.as_str(), done.lease],
                    )?;
                    Ok(())
                },
                move |shared, ()| {
                    shared.queue.lock().finish(&lease);
                    shared.tell_work_changed();
                },
            )
            .await;
        self.release_after(written, &item)
    }

    /// The item is due again at `due`, unless it was queued anew.
    pub(super) async fn put_back(
        &self,
        item: WorkItem,
        attempts: u32,
        due: Timestamp,
    ) -> Result<(), StoreError> {
        if !self.is_newest_or_release(&item) {
            return Ok(());
        }
        let (tried, lease) = (item.clone(), item.clone());
        let written = self
            .write_held(
                &item.tenant_id,
                "putting work back",
                move |sql, shared| {
                    // A new number, so that this lease can not end the next one.
                    let number = shared.next_queue_number();
                    sql.execute(
                        "UPDATE work_queue SET queue_number = ?3, attempts = ?4
                             WHERE tenant_id = ?1 AND queue_number = ?2",
                        values![tried.tenant_id.as_str(), tried.lease, number, attempts],
                    )?;
                    // Others number what they queue after it.
                    if shared.replica.get().is_some() {
                        sql.touch(Change::Work(tried.tenant_id));
                    }
                    Ok(number)
                },
                move |shared, number| {
                    shared.queue.lock().retry(&lease, *number, attempts, due);
                    shared.tell_work_changed();
                },
            )
            .await;
        self.release_after(written.map(|_number| ()), &item)
    }

    /// Queues a tenant now; failed tries in a row keep counting.
    pub(super) async fn queue_anew(&self, id: TenantId) -> Result<(), StoreError> {
        let now = self.clock.steady();
        if self.shared.queue.lock().is_pending(&id, now) {
            return Ok(());
        }
        let (queued, held) = (id.clone(), id.clone());
        self.write_held(
            &held,
            "queueing work",
            move |sql, shared| {
                if !rows::tenant_exists(sql, &id)? {
                    return Err(StoreError::TenantNotFound(id).into());
                }
                let number = shared.next_queue_number();
                let attempts: Option<u32> = sql.value(
                    "INSERT INTO work_queue (tenant_id, queue_number, attempts) VALUES (?1, ?2, 0)
                     ON CONFLICT (tenant_id) DO UPDATE SET queue_number = excluded.queue_number
                     RETURNING attempts",
                    values![id.as_str(), number],
                )?;
                sql.touch(Change::Work(id));
                Ok((number, attempts.unwrap_or(0)))
            },
            move |shared, (number, attempts)| {
                shared.put_queued(&queued, *number, *attempts, now);
            },
        )
        .await
        .map(|_item| ())
    }

    /// False where the item was queued anew and the lease's end is all there is to do; that is done.
    fn is_newest_or_release(&self, item: &WorkItem) -> bool {
        let mut queue = self.shared.queue.lock();
        let newest = queue.is_newest(item);
        if !newest {
            queue.release(item);
            drop(queue);
            self.shared.tell_work_changed();
        }
        newest
    }

    /// Frees an item whose end could not be written: it is due as it was, so that nothing is stuck
    /// until a restart.
    fn release_after(&self, written: Result<(), StoreError>, item: &WorkItem) -> Result<(), StoreError> {
        if written.is_err() {
            self.shared.queue.lock().release(item);
            self.shared.tell_work_changed();
        }
        written
    }
}
