//! The list of ended sessions: polled when it is due, applied, and kept if a poll fails.

use bff_core::cookie::purpose::Purpose;
use bff_core::cookie::session_id::{SessionId, SubjectHash};
use bff_core::gateway::Gateway;
use bff_core::gateway::counters::Counter;
use bff_core::gateway::effect::{Command, Effect};
use bff_core::session::ended_sessions::{Ended, EndedSessions};
use serde_json::json;

use crate::support::*;

fn polling() -> Gateway {
    gateway(json!({"bff_token": {"ended_sessions": {"cluster": "bff_admin", "poll_seconds": 5}}}))
}

fn polled(effects: &[Effect]) -> Option<(&str, &str)> {
    effects.iter().find_map(|effect| match effect {
        Effect::Run(Command::PollEndedSessions { cluster, path }) => Some((cluster.as_str(), path.as_str())),
        _ => None,
    })
}

/// Whether a poll with this response fails.
fn has_failed(gateway: &mut Gateway, status: u16, body: Option<&[u8]>) -> bool {
    let before = gateway.counters().of(Counter::EndedSessionsFailed);
    gateway.on_ended_sessions(status, body);
    gateway.counters().of(Counter::EndedSessionsFailed) > before
}

fn list(ended: &[Ended], version: &str) -> String {
    let mut list = EndedSessions::new(100, 0);
    for ended in ended {
        list.end(*ended, NOW);
    }
    list.to_json(version)
}

#[test]
fn it_is_read_at_once_and_then_as_often_as_configured() {
    let mut gateway = polling();
    assert_eq!(
        polled(&gateway.on_tick(NOW)),
        Some(("bff_admin", "/ended-sessions?known="))
    );
    assert_eq!(polled(&gateway.on_tick(NOW + 4)), None);
    gateway.on_ended_sessions(200, Some(list(&[], "a1").as_bytes()));
    assert_eq!(
        polled(&gateway.on_tick(NOW + 5)),
        Some(("bff_admin", "/ended-sessions?known=a1"))
    );
}

#[test]
fn nobody_reads_it_where_it_is_not_configured() {
    assert_eq!(polled(&gateway(json!({})).on_tick(NOW)), None);
}

#[test]
fn the_cookies_of_an_ended_session_are_refused_and_those_of_others_are_not() {
    let mut gateway = polling();
    assert!(is_admitted(&mut gateway, &valid("POST", "token")));
    gateway.on_ended_sessions(200, Some(list(&[Ended::session(&SESSION)], "1").as_bytes()));
    assert_eq!(refused(&mut gateway, &valid("POST", "token")), Some(401));
    assert_eq!(
        refused(&mut gateway, &head("GET", &[("cookie", &at("token"))])),
        Some(401)
    );
    let other = seal_as(Purpose::AccessToken, "token", SessionId([8; 32]), NOW + 300);
    assert!(is_admitted(
        &mut gateway,
        &head("GET", &[("cookie", &format!("example-at={other}"))])
    ));
}

#[test]
fn a_session_that_began_after_its_login_was_ended_is_let_in_and_one_from_before_is_not() {
    let (user, login) = (SubjectHash::of("i", "alice"), SubjectHash::of("i", "sid"));
    let session = SessionId::new([8; 16], user, login);
    let cookie = format!(
        "example-at={}",
        seal_as(Purpose::AccessToken, "token", session, NOW + 300)
    );
    let request = head("GET", &[("cookie", &cookie)]);
    for ended in [Ended::User(user), Ended::Login(login)] {
        let ended_at = |at| {
            let mut list = EndedSessions::new(100, 0);
            list.end(ended, at);
            list.to_json("1")
        };
        let mut gateway = polling();
        gateway.on_ended_sessions(200, Some(ended_at(NOW - 1).as_bytes()));
        assert!(is_admitted(&mut gateway, &request), "{ended:?}");
        gateway.on_ended_sessions(200, Some(ended_at(NOW).as_bytes()));
        assert_eq!(refused(&mut gateway, &request), Some(401), "{ended:?}");
    }
}

#[test]
fn what_is_over_stays_over_although_another_replica_does_not_know_it() {
    let mut gateway = polling();
    gateway.on_ended_sessions(200, Some(list(&[Ended::session(&SESSION)], "1").as_bytes()));
    gateway.on_ended_sessions(200, Some(list(&[Ended::Session([9; 16])], "2").as_bytes()));
    assert_eq!(refused(&mut gateway, &valid("POST", "token")), Some(401));
    assert_eq!(gateway.ended_sessions().len(), 2);
}

#[test]
fn an_ended_session_is_refused_although_its_token_is_in_the_cache() {
    let mut gateway = polling();
    let effects = gateway.ask(1, &valid("GET", "token"), NOW);
    let (_, id) = flight(&effects).unwrap();
    gateway.on_server_response(
        id,
        &response(200, "application/jwt", &[], &jwt(json!({"exp": NOW + 300}))),
        NOW,
    );
    assert!(matches!(
        ends(&gateway.ask(2, &valid("GET", "token"), NOW)).as_slice(),
        [(2, End::Forwarded(_))]
    ));
    gateway.on_ended_sessions(200, Some(list(&[Ended::session(&SESSION)], "1").as_bytes()));
    assert_eq!(refused(&mut gateway, &valid("GET", "token")), Some(401));
}

#[test]
fn a_list_that_cannot_be_read_leaves_the_one_from_before() {
    let mut gateway = polling();
    gateway.on_ended_sessions(200, Some(list(&[Ended::session(&SESSION)], "1").as_bytes()));
    for (status, body) in [
        (0, None),
        (200, None),
        (200, Some(&b"<html>"[..])),
        (200, Some(&br#"{"version":"a b","ended":[]}"#[..])),
        (500, Some(&br#"{"version":"2","ended":[]}"#[..])),
        (404, None),
    ] {
        assert!(has_failed(&mut gateway, status, body), "{status} {body:?}");
        assert_eq!(
            refused(&mut gateway, &valid("POST", "token")),
            Some(401),
            "{status} {body:?}"
        );
    }
    assert!(!has_failed(&mut gateway, 204, None));
    assert_eq!(gateway.ended_sessions().len(), 1);
}

#[test]
fn it_is_read_also_where_there_is_no_introspection() {
    let mut gateway = gateway(json!({
        "bff_token": {"ended_sessions": {"cluster": "bff_admin"}},
        "phantom_token": null,
    }));
    assert!(polled(&gateway.on_tick(NOW)).is_some());
}
