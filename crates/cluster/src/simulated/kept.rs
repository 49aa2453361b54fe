//! The simulated cluster as it is kept for other processes: its whole state as text, which whoever reads it
//! goes on from. One process runs it; the others show what it was at last, and one of them takes it over.

use super::SimulatedCluster;
use super::speed::LifeTime;
use super::world::World;
use crate::kubernetes::kind_name;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeMap;

/// State and the beginning of its time.
#[derive(Serialize, Deserialize)]
struct Kept<W> {
    life: LifeTime,
    world: W,
}

/// Why a kept state is not taken.
#[derive(Debug, thiserror::Error)]
pub enum KeptFault {
    /// It is not one that this release can read.
    #[error("it can not be read")]
    Unreadable(#[from] serde_json::Error),
    /// It is of other nodes.
    #[error("it is of a cluster with other nodes")]
    OtherNodes,
}

impl SimulatedCluster {
    /// The whole state.
    ///
    /// # Errors
    /// Something of it can not be written.
    pub fn to_kept(&self) -> Result<String, KeptFault> {
        let world = self.world.lock();
        Ok(serde_json::to_string(&Kept { life: *self.life.lock(), world: &*world })?)
    }

    /// Goes on from a state, whatever was there before; what came due since then happens at once.
    ///
    /// # Errors
    /// It is none, or not of such a cluster; what was there stays.
    pub fn take_kept(&self, text: &str) -> Result<(), KeptFault> {
        let kept: Kept<World> = serde_json::from_str(text)?;
        {
            let mut world = self.world.lock();
            let mut taken = kept.world;
            if !taken.stands_on_nodes_of(&world) {
                return Err(KeptFault::OtherNodes);
            }
            *world = taken;
            *self.life.lock() = kept.life;
        }
        self.tick();
        Ok(())
    }
}

/// The name of a kind. An alias, so that reading one is not taken for borrowing it.
pub(super) type KindName = &'static str;

/// The kind of an object, one of few.
pub(super) fn kind<'de, D: Deserializer<'de>>(deserializer: D) -> Result<KindName, D::Error> {
    let text = String::deserialize(deserializer)?;
    kind_name(&text).ok_or_else(|| D::Error::custom(format!("{text:?} is no kind of an object")))
}

/// A map whose keys are no text: as pairs.
pub(super) mod pairs {
    use super::*;

    pub(in super::super) fn serialize<S, K, V>(map: &BTreeMap<K, V>, serializer: S) -> Result<S::Ok, S::Error>
    where
        S: Serializer,
        K: Serialize,
        V: Serialize,
    {
        serializer.collect_seq(map)
    }

    pub(in super::super) fn deserialize<'de, D, K, V>(deserializer: D) -> Result<BTreeMap<K, V>, D::Error>
    where
        D: Deserializer<'de>,
        K: Deserialize<'de> + Ord,
        V: Deserialize<'de>,
    {
        Ok(Vec::<(K, V)>::deserialize(deserializer)?.into_iter().collect())
    }
}
