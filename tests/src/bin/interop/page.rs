//! The page of a server, `docs/providers/<server>.md`: the run takes its settings from there, as a reader would.
//!
//! A setting is a code block whose fence has a name after the language: ```` ```toml service ````, ```` ```json filter ````,
//! or the name of a file of the server. The page shows the names of a reader's deployment; the run replaces them by its own.

use bff_tests::repository;
use serde_json::Value;

use crate::site::Site;

/// The page with the names of a site.
pub(crate) struct Page {
    blocks: Vec<(String, String)>,
    path: String,
}

impl Page {
    pub(crate) fn of(server: &str, site: &Site) -> Page {
        let path = format!("docs/providers/{server}.md");
        let names = site.names();
        let replaced = |text: String| {
            let replace = |text: String, (from, to): &(&str, String)| text.replace(from, to);
            names.iter().fold(text, replace)
        };
        let blocks = blocks(&repository::text(&path));
        let blocks = blocks.into_iter().map(|(name, text)| (name, replaced(text))).collect();
        Page { blocks, path }
    }

    /// The block of this name.
    pub(crate) fn block(&self, name: &str) -> Result<&str, String> {
        let block = self.blocks.iter().find(|(found, _)| found == name);
        let text = block.map(|(_, text)| text.as_str());
        text.ok_or_else(|| format!("{}: missing block `{name}`", self.path))
    }

    /// The settings of the service, the block `service`, as environment variables.
    pub(crate) fn service(&self) -> Result<Vec<(String, String)>, String> {
        let mut variables = Vec::new();
        let table = self.block("service")?.parse();
        let table = table.map_err(|error| format!("{}: invalid block `service`: {error}", self.path))?;
        flatten("BFF", &table, &mut variables);
        Ok(variables)
    }

    /// The filter's stage for opaque access tokens in a block.
    pub(crate) fn stage(&self, name: &str) -> Result<Value, String> {
        let filter: Value = serde_json::from_str(self.block(name)?)
            .map_err(|error| format!("{}: invalid block `{name}`: {error}", self.path))?;
        let stage = filter.get("phantom_token").cloned();
        stage.ok_or_else(|| format!("{}: missing phantom_token in block `{name}`", self.path))
    }
}

/// The named blocks of a document.
fn blocks(document: &str) -> Vec<(String, String)> {
    let mut blocks = Vec::new();
    let mut lines = document.lines();
    while let Some(line) = lines.next() {
        let Some(info) = line.strip_prefix("```") else { continue };
        let text: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        if let Some((_, name)) = info.split_once(' ') {
            blocks.push((name.to_owned(), text.join("\n") + "\n"));
        }
    }
    blocks
}

/// A table as the environment variables that override the service's fields.
fn flatten(prefix: &str, table: &toml::Table, variables: &mut Vec<(String, String)>) {
    for (key, value) in table {
        let key = key.to_uppercase();
        let name = match prefix {
            "BFF" => format!("BFF_{key}"),
            prefix => format!("{prefix}__{key}"),
        };
        match value {
            toml::Value::Table(table) => flatten(&name, table, variables),
            toml::Value::Array(list) => {
                let list: Vec<String> = list.iter().map(plain).collect();
                variables.push((name, list.join(",")));
            }
            value => variables.push((name, plain(value))),
        }
    }
}

fn plain(value: &toml::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_named_block_is_a_setting_and_others_are_not() {
        let page = "# A server\n```sh run\nls\n```\n```text\nnot\n```\n```toml service\n[client]\nid = \"a\"\n```\n";
        let found = blocks(page);
        let names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["run", "service"]);
        let mut variables = Vec::new();
        let table = "top = true\n[client]\nid = \"a\"\nlist = [\"b\", \"c\"]\n"
            .parse()
            .expect("TOML");
        flatten("BFF", &table, &mut variables);
        let expected = [
            ("BFF_CLIENT__ID", "a"),
            ("BFF_CLIENT__LIST", "b,c"),
            ("BFF_TOP", "true"),
        ];
        variables.sort();
        assert_eq!(
            variables,
            expected.map(|(name, value)| (name.to_owned(), value.to_owned()))
        );
    }
}
