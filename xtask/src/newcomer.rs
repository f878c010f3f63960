//! `cargo xtask newcomer`: the first minutes of somebody new, in the browsers that people use. Each browser walks through the
//! demo without trusting its certificates, and does only what the page leads to. It does so twice: as the demo is, and with
//! sessions that could be bound to the device, which none of these browsers supports here.

use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use demo_system::{Artifacts, Component, Options, System};

use crate::result::Result;
use crate::tools::apt;
use crate::tools::node::Node;
use crate::{command, programs, tools, workspace};

/// A browser with a deployment of the demo. WebKit treats hosts below `.localhost` as third parties to each other, so it needs
/// one origin.
struct Walk {
    browser: &'static str,
    one_origin: bool,
}

const WALKS: [Walk; 4] = [
    Walk {
        browser: "chromium",
        one_origin: false,
    },
    Walk {
        browser: "firefox",
        one_origin: false,
    },
    Walk {
        browser: "chromium",
        one_origin: true,
    },
    Walk {
        browser: "webkit",
        one_origin: true,
    },
];

/// Longer than an access token cookie is valid if its session may still be bound, in seconds.
const PAUSE_SECONDS: u32 = 130;

/// Walks through the demo in all browsers, or only in those with these names.
pub(crate) fn run(browsers: &[&str]) -> Result<ExitCode> {
    if let Some(unknown) = browsers
        .iter()
        .find(|name| WALKS.iter().all(|walk| walk.browser != **name))
    {
        return Err(format!(
            "invalid browser `{unknown}`: write chromium, firefox or webkit"
        ));
    }
    let (artifacts, node) = programs::build()?;
    node.install(&folder())?;
    let interrupted = Arc::default();
    command::set_when_interrupted(&interrupted)?;
    let mut failed = Vec::new();
    let is_chosen = |walk: &&Walk| browsers.is_empty() || browsers.contains(&walk.browser);
    for walk in WALKS.iter().filter(is_chosen) {
        for may_bind in [false, true] {
            let program = program(walk, &node)?;
            let origins = if walk.one_origin { " with one origin" } else { "" };
            let binding = if may_bind { " with device binding" } else { "" };
            let name = format!("{}{origins}{binding}", walk.browser);
            command::progress(&format!("walking through the demo in {name}"));
            if !walk.run(may_bind, &artifacts, program, &interrupted)? {
                failed.push(name);
            }
            if interrupted.load(Ordering::Relaxed) {
                return Ok(ExitCode::FAILURE);
            }
        }
    }
    match failed.is_empty() {
        true => Ok(ExitCode::SUCCESS),
        false => Err(format!(
            "walking through the demo in {} failed: see the messages above",
            failed.join(", ")
        )),
    }
}

impl Walk {
    fn run(
        &self,
        may_bind: bool,
        artifacts: &Artifacts,
        mut browser: Command,
        interrupted: &Arc<AtomicBool>,
    ) -> Result<bool> {
        let mut options = Options {
            one_origin: self.one_origin,
            interrupted: Arc::clone(interrupted),
            ..Options::for_tests(workspace::target().join("newcomer"))
        };
        if may_bind {
            let (name, value) = ("BFF_SESSION__DEVICE_BINDING", "where_supported");
            options
                .environment
                .push((Component::Bff, name.to_owned(), value.to_owned()));
            browser.env("PAUSE_SECONDS", PAUSE_SECONDS.to_string());
        }
        let system = System::start(artifacts, options)?;
        browser
            .arg("newcomer.mjs")
            .arg(self.browser)
            .env("WWW", system.www())
            .env("API", system.api())
            .env("LOGIN", system.login())
            .current_dir(folder());
        Ok(command::run_for_status(&mut browser)?.success())
    }
}

/// Node.js, with what this browser needs.
fn program(walk: &Walk, node: &Node) -> Result<Command> {
    let found = |package: &str, name: &str| {
        let find =
            || command::find(name).or_else(|| Some(PathBuf::from("/usr/bin").join(name)).filter(|path| path.is_file()));
        find()
            .or_else(|| apt::install_and_find(package, find))
            .ok_or_else(|| format!("missing {name}: install it, for example with `apt-get install {package}`"))
    };
    let mut command = Command::new(&node.node);
    match walk.browser {
        "firefox" => {
            command.env("FIREFOX", found("firefox-esr", "firefox-esr")?);
        }
        "webkit" => {
            let driver = found("webkit2gtk-driver", "WebKitWebDriver")?;
            command = Command::new(found("xvfb", "xvfb-run")?);
            command.arg("-a").arg(&node.node).env("WEBKIT_DRIVER", driver);
        }
        _ => {
            command.env("CHROMIUM", tools::chromium::find(node)?);
        }
    }
    Ok(command)
}

fn folder() -> PathBuf {
    workspace::path("tests/browser")
}
