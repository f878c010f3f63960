//! The settings that a page of `docs/providers` shows.
//!
//! A setting is a code block whose fence has a name after the language: ```` ```toml service ````, ```` ```json filter ````,
//! or the name of a file of the authorization server.

/// A setting of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedBlock {
    /// The language of the fence: `toml`, `json`, ….
    pub language: String,
    /// What follows the language. It may contain spaces.
    pub name: String,
    /// The lines of the block, each with its end.
    pub text: String,
}

/// The named blocks of a document, in its order.
pub fn named_blocks(document: &str) -> Vec<NamedBlock> {
    let mut blocks = Vec::new();
    let mut lines = document.lines();
    while let Some(line) = lines.next() {
        let Some(info) = line.strip_prefix("```") else { continue };
        let text: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        if let Some((language, name)) = info.split_once(' ') {
            blocks.push(NamedBlock {
                language: language.to_owned(),
                name: name.to_owned(),
                text: text.join("\n") + "\n",
            });
        }
    }
    blocks
}

/// The names and values of the environment variables that override the service's fields with those of a table.
pub fn environment_of(table: &toml::Table) -> Vec<(String, String)> {
    let mut variables = Vec::new();
    flatten("BFF", table, &mut variables);
    variables
}

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
        let blocks = named_blocks(page);
        let names: Vec<&str> = blocks.iter().map(|block| block.name.as_str()).collect();
        assert_eq!(names, ["run", "service"]);
        assert_eq!(blocks[1].language, "toml");
        assert_eq!(blocks[1].text, "[client]\nid = \"a\"\n");
    }

    #[test]
    fn a_table_is_the_variables_that_override_its_fields() {
        let table = "top = true\n[client]\nid = \"a\"\nlist = [\"b\", \"c\"]\n";
        let mut variables = environment_of(&table.parse().expect("TOML"));
        variables.sort();
        let expected = [
            ("BFF_CLIENT__ID", "a"),
            ("BFF_CLIENT__LIST", "b,c"),
            ("BFF_TOP", "true"),
        ];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(variables, expected);
    }
}
