//! The `ecp` program: the command line of the library beside it.

use std::process::ExitCode;

fn main() -> ExitCode {
    ecp_orchestrator::cli::run(std::env::args_os())
}
