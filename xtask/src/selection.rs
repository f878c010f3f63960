//! Which tests `cargo xtask test NAME…` runs. A name that selects no test is an error: a run without tests would look like one
//! that passes.

use crate::binaries::Binary;
use crate::result::Result;

/// A test program, and the arguments that select its tests.
pub(crate) struct Selected<'a> {
    pub(crate) binary: Binary,
    /// Parts of test names; none for all tests.
    pub(crate) names: Vec<&'a str>,
    /// The selected tests, if not all tests of all programs are.
    tests: Option<Vec<String>>,
}

impl Selected<'_> {
    /// Whether a test is left without those whose names contain one of these.
    pub(crate) fn has_tests_without(&self, skipped: &[&str]) -> bool {
        let tests = self.tests.as_ref();
        tests.is_none_or(|tests| tests.iter().any(|test| !skipped.iter().any(|name| test.contains(name))))
    }
}

/// Selects the tests whose names, or whose files, contain one of these names. Without names: all.
///
/// # Errors
/// One of the names selects no test, or a test program does not list its tests.
pub(crate) fn select<'a>(binaries: Vec<Binary>, names: &[&'a str]) -> Result<Vec<Selected<'a>>> {
    let mut programs = Vec::new();
    for binary in binaries {
        let tests = match names.is_empty() {
            true => Vec::new(),
            false => binary.tests()?,
        };
        programs.push((binary, tests));
    }
    let unknown = names.iter().find(|name| {
        !programs
            .iter()
            .any(|(binary, tests)| selects_any(&binary.name, tests, name))
    });
    if let Some(unknown) = unknown {
        return Err(format!(
            "invalid name `{unknown}`: no test and no file of tests contains it: write a part of the name of a test or of its \
             file"
        ));
    }
    let is_everything = names.is_empty();
    let selected = programs.into_iter().filter_map(|(binary, mut tests)| {
        let names = arguments(&binary.name, &tests, names)?;
        tests.retain(|test| names.is_empty() || names.iter().any(|name| test.contains(name)));
        let tests = (!is_everything).then_some(tests);
        Some(Selected { binary, names, tests })
    });
    Ok(selected.collect())
}

/// Whether the name of a test contains this name, or the file does and has a test.
fn selects_any(file: &str, tests: &[String], name: &str) -> bool {
    tests.iter().any(|test| file.contains(name) || test.contains(name))
}

/// The arguments of a test program; `None` if it has none of the tests.
fn arguments<'a>(file: &str, tests: &[String], names: &[&'a str]) -> Option<Vec<&'a str>> {
    if names.is_empty() {
        return Some(Vec::new());
    }
    let has_one = names.iter().any(|name| selects_any(file, tests, name));
    let is_whole = names.iter().any(|name| file.contains(name));
    has_one.then(|| if is_whole { Vec::new() } else { names.to_vec() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_selects_tests_by_their_own_name_or_by_their_file() {
        let tests = ["one::a_test".to_owned(), "another".to_owned()];
        let of = |names: &[&'static str]| arguments("tests/tests/chart_pods.rs", &tests, names);
        assert_eq!(of(&[]), Some(vec![]));
        assert_eq!(of(&["chart_pods"]), Some(vec![]));
        assert_eq!(of(&["chart_pods", "a_test"]), Some(vec![]));
        assert_eq!(of(&["a_test", "elsewhere"]), Some(vec!["a_test", "elsewhere"]));
        assert_eq!(of(&["elsewhere"]), None);
        // A file whose tests are ignored unless somebody requests them.
        assert_eq!(arguments("tests/tests/chart_pods.rs", &[], &["chart_pods"]), None);
        assert!(!selects_any("tests/tests/chart_pods.rs", &[], "chart_pods"));
    }
}
