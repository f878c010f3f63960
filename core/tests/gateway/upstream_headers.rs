//! The headers that are forwarded to the API.

use serde_json::json;

use crate::support::*;

/// Returns the forwarded head as sorted lines.
fn upstream(request: &[(&str, &str)]) -> Vec<(String, String)> {
    let mut gateway = gateway(json!({"phantom_token": null}));
    let effects = gateway.ask(1, &head("GET", request), NOW);
    let mutations = mutations(&effects).expect("forwarded");
    let kept = request.iter().filter(|(name, _)| {
        !mutations.remove.iter().any(|gone| gone == name) && !mutations.headers_to_set().any(|(set, _)| set == *name)
    });
    let set = mutations
        .headers_to_set()
        .map(|(name, value)| (name.to_owned(), String::from_utf8(value.to_vec()).unwrap()));
    let mut lines: Vec<_> = kept
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .chain(set)
        .collect();
    lines.sort();
    lines
}

#[test]
fn upstream_goes_one_authorization_and_nothing_of_ours() {
    let ours = format!("a=1; {}; b=2;{}", at("token"), csrf());
    let lines = upstream(&[
        ("accept", "*/*"),
        ("authorization", "Bearer mine"),
        ("authorization", "Basic mine"),
        ("cookie", &ours),
        ("cookie", "example-login=x; c=\"3\""),
        ("x-example-csrf", CSRF),
        ("x_example_csrf", CSRF),
    ]);
    let expected = [
        ("accept", "*/*"),
        ("authorization", "Bearer token"),
        ("cookie", "a=1; b=2; c=\"3\""),
    ];
    assert_eq!(lines, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
}

#[test]
fn a_cookie_header_of_ours_alone_goes_away_whole() {
    assert_eq!(
        upstream(&[("cookie", &at("token"))]),
        [("authorization".to_owned(), "Bearer token".to_owned())]
    );
}

#[test]
fn cookies_that_are_to_be_dropped_do_not_reach_the_api_and_the_others_do_byte_for_byte() {
    let drop = json!({"bff_token": {"drop_cookies": ["sso", "sso.sig"], "allow_tokens": true}});
    let cookie_of = |lines: &[(&str, &str)]| {
        let mut gateway = gateway(drop.clone());
        let effects = gateway.ask(1, &head("GET", lines), NOW);
        let (_, id) = flight(&effects).unwrap();
        let effects = gateway.on_server_response(id, &active(json!({"exp": NOW + 100})), NOW);
        let mutations = mutations(&effects).expect("forwarded");
        let left = mutations.headers_to_set().find(|(name, _)| *name == "cookie");
        let left = left.map(|(_, value)| String::from_utf8(value.to_vec()).unwrap());
        (left, mutations.remove.iter().any(|name| name == "cookie"))
    };
    let ours = at("token");
    let with = |cookies: &str| cookie_of(&[("cookie", &format!("{ours}; {cookies}"))]);
    let kept = |text: &str| (Some(text.to_owned()), false);
    assert_eq!(
        with("sso=1; a=\"b\";  c;sso.sig=2;SSO=3; ssoo=4"),
        kept("a=\"b\";  c;SSO=3; ssoo=4")
    );
    assert_eq!(with("sso =1;\tsso.sig=2; sso=3"), (None, true), "nothing is left");
    assert_eq!(with("sso; =sso"), kept("sso; =sso"), "these have another name, or none");
    // Also if the request has a bearer token instead of a session.
    let bearer = ("authorization", "Bearer token");
    assert_eq!(cookie_of(&[bearer, ("cookie", "sso=1; a=b")]), kept("a=b"));
    assert_eq!(cookie_of(&[bearer, ("cookie", "sso=1")]), (None, true));
}
