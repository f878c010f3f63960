//! The kustomize bases for Istio and Envoy Gateway: one place for names, and the order in which the resources are applied.

use std::collections::BTreeSet;
use std::fs;

use bff_tests::kubernetes::kustomize::{self, BASES, Names};
use bff_tests::kubernetes::manifests::{self, Manifest};
use serde_json::{Value, json};

/// The kinds of the filters.
const FILTERS: [&str; 3] = ["WasmPlugin", "TrafficExtension", "EnvoyExtensionPolicy"];
/// Whether a manifest is a filter. In the native form for Istio it is an EnvoyFilter, as other settings are.
fn is_filter(manifest: &Manifest) -> bool {
    FILTERS.contains(&manifest.kind()) || native_filter(manifest).is_some()
}

/// The native module's filter in an EnvoyFilter.
fn native_filter(manifest: &Manifest) -> Option<&Value> {
    let filter = manifest
        .content
        .pointer("/spec/configPatches/0/patch/value/typed_config")?;
    let kind = filter["@type"].as_str()?;
    kind.ends_with(".DynamicModuleFilter").then_some(filter)
}

/// The kinds of the routes.
const ROUTES: [&str; 2] = ["VirtualService", "HTTPRoute"];

/// Names of which none is part of another text.
fn others(base: &str) -> Names {
    let mut names = Names::of_example(base);
    for (number, (key, value)) in (4001..).zip(&mut names.0) {
        *value = match key.as_str() {
            "business_api_port" => number.to_string(),
            _ => format!("other-{}", key.replace('_', "-")),
        };
    }
    names
}

/// Every string and number in a value, with the key before it.
fn scalars<'a>(value: &'a Value, key: &'a str, visit: &mut impl FnMut(&'a str, &'a Value)) {
    match value {
        Value::Object(fields) => fields.iter().for_each(|(key, child)| scalars(child, key, visit)),
        Value::Array(items) => items.iter().for_each(|item| scalars(item, key, visit)),
        Value::String(_) | Value::Number(_) | Value::Bool(_) | Value::Null => visit(key, value),
    }
}

#[test]
fn an_overlay_with_other_names_has_all_of_them_and_none_of_the_examples() {
    for base in BASES {
        let names = others(base);
        let rendered = kustomize::render(base, &names).expect("rendered");
        let mut found = BTreeSet::new();
        for manifest in &rendered {
            assert_ne!(manifest.kind(), "ConfigMap", "{}", manifest.title());
            scalars(&manifest.content, "", &mut |key, value| {
                let text = match value {
                    Value::String(text) => text.clone(),
                    other => other.to_string(),
                };
                for rest in ["example", "names/", "business-api.api"] {
                    assert!(!text.contains(rest), "{} has {rest}: {text}", manifest.title());
                }
                assert!(
                    !(["port", "number"].contains(&key) && text == "0"),
                    "{}",
                    manifest.title()
                );
                found.extend(
                    names
                        .0
                        .iter()
                        .filter(|(_, name)| text.contains(*name))
                        .map(|(key, _)| key),
                );
            });
        }
        // The chart of Istio's gateway has the pods, and so the image of the native module.
        let is_elsewhere = |key: &String| base == "istio/native-module" && key == "module_image";
        let all: BTreeSet<&String> = names.0.keys().filter(|key| !is_elsewhere(key)).collect();
        assert_eq!(found, all, "{base}");
    }
}

#[test]
fn filters_of_the_overlays_own_stay_as_they_are() {
    for base in BASES {
        let own = FILTERS.map(|kind| {
            json!({
                "apiVersion": "extensions.istio.io/v1alpha1",
                "kind": kind,
                "metadata": {"name": "of-somebody-else", "namespace": "elsewhere"},
                "spec": {"url": "oci://registry.example.com/another:1"},
            })
        });
        let rendered = kustomize::render_with(base, &others(base), &own).expect("rendered");
        for resource in &own {
            assert!(
                rendered.iter().any(|manifest| manifest.content == *resource),
                "{base}: {resource}"
            );
        }
    }
}

