//! Tests that what the documentation calls is there: commands and flags, wherever a page names one.

use clap::Command;
use std::path::Path;

/// Pieces of a page that are code: what stands between backticks, and the lines of its blocks.
fn code(page: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (place, part) in page.split("```").enumerate() {
        if place % 2 == 1 {
            found.extend(part.replace("\\\n", " ").lines().map(str::to_owned));
        } else {
            found.extend(part.split('`').skip(1).step_by(2).map(|span| span.replace('\n', " ")));
        }
    }
    found
}

/// The words behind each `ecp` of a line of code, up to what ends a command.
fn calls(line: &str) -> Vec<Vec<&str>> {
    let ends = |character: char| "|;&><()\"'#".contains(character);
    let parts = line.split(ends).map(str::trim);
    let programs = [
        "ecp",
        "kubectl ecp",
        "./kubectl-ecp",
        "target/release/ecp",
        "$ target/release/ecp",
        "$ ecp",
        "! ecp",
    ];
    parts
        .filter_map(|part| programs.iter().find_map(|program| part.strip_prefix(program)?.strip_prefix(' ')))
        .map(|rest| rest.split_whitespace().collect())
        .collect()
}

fn is_flag_of(command: &Command, flag: &str) -> bool {
    let name = flag.split('=').next().unwrap_or_default();
    let own = |option: &clap::Arg| match name.strip_prefix("--") {
        Some(long) => {
            option.get_long() == Some(long) || option.get_all_aliases().is_some_and(|all| all.contains(&long))
        }
        None => option.get_short().is_some_and(|short| name[1..].starts_with(short)),
    };
    ["--help", "-h", "--version", "-V"].contains(&name) || command.get_arguments().any(own)
}

/// What a call names that there is not.
fn unknown(root: &Command, words: &[&str]) -> Option<String> {
    let mut command = root;
    let mut path = Vec::new();
    let mut flags = Vec::new();
    for word in words {
        if word.starts_with('-') && word.len() > 1 {
            flags.push((command.clone(), *word));
        } else if let Some(inner) = command.find_subcommand(word) {
            command = inner;
            path.push(*word);
        } else if path.is_empty() && word.chars().all(|letter| letter.is_ascii_lowercase() || letter == '-') {
            return (*word != "help" && flags.is_empty()).then(|| format!("no command {word:?}"));
        }
    }
    let takes = |flag: &str| std::iter::once(root).chain([command]).any(|one| is_flag_of(one, flag));
    let parents = path.first().and_then(|name| root.find_subcommand(name));
    let wrong = flags
        .iter()
        .map(|(_, flag)| *flag)
        .find(|flag| !takes(flag) && !parents.is_some_and(|parent| is_flag_of(parent, flag)));
    wrong.map(|flag| format!("`{}` has no {flag}", path.join(" ")))
}

#[test]
fn every_command_and_flag_that_a_page_names_is_there() {
    let root = super::command();
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut pages: Vec<_> = ["README.md", "README.ko.md"].map(|name| top.join(name)).to_vec();
    for folder in ["docs", "docs/ko", "tests/stories", "sdk/python", "sdk/javascript", "sdk/go", "deploy"] {
        let entries = std::fs::read_dir(top.join(folder)).expect("a folder");
        pages.extend(entries.map(|entry| entry.expect("an entry").path()));
    }
    let mut wrong = Vec::new();
    let mut seen = 0;
    for path in pages.iter().filter(|path| path.extension().is_some_and(|ending| ending == "md")) {
        let page = std::fs::read_to_string(path).expect("a page");
        for line in code(&page) {
            for words in calls(&line) {
                seen += 1;
                if let Some(fault) = unknown(&root, &words) {
                    wrong.push(format!("{}: {fault}: {line}", path.display()));
                }
            }
        }
    }
    assert!(seen > 200, "{seen} calls");
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_command_or_flag_that_is_not_there_is_found() {
    let root = super::command();
    let fault = |line: &str| calls(line).iter().find_map(|words| unknown(&root, words));
    assert_eq!(fault("ecp create shop --management external").as_deref(), Some("no command \"create\""));
    assert!(fault("ecp tenants create shop --managment external").is_some());
    assert_eq!(fault("ecp tenants create shop --management external -s a=1 --demo"), None);
    assert_eq!(fault("ecp get x | ecp apply -f -").as_deref(), Some("no command \"get\""));
    assert_eq!(fault("ecp COMMAND --help"), None);
}
