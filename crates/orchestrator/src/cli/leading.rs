//! Options of a client that stand before the command, as kubectl and argocd take them: `ecp --demo tenants list`.
//!
//! They belong to the commands that speak to a server, so that `ecp serve --token` is an error that says so; here
//! they are put behind the command, where each of those commands reads them.

use super::options::ClientOptions;
use clap::{Args as _, Command};
use std::ffi::OsString;

/// The same command line, with a client's options that stand before the command behind it.
pub(super) fn behind_the_command(arguments: Vec<OsString>) -> Vec<OsString> {
    let end = end_of_leading(arguments.get(1..).unwrap_or_default()) + 1;
    if end == 1 || end >= arguments.len() {
        return arguments;
    }
    let mut arguments = arguments;
    let command = arguments.remove(end);
    arguments.insert(1, command);
    arguments
}

/// How many of these words are a client's options and their values.
fn end_of_leading(words: &[OsString]) -> usize {
    let options = ClientOptions::augment_args(Command::new("client"));
    let mut at = 0;
    while let Some(word) = words.get(at).and_then(|word| word.to_str()) {
        let (name, has_value) = match word.strip_prefix("--") {
            Some(long) => (long.split('=').next().unwrap_or_default(), long.contains('=')),
            None => match word.strip_prefix('-') {
                Some(short) => (short.get(..1).unwrap_or_default(), short.len() > 1),
                None => break,
            },
        };
        let is_long = word.starts_with("--");
        let option = options.get_arguments().find(|option| match is_long {
            true => option.get_long() == Some(name),
            false => option.get_short().is_some_and(|short| name.starts_with(short)),
        });
        let Some(option) = option else { break };
        let takes_next = !has_value
            && !option.is_require_equals_set()
            && option.get_num_args().is_none_or(|values| values.takes_values());
        at += if takes_next { 2 } else { 1 };
    }
    at.min(words.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn assert_moved(given: &str, expected: &str) {
        let words = |text: &str| text.split(' ').map(OsString::from).collect::<Vec<_>>();
        assert_eq!(behind_the_command(words(given)), words(expected), "{given}");
    }

    #[test]
    fn options_of_a_client_go_behind_the_command() {
        assert_moved("ecp --server http://a tenants list", "ecp tenants --server http://a list");
        assert_moved("ecp --server=http://a --demo -o json top", "ecp top --server=http://a --demo -o json");
        assert_moved("ecp --demo=false -ojson tenants get a", "ecp tenants --demo=false -ojson get a");
    }

    #[test]
    fn what_is_no_option_of_a_client_stays() {
        for given in [
            "ecp",
            "ecp --version",
            "ecp tenants list --server http://a",
            "ecp --listen 127.0.0.1:1 serve",
            "ecp --server",
            "ecp --server http://a",
            "ecp -x tenants",
            "ecp - tenants",
        ] {
            assert_moved(given, given);
        }
    }

    #[test]
    fn a_word_that_is_no_text_ends_them() {
        use std::os::unix::ffi::OsStringExt as _;
        let given: Vec<OsString> = vec!["ecp".into(), OsString::from_vec(vec![b'-', 0xff]), "tenants".into()];
        assert_eq!(behind_the_command(given.clone()), given);
    }
}
