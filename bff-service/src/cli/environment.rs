//! The environment of the process, and the variables in it that have no effect.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use crate::config::fields::edit_distance;

/// The prefix of the service's own variables.
const PREFIX: &str = "BFF_";
/// The prefix of the variables of the demo, which starts the service with them in its environment.
const OF_THE_DEMO: &str = "BFF_DEMO_";

/// The environment, which remembers the names that somebody asked for: what nobody asked for has no effect.
#[derive(Debug, Default)]
pub struct Environment {
    variables: BTreeMap<String, String>,
    read: RefCell<BTreeSet<String>>,
}

impl Environment {
    /// These variables.
    pub fn new(variables: impl IntoIterator<Item = (String, String)>) -> Environment {
        Environment {
            variables: variables.into_iter().collect(),
            read: RefCell::default(),
        }
    }

    /// The environment of the process, without what is not UTF-8.
    pub fn of_the_process() -> Environment {
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        Environment::new(std::env::vars_os().filter_map(text))
    }

    /// The value of a variable.
    pub fn get(&self, name: &str) -> Option<String> {
        self.read.borrow_mut().insert(name.to_owned());
        self.variables.get(name).cloned()
    }

    /// A warning for each variable that begins like the service's and that nobody has read. Call it when the
    /// configuration is loaded.
    pub fn warnings(&self) -> Vec<String> {
        let read = self.read.borrow();
        let unread = self
            .variables
            .keys()
            .filter(|name| name.starts_with(PREFIX) && !name.starts_with(OF_THE_DEMO) && !read.contains(*name));
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
        let services = self
            .variables
            .keys()
            .filter_map(|name| name.strip_suffix("_SERVICE_HOST"));
        services
            .filter_map(|service| name.strip_prefix(service))
            .any(|rest| rest.starts_with("_SERVICE_") || rest == "_PORT" || rest.starts_with("_PORT_"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(names: &[&str]) -> Environment {
        Environment::new(names.iter().map(|name| ((*name).to_owned(), "a value".to_owned())))
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
        assert!(!environment.warnings().iter().any(|warning| warning.contains("a value")));
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
}
