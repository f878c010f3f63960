//! Uploads, downloads, event streams and web sockets may take any time, up to a limit, in each of the shipped
//! configurations.

use std::io::{self, Read, Write};
use std::thread;
use std::time::Duration;

use bff_tests::http1::{Connection, Request, read_response};
use bff_tests::open_streams::{self, UPGRADE, read_head};
use bff_tests::setup::rewrite_envoy;
use bff_tests::shipped::{Shipped, for_each_route, start_with};
use bff_tests::streaming_api::{DOWNLOAD_BYTES, EVENT_INTERVAL};
use bff_tests::user_agent::UserAgent;
use serde_json::{Value, json};

/// What used to end after 15 and 60 seconds would end here after half a second and two.
const SPEEDUP_FACTOR: f64 = 30.0;
/// How many steps of a tenth of a second each of them takes: more than twice the longer of these.
const STEPS: usize = 50;

fn seconds(value: &Value) -> Option<f64> {
    value.as_str()?.strip_suffix('s')?.parse().ok()
}

/// The routes to the API.
fn for_each_route_to_the_api(configuration: &mut Value, visit: &mut impl FnMut(&mut Value)) {
    for_each_route(configuration, &mut |route| {
        let action = &mut route["route"];
        let to_the_api = ["business_api", "outbound|3002||business-api.api.svc.cluster.local"];
        let cluster = action["cluster"].as_str().unwrap_or_default();
        if to_the_api.contains(&cluster) || cluster.starts_with("httproute/bff/api-") {
            visit(action);
        }
    });
}

/// The shipped values.
fn the_routes_to_the_api_bound_silence_and_the_whole_alone(configuration: &mut Value) {
    let mut found = 0;
    for_each_route_to_the_api(configuration, &mut |action| {
        found += 1;
        let at = |place: &str| action.pointer(place).and_then(seconds);
        assert_eq!(at("/timeout"), Some(0.0), "{action}");
        let idle = at("/idle_timeout").expect("a bound on silence");
        assert!((30.0..=300.0).contains(&idle), "{action}");
        // Uploads of several minutes succeed, and a stream that was opened before a logout ends within hours.
        let whole = at("/max_stream_duration/max_stream_duration").expect("a bound on the whole");
        assert!((600.0..=3600.0).contains(&whole), "{action}");
    });
    assert!(found >= 3, "{found} routes to the API");
}

/// The shipped values: responses of the service and of the authorization server are short, and so is their timeout. No client
/// needs such a connection for longer, and a slow client would hold it from all others.
fn the_routes_to_the_service_and_to_the_login_host_bound_everything(configuration: &mut Value) {
    let mut found = 0;
    for_each_route(configuration, &mut |route| {
        let buffers = route.to_string().contains("envoy.filters.http.buffer");
        let action = &mut route["route"];
        let cluster = action["cluster"].as_str().unwrap_or_default();
        let is_short = ["bff_service", "authorization_server"].contains(&cluster)
            || cluster.starts_with("outbound|3003|")
            || cluster.starts_with("httproute/bff/bff");
        if !is_short {
            return;
        }
        found += 1;
        let at = |place: &str| action.pointer(place).and_then(seconds).unwrap_or_default();
        for (place, most) in [
            ("/timeout", 20.0),
            ("/idle_timeout", 20.0),
            ("/max_stream_duration/max_stream_duration", 30.0),
        ] {
            let bound = at(place);
            assert!(bound > 0.0 && bound <= most, "{place} of {cluster}: {bound} s");
        }
        assert!(
            buffers,
            "{cluster}: a request must be buffered before a connection is used for it: enable envoy.filters.http.buffer"
        );
    });
    assert!(found >= 1, "no route to the service");
}

/// Shortens the durations that limit a whole request to the API or its whole response, not silence.
fn shorten_durations(configuration: &mut Value) {
    let change = |duration: Option<&mut Value>| {
        if let Some((duration, value)) = duration.and_then(|duration| seconds(duration).map(|value| (duration, value)))
        {
            *duration = json!(format!("{:.3}s", value / SPEEDUP_FACTOR));
        }
    };
    for_each_route_to_the_api(configuration, &mut |action| {
        change(action.get_mut("timeout"));
        change(action.pointer_mut("/max_stream_duration/max_stream_duration"));
    });
    for_each_manager(configuration, &mut |manager| change(manager.get_mut("request_timeout")));
}

fn for_each_manager(value: &mut Value, visit: &mut impl FnMut(&mut Value)) {
    if value.get("http_filters").is_some() {
        visit(value);
    }
    match value {
        Value::Object(fields) => fields.values_mut().for_each(|field| for_each_manager(field, visit)),
        Value::Array(items) => items.iter_mut().for_each(|item| for_each_manager(item, visit)),
        _ => {}
    }
}

struct Streams<'a> {
    user: &'a UserAgent,
}

