//! The settings on the pages of authorization servers can be read: by the service, by the filter, and as files of their
//! language.
//! `cargo xtask interop` tries what they do, with the servers themselves.

use bff_tests::named_blocks::{NamedBlock, environment_of, named_blocks};
use bff_tests::repository;
use serde_json::Value;

use crate::parsers::{fault_of_the_filter, secrets, valid_filter};

/// The named blocks of each page, with the page's name.
fn settings() -> Vec<(String, NamedBlock)> {
    let pages = repository::files(&["md"]).into_iter();
    let pages = pages.filter(|path| path.parent().is_some_and(|folder| folder.ends_with("docs/providers")));
    pages
        .flat_map(|path| {
            let page = path.file_name().expect("a name").to_string_lossy().into_owned();
            let text = std::fs::read_to_string(&path).expect("a page");
            named_blocks(&text).into_iter().map(move |block| (page.clone(), block))
        })
        .collect()
}

#[test]
fn every_setting_of_an_authorization_server_s_page_can_be_parsed_in_its_language() {
    let mut count = 0;
    for (page, block) in settings() {
        let error = match block.language.as_str() {
            "json" => serde_json::from_str::<Value>(&block.text)
                .err()
                .map(|error| error.to_string()),
            // The reader's own keys belong there, each of them a table.
            "toml" => block
                .text
                .replace("[THE_SIGNING_KEY]", "[{}]")
                .replace("[THE_FORMER_KEYS]", "[]")
                .parse::<toml::Table>()
                .err()
                .map(|error| error.to_string()),
            "yaml" => serde_saphyr::from_str::<Value>(&block.text)
                .err()
                .map(|error| error.to_string()),
            // Only their own programs read these.
            "ini" | "js" | "python" => continue,
            language => panic!(
                "{page}: block `{}`: no parser for `{language}`: add it here",
                block.name
            ),
        };
        assert_eq!(error, None, "{page}: block `{}`", block.name);
        count += 1;
    }
    assert!(count >= 25, "only {count} blocks were found");
}

#[test]
fn the_service_takes_the_settings_of_every_authorization_server_s_page() {
    let example = repository::text("bff-service/bff.example.toml");
    let mut count = 0;
    for (page, block) in settings().into_iter().filter(|(_, block)| block.name == "service") {
        let table: toml::Table = block.text.parse().expect("TOML");
        assert_eq!(
            bff_service::config::fields::check(&table).len(),
            0,
            "{page}: unknown fields"
        );
        let variables = environment_of(&table);
        let env = |name: &str| {
            let set = variables.iter().find(|(variable, _)| variable == name);
            set.map(|(_, value)| value.clone()).or_else(|| secrets(name))
        };
        if let Err(error) = bff_service::config::parse(&example, env) {
            panic!("the service rejects the settings of {page}: {error}");
        }
        count += 1;
    }
    assert!(count >= 8, "only {count} pages have settings of the service");
}

#[test]
fn the_filter_takes_the_settings_of_every_authorization_server_s_page() {
    let mut count = 0;
    for (page, block) in settings() {
        if block.name.split(' ').next() != Some("filter") {
            continue;
        }
        let mut configuration = valid_filter();
        let stages: serde_json::Map<String, Value> = serde_json::from_str(&block.text).expect("JSON");
        for (name, stage) in stages {
            configuration[name] = stage;
        }
        assert_eq!(
            fault_of_the_filter(&configuration),
            None,
            "{page}: block `{}`",
            block.name
        );
        count += 1;
    }
    assert!(count >= 12, "only {count} blocks of the filter were found");
}
