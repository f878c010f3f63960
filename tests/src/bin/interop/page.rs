//! The page of a server, `docs/providers/<server>.md`: the run takes its settings from there, as a reader would.
//!
//! The page shows the names of a reader's deployment, which the run replaces with its own.

use bff_tests::named_blocks::{NamedBlock, environment_of, named_blocks};
use bff_tests::repository;
use serde_json::Value;

use crate::site::Site;

/// The page with the names of a site.
pub(crate) struct Page {
    blocks: Vec<NamedBlock>,
    path: String,
}

impl Page {
    /// Reads the page of a server.
    pub(crate) fn of(server: &str, site: &Site) -> Page {
        let path = format!("docs/providers/{server}.md");
        let names = site.names();
        let replace = |text: String, (from, to): &(&str, String)| text.replace(from, to);
        let mut blocks = named_blocks(&repository::text(&path));
        for block in &mut blocks {
            block.text = names.iter().fold(std::mem::take(&mut block.text), replace);
        }
        Page { blocks, path }
    }

    /// The block of this name.
    pub(crate) fn block(&self, name: &str) -> Result<&str, String> {
        let block = self.blocks.iter().find(|block| block.name == name);
        let text = block.map(|block| block.text.as_str());
        text.ok_or_else(|| {
            format!(
                "{}: missing block `{name}`: write this name after the language of a code block",
                self.path
            )
        })
    }

    /// The settings of the service, the block `service`, as environment variables.
    pub(crate) fn service(&self) -> Result<Vec<(String, String)>, String> {
        let table = self.block("service")?.parse();
        let table = table.map_err(|error| format!("{}: invalid block `service`: {error}", self.path))?;
        Ok(environment_of(&table))
    }

    /// The filter's stage for opaque access tokens in a block.
    pub(crate) fn stage(&self, name: &str) -> Result<Value, String> {
        let filter: Value = serde_json::from_str(self.block(name)?)
            .map_err(|error| format!("{}: invalid block `{name}`: {error}", self.path))?;
        let stage = filter.get("phantom_token").cloned();
        stage.ok_or_else(|| format!("{}: missing phantom_token in block `{name}`: write it there", self.path))
    }
}
