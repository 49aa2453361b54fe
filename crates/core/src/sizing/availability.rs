//! Availability end to end: a request goes through every service of the tenant and its redis, so that all of
//! them must answer; a service answers while one of its pods does, and a pod while its node does.
//!
//! Pods that the load needs are no spares: a service counts with the plan's replicas, however many more it has.

use crate::catalog::Catalog;
use crate::tenant::Availability;

/// Most replicas that are tried for an availability; no catalog's share of a pod needs more.
const MOST_REPLICAS: u32 = 64;
/// Share of time that the services are at least allowed to be away, when replicas are counted: what redis
/// leaves of a promise may be less than nothing, and no number of replicas keeps nothing.
const LEAST_ALLOWED: f64 = 1e-6;

/// Share of time in which no pod of a service answers. Its pods are spread over nodes, evenly; a node that is
/// away takes all of its pods with it.
fn of_service(catalog: &Catalog, replicas: u32) -> f64 {
    let model = &catalog.availability;
    let replicas = replicas.clamp(1, MOST_REPLICAS);
    let nodes = replicas.min(model.spread_over_nodes);
    let no_pod = |pods: u32| 1.0 - model.node_share * (1.0 - power(1.0 - model.pod_share, pods));
    let (each, more) = (replicas / nodes, replicas % nodes);
    power(no_pod(each + 1), more) * power(no_pod(each), nodes - more)
}

/// Share of time in which a tenant is away: a service of its, given their replicas, or its redis.
pub(super) fn unavailability(catalog: &Catalog, replicas: impl Iterator<Item = u32>) -> f64 {
    let services = replicas.map(|replicas| of_service(catalog, replicas));
    in_series(services.chain([of_redis(catalog)]))
}

/// Fewest replicas, from a number on, at which services keep an availability. One that redis alone breaks gets
/// what the highest that it does not break gets.
pub(super) fn replicas_for(catalog: &Catalog, from: u32, services: usize, target: Availability) -> u32 {
    let allowed = (allowed(target) - of_redis(catalog)).max(LEAST_ALLOWED);
    let away = |replicas: u32| in_series(std::iter::repeat_n(of_service(catalog, replicas), services));
    (from..MOST_REPLICAS).find(|replicas| away(*replicas) <= allowed).unwrap_or(MOST_REPLICAS.max(from))
}

/// Whether an unavailability is within what an availability allows. All of the time never is: there is
/// always a chance that every pod is away. The tolerance is for the last bit of the subtraction.
pub(super) fn is_kept(unavailability: f64, target: Availability) -> bool {
    let allowed = allowed(target);
    allowed > 0.0 && unavailability <= allowed * (1.0 + 1e-9)
}

/// The highest availability, in its four decimals, that replicas can keep for a number of services.
pub(super) fn highest(catalog: &Catalog, services: usize) -> Availability {
    let replicas = replicas_for(catalog, 1, services, Availability(1_000_000));
    let best = unavailability(catalog, std::iter::repeat_n(replicas, services));
    Availability(1_000_000_u32.saturating_sub((best * 1e6).ceil() as u32).min(999_999))
}

fn allowed(target: Availability) -> f64 {
    f64::from(1_000_000_u32.saturating_sub(target.0)) / 1e6
}

fn of_redis(catalog: &Catalog) -> f64 {
    1.0 - catalog.availability.redis_share * catalog.availability.node_share
}

fn in_series(parts: impl Iterator<Item = f64>) -> f64 {
    // By logarithms: one minus a product of figures that are nearly one would lose what counts.
    -parts.map(|away| (-away).ln_1p()).sum::<f64>().exp_m1()
}

fn power(share: f64, times: u32) -> f64 {
    share.powi(i32::try_from(times).unwrap_or(i32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_service_redis_and_the_nodes_count() {
        let catalog = Catalog::embedded();
        let model = &catalog.availability;
        let pod = model.pod_share * model.node_share;
        let expected = 1.0 - pod.powi(3) * model.redis_share * model.node_share;
        let single = unavailability(&catalog, [1, 1, 1].into_iter());
        assert!((single / expected - 1.0).abs() < 1e-9, "{single} for {expected}");
        let spread = unavailability(&catalog, [3, 3, 3].into_iter());
        assert!(spread < expected / 10.0 && spread > 1.0 - model.redis_share, "{spread}");
    }

    #[test]
    fn more_pods_than_nodes_are_bounded_by_the_nodes() {
        let catalog = Catalog::embedded();
        let nodes = i32::try_from(catalog.availability.spread_over_nodes).expect("few");
        let all = (1.0 - catalog.availability.node_share).powi(nodes);
        assert!((of_service(&catalog, 60) / all - 1.0).abs() < 1e-3);
        let away: Vec<f64> = (1..60).map(|replicas| of_service(&catalog, replicas)).collect();
        assert!(away.windows(2).all(|pair| pair[1] <= pair[0]), "{away:?}");
    }

    #[test]
    fn the_highest_availability_can_be_kept_and_the_next_can_not() {
        let catalog = Catalog::embedded();
        for services in [1, 5, 7] {
            let Availability(ppm) = highest(&catalog, services);
            let replicas = replicas_for(&catalog, 1, services, Availability(ppm));
            let away = unavailability(&catalog, std::iter::repeat_n(replicas, services));
            assert!(is_kept(away, Availability(ppm)), "{services}: {ppm} with {replicas}: {away}");
            assert!(!is_kept(away, Availability(ppm + 1)), "{services}: {ppm}");
        }
    }
}