#[test]
fn a_name_that_an_overlay_does_not_have_is_an_error_that_says_which() {
    for base in BASES {
        for key in Names::of_example(base).0.keys() {
            let mut names = Names::of_example(base);
            names.0.remove(key);
            let error = kustomize::render(base, &names).expect_err("refused");
            assert!(error.contains(key), "{base}: {error}");
        }
    }
}

#[test]
fn the_examples_are_the_bases_with_the_examples_names_and_in_them_the_filters_come_before_the_routes() {
    for base in BASES {
        let rendered = kustomize::of_base(base);
        let places_of = |is_one: &dyn Fn(&Manifest) -> bool| -> Vec<usize> {
            let place = |(place, manifest): (usize, &Manifest)| is_one(manifest).then_some(place);
            rendered.iter().enumerate().filter_map(place).collect()
        };
        let places = |kinds: &[&str]| places_of(&|manifest| kinds.contains(&manifest.kind()));
        let (filters, routes) = (places_of(&is_filter), places(&ROUTES));
        assert!(filters.len() >= 3 && routes.len() >= 2, "{base}");
        assert!(
            filters.iter().max() < routes.iter().min(),
            "{base}: {filters:?}, {routes:?}"
        );
        // Also what switches filters off, and what stands before them.
        let policies = places(&[
            "EnvoyFilter",
            "SecurityPolicy",
            "ClientTrafficPolicy",
            "BackendTrafficPolicy",
        ]);
        assert!(
            policies.iter().max() < routes.iter().min(),
            "{base}: {policies:?}, {routes:?}"
        );
    }
    for base in ["istio/wasm-plugin", "gateway/v1.9"] {
        let text = kustomize::kustomize(&kustomize::example(base)).expect("rendered");
        let contents = |manifests: Vec<Manifest>| -> Vec<Value> {
            manifests.into_iter().map(|manifest| manifest.content).collect()
        };
        let example = contents(manifests::parse("the example", &text));
        assert_eq!(example, contents(kustomize::of_base(base)), "{base}");
    }
}

#[test]
fn no_base_has_a_name_of_the_example() {
    for base in BASES {
        let gateway = kustomize::example(base).join("..");
        let of_all = gateway.join("base");
        let (path, component) = kustomize::parts(base);
        let form = component.as_ref().map(|component| component.join("form"));
        for folder in [of_all, path].into_iter().chain(component).chain(form) {
            for entry in fs::read_dir(folder).expect("a folder") {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    continue;
                }
                let text = fs::read_to_string(&path).expect("text").replace("`../example`", "");
                assert!(!text.contains("example"), "{}", path.display());
            }
        }
    }
}

/// The filters of a base for Istio, by name, as WasmPlugins have their fields, and everything else.
fn filters_as_wasm_plugins(base: &str) -> (Vec<Value>, Vec<Value>) {
    let all = kustomize::of_base(base).into_iter();
    let (filters, others): (Vec<Manifest>, Vec<Manifest>) = all.partition(|it| FILTERS.contains(&it.kind()));
    let filters = filters.into_iter().map(|mut filter| {
        filter.content["kind"] = Value::Null;
        let spec = filter.content["spec"].as_object_mut().expect("a spec");
        if let Some(Value::Object(wasm)) = spec.remove("wasm") {
            spec.extend(wasm);
        }
        filter.content
    });
    (
        filters.collect(),
        others.into_iter().map(|other| other.content).collect(),
    )
}

#[test]
fn istios_two_kinds_of_filters_have_the_same_settings() {
    assert_eq!(
        filters_as_wasm_plugins("istio/wasm-plugin"),
        filters_as_wasm_plugins("istio/traffic-extension")
    );
}

