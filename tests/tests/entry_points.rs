//! One API with three entry points, as in the tutorial: cookies for the web, tokens for other clients, tokens with certificates
//! for partners. All in one Envoy, with tokens of the real authorization server.

use bff_core::cookie::purpose::Purpose;
use bff_core::cookie::seal::Binding;
use bff_core::cookie::session_id::SessionId;
use bff_core::encoding::base64url;
use bff_tests::http1::{Client, Request, Response};
use bff_tests::partner;
use bff_tests::recording_api::RecordingApi;
use bff_tests::sealing::Seals;
use bff_tests::setup::{TestSystem, start};
use bff_tests::user_agent::{AT, BOUND, UserAgent};
use demo_system::Options;
use rcgen::{CertificateParams, KeyPair};
use serde_json::Value;

struct Entries {
    test: TestSystem,
    api: RecordingApi,
    /// The authorization server's port for clients with certificates.
    mtls_port: u16,
}

fn entries(change: impl FnOnce(&mut Options)) -> Entries {
    let mut parts = None;
    let test = start(|options| {
        let (api, address) = RecordingApi::start(options.ports.api);
        options.dial_api = Some(address);
        parts = Some((api, partner::set_up(options)));
        change(options);
    });
    let (api, mtls_port) = parts.expect("started");
    Entries { test, api, mtls_port }
}

fn opaque_token(test: &TestSystem, user: &UserAgent) -> String {
    Seals::of(&test.system, "example")
        .open(Purpose::AccessToken, &user.cookies[AT])
        .0
}

fn get(client: &Client, host: &str, path: &str, token: &str) -> Response {
    let request = Request::new("GET", path).header("authorization", format!("Bearer {token}"));
    client.send(host, &request).expect("a response")
}

fn status_and_challenge(response: &Response) -> (u16, &str) {
    (response.status, response.header("www-authenticate").unwrap_or_default())
}

/// The claims of the last JWT that reached the API.
fn claims(api: &RecordingApi) -> Value {
    let head = api.last();
    let (_, bearer) = head.iter().find(|(name, _)| name == "authorization").expect("a token");
    let payload = bearer.split(|byte| *byte == b'.').nth(1).expect("a JWT");
    serde_json::from_slice(&base64url::decode(payload).expect("base64url")).expect("JSON")
}

const INVALID: (u16, &str) = (401, "Bearer realm=\"api\", error=\"invalid_token\"");

#[test]
fn one_api_is_reached_from_the_web_by_applications_and_by_partners_each_with_its_own_proof_alone() {
    let Entries { test, api, mtls_port } = entries(|_| {});
    let system = &test.system;
    let user = UserAgent::signed_in(system);
    let of_user = opaque_token(&test, &user);
    let partner = partner::client(system);
    let of_partner = partner::token(system, mtls_port);
    let anyone = Client::new(system);

    assert_eq!(user.get_data().status, 200);
    let subject = claims(&api)["sub"].clone();
    assert_eq!(get(&anyone, "api", "/default/data", &of_user).status, 200);
    assert_eq!(claims(&api)["sub"], subject, "the same user by both ways");
    assert_eq!(get(&partner, "mtls", "/api/data", &of_partner).status, 200);
    assert_eq!(claims(&api)["client_id"], "partner-client");
    assert!(claims(&api)["cnf"]["x5t#S256"].is_string());
    api.clear();

    // The web entry point accepts no tokens, the others no cookies.
    assert_eq!(get(&anyone, "api", "/api/data", &of_user).status, 401);
    let with_cookies = Request::new("GET", "/default/data")
        .header("origin", &user.origin)
        .header("cookie", user.cookie_header());
    assert_eq!(
        status_and_challenge(&user.send(&with_cookies)),
        (401, "Bearer realm=\"api\"")
    );
    // A partner's token is valid only with the partner's certificate, however a client sends it.
    assert_eq!(
        status_and_challenge(&get(&anyone, "api", "/default/data", &of_partner)),
        INVALID
    );
    assert_eq!(
        status_and_challenge(&get(&partner, "api", "/default/data", &of_partner)),
        INVALID
    );
    // A token of a client without a certificate is refused where certificates are required.
    assert_eq!(
        status_and_challenge(&get(&partner, "mtls", "/api/data", &of_user)),
        INVALID
    );
    assert_eq!(
        status_and_challenge(&get(&partner, "mtls", "/api/data", "no-token-at-all")),
        INVALID
    );
    // Two tokens, or a value that is not a token, are a malformed request.
    let malformed = (400, "Bearer realm=\"api\", error=\"invalid_request\"");
    let two = Request::new("GET", "/default/data")
        .header("authorization", format!("Bearer {of_user}"))
        .header("authorization", format!("Bearer {of_user}"));
    assert_eq!(
        status_and_challenge(&anyone.send("api", &two).expect("a response")),
        malformed
    );
    assert_eq!(
        status_and_challenge(&get(&anyone, "api", "/default/data", "a b")),
        malformed
    );
    // Without a certificate the connection fails.
    let without = anyone.send("mtls", &Request::new("GET", "/api/data"));
    assert!(without.is_err(), "{without:?}");
    assert_eq!(api.heads().len(), 0, "nothing of these reached the API");
}

