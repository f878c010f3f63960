//! `docker-compose.yml` and `Dockerfile` agree with each other and with the repository. Whether the containers run is tested by
//! `cargo xtask compose --check`, which needs a Docker engine.

use std::collections::BTreeSet;

use bff_tests::repository;
use serde_json::Value;

fn compose() -> Value {
    serde_saphyr::from_str(&repository::text("docker-compose.yml")).expect("docker-compose.yml")
}

fn services(compose: &Value) -> impl Iterator<Item = (&String, &Value)> {
    compose["services"].as_object().expect("services").iter()
}

/// The Dockerfile's instructions, with continued lines joined.
fn instructions() -> Vec<Vec<String>> {
    let text = repository::text("Dockerfile").replace("\\\n", " ");
    let lines = text
        .lines()
        .filter(|line| !line.starts_with('#') && !line.trim().is_empty());
    lines
        .map(|line| line.split_whitespace().map(str::to_owned).collect())
        .collect()
}

/// The default of a build argument.
fn argument(name: &str) -> String {
    let start = format!("{name}=");
    let found = instructions().into_iter().find_map(|words| match words.as_slice() {
        [arg, value] if arg == "ARG" => value.strip_prefix(&start).map(str::to_owned),
        _ => None,
    });
    found.unwrap_or_else(|| panic!("missing ARG {name} in the Dockerfile: write it"))
}

#[test]
fn every_container_is_hardened_and_tells_of_its_health() {
    let compose = compose();
    for (name, service) in services(&compose) {
        assert_eq!(service["user"], "65532:65532", "{name}");
        assert_eq!(service["read_only"], true, "{name}");
        assert_eq!(service["cap_drop"], serde_json::json!(["ALL"]), "{name}");
        let options = service["security_opt"].as_array().expect("security_opt");
        assert!(options.contains(&Value::from("no-new-privileges:true")), "{name}");
        assert!(service["healthcheck"]["test"].is_array() || name == "setup", "{name}");
        assert!(
            service["privileged"].is_null() && service["cap_add"].is_null(),
            "{name}"
        );
    }
    // Only Envoy is published, only to this machine.
    let published: Vec<_> = services(&compose)
        .filter(|(_, service)| !service["ports"].is_null())
        .collect();
    assert_eq!(published.len(), 1);
    let ports = published[0].1["ports"].to_string();
    assert_eq!(published[0].0, "envoy");
    assert!(ports.starts_with("[\"127.0.0.1:"), "{ports}");
    assert_eq!(compose["networks"]["inside"]["internal"], true);
}

#[test]
fn what_the_services_refer_to_is_there() {
    let compose = compose();
    let stages: BTreeSet<String> = instructions()
        .iter()
        .filter_map(|words| match words.as_slice() {
            [from, _, named, stage] if from == "FROM" && named == "AS" => Some(stage.clone()),
            _ => None,
        })
        .collect();
    let names: BTreeSet<&String> = services(&compose).map(|(name, _)| name).collect();
    let mut volumes = BTreeSet::new();
    for (name, service) in services(&compose) {
        if let Some(target) = service["build"]["target"].as_str() {
            assert!(stages.contains(target), "{name} is built from the stage {target}");
        }
        for other in service["depends_on"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(other, _)| other)
        {
            assert!(names.contains(other), "{name} depends on {other}");
        }
        for volume in service["volumes"].as_array().into_iter().flatten() {
            let volume = volume.as_str().expect("a volume").split(':').next().unwrap_or_default();
            assert!(!compose["volumes"][volume].is_null(), "{name} mounts {volume}");
            volumes.insert(volume.to_owned());
        }
    }
    let declared = compose["volumes"]
        .as_object()
        .expect("volumes")
        .keys()
        .cloned()
        .collect();
    assert_eq!(volumes, declared, "every volume is used");
}

#[test]
fn secrets_are_mounted_for_reading_and_into_the_one_service_that_needs_them() {
    let compose = compose();
    for (name, service) in services(&compose).filter(|(name, _)| *name != "setup") {
        for volume in service["volumes"].as_array().into_iter().flatten() {
            let volume = volume.as_str().expect("a volume");
            if let Some(rest) = volume.strip_prefix("setup-") {
                assert_eq!(rest, format!("{name}:/run/{name}:ro"));
            }
        }
        for (variable, value) in service["environment"].as_object().into_iter().flatten() {
            let is_secret = ["SECRET", "KEYS", "PASSWORD"]
                .iter()
                .any(|word| variable.contains(word));
            let is_path = variable.ends_with("_FILE") && value.as_str().is_some_and(|path| path.starts_with("/run/"));
            assert!(!is_secret || is_path, "{name}: {variable}");
        }
    }
}

#[test]
fn the_dockerfile_copies_what_exists_and_has_the_versions_of_everything_else() {
    for words in instructions() {
        if words[0] == "COPY" && !words.iter().any(|word| word.starts_with("--from=")) {
            let sources: Vec<&String> = words[1..words.len() - 1]
                .iter()
                .filter(|word| !word.starts_with("--"))
                .collect();
            for source in sources {
                assert!(repository::path(source).exists(), "COPY {source}");
            }
        }
    }
    let rust = argument("RUST");
    let version = rust.trim_start_matches("rust:").split('-').next().unwrap_or_default();
    assert!(
        repository::text("rust-toolchain.toml").contains(&format!("channel = \"{version}\"")),
        "{rust}"
    );
    assert!(
        repository::text("Dockerfile").contains(&format!("RUSTUP_TOOLCHAIN={version}\n")),
        "{rust}"
    );
    let envoy = argument("ENVOY");
    let version = envoy.rsplit_once("-v").map(|(_, version)| version).unwrap_or_default();
    assert!(
        repository::text("xtask/src/tools/envoy.rs").contains(&format!("version: \"{version}\"")),
        "{envoy}"
    );
}
