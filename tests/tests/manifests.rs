//! The manifests for Kubernetes match the schemas of their kinds, and a typing error in them would be found.

use std::collections::BTreeMap;
use std::io::Write;

use bff_tests::kubernetes::kustomize;
use bff_tests::kubernetes::manifests::{self, Manifest};
use bff_tests::kubernetes::mutations::{self, Mutation};
use bff_tests::kubernetes::schemas::{Schemas, Verdict};

fn all() -> Vec<Manifest> {
    manifests::values_of_chart()
        .iter()
        .flat_map(|values| manifests::of_chart(values))
        .chain(kustomize::BASES.into_iter().flat_map(kustomize::of_base))
        .collect()
}

/// Bypasses the test harness, which captures output: this must be visible in a report of success too.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Kinds whose schema is not published.
fn is_known_to_lack_a_schema(schemas: &Schemas, manifest: &Manifest) -> bool {
    let api = manifest.text("/apiVersion");
    // Those of the Prometheus Operator.
    if api == "monitoring.coreos.com/v1" {
        return true;
    }
    match schemas.has_custom() {
        true => manifest.kind() == "EnvoyProxy",
        false => api.starts_with("gateway.envoyproxy.io/") || manifest.kind() == "TrafficExtension",
    }
}

#[test]
fn every_manifest_fits_the_schema_of_its_kind() {
    let mut schemas = Schemas::from_env();
    let manifests = all();
    let contents: Vec<_> = manifests.iter().map(|manifest| manifest.content.clone()).collect();
    let mut refused = Vec::new();
    let mut checked = BTreeMap::new();
    let mut rules = BTreeMap::new();
    for (manifest, verdict) in manifests.iter().zip(schemas.check(&contents)) {
        match verdict {
            Verdict::Valid => *checked.entry(manifest.kind().to_owned()).or_insert(0) += 1,
            Verdict::Invalid(why) => refused.push(format!("{}: {why}", manifest.title())),
            Verdict::Unchecked => {
                assert!(
                    is_known_to_lack_a_schema(&schemas, manifest),
                    "{}: missing schema",
                    manifest.title()
                );
                say(&format!("warning: {} not checked: missing schema", manifest.title()));
            }
        }
        rules.insert(manifest.kind(), schemas.rules(&manifest.content));
    }
    assert!(refused.is_empty(), "invalid manifests:\n{}", refused.join("\n"));
    let rules: usize = rules.values().sum();
    say(&format!("checked against their schemas: {checked:?}"));
    say(&format!(
        "warning: CEL rules not checked: {rules} of them in the custom resource definitions"
    ));
    for kind in [
        "Deployment",
        "HorizontalPodAutoscaler",
        "NetworkPolicy",
        "WasmPlugin",
        "EnvoyFilter",
        "HTTPRoute",
    ] {
        assert!(checked.contains_key(kind), "{kind}: {checked:?}");
    }
}

/// Places where any field is allowed: labels and the like, and values for other programs.
fn is_open(manifest: &Manifest, place: &str) -> bool {
    let ends = |names: &[&str]| {
        names
            .iter()
            .any(|name| place.ends_with(name) || place.contains(&format!("{name}/")))
    };
    let maps = [
        "/labels",
        "/annotations",
        "/matchLabels",
        "/selector",
        "/nodeSelector",
        "/requests",
        "/limits",
        "/volumeAttributes",
    ];
    match manifest.kind() {
        "ConfigMap" => ends(&["/data"]) || ends(&maps),
        "WasmPlugin" | "TrafficExtension" => ends(&["/pluginConfig"]) || ends(&maps),
        "EnvoyExtensionPolicy" => ends(&["/config"]) || ends(&maps),
        "EnvoyFilter" => ends(&["/patch/value"]) || ends(&maps),
        "VirtualService" => ends(&["/response/add"]) || ends(&maps),
        _ => ends(&maps),
    }
}

/// Validates all mutations at once, and returns those that every schema accepts.
fn accepted(schemas: &mut Schemas, mutated: Vec<(usize, Mutation)>) -> Vec<(usize, String)> {
    let contents: Vec<_> = mutated.iter().map(|(_, mutation)| mutation.content.clone()).collect();
    let verdicts = schemas.check(&contents);
    mutated
        .into_iter()
        .zip(verdicts)
        .filter(|(_, verdict)| !matches!(verdict, Verdict::Invalid(_)))
        .map(|((index, mutation), _)| (index, mutation.place))
        .collect()
}

