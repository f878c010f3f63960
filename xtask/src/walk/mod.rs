//! `cargo xtask walk`: runs the commands of the documents, as a reader would type them, in a clean clone.
//!
//! * [`blocks`]: the blocks of a document, and the meaning of their marks.
//! * [`session`]: runs them.

mod blocks;
mod session;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use self::blocks::{Block, NEEDS, parse};
use self::session::Session;
use demo_system::files;

use crate::result::Result;
use crate::{command, workspace};

/// The command line.
#[derive(Default)]
pub(crate) struct Flags {
    documents: Vec<String>,
    with: Vec<String>,
    into: Option<PathBuf>,
}

impl Flags {
    pub(crate) fn parse(arguments: &[&str]) -> Result<Flags> {
        let mut flags = Flags::default();
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            match *argument {
                "--with" => {
                    let word = arguments
                        .next()
                        .filter(|word| NEEDS.iter().any(|(need, _)| need == *word));
                    let words: Vec<&str> = NEEDS.iter().map(|(word, _)| *word).collect();
                    let word =
                        word.ok_or_else(|| format!("invalid value of --with: write one of {}", words.join(", ")))?;
                    flags.with.push((*word).to_owned());
                }
                "--into" => {
                    let folder = arguments.next().ok_or("missing value of --into: write a folder")?;
                    flags.into = Some(PathBuf::from(folder));
                }
                option if option.starts_with('-') => {
                    return Err(format!(
                        "invalid argument `{option}` of walk: write --with WORD or --into FOLDER"
                    ));
                }
                document => flags.documents.push(document.to_owned()),
            }
        }
        Ok(flags)
    }
}

/// A document of the repository.
struct Document {
    path: String,
    blocks: Vec<Block>,
}

pub(crate) fn run(flags: Flags) -> Result<ExitCode> {
    let interrupted = Arc::new(AtomicBool::new(false));
    command::set_when_interrupted(&interrupted)?;
    let folder = match &flags.into {
        Some(folder) => folder.clone(),
        None => std::env::temp_dir().join(format!("bff-walk-{}", std::process::id())),
    };
    clone(&folder)?;
    let result = walk(&flags, &folder, &interrupted);
    if flags.into.is_none() {
        // The folder for temporary files holds what remains.
        let _ = fs::remove_dir_all(&folder);
    }
    result
}

fn walk(flags: &Flags, folder: &Path, interrupted: &AtomicBool) -> Result<ExitCode> {
    let mut documents = documents(folder)?;
    if let Some(unknown) = flags
        .documents
        .iter()
        .find(|name| !documents.iter().any(|document| document.path == **name))
    {
        return Err(format!(
            "invalid document `{unknown}`: write the path of a Markdown file of the repository, such as README.md"
        ));
    }
    documents.retain(|document| flags.documents.is_empty() || flags.documents.contains(&document.path));
    let (mut walked, mut left_out, mut failures) = (0, Vec::new(), Vec::new());
    for document in &documents {
        let logs = folder.join("target/walk").join(document.path.replace('/', "-"));
        files::create_dir(&logs)?;
        let mut session = Session::new(folder, &logs, interrupted);
        for block in &document.blocks {
            let place = format!("{}:{}", document.path, block.line);
            let first = block.script.lines().next().unwrap_or_default();
            if let Some(need) = block.need.as_ref().filter(|need| !flags.with.contains(need)) {
                left_out.push(format!("{place} needs {need}: {first}"));
                continue;
            }
            command::progress(&format!("running {place}: {first}"));
            if let Err(message) = session.walk(block) {
                failures.push(format!("{place}: `{first}`: {message}"));
                // The blocks that follow in this document depend on it.
                break;
            }
            walked += 1;
        }
        if interrupted.load(Ordering::Relaxed) {
            break;
        }
    }
    for line in &left_out {
        command::progress(&format!("skipped: {line}"));
    }
    command::progress(&format!(
        "walked through {walked} blocks of {} documents, skipped {}",
        documents.len(),
        left_out.len()
    ));
    match failures.is_empty() {
        true => Ok(ExitCode::SUCCESS),
        false => Err(failures.join("\n")),
    }
}

/// Clones the commit that is checked out here, without uncommitted changes and untracked files.
fn clone(folder: &Path) -> Result<()> {
    let root = workspace::root();
    let git = |folder: &Path, arguments: &[&str]| {
        let mut git = Command::new("git");
        git.args(arguments).current_dir(folder);
        git
    };
    let commit = command::read_output(&mut git(root, &["rev-parse", "HEAD"]));
    let commit = commit
        .ok_or("reading the current commit failed: install git, and run this in a git repository that has a commit")?;
    if command::read_output(&mut git(root, &["status", "--porcelain"])).is_none_or(|changes| !changes.is_empty()) {
        command::warn("uncommitted changes are not included: commit them to walk through them");
    }
    files::create_dir(folder)?;
    if !folder.join(".git").exists() {
        command::run(
            &format!("cloning into {}", folder.display()),
            git(root, &["clone", "--quiet", "--no-checkout", "."]).arg(std::path::absolute(folder).unwrap_or_default()),
            "see the message of git above",
        )?;
    }
    command::run(
        "fetching the commit",
        git(folder, &["fetch", "--quiet", "origin"]).arg(&commit),
        "see the message of git above",
    )?;
    command::run(
        "checking out the commit",
        &mut git(folder, &["checkout", "--quiet", "--force", "--detach", &commit]),
        "see the message of git above",
    )
}

/// The documents of a clone, with their blocks.
fn documents(root: &Path) -> Result<Vec<Document>> {
    let listed = command::read_output(Command::new("git").args(["ls-files", "*.md"]).current_dir(root));
    let listed = listed.ok_or_else(|| {
        format!(
            "listing the documents of {} failed: run `git ls-files` there to see why",
            root.display()
        )
    })?;
    let (mut documents, mut faults) = (Vec::new(), Vec::new());
    for path in listed.lines() {
        let text = files::read(&root.join(path))?;
        match parse(&text) {
            Ok(blocks) => documents.push(Document {
                path: path.to_owned(),
                blocks,
            }),
            Err(found) => faults.extend(found.iter().map(|fault| format!("{path}:{fault}"))),
        }
    }
    match faults.is_empty() {
        true => Ok(documents),
        false => Err(faults.join("\n")),
    }
}

#[cfg(test)]
mod tests {
    use super::documents;
    use crate::workspace;

    #[test]
    fn every_shell_block_of_every_document_says_whether_it_is_run() {
        let documents = documents(workspace::root()).unwrap_or_else(|faults| panic!("{faults}"));
        let blocks: usize = documents.iter().map(|document| document.blocks.len()).sum();
        assert!(blocks > 0, "no document has a shell block");
    }
}
