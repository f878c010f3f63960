//! `bff-service check` against a server.

use serde_json::json;

use super::fake_server::{FakeServer, Reply, not_found};
use super::signer::Signer;
use crate::cli::check::{self, Report};

async fn report(server: &FakeServer, lines: &[&str]) -> Report {
    let mut report = Report::default();
    check::check_authorization_server(&server.config(lines), &mut report).await;
    report
}

#[actix_web::test]
async fn check_finds_nothing_wrong_with_a_server_that_works() {
    let signer = Signer::es256("1");
    let server = FakeServer::authorization_server(&[&signer], not_found);
    let lines = [
        "client.id = \"spa\"",
        "client.secret = \"a-plain-secret\"",
        "client.send_id_token_hint = true",
    ];
    let report = report(&server, &lines).await;
    assert_eq!(
        (report.errors.len(), report.warnings.len(), report.exit_code()),
        (0, 0, 0),
        "{report}"
    );
}

#[actix_web::test]
async fn check_says_what_is_wrong_with_the_server() {
    let signer = Signer::es256("1");
    let server = FakeServer::authorization_server(&[&signer], not_found);
    let algorithms = report(&server, &["authorization_server.id_token_algorithms = [\"RS256\"]"]).await;
    assert!(
        algorithms
            .to_string()
            .contains("`authorization_server.id_token_algorithms`"),
        "{algorithms}"
    );
    let other = format!("authorization_server.issuer = \"{}\"", server.url("/other"));
    let mut missing = Report::default();
    let config = std::sync::Arc::new(super::fake_server::config(&[&other]));
    check::check_authorization_server(&config, &mut missing).await;
    assert!(missing.to_string().contains("HTTP 404"), "{missing}");
    assert_eq!(missing.exit_code(), 1);
    server.answer_by(|_| Reply::Close);
    let down = report(&server, &[]).await;
    assert!(down.to_string().contains("authorization server is running"), "{down}");
}

#[actix_web::test]
async fn check_lists_the_faults_of_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bff.toml");
    std::fs::write(&path, "prt = 1\n[server]\nport = true\n").unwrap();
    let report = check::check(&path, |_| None).await;
    assert_eq!(report.errors.len(), 2, "{report}");
    assert_eq!(report.exit_code(), 1);
}

#[actix_web::test]
async fn an_authentication_that_is_configured_and_not_listed_by_the_server_is_used_and_check_ends_well() {
    let metadata = json!({"token_endpoint_auth_methods_supported": ["private_key_jwt"]});
    let server = FakeServer::with_metadata(metadata, not_found);
    let rejected = report(&server, &[]).await;
    assert_eq!(rejected.exit_code(), 1, "{rejected}");
    assert!(
        rejected.to_string().contains("set `client.authentication` to it"),
        "{rejected}"
    );
    let followed = report(&server, &["client.authentication = \"client_secret_basic\""]).await;
    assert_eq!(followed.exit_code(), 0, "{followed}");
    assert!(
        followed
            .warnings
            .iter()
            .any(|warning| warning.contains("it is used as configured")),
        "{followed}"
    );
}

#[actix_web::test]
async fn check_tells_a_wrong_client_secret_from_a_right_one_and_from_what_it_could_not_test() {
    let server = |status: u16, code: &'static str| {
        FakeServer::with_metadata(json!({}), move |request| match request.path() {
            "/token" => Reply::Json(status, json!({ "error": code })),
            _ => not_found(request),
        })
    };
    let right = report(&server(400, "invalid_grant"), &[]).await;
    assert_eq!(right.exit_code(), 0, "{right}");
    assert!(
        right
            .valid
            .iter()
            .any(|line| line.contains("accepts the client's credentials")),
        "{right}"
    );
    for status in [400, 401] {
        let wrong = report(&server(status, "invalid_client"), &[]).await;
        assert_eq!(wrong.exit_code(), 1, "{wrong}");
        assert!(wrong.errors.iter().any(|line| line.contains("`client.id`")), "{wrong}");
        assert!(!wrong.to_string().contains("s3cret"), "{wrong}");
    }
    let unclear = report(&server(400, "unsupported_grant_type"), &[]).await;
    assert_eq!(unclear.exit_code(), 0, "{unclear}");
    assert!(
        unclear.not_tested.iter().any(|line| line.contains("credentials")),
        "{unclear}"
    );
}

#[actix_web::test]
async fn check_says_what_it_has_not_tested_and_what_signing_out_without_a_hint_leads_to() {
    let server = FakeServer::with_metadata(json!({}), not_found);
    let without = report(&server, &[]).await;
    let mentions = |lines: &[String], what: &str| lines.iter().any(|line| line.contains(what));
    assert!(mentions(&without.not_tested, "`client.redirect_uri`"), "{without}");
    assert!(mentions(&without.warnings, "`client.send_id_token_hint`"), "{without}");
    let with = report(&server, &["client.send_id_token_hint = true"]).await;
    assert!(!mentions(&with.warnings, "`client.send_id_token_hint`"), "{with}");
}
