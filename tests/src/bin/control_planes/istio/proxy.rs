//! The gateway's Envoy, as istiod knows it.

use std::cell::RefCell;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use bff_tests::kubernetes::cluster::{Cluster, module};
use bff_tests::kubernetes::envoy::address;
use bff_tests::program::Program;
use bff_tests::setup::artifacts;
use demo_system::{Component, free_port};
use serde_json::{Value, json};

use super::istiod::Istiod;
use super::only_istio_proxy::{Changes, without_type};
use super::{ACCOUNT, NAMESPACE};
use crate::network;

const NAME: &str = "bff-gateway-1";
/// The gateway's pod.
pub(super) struct Proxy<'a> {
    pub(super) cluster: &'a Cluster,
    pub(super) istiod: &'a Istiod,
    /// Of the pod's service account.
    pub(super) token: String,
}

impl Proxy<'_> {
    /// Configures the system's Envoy with what istiod sends for this pod, starts it, and returns what was changed. So many
    /// filters are `discovered`: their configurations are not in the listeners. `is_whole` says whether a dump is of all
    /// manifests: istiod reads them one after the other.
    pub(super) fn configure(&self, folder: &Path, discovered: usize, is_whole: impl Fn(&Value) -> bool) -> Vec<String> {
        let system = &self.cluster.test.system;
        system.stop(Component::Envoy);
        // A dump has only what a proxy has requested: listeners and clusters first.
        let mut asking = self.bootstrap();
        asking["dynamic_resources"]["cds_config"] = json!({"ads": {}, "resource_api_version": "V3"});
        asking["dynamic_resources"]["lds_config"] = json!({"ads": {}, "resource_api_version": "V3"});
        let dump = self.dump_for(folder, &asking, &is_whole);
        let mut changes = Changes::default();
        let mut clusters = parts(&dump, "ClustersConfigDump", "dynamicActiveClusters", "/cluster");
        for cluster in &mut clusters {
            changes.remove_extensions(cluster);
            changes.remove_agent(cluster, &system.ca_pem());
        }
        let mut listeners = parts(
            &dump,
            "ListenersConfigDump",
            "dynamicListeners",
            "/activeState/listener",
        );
        listeners
            .iter_mut()
            .for_each(|listener| changes.remove_extensions(listener));
        let mut configuration = self.bootstrap();
        let resources = configuration["static_resources"].as_object_mut().expect("resources");
        resources["clusters"].as_array_mut().expect("clusters").extend(clusters);
        resources.insert("listeners".to_owned(), json!(listeners));
        // Then the filters' configurations.
        let filters = |dump: &Value| parts_with_types(dump, "EcdsConfigDump", "ecdsFilters", "/ecdsFilter");
        let filters = match discovered {
            0 => Vec::new(),
            _ => filters(&self.dump_for(folder, &configuration, |dump| filters(dump).len() == discovered)),
        };
        for mut filter in filters {
            changes.replace_image(&mut filter, &module());
            let name = filter["config"]["name"].as_str().expect("a name").to_owned();
            let file = system.directory().join(format!("{name}.json"));
            let listeners = &mut configuration["static_resources"]["listeners"];
            let full_name = change_discovered(listeners, &name, |found| {
                changes.move_configuration_to_file(found, &file)
            });
            let resource = json!({"resources": [{
                "@type": "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig",
                "name": full_name,
                "typed_config": filter,
            }]});
            fs::write(&file, resource.to_string()).expect("written");
        }
        self.add_authorization_server(&mut configuration);
        // JSON is YAML.
        fs::write(system.directory().join("envoy.yaml"), configuration.to_string()).expect("written");
        system
            .resume(Component::Envoy)
            .unwrap_or_else(|error| panic!("starting Envoy with what istiod sends failed: {error}"));
        changes.lines()
    }

    /// The node, and where istiod is.
    fn bootstrap(&self) -> Value {
        let istiod = self.istiod.discovery;
        json!({
            "node": {
                "id": format!("router~{}~{NAME}.{NAMESPACE}~{NAMESPACE}.svc.cluster.local", network::own_address()),
                "cluster": format!("{ACCOUNT}.{NAMESPACE}"),
                "metadata": {
                    "NAME": NAME,
                    "NAMESPACE": NAMESPACE,
                    "CLUSTER_ID": "Kubernetes",
                    "ISTIO_VERSION": "1.31.4",
                    "SERVICE_ACCOUNT": ACCOUNT,
                    "LABELS": {"istio": "bff-gateway"},
                },
            },
            "admin": {"address": address(self.cluster.test.system.envoy_admin())},
            "dynamic_resources": {"ads_config": {
                "api_type": "GRPC",
                "transport_api_version": "V3",
                "set_node_on_first_message_only": true,
                "grpc_services": [{
                    "envoy_grpc": {"cluster_name": "istiod"},
                    "initial_metadata": [{"key": "authorization", "value": format!("Bearer {}", self.token)}],
                }],
            }},
            "static_resources": {"clusters": [{
                "name": "istiod",
                "typed_extension_protocol_options": {
                    "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                        "explicit_http_config": {"http2_protocol_options": {}},
                    },
                },
                "load_assignment": {
                    "cluster_name": "istiod",
                    "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address(istiod)}}]}],
                },
            }]},
        })
    }

    /// istiod's dump for an Envoy with this configuration, as soon as it is whole. Envoy refuses what it is sent.
    fn dump_for(&self, folder: &Path, configuration: &Value, is_whole: impl Fn(&Value) -> bool) -> Value {
        let file = folder.join("asking.json");
        let mut configuration = configuration.clone();
        configuration["admin"]["address"] = address(SocketAddr::from(([127, 0, 0, 1], free_port())));
        fs::write(&file, configuration.to_string()).expect("written");
        let artifacts = artifacts();
        let (program, arguments) = artifacts.envoy.split_first().expect("Envoy");
        let mut command = Command::new(program);
        command.args(arguments).arg("--config-path").arg(&file);
        command.args(["--disable-hot-restart", "--concurrency", "1", "--log-level", "error"]);
        let proxy = format!("{NAME}.{NAMESPACE}");
        let dump = RefCell::new(Value::Null);
        let is_there = || {
            *dump.borrow_mut() = self.istiod.dump(&proxy);
            is_whole(&dump.borrow())
        };
        let _envoy = Program::start(&folder.join("asking.log"), command, is_there)
            .unwrap_or_else(|error| panic!("waiting for istiod's whole configuration failed: {error}"));
        dump.into_inner()
    }

    /// Adds the host of the authorization server, which is outside the cluster.
    fn add_authorization_server(&self, configuration: &mut Value) {
        let (chain, cluster) = self.cluster.local().outside();
        let resources = &mut configuration["static_resources"];
        let chains = resources["listeners"][0]["filterChains"].as_array_mut();
        chains.expect("the gateway's listener").push(chain);
        resources["clusters"].as_array_mut().expect("clusters").push(cluster);
    }
}

