//! Requests near the boundary: almost valid ones, with some changes.

use bff_core::cookie::purpose::Purpose;
use bff_core::cookie::seal::Binding;
use bff_core::cookie::session_id::SessionId;
use demo_system::System;
use serde_json::json;

use crate::random::Random;
use crate::scripted_introspection::jwt;
use crate::sealing::Seals;
use crate::user_agent::{AT, BOUND, CSRF, CSRF_HEADER};

/// A request.
pub struct Sent {
    /// Any method.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// Names and values, as they are sent.
    pub headers: Vec<(String, Vec<u8>)>,
}

impl Sent {
    /// The head as Envoy shows it to a filter: one line for headers that it joins, and no name with an underscore.
    pub fn seen(&self) -> Vec<(String, Vec<u8>)> {
        let mut seen: Vec<(String, Vec<u8>)> = vec![
            (":method".to_owned(), self.method.clone().into_bytes()),
            (":path".to_owned(), self.path.clone().into_bytes()),
            (":scheme".to_owned(), b"https".to_vec()),
        ];
        for (name, value) in &self.headers {
            let name = name.to_ascii_lowercase();
            // White space around a value is not part of it (RFC 9110, section 5.5).
            let value = value.trim_ascii();
            let separator: &[u8] = match name.as_str() {
                "origin" | "authorization" => b",",
                _ => b"",
            };
            match seen.iter_mut().find(|(found, _)| *found == name) {
                _ if name.contains('_') => {}
                Some((_, line)) if !separator.is_empty() => {
                    line.extend_from_slice(separator);
                    line.extend_from_slice(value);
                }
                _ => seen.push((name, value.to_vec())),
            }
        }
        seen
    }
}

/// Whether the session with this number is bound to a device.
const fn binding(number: u8) -> Binding {
    match number % 3 {
        0 => Binding::Bound,
        _ => Binding::Unbound,
    }
}

/// Generates such requests.
pub struct Corpus {
    random: Random,
    seals: Seals,
    origin: String,
    /// Cookies that are repeated, like those of a session.
    sessions: Vec<(String, String)>,
}

impl Corpus {
    /// Its seed is fixed, so it always makes the same choices.
    pub fn new(system: &System) -> Self {
        let seals = Seals::of(system, "example");
        let session = |number: u8| {
            let kind = [
                "good", "good", "good", "weak", "stale", "gone", "bound", "old", "failing", "reset",
            ][usize::from(number % 10)];
            let id = SessionId([number; 32]);
            let token = seals.seal_in(
                binding(number),
                Purpose::AccessToken,
                &format!("{kind}-{number}"),
                id,
                3000,
            );
            (token, seals.seal(Purpose::Csrf, &format!("csrf-{number}"), id, 3000))
        };
        Self {
            sessions: (0..24).map(session).collect(),
            random: Random::new(20_261_124),
            seals,
            origin: system.www(),
        }
    }

    fn token(&mut self) -> String {
        let kind = *self.random.pick(&[
            "good", "good", "weak", "stale", "gone", "bound", "old", "failing", "reset",
        ]);
        format!("{kind}-{}", self.random.below(40))
    }

    fn bearer(&mut self) -> Vec<u8> {
        let token = self.token();
        let claims = json!({"sub": token, "exp": if self.random.is_one_in(3) { 5 } else { 4_000_000_000_u64 }});
        match self.random.below(9) {
            0 => b"Bearer".to_vec(),
            1 => b"Bearer ".to_vec(),
            2 => format!("Basic {token}").into_bytes(),
            3 => format!("bearer  {token}").into_bytes(),
            4 => format!("Bearer {token}, Bearer other").into_bytes(),
            5 => format!("Bearer {}", jwt(&claims)).into_bytes(),
            6 => [b"Bearer \xff", token.as_bytes()].concat(),
            _ => format!("Bearer {token}").into_bytes(),
        }
    }

    fn access_token_cookie(&mut self, sealed: &str, session: SessionId) -> String {
        let at = |value: &str| format!("{AT}={value}");
        match self.random.below(30) {
            0 => String::new(),
            1 => at(&sealed[..self.random.below(sealed.len())]),
            2 => at(&format!("{sealed}%%%%junk")),
            3 => format!("{}; {}", at(sealed), at(sealed)),
            4 => at(&self.seals.seal(Purpose::Csrf, "good-1", session, 300)),
            5 => at(&self.seals.seal(Purpose::AccessToken, "good-1", session, -1)),
            6 => at(&self
                .seals
                .seal(Purpose::AccessToken, "good token\r\nx: y", session, 300)),
            7 => {
                let middle = sealed.len() / 2;
                format!("{AT}.2={}; {AT}.1={}", &sealed[middle..], &sealed[..middle])
            }
            8 => format!("{AT}.2={sealed}"),
            9 => {
                let mut altered = sealed.to_owned().into_bytes();
                let place = self.random.below(altered.len());
                altered[place] = if altered[place] == b'A' { b'B' } else { b'A' };
                at(&String::from_utf8(altered).expect("text"))
            }
            _ => at(sealed),
        }
    }

