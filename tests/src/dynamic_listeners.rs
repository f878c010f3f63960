//! Envoy with listeners that can change while it runs: those of its file, delivered over the file-based listener
//! discovery service.

use std::path::PathBuf;

use demo_system::{Component, System};

use crate::setup::{eventually, statistic};

/// The listeners of a system's Envoy.
pub struct DynamicListeners<'a> {
    system: &'a System,
    file: PathBuf,
    original: String,
    version: usize,
}

impl<'a> DynamicListeners<'a> {
    /// Restarts Envoy, with its listeners in a file of their own.
    pub fn of(system: &'a System) -> Self {
        system.stop(Component::Envoy);
        let bootstrap = system.directory().join("envoy.yaml");
        let text = std::fs::read_to_string(&bootstrap).expect("Envoy's configuration");
        let (before, rest) = text.split_once("static_resources:\n  listeners:\n").expect("listeners");
        let (listeners, after) = rest.split_once("\n  clusters:\n").expect("clusters");
        let file = system.directory().join("listeners.yaml");
        let first = "    - name: https\n";
        let typed = "    - \"@type\": type.googleapis.com/envoy.config.listener.v3.Listener\n      name: https\n";
        let mut dynamic = Self {
            system,
            original: listeners.replacen(first, typed, 1),
            version: 0,
            file,
        };
        dynamic.write(&dynamic.original.clone());
        let path = dynamic.file.display();
        let discovery = format!(
            "node: {{ id: test, cluster: test }}\ndynamic_resources:\n  lds_config:\n    resource_api_version: V3\n    \
             path_config_source: {{ path: \"{path}\" }}\n"
        );
        let text = format!("{before}{discovery}static_resources:\n  clusters:\n{after}");
        std::fs::write(&bootstrap, text).expect("written");
        system.resume(Component::Envoy).expect("Envoy starts");
        dynamic
    }

    fn write(&mut self, listeners: &str) {
        self.version += 1;
        let text = format!("version_info: \"{}\"\nresources:\n{listeners}\n", self.version);
        // Envoy notices files that are moved into place.
        let made = self.file.with_extension("new");
        std::fs::write(&made, text).expect("written");
        std::fs::rename(&made, &self.file).expect("moved");
    }

    /// Replaces a text of the original listeners, which must occur once. Returns whether Envoy has accepted the change.
    pub fn change(&mut self, find: &str, with: &str) -> bool {
        assert_eq!(
            self.original.matches(find).count(),
            1,
            "invalid envoy/envoy.yaml: it must contain `{find}` once: restore it, or change the test"
        );
        let count = |name: &str| statistic(self.system, &format!("listener_manager.lds.{name}"));
        let (accepted, rejected) = (count("update_success"), count("update_rejected"));
        let changed = self.original.replace(find, with);
        self.write(&changed);
        let count = |name: &str| statistic(self.system, &format!("listener_manager.lds.{name}"));
        eventually("Envoy has read the listeners", || {
            count("update_success") > accepted || count("update_rejected") > rejected
        });
        count("update_success") > accepted
    }
}
