//! `bff-service keys`: generates cookie keys, and prints the fingerprints of existing ones.

use std::io::Read;
use std::path::{Path, PathBuf};

use bff_core::crypto::key_ring::KeyRing;
use zeroize::Zeroizing;

use crate::config;
use crate::random;
use bff_core::encoding::hex;

/// The usage text.
pub const USAGE: &str = "\
usage: bff-service keys generate [--count N]
       bff-service keys fingerprint [--file PATH | --config PATH]

  generate      prints new cookie keys, one on each line
  fingerprint   prints the fingerprint of each cookie key and whether the key seals or only opens, never the key itself;
                reads the keys from the file (`-`: standard input), those of each application from the configuration, or
                otherwise from BFF_COOKIE_KEYS or the file that BFF_COOKIE_KEYS_FILE names";

/// Maximum number of keys of one call: the maximum size of a key ring.
const MAX_KEYS: usize = 16;

/// Why a call has no output.
#[derive(Debug, PartialEq, Eq)]
pub enum KeysError {
    /// The arguments are invalid.
    Usage(String),
    /// The command failed.
    Failed(String),
}

#[derive(PartialEq, Eq, Debug)]
enum KeySource {
    Environment,
    StandardInput,
    File(PathBuf),
    Config(PathBuf),
}

/// Runs the command. Returns the string for standard output.
///
/// # Errors
/// The arguments are invalid, a file cannot be read, or the keys are missing or invalid.
pub fn run(arguments: &[String], env: impl Fn(&str) -> Option<String>) -> Result<Zeroizing<String>, KeysError> {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["generate"] => generate(1),
        ["generate", "--count", count] => match count.parse() {
            Ok(count @ 1..=MAX_KEYS) => generate(count),
            _ => Err(KeysError::Usage(format!(
                "invalid --count: write a number from 1 to {MAX_KEYS}"
            ))),
        },
        ["fingerprint"] => fingerprint(&KeySource::Environment, env),
        ["fingerprint", "--file", "-"] => fingerprint(&KeySource::StandardInput, env),
        ["fingerprint", "--file", path] => fingerprint(&KeySource::File(path.into()), env),
        ["fingerprint", "--config", path] => fingerprint(&KeySource::Config(path.into()), env),
        ["--help" | "-h"] => Ok(Zeroizing::new(format!("{USAGE}\n"))),
        // Without the arguments: one of them may be a key.
        _ => Err(KeysError::Usage(
            "invalid arguments of `keys`: write one of the commands below".to_owned(),
        )),
    }
}

fn generate(count: usize) -> Result<Zeroizing<String>, KeysError> {
    // With its final capacity, so that a reallocation leaves no copy of a key in memory.
    let mut text = Zeroizing::new(String::with_capacity(count.saturating_mul(65)));
    for _ in 0..count {
        let key = random::bytes::<32>().map(Zeroizing::new);
        let key = key.map_err(|error| KeysError::Failed(error.to_string()))?;
        hex::push(&mut text, &*key);
        text.push('\n');
    }
    Ok(text)
}

fn fingerprint(source: &KeySource, env: impl Fn(&str) -> Option<String>) -> Result<Zeroizing<String>, KeysError> {
    let failed = |what: String| KeysError::Failed(what);
    let (text, origin) = match source {
        KeySource::Config(path) => {
            let configs = config::load(path, env).map_err(|error| failed(error.to_string()))?;
            let lines = configs.iter().map(|config| describe(config.name(), config.key_ring()));
            return Ok(Zeroizing::new(lines.collect()));
        }
        KeySource::File(path) => (read(path)?, path.display().to_string()),
        KeySource::StandardInput => {
            let mut text = Zeroizing::new(String::new());
            let read = std::io::stdin().read_to_string(&mut text);
            read.map_err(|error| {
                let to_do = "pipe the keys as text, comma-separated";
                failed(format!("reading standard input failed: {error}: {to_do}"))
            })?;
            (text, "standard input".to_owned())
        }
        KeySource::Environment => match (env("BFF_COOKIE_KEYS"), env("BFF_COOKIE_KEYS_FILE")) {
            (Some(_), Some(_)) => {
                let what = "both BFF_COOKIE_KEYS and BFF_COOKIE_KEYS_FILE are set: set only one of them";
                return Err(failed(what.to_owned()));
            }
            (Some(text), None) => (Zeroizing::new(text), "BFF_COOKIE_KEYS".to_owned()),
            (None, Some(path)) => (read(Path::new(&path))?, path),
            (None, None) => {
                let what = "missing cookie keys: set BFF_COOKIE_KEYS or BFF_COOKIE_KEYS_FILE, or write --file PATH";
                return Err(failed(what.to_owned()));
            }
        },
    };
    match KeyRing::parse(text.trim_end_matches(['\r', '\n']), false) {
        Ok((ring, _)) => Ok(Zeroizing::new(describe(None, &ring))),
        Err(error) => Err(failed(format!("{origin}: {error}"))),
    }
}