#[test]
fn the_native_module_has_the_settings_of_the_proxy_wasm_module_and_never_both_are_there() {
    let by_name = |base: &str, place: &str| -> Vec<(String, Value)> {
        let all = kustomize::of_base(base);
        let found = all.iter().filter_map(|manifest| {
            let configuration = manifest.content.pointer(place)?.clone();
            Some((manifest.name().to_owned(), configuration))
        });
        found.collect()
    };
    let native = "/spec/configPatches/0/patch/value/typed_config/filter_config/value";
    for (wasm, of_wasm, other, of_native) in [
        ("istio/wasm-plugin", "/spec/pluginConfig", "istio/native-module", native),
        (
            "gateway/v1.9",
            "/spec/wasm/0/config",
            "gateway/v1.9+native-module",
            "/spec/dynamicModule/0/config",
        ),
    ] {
        let expected = by_name(wasm, of_wasm);
        assert_eq!(expected.len(), 3, "{wasm}");
        assert_eq!(by_name(other, of_native), expected, "{other}");
        assert_eq!(by_name(other, of_wasm), [], "{other}");
        assert_eq!(by_name(wasm, of_native), [], "{wasm}");
    }
    // A component that stays in force changes nothing else: no `wasm` is left, and no other settings.
    let others = |base: &str| -> Vec<Value> {
        let all = kustomize::of_base(base).into_iter();
        let others = all.filter(|manifest| !["EnvoyExtensionPolicy", "EnvoyProxy"].contains(&manifest.kind()));
        others.map(|manifest| manifest.content).collect()
    };
    assert_eq!(others("gateway/v1.9"), others("gateway/v1.9+native-module"));
}

/// The native module's EnvoyFilters come before the others, which put CORS in front of them, and the strictest is put first
/// last.
#[test]
fn istio_puts_cors_before_the_native_module_and_the_strictest_filter_before_the_others() {
    let rendered = kustomize::of_base("istio/native-module");
    let mut native: Vec<(i64, &str)> = rendered
        .iter()
        .filter(|manifest| native_filter(manifest).is_some())
        .map(|manifest| {
            (
                manifest.content["spec"]["priority"].as_i64().expect("a priority"),
                manifest.name(),
            )
        })
        .collect();
    native.sort_unstable();
    assert_eq!(native, [(-30, "bff-web"), (-20, "bff-default"), (-10, "bff-mtls")]);
    let others = rendered
        .iter()
        .filter(|manifest| manifest.kind() == "EnvoyFilter" && native_filter(manifest).is_none());
    assert!(others.clone().count() > 0);
    assert!(
        others
            .into_iter()
            .all(|other| other.content["spec"].get("priority").is_none())
    );
}

#[test]
fn on_each_route_every_name_of_every_other_filter_of_istio_is_disabled() {
    let rendered = kustomize::of_base("istio/wasm-plugin");
    let named = |name: &str| rendered.iter().find(|manifest| manifest.name() == name).expect("there");
    let patches = named("bff-filter-routes").content["spec"]["configPatches"]
        .as_array()
        .expect("patches");
    let filters = ["web", "default", "mtls"];
    assert_eq!(patches.len(), filters.len() + 1, "one for each route");
    for patch in patches {
        let route = patch["match"]["routeConfiguration"]["vhost"]["route"]["name"]
            .as_str()
            .expect("a name");
        let others = filters.into_iter().filter(|filter| route != format!("api-{filter}"));
        let expected: BTreeSet<String> = others
            .flat_map(|filter| {
                let name = format!("istio-ingress.bff-{filter}");
                [
                    format!("extensions.istio.io/trafficextension/{name}"),
                    format!("extensions.istio.io/trafficextension/{name}~istio-translated-wasmplugin"),
                    format!("extensions.istio.io/wasmplugin/{name}"),
                    format!("bff-{filter}"),
                ]
            })
            .collect();
        let settings = patch["patch"]["value"]["typed_per_filter_config"]
            .as_object()
            .expect("filters");
        let disabled = settings.iter().filter(|(_, setting)| setting["disabled"] == true);
        let disabled: BTreeSet<String> = disabled.map(|(name, _)| name.clone()).collect();
        assert_eq!(disabled, expected, "{route}");
    }
}
