//! The list of ended sessions as JSON, which the filter polls from the service.
//!
//! In format 3, `began_before` ends all sessions that began before that time, and `entries` stands in place of `ended`,
//! which earlier releases require: a filter that would ignore `began_before` counts the poll as failed. Format 3 is
//! written only if all sessions before a time were ended. In format 2, an entry ends what began up to its time. In
//! format 1, without a `format` member, a login was ended for good, and its time was that of the logout. A filter that
//! knows only format 1 reads format 2 in that sense, and so ends more.

use serde::{Deserialize, Serialize};

use super::ended::{AllEnded, Ended};
use super::list::EndedSessions;

/// The format without the end of all sessions.
const FORMAT: u32 = 2;
/// The format with the end of all sessions.
const FORMAT_WITH_ALL: u32 = 3;
/// How long after its time a login of format 1 still ends sessions, in seconds. The service of that format also ends
/// later sessions of the login, and its times do not allow for clock skew.
const UNTIMED_LOGIN_SECONDS: u64 = 86_400;

#[derive(Serialize, Deserialize)]
struct List {
    version: String,
    #[serde(default)]
    format: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended: Option<Vec<(String, u64)>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    entries: Option<Vec<(String, u64)>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    began_before: Option<u64>,
}

impl EndedSessions {
    /// Serializes the list as JSON for [`EndedSessions::from_json`]. `version` identifies this state of the list.
    pub fn to_json(&self, version: &str) -> String {
        let entries = Some(self.iter().map(|(ended, until)| (ended.to_text(), until)).collect());
        let version = version.to_owned();
        let list = match self.all_ended() {
            None => List {
                version,
                format: FORMAT,
                ended: entries,
                entries: None,
                began_before: None,
            },
            Some(all) => List {
                version,
                format: FORMAT_WITH_ALL,
                ended: None,
                entries,
                began_before: Some(all.before),
            },
        };
        serde_json::to_string(&list).unwrap_or_default()
    }

    /// Parses a list and the version that identifies its state; `None` if it is malformed. Entries beyond `limit` and
    /// entries of an unknown kind, from a newer service, are left out.
    pub fn from_json(json: &[u8], limit: usize) -> Option<(Self, String)> {
        let list: List = serde_json::from_slice(json).ok()?;
        let mut ended = Self::new(limit, 0);
        let entries = match (list.ended, list.entries, list.began_before) {
            (Some(entries), None, None) => entries,
            (None, Some(entries), Some(before)) if list.format == FORMAT_WITH_ALL => {
                // The filter never drops the end of all sessions, so it does not need the time at which they were
                // ended.
                ended.learn_all(AllEnded::new(before, 0));
                entries
            }
            _ => return None,
        };
        for (text, at) in entries {
            let until = |name| match (list.format, name) {
                (FORMAT | FORMAT_WITH_ALL, _) | (_, Ended::Session(_) | Ended::User(_)) => at,
                (_, Ended::Login(_)) => at.saturating_add(UNTIMED_LOGIN_SECONDS),
            };
            if let Some(name) = Ended::from_text(&text) {
                ended.learn(name, until(name));
            }
        }
        Some((ended, list.version))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cookie::session_id::{SessionId, SubjectHash};

    #[test]
    fn a_list_survives_its_journey_and_nonsense_is_no_list() {
        let mut list = EndedSessions::new(10, 10);
        let digest = SubjectHash::of("https://issuer", "x");
        for ended in [Ended::Session([0xab; 16]), Ended::Login(digest), Ended::User(digest)] {
            list.end(ended, 5);
        }
        let json = list.to_json("7");
        let (read, version) = EndedSessions::from_json(json.as_bytes(), 10).unwrap();
        assert!(read.iter().eq(list.iter()) && read.len() == 3);
        assert_eq!(version, "7");
        for invalid in [
            "",
            "[]",
            "{}",
            "{\"version\":\"1\"}",
            "{\"version\":\"1\",\"ended\":[[1,2]]}",
        ] {
            assert!(EndedSessions::from_json(invalid.as_bytes(), 10).is_none(), "{invalid}");
        }
        let unknown = br#"{"version":"1","ended":[["x00",1],["s00",1],["sAB",1],["",1]]}"#;
        assert!(EndedSessions::from_json(unknown, 10).unwrap().0.is_empty());
    }

    #[test]
    fn a_login_in_the_list_of_an_older_service_ends_what_began_a_little_later_by_another_clock() {
        let login = SubjectHash::of("https://issuer", "sid");
        let session = SessionId::new([1; 16], SubjectHash::NONE, login);
        let name = Ended::Login(login).to_text();
        let read = |format: &str| {
            let json = format!(r#"{{"version":"1"{format},"ended":[["{name}",100]]}}"#);
            EndedSessions::from_json(json.as_bytes(), 10).unwrap().0
        };
        assert!(read("").has_ended(&session, 160));
        // An unknown format is read as the oldest one.
        assert!(read(r#","format":4"#).has_ended(&session, 160));
        assert!(read(r#","format":2"#).has_ended(&session, 100) && !read(r#","format":2"#).has_ended(&session, 101));
    }

    #[test]
    fn the_end_of_all_sessions_survives_its_journey_and_no_older_reader_takes_it_for_a_list() {
        #[derive(Deserialize)]
        struct OldList {
            #[serde(rename = "ended")]
            _ended: Vec<(String, u64)>,
        }
        let mut list = EndedSessions::new(10, 0);
        list.end(Ended::Session([1; 16]), 100);
        assert!(serde_json::from_str::<OldList>(&list.to_json("1")).is_ok());
        let before = list.end_all(500, 1000).before;
        let json = list.to_json("2");
        assert!(serde_json::from_str::<OldList>(&json).is_err(), "{json}");
        let (read, version) = EndedSessions::from_json(json.as_bytes(), 10).unwrap();
        assert_eq!((read.all_ended().unwrap().before, version.as_str()), (before, "2"));
        assert!(read.iter().eq(list.iter()));
        for invalid in [
            r#"{"version":"1","format":3,"ended":[],"began_before":5}"#,
            r#"{"version":"1","format":3,"entries":[]}"#,
            r#"{"version":"1","format":2,"entries":[],"began_before":5}"#,
            r#"{"version":"1","format":4,"entries":[],"began_before":5}"#,
        ] {
            assert!(EndedSessions::from_json(invalid.as_bytes(), 10).is_none(), "{invalid}");
        }
    }

    /// The checks of the previous release's filter, unchanged and in their order.
    #[test]
    fn an_older_filter_refuses_with_a_newer_list_all_that_a_newer_filter_refuses() {
        #[derive(Deserialize)]
        struct OldList {
            ended: Vec<(String, u64)>,
        }
        let (user, login) = (SubjectHash::of("i", "alice"), SubjectHash::of("i", "sid"));
        let session = SessionId::new([1; 16], user, login);
        for ended in [Ended::Session([1; 16]), Ended::User(user), Ended::Login(login)] {
            let mut list = EndedSessions::new(10, 10);
            list.end(ended, 100);
            let old: OldList = serde_json::from_str(&list.to_json("1")).unwrap();
            for began_at in 80..130 {
                let refused = old.ended.iter().any(|(text, at)| {
                    *text == Ended::Session([1; 16]).to_text()
                        || *text == Ended::Login(login).to_text()
                        || (*text == Ended::User(user).to_text() && began_at <= *at)
                });
                assert!(refused || !list.has_ended(&session, began_at), "{ended:?} {began_at}");
            }
        }
    }
}
