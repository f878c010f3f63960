//! All log lines of the service at any level, and those of its dependencies at their production levels, from all tests of
//! this process.

use std::sync::{Mutex, Once};

use bff_service::telemetry::request_context::RequestContext;
use log::kv::{Error, Key, Value, VisitSource};
use log::{Level, LevelFilter, Log, Metadata, Record};

static LINES: Mutex<Vec<String>> = Mutex::new(Vec::new());
static INSTALL: Once = Once::new();

struct Capture;

impl Log for Capture {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let ours = ["bff_", "audit"]
            .iter()
            .any(|prefix| metadata.target().starts_with(prefix));
        ours || metadata.level() <= Level::Info
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let mut line = format!("{} {} {}", record.level(), record.target(), record.args());
        let _ = record.key_values().visit(&mut Members(&mut line));
        if let Some(context) = RequestContext::current() {
            line.push_str(&format!(" request_id={}", context.id));
        }
        LINES.lock().unwrap().push(line);
    }

    fn flush(&self) {}
}

/// The members of an event besides its message.
struct Members<'a>(&'a mut String);

impl<'kvs> VisitSource<'kvs> for Members<'_> {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), Error> {
        self.0.push_str(&format!(" {key}={value}"));
        Ok(())
    }
}

/// Starts to store lines.
pub fn install() {
    INSTALL.call_once(|| {
        log::set_logger(&Capture).unwrap();
        log::set_max_level(LevelFilter::Trace);
    });
}

/// The lines so far.
pub fn lines() -> Vec<String> {
    LINES.lock().unwrap().clone()
}