/// Parts of a dump, with their types: in its member with this type, the items of a list, below a pointer.
fn parts_with_types(dump: &Value, dump_type: &str, list: &str, pointer: &str) -> Vec<Value> {
    let configurations = dump["configs"].as_array().into_iter().flatten();
    configurations
        .filter(|part| part["@type"].as_str().is_some_and(|name| name.ends_with(dump_type)))
        .flat_map(|part| part[list].as_array().into_iter().flatten())
        .map(|item| item.pointer(pointer).expect("a part").clone())
        .collect()
}

fn parts(dump: &Value, dump_type: &str, list: &str, pointer: &str) -> Vec<Value> {
    let parts = parts_with_types(dump, dump_type, list, pointer);
    parts.iter().map(without_type).collect()
}

/// Calls `change` with every filter whose configuration is discovered under a name that ends with `end`. Returns that name.
fn change_discovered(listeners: &mut Value, end: &str, mut change: impl FnMut(&mut Value)) -> String {
    let mut full_name = None;
    let chains = items(listeners).flat_map(|listener| items(&mut listener["filterChains"]));
    for filter in chains.flat_map(|chain| items(&mut chain["filters"])) {
        for filter in items(&mut filter["typedConfig"]["httpFilters"]) {
            let name = filter["name"].as_str().unwrap_or_default().to_owned();
            if name.ends_with(&format!("/{end}")) {
                change(filter);
                full_name = Some(name);
            }
        }
    }
    full_name
        .unwrap_or_else(|| panic!("no filter in istiod's listeners has a name that ends with /{end}: see istiod.log"))
}

fn items(list: &mut Value) -> impl Iterator<Item = &mut Value> {
    list.as_array_mut().into_iter().flatten()
}