fn read(path: &Path) -> Result<Zeroizing<String>, KeysError> {
    let text = std::fs::read_to_string(path).map(Zeroizing::new);
    text.map_err(|error| {
        let shown = path.display();
        KeysError::Failed(format!(
            "reading {shown} failed: {error}: write the path of a file that can be read"
        ))
    })
}

/// Returns a line for each key, in the order of the ring.
fn describe(application: Option<&str>, ring: &KeyRing) -> String {
    let name = application.map_or_else(String::new, |name| format!("{name} "));
    let does = std::iter::once("seals").chain(std::iter::repeat("opens"));
    let lines = ring.key_ids().zip(does);
    lines.map(|(key, does)| format!("{name}{key} {does}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(arguments: &[&str], variables: &[(&str, &str)]) -> Result<String, KeysError> {
        let arguments: Vec<String> = arguments.iter().map(|argument| argument.to_string()).collect();
        let env = |name: &str| {
            let found = variables.iter().find(|(variable, _)| *variable == name);
            found.map(|(_, value)| value.to_string())
        };
        run(&arguments, env).map(|text| text.to_string())
    }

    #[test]
    fn generated_keys_differ_and_make_a_ring() {
        let text = call(&["generate", "--count", "3"], &[]).unwrap();
        let keys: Vec<&str> = text.lines().collect();
        assert_eq!(keys.len(), 3);
        assert!(keys.iter().all(|key| key.len() == 64));
        assert!(KeyRing::parse(&keys.join(","), false).is_ok());
        assert_ne!(call(&["generate"], &[]), call(&["generate"], &[]));
    }

    #[test]
    fn fingerprints_are_those_of_the_ring_and_show_no_key() {
        let keys = call(&["generate", "--count", "2"], &[]).unwrap();
        let ring = keys.trim().replace('\n', ",");
        let expected = KeyRing::parse(&ring, false).unwrap().0;
        let ids: Vec<String> = expected.key_ids().map(|id| id.to_string()).collect();
        let expected = format!("{} seals\n{} opens\n", ids[0], ids[1]);
        assert_eq!(
            call(&["fingerprint"], &[("BFF_COOKIE_KEYS", &ring)]).as_deref(),
            Ok(&*expected)
        );
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys");
        std::fs::write(&path, format!("{ring}\n")).unwrap();
        let path = path.to_str().unwrap();
        assert_eq!(call(&["fingerprint", "--file", path], &[]).as_deref(), Ok(&*expected));
        assert_eq!(
            call(&["fingerprint"], &[("BFF_COOKIE_KEYS_FILE", path)]).as_deref(),
            Ok(&*expected)
        );
    }

    #[test]
    fn what_is_no_ring_is_refused_without_being_shown() {
        for text in ["not-a-key-hunter2", "hunter2,", &"00".repeat(32)] {
            let Err(KeysError::Failed(what)) = call(&["fingerprint"], &[("BFF_COOKIE_KEYS", text)]) else {
                panic!("{text} was accepted");
            };
            assert!(what.starts_with("BFF_COOKIE_KEYS: key 1 is"), "{what}");
            assert!(!what.contains("hunter2"), "{what}");
        }
        let missing = call(&["fingerprint"], &[]).unwrap_err();
        assert!(matches!(missing, KeysError::Failed(what) if what.contains("BFF_COOKIE_KEYS")));
    }

    #[test]
    fn a_wrong_call_is_none() {
        for arguments in [
            &[][..],
            &["make"],
            &["generate", "--count", "0"],
            &["generate", "--count", "many"],
            &["fingerprint", "--file"],
        ] {
            assert!(
                matches!(call(arguments, &[]), Err(KeysError::Usage(_))),
                "{arguments:?}"
            );
        }
    }
}
