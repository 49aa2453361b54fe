//! Which tenants this process works on, as the controller last saw it: what is remembered of a tenant is of
//! one tenure, and what was in hand when another process took it is put down.

use super::Shared;
use ecp_core::ids::TenantId;
use ecp_core::ports::{ALONE, WorkItem};

impl Shared {
    /// True of a tenant that this process works on. What is remembered of an earlier tenure is forgotten:
    /// another process went on meanwhile.
    pub(super) fn works_on(&self, id: &TenantId) -> bool {
        match self.store.tenure(id) {
            None => false,
            Some(ALONE) => true,
            Some(tenure) => {
                if self.tenures.lock().insert(id.clone(), tenure) != Some(tenure) {
                    self.forget_tenure(id);
                }
                true
            }
        }
    }

    fn forget_tenure(&self, id: &TenantId) {
        self.manifests.lock().remove(id);
        self.rolling.lock().remove(id);
        self.intents.lock().remove(id);
        self.fights.lock().forget(id);
        self.deadlines.lock().forget(id);
    }

    /// Puts down what waits in hand of tenants that another process works on, or may; what is being looked
    /// at is put down when the look is over.
    pub(super) fn put_down_lost(&self) {
        let lost = self.slots.lock().take_idle(|id| self.store.tenure(id).is_none());
        for item in lost {
            self.let_go(&item);
        }
        self.tenures.lock().retain(|id, _| self.store.tenure(id).is_some());
    }

    /// Puts an item down whose tenant is another process's.
    pub(super) fn let_go(&self, item: &WorkItem) {
        tracing::debug!(tenant.id = %item.tenant_id, "another process works on a tenant that was in hand");
        self.put_down(item);
        self.forget_tenure(&item.tenant_id);
        self.store.let_go(item);
    }
}
