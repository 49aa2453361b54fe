//! Who asks for something: at any process, with whatever comes of it, and again elsewhere where no answer came.

use crate::chance::Chance;
use crate::record::Record;
use crate::replica::Replica;
use ecp_core::deployment::Removal;
use ecp_core::ids::{RequestId, TenantId};
use ecp_core::origin::{Caller, Origin};
use ecp_core::ports::{IdempotencyKey, StoreError, TenantStore as _};
use ecp_core::sizing::SizingOptions;
use ecp_core::tenancy::{Tenancy, TenancyError, TenantPatch};
use ecp_core::tenant::{Availability, Service, SlaTarget, TenantSpec};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Who asks, in the audit trail.
pub const ACTOR: &str = "user";

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A tenant, under a key: it may be asked for again.
    Create,
    /// Other units and another name.
    Update,
    /// That it goes.
    Delete(Removal),
}

/// How a request was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is accepted.
    Accepted,
    /// Nothing of it is kept.
    Refused,
    /// Nobody knows.
    Doubt,
}

/// A request, and the answers to it.
#[derive(Clone, Debug)]
pub struct Request {
    /// Which tenant it is about.
    pub tenant_id: TenantId,
    /// What is asked for.
    pub kind: Kind,
    /// Units, of a creation or change.
    pub units: u32,
    /// How often it was asked, and what was answered.
    pub asked: usize,
    /// Answers.
    pub answers: Vec<Answer>,
}

impl Request {
    /// True where somebody was told that it is done.
    pub fn is_acknowledged(&self) -> bool {
        self.answers.contains(&Answer::Accepted)
    }

    /// True where it is certain that nothing was done.
    pub fn is_refused(&self) -> bool {
        self.answers.len() == self.asked && self.answers.iter().all(|answer| *answer == Answer::Refused)
    }
}

/// All requests of a schedule.
#[derive(Clone)]
pub struct Users {
    pub(crate) requests: Arc<Mutex<Vec<Request>>>,
    record: Record,
    chance: Chance,
}

/// The id of the request of this number.
pub fn request_id(number: usize) -> String {
    format!("op-{number}")
}

/// The name that a tenant has from it.
pub fn name_by(number: usize) -> String {
    format!("by {}", request_id(number))
}

/// The tenant of this number.
pub fn tenant(number: usize) -> Result<TenantId, String> {
    TenantId::parse(&format!("tenant-{number}")).map_err(|fault| fault.to_string())
}

impl Users {
    pub(crate) fn new(record: &Record, chance: &Chance) -> Self {
        Self { requests: Arc::default(), record: record.clone(), chance: chance.clone() }
    }

    /// Asks for something at a process.
    pub(crate) fn ask(&self, replica: &Replica, at: usize, tenant_id: TenantId) {
        // What is seen there, or not, is what people ask for, most of the time.
        let is_there = replica.store.tenant(&tenant_id).is_some();
        let kind = match (is_there, self.chance.below(10)) {
            (false, 0..8) | (true, 0) => Kind::Create,
            (false, 8) | (true, 1..6) => Kind::Update,
            _ => Kind::Delete(Removal { force: self.chance.per_mille(300), release: false }),
        };
        let units = u32::try_from(self.chance.between(1, 60)).unwrap_or(1);
        let number = {
            let mut requests = self.requests.lock();
            requests.push(Request { tenant_id, kind, units, asked: 0, answers: Vec::new() });
            requests.len() - 1
        };
        self.send(replica, at, number);
    }

    /// Asks again for what nobody knows whether it is done.
    pub(crate) fn ask_again(&self, replica: &Replica, at: usize) {
        let open = {
            let requests = self.requests.lock();
            let open = |request: &Request| {
                !matches!(request.kind, Kind::Update)
                    && request.answers.len() == request.asked
                    && request.answers.last() == Some(&Answer::Doubt)
            };
            requests.iter().rposition(open)
        };
        if let Some(number) = open {
            self.send(replica, at, number);
        }
    }

    fn send(&self, replica: &Replica, at: usize, number: usize) {
        let request = {
            let mut requests = self.requests.lock();
            requests[number].asked += 1;
            requests[number].clone()
        };
        let (tenancy, users) = (replica.tenancy.clone(), self.clone());
        self.record.note(|| {
            format!("op-{number} at {at}: {:?} {} ({} units)", request.kind, request.tenant_id, request.units)
        });
        replica.spawn(async move {
            let answer = match asked(&tenancy, number, &request).await {
                Ok(told) => {
                    users.record.note(|| format!("op-{number}: accepted, {told}"));
                    Answer::Accepted
                }
                Err(TenancyError::Store(StoreError::Database { .. } | StoreError::Closed)) => {
                    users.record.note(|| format!("op-{number}: in doubt"));
                    Answer::Doubt
                }
                Err(error) => {
                    users.record.note(|| format!("op-{number}: {error}"));
                    Answer::Refused
                }
            };
            users.requests.lock()[number].answers.push(answer);
        });
    }
}

async fn asked(tenancy: &Tenancy, number: usize, request: &Request) -> Result<String, TenancyError> {
    let origin = Origin { request_id: RequestId::from_text(request_id(number)), trace_parent: None };
    let caller = Caller { actor: ACTOR.to_owned(), origin: Some(origin) };
    let id = &request.tenant_id;
    match request.kind {
        Kind::Create => {
            let key = IdempotencyKey {
                actor: ACTOR.to_owned(),
                key: request_id(number),
                request_digest: [u8::try_from(number % 251).unwrap_or(0); 32],
                letters_digest: [u8::MAX; 32],
            };
            let respond = |tenant: &ecp_core::tenant::Tenant| serde_json::json!(tenant.generation);
            let spec = spec(number, request.units);
            let accepted = tenancy.create_tenant(&caller, id.clone(), spec, Some(key), respond).await?;
            Ok(match accepted {
                ecp_core::tenancy::Accepted::New(tenant) => format!("generation {}", tenant.generation),
                ecp_core::tenancy::Accepted::Replayed(answer) => format!("before, generation {answer}"),
            })
        }
        Kind::Update => {
            let patch = TenantPatch {
                name: Some(name_by(number)),
                service_requirements: BTreeMap::from([(Service::Callbot, request.units)]),
                ..TenantPatch::default()
            };
            let tenant = tenancy.update_tenant(&caller, id, patch, None, None).await?;
            Ok(format!("generation {}", tenant.generation))
        }
        Kind::Delete(how) => {
            tenancy.delete_tenant(&caller, id, how, None).await?;
            Ok("it goes".to_owned())
        }
    }
}

fn spec(number: usize, units: u32) -> TenantSpec {
    TenantSpec {
        name: name_by(number),
        preset: None,
        service_requirements: BTreeMap::from([(Service::Callbot, units)]),
        sla_target: SlaTarget {
            availability: Availability::parse("99.5%").unwrap_or(Availability(9950)),
            response_time_ms: 500,
            concurrent_users: None,
        },
        description: None,
        exposure: None,
        management: ecp_core::tenant::Management::default(),
        demo_fault: None,
        sizing: SizingOptions::default(),
    }
}