fn every_mutation_is_refused(make: fn(&serde_json::Value) -> Vec<Mutation>) {
    let mut schemas = Schemas::from_env();
    let manifests: Vec<Manifest> = all()
        .into_iter()
        .filter(|manifest| !is_known_to_lack_a_schema(&schemas, manifest))
        .collect();
    let mut mutated = Vec::new();
    for (index, manifest) in manifests.iter().enumerate() {
        let of_one: Vec<Mutation> = make(&manifest.content)
            .into_iter()
            .filter(|mutation| !is_open(manifest, &mutation.place))
            .collect();
        assert!(!of_one.is_empty(), "{}", manifest.title());
        mutated.extend(of_one.into_iter().map(|mutation| (index, mutation)));
    }
    let count = mutated.len();
    let accepted: Vec<String> = accepted(&mut schemas, mutated)
        .into_iter()
        .map(|(index, place)| format!("{}: {place}", manifests[index].title()))
        .collect();
    assert!(
        accepted.is_empty(),
        "{} of {count} are accepted:\n{}",
        accepted.len(),
        accepted.join("\n")
    );
    assert!(count > 200, "only {count} mutations");
}

#[test]
fn an_unknown_field_anywhere_in_a_manifest_is_refused() {
    every_mutation_is_refused(mutations::unknown_fields);
}

#[test]
fn a_wrong_type_anywhere_in_a_manifest_is_refused() {
    every_mutation_is_refused(mutations::wrong_types);
}

