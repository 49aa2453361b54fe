//! Which files are read: files as they are named, folders by their YAML and JSON, patterns by their matches.

use super::failure::Failure;
use super::language::say_text;
use ecp_validate::MAX_MANIFEST_BYTES;
use std::io::Read;
use std::path::{Path, PathBuf};
use walkdir::{DirEntry, WalkDir};

/// What files of a folder are read, by their names.
const ENDINGS: [&str; 3] = ["yaml", "yml", "json"];

/// Something to read.
pub(super) struct Input {
    /// As people read it.
    pub(super) name: String,
    path: PathBuf,
}

impl Input {
    fn new(path: &Path) -> Self {
        Self { name: name_of(path), path: path.to_owned() }
    }

    /// Says at once that a file is not there, or not ours to read.
    pub(super) fn expect_to_open(&self) -> Result<(), String> {
        if is_standard_input(&self.path) {
            return Ok(());
        }
        std::fs::File::open(&self.path).map(drop).map_err(|error| self.cannot_be_read(&error))
    }

    fn cannot_be_read(&self, error: &std::io::Error) -> String {
        say_text!("cli.can_not_be_read", name = &self.name, error = error)
    }

    /// Reads its text: UTF-8, or UTF-16 with a byte order mark.
    ///
    /// # Errors
    /// Why it cannot be read, as a sentence with its name.
    pub(super) fn text(&self) -> Result<String, String> {
        let read = |reader: &mut dyn Read| {
            let mut bytes = Vec::new();
            reader.take(MAX_MANIFEST_BYTES as u64 * 2 + 3).read_to_end(&mut bytes).map(|_| bytes)
        };
        let bytes = if is_standard_input(&self.path) {
            read(&mut std::io::stdin().lock())
        } else {
            std::fs::File::open(&self.path).and_then(|mut file| read(&mut file))
        };
        let bytes = bytes.map_err(|error| self.cannot_be_read(&error))?;
        ecp_validate::decode(&bytes)
            .map(std::borrow::Cow::into_owned)
            .map_err(|_| say_text!("cli.no_text", name = &self.name))
    }
}

/// How a path is shown.
pub(super) fn name_of(path: &Path) -> String {
    if is_standard_input(path) { "<stdin>".to_owned() } else { path.display().to_string() }
}

fn is_standard_input(path: &Path) -> bool {
    path == Path::new("-")
}

/// True for a path that is a pattern and not a file of that very name.
pub(super) fn is_pattern(path: &Path) -> bool {
    path.to_str().is_some_and(|text| text.contains(['*', '?', '['])) && !path.exists()
}

/// Every input, in the order in which they are named, those of folders and patterns by name.
pub(super) fn find(paths: &[&Path]) -> Result<Vec<Input>, Failure> {
    let mut found = Vec::new();
    for path in paths {
        if path.is_dir() {
            find_in_folder(path, &mut found)?;
        } else if is_pattern(path) {
            find_by_pattern(path, &mut found)?;
        } else {
            found.push(Input::new(path));
        }
    }
    Ok(found)
}

fn find_in_folder(folder: &Path, found: &mut Vec<Input>) -> Result<(), Failure> {
    let is_shown = |entry: &DirEntry| {
        entry.depth() == 0 || !entry.file_name().to_str().is_some_and(|name| name.starts_with('.'))
    };
    let before = found.len();
    for entry in WalkDir::new(folder).sort_by_file_name().into_iter().filter_entry(is_shown) {
        let entry = entry.map_err(|error| Failure::Input(format!("{}: {error}", folder.display())))?;
        let ending = entry.path().extension().and_then(|ending| ending.to_str()).unwrap_or_default();
        if entry.path().is_file() && ENDINGS.contains(&ending.to_ascii_lowercase().as_str()) {
            found.push(Input::new(entry.path()));
        }
    }
    if found.len() == before {
        let endings = ENDINGS.map(|ending| format!(".{ending}")).join(", ");
        return Err(Failure::Input(say_text!(
            "cli.empty_folder",
            folder = folder.display(),
            endings = endings
        )));
    }
    Ok(())
}

fn find_by_pattern(pattern: &Path, found: &mut Vec<Input>) -> Result<(), Failure> {
    let text = pattern.to_string_lossy();
    let wrong = |error: &dyn std::fmt::Display| Failure::Input(format!("{text}: {error}"));
    let before = found.len();
    for path in glob::glob(&text).map_err(|error| wrong(&error))? {
        let path = path.map_err(|error| wrong(&error))?;
        if path.is_dir() {
            find_in_folder(&path, found)?;
        } else {
            found.push(Input::new(&path));
        }
    }
    if found.len() == before {
        Err(Failure::Input(say_text!("cli.no_match", pattern = text)))
    } else {
        Ok(())
    }
}
