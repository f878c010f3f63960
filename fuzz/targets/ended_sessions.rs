//! The list of ended sessions as the filter reads it: bounded, and the same after it is written and read again.
#![no_main]

use bff_core::session::ended_sessions::{Ended, EndedSessions};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let Some((list, version)) = EndedSessions::from_json(data, 16) {
        assert!(list.len() <= 16);
        let (again, same) =
            EndedSessions::from_json(list.to_json(&version).as_bytes(), 16).expect("it was written here");
        assert!(again.len() == list.len() && same == version);
    }
    if let Ok(text) = std::str::from_utf8(data)
        && let Some(ended) = Ended::from_text(text)
    {
        assert_eq!(ended.to_text(), text);
    }
});
