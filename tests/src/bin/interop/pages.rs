//! The server's pages, in Chromium (`tests/browser/authorization-pages.mjs`).

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use bff_tests::{repository, setup};
use demo_system::System;
use serde_json::{Value, json};

use crate::site::{PASSWORD, USERNAME};

/// A browser at the server's pages.
pub(crate) struct Pages {
    node: Child,
    requests: ChildStdin,
    responses: BufReader<ChildStdout>,
}

/// What happened on the way through the pages.
#[derive(Debug)]
pub(crate) struct Passage {
    /// The URL of the application that the browser was led to.
    pub(crate) url: String,
    /// Whether the user was asked for the password.
    pub(crate) password: bool,
    /// The number of pages on which the user did something.
    pub(crate) pages: usize,
}

impl Pages {
    /// Starts the browser for the pages of a system's server.
    pub(crate) fn start(system: &System) -> Result<Pages, String> {
        let failed = |error: std::io::Error| format!("starting the browser failed: {error}");
        let mut node = Command::new(setup::artifacts().node)
            .arg("authorization-pages.mjs")
            .current_dir(repository::path("tests/browser"))
            .env("WWW", system.www())
            .env("API", system.api())
            .env("LOGIN", system.login())
            .env("CA_FILE", system.ca_pem())
            .env("SCREENSHOTS", system.directory())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        let pipes = node.stdin.take().zip(node.stdout.take());
        let (requests, responses) = pipes.ok_or("starting the browser failed: it has no pipes")?;
        Ok(Pages {
            node,
            requests,
            responses: BufReader::new(responses),
        })
    }

    /// Goes through the pages from this URL, as the user, until the browser is led to the application.
    pub(crate) fn open(&mut self, url: &str) -> Result<Passage, String> {
        let response = self.exchange(&json!({"open": url, "username": USERNAME, "password": PASSWORD}))?;
        Ok(Passage {
            url: response["url"].as_str().unwrap_or_default().to_owned(),
            password: response["password"] == true,
            pages: response["pages"].as_array().map_or(0, Vec::len),
        })
    }

    /// From now on, a browser without the server's cookies.
    pub(crate) fn forget(&mut self) -> Result<(), String> {
        self.exchange(&json!({"forget": true})).map(|_| ())
    }

    fn exchange(&mut self, request: &Value) -> Result<Value, String> {
        let failed = |error: std::io::Error| format!("using the browser failed: {error}");
        writeln!(self.requests, "{request}").map_err(failed)?;
        let mut line = String::new();
        self.responses.read_line(&mut line).map_err(failed)?;
        let response: Value =
            serde_json::from_str(&line).map_err(|_| "the browser has exited: see its output above".to_owned())?;
        match response["error"].as_str() {
            Some(error) => Err(format!("using the browser failed: {error}")),
            None => Ok(response),
        }
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        let _ = self.node.kill();
        let _ = self.node.wait();
    }
}
