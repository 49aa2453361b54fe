#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use super::*;
use ecp_core::Timestamp;
use ecp_core::access::Role;
use ecp_core::ids::TenantId;
use ecp_core::origin::ServerActor;
use jiff::SignedDuration;
use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use tempfile::TempDir;

struct TestClock(Mutex<Timestamp>);

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        *self.0.lock()
    }
}

struct World {
    folder: TempDir,
    clock: Arc<TestClock>,
}

impl World {
    fn new() -> Self {
        let start = "2024-01-20T14:30:00Z".parse().unwrap();
        Self { folder: TempDir::new().unwrap(), clock: Arc::new(TestClock(Mutex::new(start))) }
    }

    /// As another process would.
    fn open(&self) -> AccessStore {
        AccessStore::open(&self.folder.path().join("access.db"), self.clock.clone()).unwrap()
    }

    fn pass(&self, time: SignedDuration) {
        let mut now = self.clock.0.lock();
        *now += time;
    }
}

fn viewer(name: &str) -> NewToken {
    NewToken { name: name.to_owned(), role: Role::Viewer, tenants: None, expires_at: None }
}

#[test]
fn a_token_is_recognized_with_its_role_and_tenants_also_after_a_restart() {
    let world = World::new();
    let store = world.open();
    let tenants = BTreeSet::from([TenantId::parse("acme").unwrap()]);
    let new = NewToken { role: Role::Operator, tenants: Some(tenants.clone()), ..viewer("ci") };
    let (info, secret) = store.create_token(new).unwrap();
    drop(store);
    let expected = Access {
        token_id: Some(info.id.clone()),
        actor: "ci".to_owned(),
        role: Role::Operator,
        tenants: Some(tenants),
    };
    assert_eq!(world.open().verify(secret.expose()), Some(expected));
    assert_eq!(world.open().list_tokens().unwrap(), [info]);
}

#[test]
fn a_token_has_256_random_bits_and_says_its_last_four_characters() {
    let store = World::new().open();
    let (info, secret) = store.create_token(viewer("one")).unwrap();
    let (_, other) = store.create_token(viewer("two")).unwrap();
    let hex = secret.expose().strip_prefix("ecp_").unwrap();
    assert!(hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()));
    assert_eq!(info.last_four, hex[60..]);
    assert_ne!(secret.expose(), other.expose());
}

#[test]
fn neither_the_files_nor_a_debug_print_hold_the_token() {
    let world = World::new();
    let store = world.open();
    let (info, secret) = store.create_token(viewer("ci")).unwrap();
    assert!(!format!("{secret:?} {info:?}").contains(&secret.expose()[4..]));
    for entry in std::fs::read_dir(world.folder.path()).unwrap() {
        let path = entry.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        let needle = &secret.expose().as_bytes()[4..];
        assert!(!bytes.windows(needle.len()).any(|window| window == needle), "{}", path.display());
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o077, 0, "{}", path.display());
    }
}

#[test]
fn what_is_not_exactly_a_token_is_unknown() {
    let store = World::new().open();
    let (_, secret) = store.create_token(viewer("ci")).unwrap();
    let secret = secret.expose();
    let near = [&secret[..67], &secret[4..], &secret.to_uppercase(), &format!("{secret} "), "", "ecp_"];
    for wrong in near {
        assert_eq!(store.verify(wrong), None, "{wrong}");
    }
    assert!(store.verify(secret).is_some());
}

#[test]
fn a_revoked_token_is_refused_at_once_and_its_name_is_free() {
    let store = World::new().open();
    let (info, secret) = store.create_token(viewer("ci")).unwrap();
    assert_eq!(store.revoke_token(&info.id).unwrap(), info);
    assert_eq!(store.verify(secret.expose()), None);
    assert!(matches!(store.revoke_token(&info.id), Err(AccessError::TokenNotFound(_))));
    store.create_token(viewer("ci")).unwrap();
}

