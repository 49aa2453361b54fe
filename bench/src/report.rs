//! The lines that the benchmark prints.

/// Prints one figure with its target.
#[allow(clippy::print_stdout, reason = "printing is what a benchmark does")]
pub fn figure(name: &str, value: &str, target: &str, reached: bool) {
    let mark = if reached { "reached" } else { "MISSED" };
    println!("{name:<58} {value:>22}   target {target:<22} {mark}");
}

/// Prints a remark.
#[allow(clippy::print_stdout, reason = "printing is what a benchmark does")]
pub fn remark(text: &str) {
    println!("{text}");
}