    /// The proof of the device's key, mostly that of the session with this number.
    fn proof_of_device(&mut self, number: usize) -> Option<String> {
        let own = u8::try_from(number).expect("few");
        if binding(own) == Binding::Unbound && !self.random.is_one_in(10) {
            return None;
        }
        let other = u8::try_from(self.random.below(self.sessions.len())).expect("few");
        let (binding, session, expires_in) = match self.random.below(16) {
            0 => return None,
            1 => (Binding::Bound, other, 3000),
            2 => (Binding::Bound, own, -1),
            3 => (Binding::Unbound, own, 3000),
            4 => return Some("junk".to_owned()),
            _ => (Binding::Bound, own, 3000),
        };
        let id = SessionId([session; 32]);
        let proof = self.seals.seal_in(binding, Purpose::DeviceBinding, "", id, expires_in);
        Some(proof)
    }

    /// The next request for an entry point of kind web.
    pub fn web(&mut self) -> Sent {
        let number = self.random.below(self.sessions.len());
        let (sealed, csrf) = self.sessions[number].clone();
        let id = SessionId([u8::try_from(number).expect("few"); 32]);
        let mut pieces = vec![self.access_token_cookie(&sealed, id)];
        if !self.random.is_one_in(8) {
            let other = self.random.below(self.sessions.len());
            let value = if self.random.is_one_in(12) {
                &self.sessions[other].1
            } else {
                &csrf
            };
            pieces.push(format!("{CSRF}={value}"));
        }
        if let Some(proof) = self.proof_of_device(number) {
            pieces.push(format!("{BOUND}={proof}"));
        }
        for own in [
            "theme=dark",
            "bytes=\"a b\"",
            "=nameless",
            "valueless",
            "x=__Host-Http-example-at=1",
            "",
        ] {
            if self.random.is_one_in(3) {
                let place = self.random.below(pieces.len() + 1);
                pieces.insert(place, own.to_owned());
            }
        }
        let separator = *self.random.pick(&["; ", ";", " ;  ", "; ; "]);
        let mut headers = vec![("cookie".to_owned(), pieces.join(separator).trim().as_bytes().to_vec())];
        if self.random.is_one_in(8) {
            headers.push(("Cookie".to_owned(), b"second=line; raw=\xe4\xff".to_vec()));
        }
        let origins = [
            self.origin.clone(),
            "https://evil.example".to_owned(),
            "null".to_owned(),
        ];
        if !self.random.is_one_in(6) {
            let index = self.random.below(12);
            headers.push((
                "Origin".to_owned(),
                origins[index.saturating_sub(9)].clone().into_bytes(),
            ));
        }
        if !self.random.is_one_in(6) {
            let value = if self.random.is_one_in(10) {
                "wrong".to_owned()
            } else {
                format!("csrf-{number}")
            };
            headers.push((CSRF_HEADER.to_owned(), value.into_bytes()));
        }
        for (name, value, times) in [
            ("sec-fetch-site", "cross-site", 15),
            ("sec-fetch-site", "same-site", 5),
            ("sec-fetch-site", "same-origin", 5),
            ("sec-fetch-mode", "navigate", 5),
            ("x-application", "kept", 2),
            ("x_example_csrf", "underscore", 6),
            ("X-Example-CSRF", "twice", 25),
            ("authorization", "Bearer of-the-client", 5),
            ("Secure-Session-Skipped", "unreachable;session_identifier=\"x\"", 8),
            ("Sec-Secure-Session-Id", "x", 20),
        ] {
            if self.random.is_one_in(times) {
                headers.push((name.to_owned(), value.as_bytes().to_vec()));
            }
        }
        let methods = [
            "GET",
            "GET",
            "GET",
            "POST",
            "POST",
            "PUT",
            "DELETE",
            "PATCH",
            "OPTIONS",
            "PROPPATCH",
            "PROPFIND",
            "MKCOL",
        ];
        Sent {
            method: (*self.random.pick(&methods)).to_owned(),
            path: (*self.random.pick(&["/api", "/api/data", "/api/data?x=/bff;a"])).to_owned(),
            headers,
        }
    }

    /// The next request for an entry point of kind default.
    pub fn default(&mut self) -> Sent {
        let mut headers = Vec::new();
        for _ in 0..[1, 1, 1, 1, 1, 0, 2][self.random.below(7)] {
            headers.push(("Authorization".to_owned(), self.bearer()));
        }
        if self.random.is_one_in(3) {
            headers.push((
                "cookie".to_owned(),
                format!("{AT}={}; a=1", self.sessions[0].0).into_bytes(),
            ));
        }
        Sent {
            method: (*self.random.pick(&["GET", "POST", "DELETE"])).to_owned(),
            path: "/default/data".to_owned(),
            headers,
        }
    }
}
