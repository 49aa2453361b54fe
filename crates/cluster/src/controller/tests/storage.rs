//! A store that can not write: nothing spins, nothing is lost, and all goes on by itself.

use super::*;

impl Bench {
    /// Lets the file grow to at most so many pages; none for what it has.
    async fn limit_storage(&self, pages: Option<i64>) {
        let limit = move |transaction: &rusqlite::Transaction<'_>| {
            let now: i64 = transaction.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
            let limit = pages.unwrap_or(now);
            transaction.pragma_update_and_check(None, "max_page_count", limit, |_| Ok(())).unwrap();
            Ok(())
        };
        self.database().write("limiting the storage", limit).await.unwrap();
    }
}

#[tokio::test]
async fn a_full_disk_holds_the_controller_back_and_it_goes_on_when_there_is_room() {
    let mut bench = Bench::new().await;
    bench.create("acme", None).await;
    bench.limit_storage(None).await;
    let mut steps = 0;
    loop {
        assert!(bench.settle().await);
        if bench.database().write_failure().is_some() {
            break;
        }
        assert!(bench.next_event());
        steps += 1;
        assert!(steps < 1000, "the file has a limit");
    }
    let before = bench.database().jobs();
    for _ in 0..1000 {
        bench.process().controller.look_around().await;
        assert!(bench.settle().await);
    }
    assert_eq!(bench.database().jobs(), before, "nothing is tried during a pause");
    // Five minutes: at 0.5, 1, 2, 4, 8, 16 and then every 30 seconds.
    for _ in 0..300 {
        bench.clock.pass_seconds(1);
        assert!(bench.settle().await);
    }
    let tried = bench.database().jobs() - before;
    assert!((5..=60).contains(&tried), "{tried} writes in five minutes");
    bench.limit_storage(Some(1_000_000)).await;
    bench.clock.pass_seconds(31);
    bench.run_to_rest().await;
    assert_eq!(bench.status("acme"), TenantStatus::Running);
    bench.assert_sound("acme").await;
}
