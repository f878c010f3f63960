//! The log of the service: one line for each event on standard error, as text or as JSON, with the id of the request.
//!
//! No line contains a token, a code, a state, a cookie or a secret: the line of a rejection names the rule, and audit
//! lines identify a session by a digest.

use std::io::Write;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use bff_core::cookie::session_id::SessionId;
use env_logger::fmt::Formatter;
use log::Record;
use log::kv::{self, Key, VisitSource};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::request_context::RequestContext;
use super::trace::TraceContext;
use bff_core::encoding::hex;

/// The target of audit lines, such as those of sign-ins, refreshes, sign-outs and rejections. `docs/observability.md` has
/// the events.
pub const AUDIT: &str = "audit";

/// The format of log lines.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum LogFormat {
    /// Text.
    #[default]
    Human,
    /// One JSON object on each line: `time`, `level`, `target`, `request_id`, `trace_id`, `message`, and the members of
    /// the event.
    Json,
}

impl FromStr for LogFormat {
    type Err = String;

    fn from_str(name: &str) -> Result<LogFormat, String> {
        match name {
            "human" => Ok(LogFormat::Human),
            "json" => Ok(LogFormat::Json),
            other => Err(format!("invalid BFF_LOG_FORMAT `{other}`: write `human` or `json`")),
        }
    }
}

/// Installs the logger. `RUST_LOG` sets the levels. The default is `info`, and `warn` for `actix_server`.
pub fn init(format: LogFormat) {
    let environment = env_logger::Env::default().default_filter_or("info,actix_server=warn");
    let mut builder = env_logger::Builder::from_env(environment);
    for module in WITH_CREDENTIALS {
        builder.filter_module(module, log::LevelFilter::Info);
    }
    builder.format(move |line, record| match (may_have_credentials(record), format) {
        (true, _) => Ok(()),
        (false, LogFormat::Human) => human_line(line, record),
        (false, LogFormat::Json) => json_line(line, record),
    });
    // A second logger, in tests, is not an error.
    let _ = builder.try_init();
}

/// Modules that log requests with credentials at `debug` and `trace`.
const WITH_CREDENTIALS: [&str; 2] = ["awc", "h2"];

/// Whether a line is left out. `RUST_LOG` may name a part of such a module, which takes precedence over the level of the
/// module.
fn may_have_credentials(record: &Record<'_>) -> bool {
    let is_of = |module: &str| {
        let rest = record.target().strip_prefix(module);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
    };
    record.level() > log::Level::Info && WITH_CREDENTIALS.into_iter().any(is_of)
}

fn human_line(line: &mut Formatter, record: &Record<'_>) -> std::io::Result<()> {
    let time = line.timestamp_millis();
    let request = RequestContext::current();
    let request = request.map(|request| format!(" [{}]", request.id)).unwrap_or_default();
    writeln!(
        line,
        "{time} {:5} {}{request} {}",
        record.level(),
        record.target(),
        one_line(record)
    )
}

fn json_line(line: &mut Formatter, record: &Record<'_>) -> std::io::Result<()> {
    let request = RequestContext::current();
    let trace = request.as_ref().and_then(|request| request.trace.as_ref());
    let mut members = Members(Map::new());
    // If the members cannot be read, the message still has their content.
    let _ = record.key_values().visit(&mut members);
    let Members(mut object) = members;
    for (name, value) in [
        ("time", json!(line.timestamp_millis().to_string())),
        ("level", json!(record.level().as_str())),
        ("target", json!(record.target())),
        (
            "request_id",
            json!(request.as_ref().map(|request| request.id.to_string())),
        ),
        ("trace_id", json!(trace.map(TraceContext::trace_id))),
        ("message", json!(record.args().to_string())),
    ] {
        object.insert(name.to_owned(), value);
    }
    writeln!(line, "{}", Value::Object(object))
}

/// The members of an event besides its message.
struct Members(Map<String, Value>);

impl<'kvs> VisitSource<'kvs> for Members {
    fn visit_pair(&mut self, key: Key<'kvs>, value: kv::Value<'kvs>) -> Result<(), kv::Error> {
        let value = match value.to_u64() {
            Some(number) => json!(number),
            None => json!(value.to_string()),
        };
        self.0.insert(key.as_str().to_owned(), value);
        Ok(())
    }
}

/// Whether audit lines contain the `sub` of users.
static SUBJECTS: AtomicBool = AtomicBool::new(false);

/// Sets whether audit lines contain the `sub` of the user. By default they do not.
pub fn log_subjects(is_wanted: bool) {
    SUBJECTS.store(is_wanted, Relaxed);
}

/// The `sub` for an audit line, or `-` if it is unknown or audit lines contain no `sub`.
pub fn subject(sub: Option<&str>) -> &str {
    sub.filter(|_| SUBJECTS.load(Relaxed)).unwrap_or("-")
}

/// The message without control characters: external input must not be able to forge a log line.
fn one_line(record: &Record<'_>) -> String {
    record
        .args()
        .to_string()
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

/// The name of a session in the log: 12 hexadecimal digits, which identify it and cannot be used to open anything.
pub fn session_name(session: SessionId) -> String {
    let digest = Sha256::digest(session.0);
    hex::encode(digest.get(..6).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_session_does_not_hold_its_id() {
        let name = session_name(SessionId([0xab; 32]));
        assert_eq!(name.len(), 12);
        assert!(!name.contains("abab"));
    }

    #[test]
    fn an_unknown_format_is_refused_with_what_to_write() {
        assert!("yaml".parse::<LogFormat>().unwrap_err().contains("`human` or `json`"));
        assert_eq!("json".parse(), Ok(LogFormat::Json));
    }
}
