//! The environment of the process, and the variables in it that have no effect.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ffi::OsString;

use crate::config::fields::edit_distance;

/// The prefix of the service's own variables.
const PREFIX: &str = "BFF_";
/// The prefix of the variables of the demo, which starts the service with them in its environment.
const DEMO_PREFIX: &str = "BFF_DEMO_";

/// The names of the variables, and those that were read: a variable that nobody reads has no effect. It holds no value,
/// because some are secrets.
#[derive(Debug)]
pub struct Environment {
    names: BTreeSet<String>,
    read: RefCell<BTreeSet<String>>,
}

impl Environment {
    /// An environment with these names. Ignores names that are not UTF-8: no variable of the service has such a
    /// name.
    pub fn new(names: impl IntoIterator<Item = OsString>) -> Environment {
        Environment {
            names: names.into_iter().filter_map(|name| name.into_string().ok()).collect(),
            read: RefCell::default(),
        }
    }

    /// The environment of the process.
    pub fn of_the_process() -> Environment {
        Environment::new(std::env::vars_os().map(|(name, _)| name))
    }

    /// The value of a variable of the process. `None`: it is not set, or not UTF-8.
    pub fn get(&self, name: &str) -> Option<String> {
        self.read.borrow_mut().insert(name.to_owned());
        std::env::var(name).ok()
    }

    /// Returns a warning for each variable that begins with `BFF_` and that nobody has read, except those of the demo
    /// and of Kubernetes. Call it when the configuration is loaded.
    pub fn warnings(&self) -> Vec<String> {
        let read = self.read.borrow();
        let unread = self
            .names
            .iter()
            .filter(|name| name.starts_with(PREFIX) && !name.starts_with(DEMO_PREFIX) && !read.contains(*name));
        unread
            .filter(|name| !self.is_of_kubernetes(name))
            .map(|name| {
                let distances = read.iter().map(|known| (edit_distance(known, name), known));
                let hint = match distances.min().filter(|(distance, _)| *distance <= 3) {
                    Some((_, known)) => format!("did you mean {known}?"),
                    None => "remove it".to_owned(),
                };
                format!("the environment variable {name} has no effect: {hint}")
            })
            .collect()
    }

    /// Kubernetes sets variables such as `BFF_SERVICE_HOST` and `BFF_PORT_3003_TCP` for a Service `bff` of the same
    /// namespace.
    fn is_of_kubernetes(&self, name: &str) -> bool {
        let services = self.names.iter().filter_map(|name| name.strip_suffix("_SERVICE_HOST"));
        services
            .filter_map(|service| name.strip_prefix(service))
            .any(|rest| rest.starts_with("_SERVICE_") || rest == "_PORT" || rest.starts_with("_PORT_"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(names: &[&str]) -> Environment {
        Environment::new(names.iter().map(OsString::from))
    }

    #[test]
    fn a_variable_that_nobody_reads_is_named_with_the_one_that_was_meant() {
        let environment = environment(&[
            "BFF_SERVER_PORT",
            "BFF_NONSENSE",
            "BFF_SERVER__PORT",
            "PATH",
            "BFF_DEMO_PORT",
        ]);
        for name in ["BFF_SERVER__PORT", "BFF_CLIENT_SECRET"] {
            environment.get(name);
        }
        assert_eq!(
            environment.warnings(),
            [
                "the environment variable BFF_NONSENSE has no effect: remove it",
                "the environment variable BFF_SERVER_PORT has no effect: did you mean BFF_SERVER__PORT?",
            ]
        );
    }

    #[test]
    fn the_variables_of_a_kubernetes_service_are_none_of_ours() {
        let of_service = [
            "BFF_SERVICE_HOST",
            "BFF_SERVICE_PORT",
            "BFF_SERVICE_PORT_HTTP",
            "BFF_PORT",
            "BFF_PORT_3003_TCP_ADDR",
        ];
        assert_eq!(environment(&of_service).warnings(), [""; 0]);
        assert_eq!(environment(&["BFF_PORT"]).warnings().len(), 1);
    }

    #[test]
    fn a_name_that_is_not_utf_8_is_no_reason_to_fail() {
        use std::os::unix::ffi::OsStringExt;
        let odd = OsString::from_vec(b"BFF_\xa3".to_vec());
        assert_eq!(Environment::new([odd]).warnings(), [""; 0]);
    }
}
