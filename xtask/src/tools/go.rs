//! Go modules: programs that are built from them, and folders of files that they hold.

use std::path::{Path, PathBuf};
use std::process::Command;

use demo_system::files;
use serde_json::Value;

use crate::command;
use crate::result::Result;
use crate::workspace;

/// A program in a Go module, at a pinned version.
pub(crate) struct Program<'a> {
    /// The module and its version, such as `example.com/module@v1.2.3`.
    pub(crate) module: &'a str,
    /// The package of the program.
    pub(crate) package: &'a str,
    /// What the module itself replaces, as `old=new@version`: such lines count only in the main module.
    pub(crate) replaced: &'a [String],
    /// Further arguments of `go build`.
    pub(crate) arguments: &'a [&'a str],
}

impl Program<'_> {
    /// The program with this name in `target/tools`, in a folder with its version. If it is not there, builds it first.
    pub(crate) fn find_or_build(&self, name: &str) -> Result<PathBuf> {
        let version = self.module.rsplit('@').next().unwrap_or_default();
        let program = workspace::tools().join(format!("{name}-{version}/{name}"));
        if !program.is_file() {
            self.build(&program)?;
        }
        Ok(program)
    }

    /// Builds it as `program`, in a folder of its own with an empty main module, because a module that replaces others cannot
    /// be installed as it is.
    fn build(&self, program: &Path) -> Result<()> {
        let folder = program.parent().unwrap_or(program);
        if folder.exists() {
            std::fs::remove_dir_all(folder)
                .map_err(|error| format!("removing {} failed: {error}", folder.display()))?;
        }
        files::create_dir(folder)?;
        files::write(&folder.join("go.mod"), "module built\n\ngo 1.24\n")?;
        let go = |step: &str, arguments: &[&str]| {
            let mut go = go()?;
            go.args(arguments)
                .current_dir(folder)
                .env("CGO_ENABLED", "1")
                .env("GOFLAGS", "-mod=mod");
            command::run(
                step,
                &mut go,
                "check that Go reaches its module proxy, and that a C compiler is installed",
            )
        };
        // Before the module is fetched, since its dependencies are found with them.
        let replacements: Vec<String> = self.replaced.iter().map(|pair| format!("-replace={pair}")).collect();
        let edit: Vec<&str> = ["mod", "edit"]
            .into_iter()
            .chain(replacements.iter().map(String::as_str))
            .collect();
        if !self.replaced.is_empty() {
            go(&format!("replacing modules of {}", self.package), &edit)?;
        }
        let requirement = self
            .module
            .split('@')
            .next_back()
            .map(|version| format!("{}@{version}", self.package));
        go(
            &format!("fetching {}", self.module),
            &["get", "-tool", &requirement.unwrap_or_default()],
        )?;
        let output = program.to_string_lossy();
        let build: Vec<&str> = ["build"].into_iter().chain(self.arguments.iter().copied()).collect();
        let build: Vec<&str> = build.into_iter().chain(["-o", &output, self.package]).collect();
        go(&format!("building {} (takes a few minutes)", self.package), &build)
    }
}

/// The folder of a module, `module@version`, in Go's cache: read-only.
pub(crate) fn folder(module: &str) -> Result<PathBuf> {
    let information = download(module)?;
    let folder = information["Dir"].as_str().map(PathBuf::from);
    folder.ok_or_else(|| missing(module, "Dir"))
}

/// The content of a module's own go.mod.
pub(crate) fn requirements(module: &str) -> Result<String> {
    let information = download(module)?;
    let path = information["GoMod"].as_str().ok_or_else(|| missing(module, "GoMod"))?;
    Ok(files::read(Path::new(path))?)
}

fn missing(module: &str, field: &str) -> String {
    format!("the output of `go mod download -json {module}` has no `{field}`: check the version of Go")
}

fn download(module: &str) -> Result<Value> {
    let mut go = go()?;
    // Outside of any module of a parent folder.
    go.args(["mod", "download", "-json", module])
        .current_dir(std::env::temp_dir());
    let text = command::run_for_output(
        &format!("fetching {module}"),
        &mut go,
        "check that Go reaches its module proxy",
    )?;
    serde_json::from_str(&text)
        .map_err(|error| format!("parsing the output of `go mod download -json {module}` failed: {error}"))
}

fn go() -> Result<Command> {
    command::find("go").map(Command::new).ok_or_else(|| {
        "missing Go: install it (https://go.dev/dl, or your system's packages) and check that it is on PATH".to_owned()
    })
}