/// The session is sealed with the keys of the system, since the service sends no proof that has expired or is of another
/// session.
#[test]
fn a_session_that_is_bound_to_a_device_reaches_the_api_with_the_proof_of_its_key_alone() {
    let Entries { test, api, .. } = entries(|_| {});
    let user = UserAgent::signed_in(&test.system);
    let seals = Seals::of(&test.system, "example");
    let (token, session) = seals.open(Purpose::AccessToken, &user.cookies[AT]);
    let bound = |purpose, value: &str, expires_in| seals.seal_in(Binding::Bound, purpose, value, session, expires_in);
    let mut user = user;
    user.cookies
        .insert(AT.to_owned(), bound(Purpose::AccessToken, &token, 300));
    let heads_before = api.heads().len();
    let refused = |user: &UserAgent, what: &str| {
        for method in ["GET", "POST"] {
            let request = user.api_request(method).header("secure-session-skipped", "unreachable");
            let response = user.send(&request);
            assert_eq!(response.status, 401, "{what}");
            assert_eq!(response.json()["code"], "device_binding_required", "{what}");
        }
    };
    refused(&user, "without a proof");
    for (what, proof) in [
        ("expired", bound(Purpose::DeviceBinding, "", -1)),
        ("of another purpose", bound(Purpose::Csrf, "", 300)),
        (
            "not of a bound session",
            seals.seal(Purpose::DeviceBinding, "", session, 300),
        ),
        (
            "of another session",
            seals.seal_in(Binding::Bound, Purpose::DeviceBinding, "", SessionId([9; 32]), 300),
        ),
    ] {
        user.cookies.insert(BOUND.to_owned(), proof);
        refused(&user, what);
    }
    assert_eq!(api.heads().len(), heads_before, "none of them reached the API");

    user.cookies
        .insert(BOUND.to_owned(), bound(Purpose::DeviceBinding, "", 300));
    for method in ["GET", "POST"] {
        let request = user.api_request(method).header("sec-secure-session-id", "x");
        assert_eq!(user.send(&request).status, 200, "{method}");
    }
    let head = api.last();
    assert!(
        !head
            .iter()
            .any(|(name, _)| name == "cookie" || name.contains("secure-session")),
        "{head:?}"
    );
    // The proof is of no use without the session.
    user.cookies.remove(AT);
    assert_eq!(user.get_data().status, 401);
}

#[test]
fn a_stolen_token_is_of_no_use_to_another_partner_although_its_answer_is_kept() {
    let Entries { test, api, mtls_port } = entries(|options| {
        // A thief with a certificate that this listener accepts: here it accepts any.
        let context = "                validation_context:\n";
        let lenient = format!("{context}                  trust_chain_verification: ACCEPT_UNTRUSTED\n");
        options.envoy_changes.push((context.to_owned(), lenient));
    });
    let system = &test.system;
    let token = partner::token(system, mtls_port);
    let owner = partner::client(system);
    for _ in 0..4 {
        assert_eq!(get(&owner, "mtls", "/api/data", &token).status, 200);
    }
    let key = KeyPair::generate().expect("a key");
    let certificate = CertificateParams::default().self_signed(&key).expect("signed");
    let file = |name: &str, text: String| {
        let path = system.directory().join(name);
        std::fs::write(&path, text).expect("written");
        path
    };
    let (certificate, key) = (
        file("thief.pem", certificate.pem()),
        file("thief.key", key.serialize_pem()),
    );
    let thief = Client::with_certificate(system, &certificate, &key);
    api.clear();
    for _ in 0..4 {
        assert_eq!(status_and_challenge(&get(&thief, "mtls", "/api/data", &token)), INVALID);
    }
    assert_eq!(api.heads().len(), 0);
    assert_eq!(get(&owner, "mtls", "/api/data", &token).status, 200);
}

#[test]
fn a_spelling_of_the_entry_points_host_in_the_host_header_opens_none_of_the_others() {
    let Entries { test, api, .. } = entries(|_| {});
    let anyone = Client::new(&test.system);
    let authority = anyone.authority("mtls");
    let request = Request::new("GET", "/api/data");
    let response = anyone.send_as("api", &authority, &request).expect("a response");
    assert_eq!(response.status, 404, "the other listener's hosts are not known here");
    assert_eq!(api.heads().len(), 0);
}