impl Streams<'_> {
    fn begin(&self, method: &str, path: &str, more: &[(&str, &str)]) -> Connection {
        let request = self.user.bff_request(method, path);
        let request = more
            .iter()
            .fold(request, |request, (name, value)| request.header(name, value));
        open_streams::begin(&self.user.client, &request)
    }

    fn upload(&self) {
        let length = STEPS.to_string();
        let mut connection = self.begin("POST", "/api/upload", &[("content-length", &length)]);
        for _ in 0..STEPS {
            connection.write_all(b"x").expect("the connection is there");
            connection.flush().expect("sent");
            thread::sleep(EVENT_INTERVAL);
        }
        let response = read_response(&mut connection).expect("a response");
        assert_eq!(
            (response.status, response.json()["received"].as_u64()),
            (200, Some(STEPS as u64))
        );
    }

    fn download(&self) {
        let mut connection = self.begin("GET", "/api/download", &[]);
        let mut received = 0;
        let mut buffer = vec![0; 64 * 1024];
        let mut pauses = 0;
        while received < DOWNLOAD_BYTES {
            let count = connection.read(&mut buffer).expect("more of it");
            assert!(count > 0, "cut after {received} bytes");
            received += count;
            // As often as there are steps, wherever the response is then.
            if received > pauses * DOWNLOAD_BYTES / STEPS {
                pauses += 1;
                thread::sleep(EVENT_INTERVAL);
            }
        }
        assert!(pauses >= STEPS - 1);
    }

    /// Returns the connection, which stays open.
    fn events(&self) -> Connection {
        let mut connection = self.begin("GET", "/api/events", &[("accept", "text/event-stream")]);
        let mut events = 0;
        while events < STEPS {
            events += occurrences(&mut connection, b"data: x").expect("the stream continues");
        }
        connection
    }

    /// Returns the connection, which stays open.
    fn web_socket(&self) -> Connection {
        let mut connection = self.begin("GET", "/api/socket", &UPGRADE);
        let head = read_head(&mut connection);
        assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", head.escape_ascii());
        for _ in 0..STEPS {
            connection.write_all(b"x").expect("the socket is there");
            connection.flush().expect("sent");
            let mut byte = [0];
            connection.read_exact(&mut byte).expect("an echo");
            thread::sleep(EVENT_INTERVAL);
        }
        connection
    }
}

/// Reads once, and returns how often the text occurs. `Err` at the end.
fn occurrences(connection: &mut Connection, text: &[u8]) -> io::Result<usize> {
    let mut buffer = [0; 8192];
    match connection.read(&mut buffer)? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        count => {
            let received = buffer.get(..count).unwrap_or_default();
            Ok(received.windows(text.len()).filter(|window| window == &text).count())
        }
    }
}

fn streams_take_as_long_as_they_take_up_to_a_bound(shipped: Shipped) {
    let test = start_with(shipped);
    let system = &test.system;
    rewrite_envoy(system, |configuration| {
        the_routes_to_the_api_bound_silence_and_the_whole_alone(configuration);
        the_routes_to_the_service_and_to_the_login_host_bound_everything(configuration);
        shorten_durations(configuration);
    });
    let mut user = UserAgent::signed_in(system);
    let streams = Streams { user: &user };
    let (mut events, mut socket) = thread::scope(|scope| {
        let streams = &streams;
        scope.spawn(|| streams.upload());
        scope.spawn(|| streams.download());
        let socket = scope.spawn(|| streams.web_socket());
        let events = scope.spawn(|| streams.events());
        (events.join().expect("events"), socket.join().expect("a web socket"))
    });
    // They continue after a logout, since no new request is checked, but not for ever.
    assert_eq!(user.bff("POST", "/bff/logout").status, 200);
    events
        .sock
        .set_read_timeout(Some(Duration::from_secs(60)))
        .expect("set");
    while occurrences(&mut events, b"data: x").is_ok() {}
    socket
        .sock
        .set_read_timeout(Some(Duration::from_secs(60)))
        .expect("set");
    let error = socket
        .read(&mut [0])
        .map_or_else(|error| error.kind(), |_| io::ErrorKind::UnexpectedEof);
    assert!(
        ![io::ErrorKind::WouldBlock, io::ErrorKind::TimedOut].contains(&error),
        "the socket is still open"
    );
    let bare = Request::new("GET", "/api/data").header("origin", &user.origin);
    assert_eq!(user.send(&bare).status, 401);
}

#[test]
fn uploads_downloads_event_streams_and_web_sockets_are_not_cut_before_their_bound_by_envoy() {
    streams_take_as_long_as_they_take_up_to_a_bound(Shipped::Envoy);
}

#[test]
fn uploads_downloads_event_streams_and_web_sockets_are_not_cut_before_their_bound_behind_istio() {
    streams_take_as_long_as_they_take_up_to_a_bound(Shipped::Istio);
}

#[test]
fn uploads_downloads_event_streams_and_web_sockets_are_not_cut_before_their_bound_behind_envoy_gateway() {
    streams_take_as_long_as_they_take_up_to_a_bound(Shipped::Gateway);
}