#[test]
fn the_chart_passes_helms_own_checks_and_says_what_must_be_given() {
    let chart = manifests::folder().join("helm");
    for values in manifests::values_of_chart() {
        let output = manifests::helm(&["lint", "--strict"])
            .arg(&chart)
            .arg("--values")
            .arg(chart.join("ci").join(values))
            .output()
            .expect("Helm starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }
    let refused = |set: &[&str]| {
        let mut helm = manifests::helm(&["template", "bff-service"]);
        helm.arg(&chart);
        if !set.is_empty() {
            helm.arg("--values").arg(chart.join("ci/least-values.yaml")).args(set);
        }
        let output = helm.output().expect("Helm starts");
        assert!(!output.status.success(), "{set:?} is accepted");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let nothing_given = refused(&[]);
    for value in [
        "/secrets/cookieKeys/name",
        "/secrets/cookieKeys/path",
        "/config",
        "/existingConfigMap/name",
        "/image/repository",
    ] {
        assert!(nothing_given.contains(value), "{value}: {nothing_given}");
    }
    for (set, named) in [
        ("replicaCont=3", "replicaCont"),
        ("server.port=80", "/server/port"),
        ("terminationGracePeriodSeconds=59", "write 60 or more"),
        (
            "extraEnv[0].name=BFF_COOKIE_KEYS,extraEnv[0].value=secret",
            "/extraEnv/0/name",
        ),
        (
            "env[0].name=RUST_LOG,env[0].value=info",
            "env: unknown value: rename it to extraEnv",
        ),
        (
            "extraEnv[0].name=BFF_SERVER__ADDRESS,extraEnv[0].value=::",
            "BFF_SERVER__ADDRESS is set twice",
        ),
        (
            "existingConfigMap.name=other",
            "config: existingConfigMap.name is set as well",
        ),
        (
            "secrets.cookieKeys.path=/mnt/keys",
            "secrets.cookieKeys: name and path are both set",
        ),
        (
            "metrics.serviceMonitor.enabled=true,metrics.podMonitor.enabled=true",
            "disable one of them",
        ),
        ("httpRoute.enabled=true", "/httpRoute/parentRefs"),
        ("ingress.enabled=true", "/ingress/hosts"),
        // An empty list would allow everybody.
        ("networkPolicy.gateways=null", "'gateways'"),
    ] {
        let message = refused(&["--set", set]);
        assert!(message.contains(named), "{set}: {message}");
    }
}

#[test]
fn the_charts_pods_run_with_the_least_privileges_and_hold_secrets_as_files_alone() {
    for values in manifests::values_of_chart() {
        let manifests = manifests::of_chart(&values);
        let deployment = manifests
            .iter()
            .find(|manifest| manifest.kind() == "Deployment")
            .expect("a Deployment");
        let pod = &deployment.content["spec"]["template"]["spec"];
        let test_pods = manifests.iter().filter(|manifest| manifest.kind() == "Pod");
        for pod in test_pods.map(|manifest| &manifest.content["spec"]).chain([pod]) {
            assert_eq!(pod["automountServiceAccountToken"], false);
            assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
            assert_eq!(pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault");
            let containers = ["initContainers", "containers"]
                .iter()
                .flat_map(|list| pod[*list].as_array().into_iter().flatten());
            for context in containers.map(|container| &container["securityContext"]) {
                assert_eq!(context["readOnlyRootFilesystem"], true);
                assert_eq!(context["allowPrivilegeEscalation"], false);
                assert_eq!(context["capabilities"], serde_json::json!({"drop": ["ALL"]}));
            }
        }
        let container = &pod["containers"][0];
        for probe in ["startupProbe", "livenessProbe", "readinessProbe"] {
            assert_eq!(container[probe]["httpGet"]["port"], "http-admin", "{probe}");
        }
        // Time to stop: for proxies to notice it, and 15 seconds for the service itself.
        let sleep = container["lifecycle"]["preStop"]["sleep"]["seconds"]
            .as_u64()
            .expect("seconds");
        assert!(pod["terminationGracePeriodSeconds"].as_u64().expect("seconds") > sleep + 15 + 40);
        let variables = container["env"].as_array().expect("variables");
        assert!(
            variables
                .iter()
                .all(|variable| variable["valueFrom"]["secretKeyRef"].is_null()),
            "{variables:?}"
        );
        // A file of a subPath does not change with its Secret.
        let mounts = container["volumeMounts"].as_array().expect("mounts");
        assert!(
            mounts
                .iter()
                .all(|mount| mount.get("subPath").is_none() && mount["readOnly"] == true)
        );
        assert!(
            manifests.iter().all(|manifest| manifest.kind() != "Secret"),
            "secrets are by reference"
        );
    }
}

/// istiod refuses a patch in which an `Any` has no type, and applies the others: `filter-routes.yaml` without the patch of one
/// route leaves every filter before it. The schema of an EnvoyFilter does not know what an `Any` is.
#[test]
fn every_any_in_an_envoy_filter_has_a_type() {
    for base in ["istio/wasm-plugin", "istio/traffic-extension", "istio/native-module"] {
        let filters: Vec<Manifest> = kustomize::of_base(base)
            .into_iter()
            .filter(|manifest| manifest.kind() == "EnvoyFilter")
            .collect();
        assert!(!filters.is_empty());
        for filter in &filters {
            assert_eq!(
                untyped(&filter.content["spec"], ""),
                Vec::<String>::new(),
                "{}",
                filter.title()
            );
        }
    }
    let per_route =
        serde_json::json!({"typed_per_filter_config": {"a": {"@type": "FilterConfig", "config": {}}, "b": {}}});
    assert_eq!(
        untyped(&per_route, ""),
        ["/typed_per_filter_config/a/config", "/typed_per_filter_config/b"]
    );
}

/// The places of messages that must have a type and have none: filters' configurations, also those within one for a route.
fn untyped(value: &serde_json::Value, place: &str) -> Vec<String> {
    let mut found = Vec::new();
    let fields = value
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, value)| (name.clone(), value));
    let items = value.as_array().into_iter().flatten().enumerate();
    let parts: Vec<(String, &serde_json::Value)> = fields
        .chain(items.map(|(index, value)| (index.to_string(), value)))
        .collect();
    let is_per_filter = place.ends_with("/typed_per_filter_config");
    let is_filter_config = value["@type"]
        .as_str()
        .is_some_and(|name| name.ends_with("FilterConfig"));
    for (name, part) in parts {
        let below = format!("{place}/{name}");
        let is_any = name == "typed_config" || is_per_filter || (is_filter_config && name == "config");
        if is_any && part.get("@type").is_none() {
            found.push(below.clone());
        }
        found.extend(untyped(part, &below));
    }
    found
}
