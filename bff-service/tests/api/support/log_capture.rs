//! Everything that the service logs at any level, and its dependencies at those that are on in production, from all
//! tests of this process.

use std::sync::{Mutex, Once};

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
        LINES
            .lock()
            .unwrap()
            .push(format!("{} {} {}", record.level(), record.target(), record.args()));
    }

    fn flush(&self) {}
}

/// From now on lines are kept.
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
