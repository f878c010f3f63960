//! The service with one cookie configuration after the other, while a browser stays open.

use std::fs;
use std::net::SocketAddr;
use std::sync::mpsc::{Sender, channel};
use std::thread;

use bff_core::cookie::purpose::Purpose;
use demo_system::{Component, System};

use crate::proxy;
use crate::sealing::Seals;

/// The next request of the other program. `None`: it has exited.
type NextRequest = Option<(String, Vec<u8>, Sender<String>)>;

/// Does `work`, which gets the address of a server for two kinds of requests:
///
/// - `POST /configure`, with lines for the top of the service's configuration, restarts the service with these.
/// - `POST` to `/open/at`, `/open/auth`, `/open/id` or `/open/csrf`, with the value of that cookie, returns its content.
pub fn with_reconfiguration(system: &System, work: impl FnOnce(SocketAddr) + Send) {
    let file = system.directory().join("bff.toml");
    let original = fs::read_to_string(&file).expect("reading bff.toml failed");
    // Its path depends on the prefix.
    let original = original.split("[navigation]").next().unwrap_or_default();
    let (sender, receiver) = channel::<NextRequest>();
    let end = End(sender.clone());
    let address = proxy::serve_many(move |incoming| {
        let (respond, response) = channel();
        sender.send(Some((incoming.path(), incoming.content(), respond))).ok()?;
        Some(proxy::ok("text/plain", response.recv().ok()?.as_bytes()))
    });
    thread::scope(|scope| {
        scope.spawn(move || {
            let _end = end;
            work(address);
        });
        for (path, content, respond) in receiver.into_iter().map_while(|next| next) {
            let content = String::from_utf8(content).expect("text");
            let text = match path.as_str() {
                "/configure" => {
                    system.stop(Component::Bff);
                    fs::write(&file, format!("{content}\n{original}")).expect("written");
                    system
                        .resume(Component::Bff)
                        .unwrap_or_else(|error| panic!("starting the service with {content:?} failed: {error}"));
                    String::new()
                }
                "/open/at" => Seals::of(system, "example").open(Purpose::AccessToken, &content).0,
                "/open/auth" => Seals::of(system, "example").open(Purpose::RefreshToken, &content).0,
                "/open/id" => Seals::of(system, "example").open(Purpose::IdToken, &content).0,
                "/open/csrf" => Seals::of(system, "example").open(Purpose::Csrf, &content).0,
                path => panic!("invalid path {path}: request /configure, /open/at, /open/auth, /open/id or /open/csrf"),
            };
            // The other program may have exited meanwhile.
            let _ = respond.send(text);
        }
    });
}

/// Signals that the work is done, however it ended.
struct End(Sender<NextRequest>);

impl Drop for End {
    fn drop(&mut self) {
        let _ = self.0.send(None);
    }
}