#[test]
fn a_token_is_good_until_the_moment_it_expires() {
    let world = World::new();
    let store = world.open();
    let expires_at = Some(world.clock.now() + SignedDuration::from_secs(60));
    let (info, secret) = store.create_token(NewToken { expires_at, ..viewer("ci") }).unwrap();
    world.pass(SignedDuration::from_secs(59));
    assert!(store.verify(secret.expose()).is_some() && store.is_valid(&info.id));
    world.pass(SignedDuration::from_secs(1));
    assert_eq!(store.verify(secret.expose()), None);
    assert!(!store.is_valid(&info.id));
    assert_eq!(store.list_tokens().unwrap().len(), 1);
}

#[test]
fn a_token_that_another_process_made_is_known_at_once() {
    let world = World::new();
    let (server, command_line) = (world.open(), world.open());
    let (_, secret) = command_line.create_token(viewer("ci")).unwrap();
    assert!(server.verify(secret.expose()).is_some());
}

#[test]
fn a_token_that_another_process_revoked_is_refused_within_a_second() {
    let world = World::new();
    let (server, command_line) = (world.open(), world.open());
    let (info, secret) = command_line.create_token(viewer("ci")).unwrap();
    assert!(server.verify(secret.expose()).is_some());
    assert!(server.is_valid(&info.id));
    command_line.revoke_token(&info.id).unwrap();
    world.pass(SignedDuration::from_secs(1));
    assert!(!server.is_valid(&info.id), "found out without the token being shown again");
    assert_eq!(server.verify(secret.expose()), None);
}

#[test]
fn a_clock_that_was_set_back_does_not_keep_a_revoked_token_alive() {
    let world = World::new();
    let (server, command_line) = (world.open(), world.open());
    let (info, secret) = command_line.create_token(viewer("ci")).unwrap();
    assert!(server.verify(secret.expose()).is_some());
    command_line.revoke_token(&info.id).unwrap();
    world.pass(-SignedDuration::from_hours(1));
    assert_eq!(server.verify(secret.expose()), None);
}

#[test]
fn two_bearers_do_not_share_a_name_and_none_has_a_reserved_one() {
    let store = World::new().open();
    store.create_token(viewer("ci")).unwrap();
    assert!(matches!(store.create_token(viewer("ci")), Err(AccessError::NameTaken(name)) if name == "ci"));
    let of_the_server = ServerActor::ALL.map(ServerActor::as_str);
    for wrong in ["", " ci", "a\nb", &"x".repeat(65)].into_iter().chain(of_the_server) {
        assert!(matches!(store.create_token(viewer(wrong)), Err(AccessError::NameInvalid(_))), "{wrong:?}");
    }
    store.create_token(viewer(&"한".repeat(64))).unwrap();
    assert_eq!(store.list_tokens().unwrap().len(), 2);
}

#[test]
fn a_token_of_before_keeps_a_name_that_is_the_servers_now() {
    let world = World::new();
    let (_, secret) = world.open().create_token(viewer("ci")).unwrap();
    let file = Connection::open(world.folder.path().join("access.db")).unwrap();
    file.execute("UPDATE tokens SET name = 'catalog' WHERE name = 'ci'", []).unwrap();
    let store = world.open();
    assert!(store.verify(secret.expose()).is_some());
    assert_eq!(store.list_tokens().unwrap()[0].name, "catalog");
}

#[test]
fn a_damaged_token_is_set_aside_and_locks_nobody_else_out() {
    for spoilt in ["role = 'owner'", "tenants = '{'", "created_at = 'yesterday'", "sha256 = x'00'"] {
        let world = World::new();
        let store = world.open();
        let (damaged, lost) = store.create_token(viewer("damaged")).unwrap();
        let (_, good) = store.create_token(viewer("good")).unwrap();
        let file = Connection::open(world.folder.path().join("access.db")).unwrap();
        file.execute(&format!("UPDATE tokens SET {spoilt} WHERE name = 'damaged'"), []).unwrap();
        let store = world.open();
        assert!(store.verify(good.expose()).is_some(), "{spoilt}");
        assert!(store.verify(lost.expose()).is_none(), "{spoilt}");
        assert_eq!(store.list_tokens().unwrap().len(), 1);
        let damage = AccessControl::damage(&store);
        assert_eq!((damage.len(), damage[0].table, &damage[0].row), (1, "tokens", &damaged.id), "{spoilt}");
    }
}
