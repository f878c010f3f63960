//! Envoy with the filter's configuration delivered over the file-based extension configuration discovery service
//! (ECDS): the configuration of the entry point "web" can change while Envoy runs, without draining a listener.

use demo_system::{Component, System};

use crate::mounted_volume::MountedVolume;
use crate::setup::{artifacts, eventually};

const FILE: &str = "bff_filter_web.yaml";
const WASM: &str = "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm";
const NATIVE: &str = "type.googleapis.com/envoy.extensions.filters.http.dynamic_modules.v3.DynamicModuleFilter";

/// The filter `bff_filter_web` of a system's Envoy.
pub struct DiscoveredFilter<'a> {
    system: &'a System,
    volume: MountedVolume,
    original: String,
    version: usize,
}

impl<'a> DiscoveredFilter<'a> {
    /// Restarts Envoy, with the filter in a file of its own. `change` is as for [`DiscoveredFilter::change`].
    pub fn of(system: &'a System, change: (&str, &str)) -> Self {
        system.stop(Component::Envoy);
        let bootstrap = system.directory().join("envoy.yaml");
        let text = std::fs::read_to_string(&bootstrap).expect("Envoy's configuration");
        let name = "                  - name: bff_filter_web\n                    disabled: true\n";
        let (before, rest) = text.split_once(name).expect("the filter");
        let (typed, after) = rest.split_once("\n\n").expect("the filter's end");
        let is_native = artifacts().is_native();
        let after = match is_native {
            true => after.to_owned(),
            false => with_vm(typed, after),
        };
        let volume = MountedVolume::new(system.directory().join("filter"), FILE, "");
        let (path, folder) = (volume.path(FILE), system.directory().join("filter"));
        let discovery = format!(
            "                    config_discovery:
                      config_source:
                        resource_api_version: V3
                        path_config_source:
                          path: \"{}\"
                          watched_directory: {{ path: \"{}\" }}
                      type_urls: [{}]
",
            path.display(),
            folder.display(),
            if is_native { NATIVE } else { WASM },
        );
        let mut filter = Self {
            system,
            volume,
            original: typed.to_owned(),
            version: 0,
        };
        filter.write(change);
        let text = format!("node: {{ id: test, cluster: test }}\n{before}{name}{discovery}\n{after}");
        std::fs::write(&bootstrap, text).expect("written");
        system.resume(Component::Envoy).expect("Envoy starts");
        filter
    }

    fn write(&mut self, (find, with): (&str, &str)) {
        assert_eq!(
            self.original.matches(find).count(),
            1,
            "invalid envoy/envoy.yaml: it must contain `{find}` once: restore it, or change the test"
        );
        self.version += 1;
        let text = format!(
            "version_info: \"{}\"
resources:
                  - \"@type\": type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig
                    name: bff_filter_web
{}
",
            self.version,
            self.original.replace(find, with)
        );
        self.volume.write(FILE, &text);
    }

    /// Replaces a text of the original configuration, which must occur once. Returns whether Envoy accepted the change.
    pub fn change(&mut self, find: &str, with: &str) -> bool {
        let before = self.counts();
        self.write((find, with));
        eventually("Envoy has read the filter's configuration", || self.counts() != before);
        self.counts().0 > before.0
    }

    /// The numbers of accepted and rejected configurations.
    fn counts(&self) -> (u64, u64) {
        let path = "/stats?filter=^extension_config_discovery.*bff_filter_web";
        let (_, text) = demo_system::get(self.system.envoy_admin(), path).expect("Envoy's admin");
        let sum = |name: &str| {
            let lines = text.lines().filter_map(|line| line.split_once(&format!(".{name}: ")));
            lines.filter_map(|(_, count)| count.parse::<u64>().ok()).sum()
        };
        assert!(text.contains(".update_success: "), "{text}");
        // `config_reload` counts rejected configurations as well.
        (sum("update_success"), sum("update_rejected"))
    }
}

/// The other filters' part of a configuration, with the settings of the VM to which they refer: those of the first filter.
fn with_vm(first: &str, others: &str) -> String {
    let (_, vm) = first.split_once("vm_config: &vm_config\n").expect("the VM");
    let (vm, _) = vm
        .split_once("                        configuration:")
        .expect("the VM's end");
    others.replacen("vm_config: *vm_config\n", &format!("vm_config: &vm_config\n{vm}"), 1)
}
