//! The folder of the databases: which there were when it was last used.
//!
//! A file that is gone is not made anew while there is reason to think that it held something: another
//! database or its own log is still there, or the folder's list names it. The list is made before the
//! first database is and completed when all are open, so that a first start that is cut off anywhere
//! goes on with the next one.

use super::files;
use crate::errors::OpenFault;
use ecp_core::ports::StoreError;
use std::collections::BTreeSet;
use std::fs;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

/// The list of the databases that a folder has.
const LIST: &str = "databases";
/// Ending of the file by which the operator says that a database that is gone may be made anew.
const ANEW: &str = "anew";
const HEADER: &str =
    "# Databases of this folder, so that one that is gone is noticed. See docs/OPERATIONS.md.\n";

/// A folder whose databases are all there, or may be made.
#[derive(Debug)]
pub struct DataFolder {
    path: PathBuf,
    listed: BTreeSet<String>,
    /// Databases that are looked after by this process.
    names: Vec<&'static str>,
}

impl DataFolder {
    /// Looks whether each of these databases is there, or was never; makes the folder where it is
    /// missing. Those of `always` are made together, `others` when they are first needed.
    ///
    /// # Errors
    /// [`OpenFault::Gone`] with what to do, or the folder can not be used.
    pub fn check(path: &Path, always: &[&'static str], others: &[&'static str]) -> Result<Self, StoreError> {
        files::make_folder(&path.join(LIST))?;
        let list = read_list(path)?;
        let has_list = list.is_some();
        let names = [always, others].concat();
        let folder = Self { path: path.to_owned(), listed: list.unwrap_or_default(), names };
        for name in &folder.names {
            // In the folder of an earlier release those that are made together tell of each other.
            let siblings = if has_list || !always.contains(name) { &[] } else { always };
            folder.check_file(name, siblings)?;
        }
        if !has_list {
            folder.write_list()?;
        }
        Ok(folder)
    }

