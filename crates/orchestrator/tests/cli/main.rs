//! The command line, run as its users run it: the built program, a real server, real files.

mod alerting;
mod applying;
mod calls;
mod conformance;
mod daily;
mod documentation;
mod faults;
mod formats;
mod harness;
mod matching;
mod offline;
mod usage;
