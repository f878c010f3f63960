//! Commands from the page to the program that runs the demo: stop a component, start it again, and others
//! (`demo/system/src/control.rs`). Without such a program, as in containers, there are none.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use actix_web::http::header::ORIGIN;
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Value, json};

/// Starting a program and asking each component for its state takes less.
const TIMEOUT: Duration = Duration::from_secs(15);
const MAX_RESPONSE_BYTES: u64 = 64 * 1024;

/// Where the commands go, and who may give them.
#[derive(Clone, Debug)]
pub(crate) struct Control {
    /// `CONTROL_ADDRESS`, on this machine.
    pub(crate) address: SocketAddr,
    /// `CONTROL_TOKEN`, without which a command is invalid.
    pub(crate) token: String,
    /// `PAGE_ORIGIN`: commands of pages of any other origin are refused.
    pub(crate) page_origin: String,
}

/// `GET /demo/state`, and `POST /demo/COMMAND[/ARGUMENT]`.
pub(crate) fn configure(control: Control) -> impl FnOnce(&mut web::ServiceConfig) {
    move |service| {
        service
            .app_data(web::Data::new(control))
            .route("/demo/state", web::get().to(state))
            .route("/demo/{command}", web::post().to(command))
            .route("/demo/{command}/{argument}", web::post().to(command));
    }
}

async fn state(request: HttpRequest, control: web::Data<Control>) -> HttpResponse {
    // Each response takes the program some work: no other site may request one, for example with an image.
    let site = request.headers().get("sec-fetch-site");
    match site.is_none_or(|site| site == "same-origin" || site == "none") {
        true => give(control, "state".to_owned()).await,
        false => refuse(),
    }
}

fn refuse() -> HttpResponse {
    HttpResponse::Forbidden().json(json!({ "error": "only the demo's own page may give commands: open it" }))
}

async fn command(request: HttpRequest, control: web::Data<Control>) -> HttpResponse {
    // Browsers send the header with every POST, and no script can change it.
    let origin = request.headers().get(ORIGIN).and_then(|origin| origin.to_str().ok());
    if origin != Some(&control.page_origin) {
        return refuse();
    }
    let words: Vec<&str> = request.match_info().iter().map(|(_, word)| word).collect();
    let is_word = |word: &&str| word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    match words.iter().all(is_word) {
        true => give(control, words.join(" ")).await,
        false => HttpResponse::BadRequest()
            .json(json!({ "error": "invalid command: write words of letters, digits and hyphens" })),
    }
}

async fn give(control: web::Data<Control>, command: String) -> HttpResponse {
    match web::block(move || exchange(&control, &command)).await {
        Ok(Ok(response)) if response["error"].is_null() => HttpResponse::Ok().json(response),
        Ok(Ok(response)) => HttpResponse::Conflict().json(response),
        // The program that runs the demo is shutting down, or does not respond in time.
        _ => HttpResponse::ServiceUnavailable()
            .json(json!({ "error": "the demo does not respond: start it with `cargo xtask up`" })),
    }
}

fn exchange(control: &Control, command: &str) -> std::io::Result<Value> {
    let mut stream = TcpStream::connect_timeout(&control.address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    writeln!(stream, "{} {command}", control.token)?;
    let mut line = String::new();
    BufReader::new(stream.take(MAX_RESPONSE_BYTES)).read_line(&mut line)?;
    Ok(serde_json::from_str(&line)?)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use actix_web::http::StatusCode;
    use actix_web::{App, test};

    use super::*;

    const PAGE: &str = "https://www.example.localhost:8443";

    /// What a program that answers with `response` receives, and the status of the page's request.
    async fn send(request: test::TestRequest, response: &'static str) -> (Option<String>, StatusCode) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let control = Control {
            address: listener.local_addr().expect("an address"),
            token: "secret".to_owned(),
            page_origin: PAGE.to_owned(),
        };
        let program = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().ok()?;
            let mut line = String::new();
            BufReader::new(&stream).read_line(&mut line).ok()?;
            writeln!(stream, "{response}").ok()?;
            (!line.is_empty()).then_some(line)
        });
        let address = control.address;
        let app = test::init_service(App::new().configure(configure(control))).await;
        let status = test::call_service(&app, request.to_request()).await.status();
        // Ends the program if no command came.
        drop(TcpStream::connect(address));
        (program.join().expect("joined"), status)
    }

    #[actix_web::test]
    async fn the_pages_commands_reach_the_program_with_the_token() {
        let stop = test::TestRequest::post()
            .uri("/demo/stop/bff")
            .insert_header((ORIGIN, PAGE));
        let (line, status) = send(stop, "{}").await;
        assert_eq!((line.as_deref(), status), (Some("secret stop bff\n"), StatusCode::OK));
        let (line, status) = send(test::TestRequest::get().uri("/demo/state"), r#"{"error":"x"}"#).await;
        assert_eq!(
            (line.as_deref(), status),
            (Some("secret state\n"), StatusCode::CONFLICT)
        );
    }

    #[actix_web::test]
    async fn no_other_page_gives_a_command_and_no_command_holds_a_second_line() {
        let other = |origin: Option<&'static str>| {
            let request = test::TestRequest::post().uri("/demo/stop/bff");
            origin
                .into_iter()
                .fold(request, |request, origin| request.insert_header((ORIGIN, origin)))
        };
        for origin in [
            None,
            Some("null"),
            Some("https://evil.example"),
            Some("https://www.example.localhost"),
        ] {
            assert_eq!(
                send(other(origin), "{}").await,
                (None, StatusCode::FORBIDDEN),
                "{origin:?}"
            );
        }
        for site in ["cross-site", "same-site"] {
            let request = test::TestRequest::get()
                .uri("/demo/state")
                .insert_header(("sec-fetch-site", site));
            assert_eq!(send(request, "{}").await, (None, StatusCode::FORBIDDEN), "{site}");
        }
        for path in ["/demo/stop/a%0Astate", "/demo/stop%20bff", "/demo/stop/a%20b"] {
            let request = test::TestRequest::post().uri(path).insert_header((ORIGIN, PAGE));
            assert_eq!(send(request, "{}").await, (None, StatusCode::BAD_REQUEST), "{path}");
        }
    }
}
