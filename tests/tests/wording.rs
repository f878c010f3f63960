//! Words of the project's former dialect do not come back (`docs/STYLE.md`).

use std::fs;
use std::path::Path;

use bff_tests::repository;

/// What must not be written, and what to write instead.
const GONE: [(&str, &str); 25] = [
    ("anew", "again; reload"),
    ("both halves", "the service and the filter"),
    ("belong into", "belong in"),
    ("belongs into", "belongs in"),
    ("parted by", "comma-separated, space-separated"),
    ("makes no sense", "malformed"),
    ("hygiene", "strip untrusted headers"),
    ("is worth nothing", "inactive, invalid"),
    ("told to end", "received SIGTERM"),
    ("configuration is good", "configuration is valid"),
    ("going on without it", "what happens next"),
    ("goes on behind the answer", "continues in the background"),
    ("there is none; set", "missing …: set"),
    ("NameDigest", "SubjectHash"),
    ("Surroundings", "RequestAttributes"),
    ("OpenedCookies", "CookieCache"),
    ("foreseen", "batched"),
    ("stage_hash", "cache_key"),
    ("LiveSealer", "RotatingSealer"),
    ("EndedCopy", "ended_sessions_poll"),
    ("RFC 6749, 2", "RFC 6749, section 2"),
    ("RFC 6750, 3", "RFC 6750, section 3"),
    ("RFC 7519, 4", "RFC 7519, section 4"),
    ("RFC 6265bis", "draft-ietf-httpbis-rfc6265bis, section …"),
    ("RFC 7523bis", "draft-ietf-oauth-rfc7523bis, section …"),
];

/// Pages that quote the words, and what is written by programs.
const LEFT_OUT: [&str; 5] = [
    "CHANGELOG.md",
    "docs/STYLE.md",
    "tests/tests/wording.rs",
    "bench/results",
    "docs/OPERATIONS.md",
];

#[test]
fn words_that_the_style_guide_replaces_do_not_come_back() {
    let root = repository::path("");
    let mut found = Vec::new();
    for path in repository::files(&["rs", "md", "toml", "ts", "tsx", "mjs", "yaml", "yml", "txt"]) {
        let name = path.strip_prefix(&root).unwrap_or(Path::new("")).to_string_lossy();
        if LEFT_OUT.iter().any(|left_out| name.starts_with(left_out)) {
            continue;
        }
        let text = fs::read_to_string(&path).expect("text");
        for (number, line) in (1..).zip(text.lines()) {
            // The name of a test is a sentence, which stays as it is.
            if line.trim_start().starts_with("fn ") || line.trim_start().starts_with("test(") {
                continue;
            }
            for (word, instead) in GONE {
                let ends = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric() && c != '_');
                let stands_alone =
                    |at: usize| ends(line[..at].chars().next_back()) && ends(line[at + word.len()..].chars().next());
                if line.match_indices(word).any(|(at, _)| stands_alone(at)) {
                    found.push(format!("{name}:{number}: `{word}`: write {instead}"));
                }
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}
