//! The shell blocks of a document, and the mark that each of them has after its language:
//!
//! | mark | what the walk does with the block |
//! |---|---|
//! | `run` | runs it, and expects success |
//! | `until "TEXT"` | runs it until it has printed the text, then stops it |
//! | `background "TEXT"` | runs it, and keeps it running from the time when it has printed the text to the end of the document |
//! | `needs-WORD` | skips it, unless `--with WORD` says that the machine has what it needs. The words are [`NEEDS`] |
//!
//! A block that needs something may be `until` or `background` as well: `needs-cluster until "TEXT"`.

/// What a block may need and not every machine has.
pub(crate) const NEEDS: [(&str, &str); 7] = [
    ("cluster", "a Kubernetes cluster"),
    ("docker", "a container engine and its registries"),
    ("func-e", "func-e"),
    ("authorization-server", "another authorization server"),
    ("redis", "the reader's own Redis"),
    ("time", "only time: 15 minutes or more"),
    ("values", "the reader's own names, files or addresses"),
];

const SHELLS: [&str; 5] = ["sh", "bash", "shell", "zsh", "console"];

/// How a block is run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Way {
    /// To its end.
    Run,
    /// Until it prints this text.
    Until(String),
    /// From the time when it prints this text to the end of the document.
    Background(String),
}

/// A shell block.
#[derive(PartialEq, Eq, Debug)]
pub(crate) struct Block {
    /// The line on which it begins.
    pub(crate) line: usize,
    /// How it is run.
    pub(crate) way: Way,
    /// What it needs, if anything: one of [`NEEDS`].
    pub(crate) need: Option<String>,
    /// The commands.
    pub(crate) script: String,
}

/// Parses the blocks of a document.
///
/// # Errors
/// The errors in its marks. Each begins with the number of the line.
pub(crate) fn parse(document: &str) -> Result<Vec<Block>, Vec<String>> {
    let (mut blocks, mut faults) = (Vec::new(), Vec::new());
    let mut lines = document
        .lines()
        .enumerate()
        .map(|(index, line)| (index + 1, line))
        .peekable();
    let (mut after_blank, mut in_list) = (true, false);
    while let Some((number, line)) = lines.next() {
        let text = line.trim_start();
        let fence: String = text.chars().take_while(|one| *one == '`').collect();
        if fence.len() >= 3 {
            let indentation = line.len() - text.len();
            let mut script = String::new();
            for (_, line) in lines.by_ref() {
                if line.trim().starts_with(&fence) {
                    break;
                }
                let own = line.len() - line.trim_start().len();
                script.push_str(&line[own.min(indentation)..]);
                script.push('\n');
            }
            match language(text[fence.len()..].trim()) {
                Ok(Some((way, need))) => blocks.push(Block {
                    line: number,
                    way,
                    need,
                    script,
                }),
                Ok(None) => {}
                Err(fault) => faults.push(format!("{number}: {fault}")),
            }
        } else if line.starts_with("    ") && after_blank && !in_list {
            let hint = "an indented block has no language: write a fence, ```sh with a mark or ```text";
            faults.push(format!("{number}: {hint}"));
            while lines.next_if(|(_, line)| line.starts_with("    ")).is_some() {}
        } else if !text.is_empty() && !line.starts_with("    ") {
            let ordered = text.trim_start_matches(|one: char| one.is_ascii_digit());
            in_list = text.starts_with("- ")
                || text.starts_with("* ")
                || ordered.len() < text.len() && ordered.starts_with(". ")
                || in_list && line.starts_with("  ");
        }
        after_blank = text.is_empty();
    }
    match faults.is_empty() {
        true => Ok(blocks),
        false => Err(faults),
    }
}

/// The text after a fence. `None`: the block is not a shell block.
fn language(info: &str) -> Result<Option<(Way, Option<String>)>, String> {
    let (language, rest) = info.split_once(' ').unwrap_or((info, ""));
    if language.is_empty() {
        return Err("the block has no language: write ```sh with a mark, or ```text".to_owned());
    }
    if !SHELLS.contains(&language) {
        return Ok(None);
    }
    mark(rest).map(Some)
}

fn mark(rest: &str) -> Result<(Way, Option<String>), String> {
    let words: Vec<&str> = NEEDS.iter().map(|(word, _)| *word).collect();
    let expected = || {
        format!(
            "invalid mark `{rest}` of a shell block: write run, until \"TEXT\", background \"TEXT\", or \
             needs- and one of {}",
            words.join(", ")
        )
    };
    let (need, way) = match rest.strip_prefix("needs-") {
        Some(needed) => {
            let (word, way) = needed.split_once(' ').unwrap_or((needed, "run"));
            match words.contains(&word) {
                true => (Some(word.to_owned()), way),
                false => return Err(expected()),
            }
        }
        None => (None, rest),
    };
    let quoted = |name: &str| {
        let text = way.strip_prefix(name)?.trim().strip_prefix('"')?.strip_suffix('"')?;
        (!text.is_empty()).then(|| text.to_owned())
    };
    let way = match way {
        "run" => Some(Way::Run),
        _ => quoted("until")
            .map(Way::Until)
            .or_else(|| quoted("background").map(Way::Background)),
    };
    way.map(|way| (way, need)).ok_or_else(expected)
}

#[cfg(test)]
mod tests {
    use super::{Block, Way, parse};

    #[test]
    fn each_mark_is_read_and_other_languages_are_none_of_it() {
        let document = "# A page\n\n```sh run\nls\ncd x\n```\n\n- a list\n\n  ```bash until \"Open it\"\n  serve\n    --now\n  ```\n\n\
                        ```toml\na = 1\n```\n\n```sh needs-cluster\nkubectl get pods\n```\n\n\
                        ````sh needs-docker background \"up\"\n```\n````\n";
        let block = |line, way, need: Option<&str>, script: &str| Block {
            line,
            way,
            need: need.map(str::to_owned),
            script: script.to_owned(),
        };
        assert_eq!(
            parse(document),
            Ok(vec![
                block(3, Way::Run, None, "ls\ncd x\n"),
                block(10, Way::Until("Open it".to_owned()), None, "serve\n  --now\n"),
                block(19, Way::Run, Some("cluster"), "kubectl get pods\n"),
                block(23, Way::Background("up".to_owned()), Some("docker"), "```\n"),
            ])
        );
    }

    #[test]
    fn a_block_without_a_good_mark_is_a_fault_with_its_line() {
        for (document, line) in [
            ("```sh\nls\n```", "1: "),
            ("\n```\nls\n```", "2: "),
            ("```sh runs\nls\n```", "1: "),
            ("```sh needs-luck\nls\n```", "1: "),
            ("```sh until\nls\n```", "1: "),
            ("```sh until \"\"\nls\n```", "1: "),
            ("text\n\n    ls\n", "3: "),
            ("- list\n\ntext\n\n    ls\n", "5: "),
        ] {
            let faults = parse(document).expect_err(document);
            assert!(
                faults.len() == 1 && faults[0].starts_with(line),
                "{document}: {faults:?}"
            );
        }
        assert_eq!(
            parse("- list\n\n    more of the item\n\n1. one\n\n    more\n"),
            Ok(Vec::new())
        );
    }
}
