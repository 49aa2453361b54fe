//! How many connections the operating system lets the process have.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Files that are none of our connections: databases, the listener, the runtime, the cluster's.
const OTHER_FILES: u64 = 256;

/// Raises the process's limit of open files as far as it may, and returns how many of `wanted`
/// connections fit under it. Systems commonly start a process with 1024 and allow far more.
pub fn allowed_connections(wanted: usize) -> usize {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let current = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(error) => {
            tracing::debug!(%error, "the limit of open files could not be raised");
            limit.current
        }
    };
    let allowed = fit(wanted, current);
    if allowed < wanted {
        tracing::warn!(wanted, allowed, "fewer connections than configured: raise the limit of open files");
    }
    allowed
}

/// `None` is no limit. At least one connection is always tried.
fn fit(wanted: usize, open_files: Option<u64>) -> usize {
    let Some(open_files) = open_files else { return wanted };
    // Of a few files, half are for connections.
    let others = OTHER_FILES.min(open_files / 2);
    let room = usize::try_from(open_files - others).unwrap_or(usize::MAX);
    wanted.min(room).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_room_for_other_files() {
        assert_eq!(fit(10_240, Some(1024)), 768);
        assert_eq!(fit(10_240, Some(1_048_576)), 10_240);
        assert_eq!(fit(10_240, None), 10_240);
        assert_eq!(fit(10_240, Some(256)), 128);
        assert_eq!(fit(10_240, Some(1)), 1);
    }

    #[test]
    fn the_limit_is_raised_as_far_as_it_may_be() {
        allowed_connections(1);
        let limit = getrlimit(Resource::Nofile);
        assert_eq!(limit.current, limit.maximum);
    }
}
