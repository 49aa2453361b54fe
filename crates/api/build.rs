//! Has the crate compiled again when the dashboard was built again: the files in it are embedded.

fn main() {
    println!("cargo::rerun-if-changed=../../dashboard/dist");
}