    /// Notes that the databases are there now.
    ///
    /// # Errors
    /// The list can not be written.
    pub fn complete(mut self) -> Result<(), StoreError> {
        let there: Vec<_> =
            self.names.iter().filter(|name| is_filled(&self.path.join(name))).copied().collect();
        let before = self.listed.len();
        self.listed.extend(there.iter().map(|name| (*name).to_owned()));
        if self.listed.len() > before {
            self.write_list()?;
        }
        for name in there {
            let word = self.anew(name);
            match fs::remove_file(&word) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(OpenFault::file(&word)(error).into());
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn check_file(&self, name: &str, siblings: &[&str]) -> Result<(), OpenFault> {
        let file = self.path.join(name);
        if is_filled(&file) || self.anew(name).exists() {
            return Ok(());
        }
        let log = self.path.join(format!("{name}-wal"));
        let other = siblings.iter().find(|other| **other != name && is_filled(&self.path.join(other)));
        let evidence = if is_filled(&log) {
            format!("its log {} is still there", log.display())
        } else if self.listed.contains(name) {
            format!("{} lists it", self.path.join(LIST).display())
        } else if let Some(other) = other {
            format!("{} beside it has data", self.path.join(other).display())
        } else {
            return Ok(());
        };
        let state = if file.exists() { "empty" } else { "missing" };
        Err(OpenFault::Gone { anew: self.anew(name), path: file, state, evidence })
    }

    fn anew(&self, name: &str) -> PathBuf {
        self.path.join(format!("{name}.{ANEW}"))
    }

    /// Replaces the list at a stroke.
    fn write_list(&self) -> Result<(), OpenFault> {
        let (list, draft) = (self.path.join(LIST), self.path.join(format!("{LIST}.new")));
        let mut text = HEADER.to_owned();
        self.listed.iter().for_each(|name| text.extend([name, "\n"]));
        let write = || -> std::io::Result<()> {
            let mut file = files::private_file().open(&draft)?;
            file.set_len(0)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(&draft, &list)
        };
        write().map_err(OpenFault::file(&list))?;
        files::sync_folder(&list)
    }
}

fn read_list(folder: &Path) -> Result<Option<BTreeSet<String>>, OpenFault> {
    let list = folder.join(LIST);
    match fs::read_to_string(&list) {
        Ok(text) => {
            let names = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
            Ok(Some(names.map(str::to_owned).collect()))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(OpenFault::file(&list)(error)),
    }
}

/// Whether a file is there and holds anything.
fn is_filled(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|file| file.len() > 0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]
    use super::*;
    use tempfile::TempDir;

    const NAMES: [&str; 2] = ["demo.db", "real.db"];

    fn fill(folder: &TempDir, name: &str) {
        fs::write(folder.path().join(name), "data").unwrap();
    }

    fn check(folder: &TempDir) -> Result<DataFolder, String> {
        DataFolder::check(folder.path(), &NAMES, &["access.db"]).map_err(|error| {
            let source = std::error::Error::source(&error).unwrap();
            source.to_string()
        })
    }

    /// A folder that was used.
    fn used() -> TempDir {
        let folder = TempDir::new().unwrap();
        let begun = check(&folder).unwrap();
        NAMES.iter().for_each(|name| fill(&folder, name));
        begun.complete().unwrap();
        folder
    }

    #[test]
    fn a_new_folder_is_used_and_a_first_start_that_was_cut_off_goes_on() {
        let folder = TempDir::new().unwrap();
        check(&folder).unwrap();
        fill(&folder, "demo.db");
        check(&folder).unwrap();
        fs::write(folder.path().join("real.db"), "").unwrap();
        check(&folder).unwrap();
        fill(&folder, "real.db");
        check(&folder).unwrap().complete().unwrap();
        check(&folder).unwrap();
    }

    #[test]
    fn a_database_that_is_gone_is_refused_with_what_to_do_until_the_operator_says_so() {
        for name in NAMES {
            for empty in [false, true] {
                let folder = used();
                let file = folder.path().join(name);
                if empty {
                    fs::write(&file, "").unwrap()
                } else {
                    fs::remove_file(&file).unwrap()
                }
                let refused = check(&folder).unwrap_err();
                let state = if empty { "empty" } else { "missing" };
                for told in [&*file.display().to_string(), state, "backup", &format!("{name}.anew")] {
                    assert!(refused.contains(told), "{refused}");
                }
                fs::write(folder.path().join(format!("{name}.anew")), "").unwrap();
                let begun = check(&folder).unwrap();
                fill(&folder, name);
                begun.complete().unwrap();
                fs::remove_file(&file).unwrap();
                check(&folder).unwrap_err();
            }
        }
    }

    #[test]
    fn all_databases_gone_are_noticed_too() {
        let folder = used();
        NAMES.iter().for_each(|name| fs::remove_file(folder.path().join(name)).unwrap());
        check(&folder).unwrap_err();
    }

    #[test]
    fn in_a_folder_of_an_earlier_release_what_is_still_there_tells() {
        let folder = TempDir::new().unwrap();
        fill(&folder, "real.db");
        assert!(check(&folder).unwrap_err().contains("real.db beside it"));
        let folder = TempDir::new().unwrap();
        fill(&folder, "demo.db-wal");
        assert!(check(&folder).unwrap_err().contains("demo.db-wal is still there"));
        let folder = TempDir::new().unwrap();
        NAMES.iter().for_each(|name| fill(&folder, name));
        check(&folder).unwrap().complete().unwrap();
        fs::remove_file(folder.path().join("demo.db")).unwrap();
        check(&folder).unwrap_err();
    }

    #[test]
    fn a_file_that_is_made_when_it_is_needed_is_missed_once_it_was_there() {
        let folder = used();
        check(&folder).unwrap().complete().unwrap();
        fill(&folder, "access.db");
        check(&folder).unwrap().complete().unwrap();
        fs::remove_file(folder.path().join("access.db")).unwrap();
        assert!(check(&folder).unwrap_err().contains("access.db"));
    }
}
