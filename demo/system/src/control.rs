//! Breaks something in a running demo, so that its page can show what happens then: stops and starts components, lets
//! access tokens live for a moment only, and ends the sessions of the user at the authorization server.
//!
//! The commands come from the web host, one in a connection: a line `TOKEN COMMAND [ARGUMENT]`, answered by a line of JSON.
//! Only the web host has the token. It forwards the commands of the demo's own page: no page of another site can give any. A
//! program on this machine can, since it can claim to be that page.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::component::Component;
use crate::error::Error;
use crate::options::Options;
use crate::system::System;
use crate::{files, probe, secrets};

/// The web host sends its line at once.
const TIMEOUT: Duration = Duration::from_secs(1);
const POLL: Duration = Duration::from_millis(50);
const MAX_LINE_BYTES: usize = 300;
/// The user whose sessions are ended.
const USER: &str = "demouser";

/// Receives the commands.
#[derive(Debug)]
pub struct Control {
    listener: TcpListener,
    token: String,
    /// The administrator's token at the authorization server.
    admin_token: String,
}

impl Control {
    /// Listens at a free port, and adds to `options` the variables with which the web host and the authorization server of the
    /// system take part: the address, the tokens and the page's origin.
    ///
    /// # Errors
    /// No port is free, or a secret cannot be read or written.
    pub fn listen(options: &mut Options) -> Result<Control, Error> {
        let failed = |error| Error::new(format!("listening for the page's commands failed: {error}"));
        let listener = TcpListener::bind(("127.0.0.1", 0)).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;

        let folder = options.directory.join("secrets");
        let folder = std::path::absolute(&folder)
            .map_err(|error| Error::new(format!("making {} an absolute path failed: {error}", folder.display())))?;
        files::create_dir(&folder)?;
        let admin_token_file = folder.join("admin-token");
        let control = Control {
            listener,
            token: secrets::random_hex()?,
            admin_token: secrets::read_or_generate(&admin_token_file)?,
        };
        for (component, name, value) in [
            (Component::WebHost, "CONTROL_ADDRESS", address.to_string()),
            (Component::WebHost, "CONTROL_TOKEN", control.token.clone()),
            (Component::WebHost, "PAGE_ORIGIN", options.origin("www")),
            (
                Component::AuthorizationServer,
                "ADMIN_TOKEN_FILE",
                admin_token_file.display().to_string(),
            ),
        ] {
            options.environment.push((component, name.to_owned(), value));
        }
        Ok(control)
    }

    /// Carries out a command, if one has arrived.
    pub fn respond(&self, system: &System) {
        // The listener does not block.
        if let Ok((stream, _)) = self.listener.accept() {
            // The web host tells the page if the connection fails.
            let _ = self.respond_to(&stream, system);
        }
    }

    /// Does `work`, and meanwhile carries out the commands that arrive.
    pub fn respond_during<T>(&self, system: &System, work: impl FnOnce() -> T) -> T {
        let is_done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !is_done.load(Ordering::Relaxed) {
                    self.respond(system);
                    std::thread::sleep(POLL);
                }
            });
            // Also if `work` panics: the scope waits for its threads.
            let _done = Done(&is_done);
            work()
        })
    }

    fn respond_to(&self, mut stream: &TcpStream, system: &System) -> io::Result<()> {
        stream.set_nonblocking(false)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.set_write_timeout(Some(TIMEOUT))?;
        let line = read_line(stream)?;
        let mut words = line.split_whitespace();
        if words.next() != Some(&self.token) {
            return Ok(());
        }
        let words: Vec<&str> = words.collect();
        let response = match self.carry_out(&words, system) {
            Ok(response) => response,
            Err(error) => json!({ "error": error.to_string() }),
        };
        writeln!(stream, "{response}")
    }

    fn carry_out(&self, words: &[&str], system: &System) -> Result<Value, Error> {
        match *words {
            ["state"] => {}
            ["stop", name] => system.kill(component(name, system)?),
            ["start", name] => system.launch(component(name, system)?)?,
            ["access-token-seconds", seconds] => {
                self.administer(system, "/admin/access-tokens", &format!("seconds={seconds}"))?;
            }
            ["end-sessions"] => {
                self.administer(system, "/admin/end-sessions", &format!("username={USER}"))?;
            }
            _ => {
                return Err(Error::new(format!(
                    "invalid command `{}`: write `state`, `stop NAME`, `start NAME`, `access-token-seconds SECONDS` or \
                     `end-sessions`",
                    words.join(" ")
                )));
            }
        }
        Ok(self.state(system))
    }

    fn state(&self, system: &System) -> Value {
        let components: Vec<Value> = breakable(system)
            .map(|component| {
                let state = match (system.pid(component), system.is_ready(component)) {
                    (None, _) => "stopped",
                    (Some(_), false) => "not ready",
                    (Some(_), true) => "ready",
                };
                json!({ "name": component.name(), "state": state })
            })
            .collect();
        let lifetime = self.administer(system, "/admin/access-tokens", "");
        let seconds = lifetime.map_or(Value::Null, |response| response["seconds"].clone());
        json!({ "components": components, "accessTokenSeconds": seconds })
    }

    /// Sends a form to the authorization server, as its administrator.
    fn administer(&self, system: &System, path: &str, form: &str) -> Result<Value, Error> {
        let address: SocketAddr = system.authorization_server_addr();
        match probe::post(address, path, &self.admin_token, form) {
            Ok((200, body)) => serde_json::from_str(&body)
                .map_err(|error| Error::new(format!("reading the response of {address}{path} failed: {error}"))),
            Ok((status, _)) => Err(Error::new(format!(
                "the request to {address}{path} failed: HTTP {status}"
            ))),
            Err(_) => Err(Error::new("the authorization server does not respond: start it first")),
        }
    }
}

/// The line that the web host sends at once.
fn read_line(mut stream: &TcpStream) -> io::Result<String> {
    let until = Instant::now() + TIMEOUT;
    let (mut line, mut byte) = (Vec::new(), [0]);
    while !line.ends_with(b"\n") && line.len() < MAX_LINE_BYTES && Instant::now() < until {
        match stream.read(&mut byte)? {
            0 => break,
            _ => line.extend(byte),
        }
    }
    Ok(String::from_utf8_lossy(&line).into_owned())
}

/// Sets the flag when it is dropped.
struct Done<'a>(&'a AtomicBool);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// What the page may stop: all but Envoy and the web host, which the page itself needs.
fn breakable(system: &System) -> impl Iterator<Item = Component> {
    Component::ALL
        .into_iter()
        .filter(|component| system.options().has(*component))
        .filter(|component| !matches!(component, Component::Envoy | Component::WebHost))
}

fn component(name: &str, system: &System) -> Result<Component, Error> {
    breakable(system)
        .find(|component| component.name() == name)
        .ok_or_else(|| {
            let names: Vec<&str> = breakable(system).map(Component::name).collect();
            Error::new(format!("invalid component `{name}`: write one of {}", names.join(", ")))
        })
}
