//! What must hold for every Envoy that the manifests lead to, however it was configured.

use crate::http1::{Client, Request, Response};
use crate::kubernetes::cluster::Cluster;
use crate::partner;
use crate::setup::eventually;
use crate::user_agent::UserAgent;

/// Sends a GET request with a bearer token.
///
/// # Panics
/// If there is no response.
pub fn get(client: &Client, host: &str, path: &str, token: &str) -> Response {
    let request = Request::new("GET", path).header("authorization", format!("Bearer {token}"));
    client.send(host, &request).expect("a response")
}

/// Walks through the three entry points. `nowhere`: the status of a path without a route.
///
/// # Panics
/// If one of them responds otherwise.
pub fn all_three_entry_points_answer_right(cluster: &Cluster, nowhere: u16) {
    let Cluster {
        test, api, mtls_port, ..
    } = cluster;
    let system = &test.system;
    let anyone = Client::new(system);
    let (mut user, partner) = (UserAgent::signed_in(system), partner::client(system));
    let (of_user, of_partner) = (cluster.token_of(&user), partner::token(system, *mtls_port));
    api.clear();

    // From the web, with cookies. The API gets a JWT and no cookie.
    assert_eq!(user.get_data().status, 200);
    assert_eq!(user.send(&user.api_request("POST")).status, 200);
    let head = api.last();
    let of = |name: &str| head.iter().filter(|(found, _)| found == name).count();
    assert_eq!((of("authorization"), of("cookie"), of("x-example-csrf")), (1, 0, 0));
    assert_eq!(user.bff("POST", "/bff/refresh").status, 204);
    assert_eq!(user.get_data().status, 200);
    // From other clients and from partners.
    assert_eq!(get(&anyone, "api", "/default/data", &of_user).status, 200);
    assert_eq!(get(&partner, "mtls", "/api/data", &of_partner).status, 200);

    // A preflight request gets its response before the filter, and the page may read the filter's rejections.
    let preflight = Request::new("OPTIONS", "/api/data")
        .header("origin", &user.origin)
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "x-example-csrf");
    let response = anyone.send("api", &preflight).expect("a response");
    assert_eq!(
        (response.status, response.header("access-control-allow-origin")),
        (200, Some(&*user.origin))
    );
    assert_eq!(response.header("access-control-allow-credentials"), Some("true"));
    let list = |response: &Response, name: &str| response.header(name).unwrap_or_default().replace(", ", ",");
    let granted = list(&response, "access-control-allow-headers");
    assert!(granted.starts_with("content-type,x-example-csrf,"), "{granted}");
    let bare = Request::new("GET", "/api/data").header("origin", &user.origin);
    let response = anyone.send("api", &bare).expect("a response");
    assert_eq!((response.status, response.code().as_str()), (401, "unauthorized"));
    assert_eq!(response.header("access-control-allow-origin"), Some(&*user.origin));
    let exposed = list(&response, "access-control-expose-headers");
    assert_eq!(exposed, "grpc-status,grpc-message,retry-after");
    api.clear();

    // No entry point accepts the credentials of another.
    assert_eq!(get(&anyone, "api", "/api/data", &of_user).status, 401);
    let cookies = |path: &str| {
        Request::new("GET", path)
            .header("origin", &user.origin)
            .header("cookie", user.cookie_header())
    };
    let refused = user.send(&cookies("/default/data"));
    assert_eq!(
        (refused.status, refused.header("www-authenticate")),
        (401, Some("Bearer realm=\"api\""))
    );
    assert_eq!(get(&anyone, "api", "/default/data", &of_partner).status, 401);
    assert_eq!(get(&partner, "mtls", "/api/data", &of_user).status, 401);
    assert!(
        anyone.send("mtls", &Request::new("GET", "/api/data")).is_err(),
        "no certificate"
    );
    let elsewhere = cookies("/api/data").header("sec-fetch-site", "cross-site");
    assert_eq!(user.send(&elsewhere).status, 401);
    // Nor another spelling of them, nor a path without a route.
    assert_eq!(user.send(&cookies("/default%2f..%2fapi/data")).status, 400);
    for path in ["/bffx", "/apix/data", "/metrics", "/ended-sessions", "/"] {
        assert_eq!(user.send(&cookies(path)).status, nowhere, "{path}");
    }
    let authority = anyone.authority("mtls");
    let request = Request::new("GET", "/api/data");
    assert_eq!(
        anyone.send_as("api", &authority, &request).expect("a response").status,
        nowhere
    );
    assert_eq!(api.heads().len(), 0, "nothing of these reached the API");

    // Headers that could be taken for others, or for a proxy's, are removed.
    let request = cookies("/api/data")
        .header("x_auth_subject", "somebody")
        .header("x-forwarded-host", "evil.example")
        .header("x-forwarded-for", "192.0.2.1");
    assert_eq!(user.send(&request).status, 200);
    let head = api.last();
    assert!(
        !head
            .iter()
            .any(|(name, _)| name == "x_auth_subject" || name == "x-forwarded-host"),
        "{head:?}"
    );
    assert!(
        !head.iter().any(|(_, value)| value.starts_with(b"192.0.2.1")),
        "{head:?}"
    );

    // After the end of a session a copy of its cookies is refused too: the filter reaches the service's admin listener.
    let copy = cookies("/api/data");
    assert_eq!(user.bff("POST", "/bff/logout").status, 200);
    eventually("the copy is refused", || {
        anyone.send("api", &copy).expect("a response").status == 401
    });
}
