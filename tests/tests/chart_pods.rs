//! What the chart gives its pods, in the real service: the service's pod and its probes, and the pod of `helm test`.

use std::fs;
use std::process::{Child, Stdio};

use bff_tests::kubernetes::manifests;
use bff_tests::kubernetes::pod::Pods;
use bff_tests::setup::{eventually, start};
use demo_system::Component;

/// A process that ends with the test.
struct Service(Child);

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_service_is_alive_and_then_ready_and_the_test_of_the_release_fails_until_then() {
    let test = start(|options| {
        let all = Component::ALL.into_iter();
        let needed = [Component::Envoy, Component::AuthorizationServer];
        options.without = all.filter(|component| !needed.contains(component)).collect();
    });
    let system = &test.system;
    let folder = tempfile::tempdir().expect("a folder");
    let issuer = system.login();
    let mut pods = Pods::new(manifests::of_chart("least-values.yaml"), folder.path(), |text| {
        assert!(text.contains("https://login.example.com"), "{text}");
        text.replace("https://login.example.com", &issuer)
    });
    let authority = system.ca_pem().to_string_lossy().into_owned();
    pods.environment = vec![("BFF_AUTHORIZATION_SERVER__CA_FILE", authority)];
    let tested = || {
        let output = pods.command(pods.test()).output().expect("the test's program");
        (
            output.status.success(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        )
    };
    let (passes, message) = tested();
    assert!(!passes && message.contains("error: "), "nothing runs: {message}");

    system.stop(Component::Envoy);
    let log = folder.path().join("log");
    let mut command = pods.command(pods.service());
    command
        .stderr(fs::File::create(&log).expect("a log"))
        .stdout(Stdio::null());
    let mut service = Service(command.spawn().expect("the service starts"));
    let probe = |name: &str| {
        let path = pods.service()["containers"][0][name]["httpGet"]["path"]
            .as_str()
            .expect("a path");
        demo_system::get(pods.admin(), path).map(|(status, _)| status).ok()
    };
    eventually("the service is alive", || {
        if let Some(status) = service.0.try_wait().expect("a status") {
            panic!(
                "the service has exited ({status}): {}",
                fs::read_to_string(&log).unwrap_or_default()
            );
        }
        probe("startupProbe") == Some(200)
    });
    assert_eq!(
        (probe("livenessProbe"), probe("readinessProbe")),
        (Some(200), Some(503))
    );
    let (passes, message) = tested();
    assert!(!passes && message.contains("error: "), "not ready: {message}");

    system.resume(Component::Envoy).expect("Envoy starts");
    eventually("the service is ready", || probe("readinessProbe") == Some(200));
    let (passes, message) = tested();
    assert!(passes, "{message}");
}
