//! The variants that are measured beside bare Envoy: name, filters, requests.

use std::rc::Rc;

use serde_json::{Value, json};

use crate::credentials::{CSRF, Deployment, ORIGIN, Session, token};
use crate::envoy::{self, Artifacts, Listener};
use crate::http::Connection;
use crate::load::Requests;
use crate::result::Result;
use crate::{lua, oauth2};

/// The number of sessions in turn, by default.
const SESSIONS: usize = 64;
/// More than the cache holds, so that each request is a cache miss.
const MORE_THAN_ARE_KEPT: usize = 20_500;

/// A variant.
pub(crate) struct Variant {
    pub(crate) name: String,
    /// Its base: bare Envoy with the same requests.
    pub(crate) base: String,
    pub(crate) requests: Requests,
    /// What must and must not reach the API; `None` if the request must not reach it.
    expected: Option<Expected>,
}

struct Expected {
    authorization: bool,
    our_cookies: bool,
}

/// All variants, and the listeners for them.
pub(crate) struct Variants {
    pub(crate) list: Vec<Variant>,
    pub(crate) listeners: Vec<Listener>,
}

/// The data that the variants are made from.
pub(crate) struct Ground<'a> {
    pub(crate) artifacts: &'a Artifacts,
    pub(crate) deployment: &'a Deployment,
    pub(crate) upstream: u16,
    pub(crate) jwt: &'a str,
    pub(crate) jwks: &'a Value,
}

/// Cookie sizes, in bytes of the access token cookie's value.
const SIZES: [usize; 7] = [100, 200, 500, 1000, 2000, 4000, 8000];

impl Variants {
    pub(crate) fn new(ground: &Ground<'_>) -> Result<Self> {
        let mut all = Self {
            list: Vec::new(),
            listeners: Vec::new(),
        };
        let ours = |configuration: Value| vec![envoy::wasm(&ground.artifacts.filter, &configuration)];
        let web = |entries: usize| {
            ours(json!({"bff_token": envoy::bff_token(), "phantom_token": envoy::phantom_token(entries)}))
        };
        let bare = all.listener(Vec::new());
        let noop = all.listener(vec![envoy::wasm(&ground.artifacts.noop_filter, &json!({}))]);
        let web_port = all.listener(web(10_000));
        for size in SIZES {
            let sessions = ground.sessions(size, SESSIONS)?;
            let requests = || sessions.iter().map(|session| ground.get(session)).collect::<Vec<_>>();
            let base = bare_name(size);
            all.add(&base, &base, bare, requests(), 200, Some((false, true)));
            if matches!(size, 200 | 2000) {
                all.add(&noop_name(size), &base, noop, requests(), 200, Some((false, true)));
                let script = lua::script(ground.deployment, &sessions, ground.jwt);
                let lua = all.listener(vec![envoy::lua(&script)]);
                all.add(
                    &format!("lua{}", suffix(size)),
                    &base,
                    lua,
                    requests(),
                    200,
                    Some((true, false)),
                );
                let ext_authz = all.listener(vec![envoy::ext_authz(ground.upstream)]);
                let name = format!("ext_authz{}", suffix(size));
                all.add(&name, &base, ext_authz, requests(), 200, Some((true, true)));
            }
            all.add(
                &format!("web-hit-{size}"),
                &base,
                web_port,
                requests(),
                200,
                Some((true, false)),
            );
        }
        all.web_variants(ground, bare, web_port, &ours, &web)?;
        all.other_filters(ground, bare);
        Ok(all)
    }

    fn web_variants(
        &mut self,
        ground: &Ground<'_>,
        bare: u16,
        web_port: u16,
        ours: &impl Fn(Value) -> Vec<Value>,
        web: &impl Fn(usize) -> Vec<Value>,
    ) -> Result<()> {
        let sessions = ground.sessions(200, SESSIONS)?;
        let posts = || sessions.iter().map(|session| ground.post(session)).collect::<Vec<_>>();
        self.add("bare-post", "bare-post", bare, posts(), 200, Some((false, true)));
        self.add(
            "web-hit-post-200",
            "bare-post",
            web_port,
            posts(),
            200,
            Some((true, false)),
        );

        let opened = self.listener(ours(json!({"bff_token": envoy::bff_token()})));
        for size in [200, 2000] {
            let sessions = ground.sessions(size, MORE_THAN_ARE_KEPT)?;
            let requests = sessions.iter().map(|session| ground.get(session)).collect();
            let name = format!("web-first-{size}");
            self.add(&name, &bare_name(size), opened, requests, 200, Some((true, false)));
        }
        let small_cache = self.listener(web(1));
        let requests = || sessions.iter().map(|session| ground.get(session)).collect::<Vec<_>>();
        self.add(
            "web-miss-200",
            "bare",
            small_cache,
            requests(),
            200,
            Some((true, false)),
        );
        for count in [10, 1000, 10_000, 100_000] {
            // Plugins with the same configuration are one plugin to Envoy, with one cache.
            let mut stage = envoy::phantom_token(10_000);
            stage["token_cache_bytes"] = json!(32 * 1024 * 1024 + count);
            let port = self.listener(ours(json!({"bff_token": envoy::bff_token(), "phantom_token": stage})));
            let sessions = ground.sessions(200, count)?;
            let requests = sessions.iter().map(|session| ground.get(session)).collect();
            self.add(
                &format!("web-sessions-{count}"),
                "bare",
                port,
                requests,
                200,
                Some((true, false)),
            );
        }

        let bearer = self.listener(ours(json!({"phantom_token": envoy::phantom_token(10_000)})));
        let tokens: Vec<String> = (0..SESSIONS).map(|_| token(57)).collect::<Result<_>>()?;
        let requests = || tokens.iter().map(|token| ground.bearer(token)).collect::<Vec<_>>();
        self.add("bare-bearer", "bare-bearer", bare, requests(), 200, Some((true, false)));
        self.add(
            "bearer-hit",
            "bare-bearer",
            bearer,
            requests(),
            200,
            Some((true, false)),
        );

        self.add("refuse", "bare", web_port, vec![ground.request("GET", "")], 401, None);
        let strange: Vec<Vec<u8>> = sessions
            .iter()
            .map(|session| {
                ground.request(
                    "GET",
                    &format!(
                        "cookie: {}\r\n",
                        ground.deployment.api_cookies(session).replace('A', "B")
                    ),
                )
            })
            .collect();
        self.add("refuse-altered-cookie", "bare", web_port, strange, 401, None);
        Ok(())
    }

    fn other_filters(&mut self, ground: &Ground<'_>, bare: u16) {
        let jwt = || vec![ground.bearer(ground.jwt)];
        self.add("bare-jwt", "bare-jwt", bare, jwt(), 200, Some((true, false)));
        for (name, cached) in [("jwt_authn", false), ("jwt_authn-cached", true)] {
            let port = self.listener(vec![envoy::jwt_authn(ground.jwks, cached)]);
            self.add(name, "bare-jwt", port, jwt(), 200, Some((true, false)));
        }
        for (name, _) in oauth2::tokens(ground.jwt) {
            let port = self.listener(vec![envoy::oauth2(ground.upstream)]);
            // Its cookies come from a sign-in, after Envoy has started.
            self.add(name, &format!("bare-{name}"), port, Vec::new(), 200, Some((true, true)));
            self.add(
                &format!("bare-{name}"),
                &format!("bare-{name}"),
                bare,
                Vec::new(),
                200,
                Some((false, true)),
            );
        }
    }

    fn listener(&mut self, filters: Vec<Value>) -> u16 {
        let listener = Listener::new(filters);
        let port = listener.port;
        self.listeners.push(listener);
        port
    }

    fn add(
        &mut self,
        name: &str,
        base: &str,
        port: u16,
        requests: Vec<Vec<u8>>,
        status: u16,
        upstream: Option<(bool, bool)>,
    ) {
        self.list.push(Variant {
            name: name.to_owned(),
            base: base.to_owned(),
            requests: Requests::new(port, requests, status),
            expected: upstream.map(|(authorization, our_cookies)| Expected {
                authorization,
                our_cookies,
            }),
        });
    }

    /// Signs in through Envoy's oauth2 filter, as a browser does, and gives its cookies to the variants of that filter.
    pub(crate) async fn sign_in_to_oauth2(&mut self, ground: &Ground<'_>) -> Result<()> {
        for (name, token_length) in oauth2::tokens(ground.jwt) {
            let Some(port) = self
                .list
                .iter()
                .find(|variant| variant.name == name)
                .map(|variant| variant.requests.port)
            else {
                continue;
            };
            let cookies = oauth2::sign_in(port, token_length).await?;
            let requests = vec![ground.request("GET", &format!("cookie: {cookies}\r\n"))];
            for variant in self
                .list
                .iter_mut()
                .filter(|variant| variant.base == format!("bare-{name}"))
            {
                variant.requests = Requests::new(variant.requests.port, requests.clone(), 200);
            }
        }
        Ok(())
    }
}

impl Ground<'_> {
    pub(crate) fn sessions(&self, size: usize, count: usize) -> Result<Vec<Session>> {
        (0..count).map(|_| self.deployment.session(size)).collect()
    }

    /// Approximately a browser's request, with these lines.
    fn request(&self, method: &str, lines: &str) -> Vec<u8> {
        format!(
            "{method} /echo HTTP/1.1\r\nhost: api.example.com\r\nuser-agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n\
             accept: application/json\r\naccept-language: en-US,en;q=0.5\r\naccept-encoding: gzip, deflate, br\r\n\
             origin: {ORIGIN}\r\nreferer: {ORIGIN}/\r\nsec-fetch-dest: empty\r\nsec-fetch-mode: cors\r\nsec-fetch-site: same-site\r\n\
             {lines}content-length: 0\r\n\r\n"
        )
        .into_bytes()
    }

    pub(crate) fn get(&self, session: &Session) -> Vec<u8> {
        self.request("GET", &format!("cookie: {}\r\n", self.deployment.api_cookies(session)))
    }

    fn post(&self, session: &Session) -> Vec<u8> {
        let lines = format!(
            "cookie: {}\r\nx-example-csrf: {CSRF}\r\n",
            self.deployment.api_cookies(session)
        );
        self.request("POST", &lines)
    }

    fn bearer(&self, token: &str) -> Vec<u8> {
        self.request("GET", &format!("authorization: Bearer {token}\r\n"))
    }
}

impl Variant {
    /// Sends one request, and checks that the filter did its work; after that the API no longer returns the requests that it
    /// receives.
    pub(crate) async fn check(&mut self) -> Result<()> {
        let failed = |what: String| format!("{}: {what}", self.name);
        let request = self.requests.list.first().cloned().unwrap_or_default();
        let mut connection = Connection::to(self.requests.port)
            .await
            .map_err(|error| failed(error.to_string()))?;
        let answer = connection
            .exchange(&request)
            .await
            .map_err(|error| failed(error.to_string()))?;
        if answer.status() != self.requests.status {
            return Err(failed(format!("answered with {}{}", answer.head(), answer.body())));
        }
        if let Some(expected) = &self.expected {
            let seen = answer.body();
            let lines = || seen.lines().filter_map(|line| line.split_once(": "));
            let authorization = lines().any(|(name, _)| name.eq_ignore_ascii_case("authorization"));
            let our_cookies = lines().any(|(name, _)| name.eq_ignore_ascii_case("cookie"));
            if (authorization, our_cookies) != (expected.authorization, expected.our_cookies) {
                return Err(failed(format!("the API received\n{seen}")));
            }
        }
        let quiet = |request: &Vec<u8>| {
            let text = String::from_utf8_lossy(request).replacen(" /echo ", " /api/data ", 1);
            text.into_bytes()
        };
        let list = self.requests.list.iter().map(quiet).collect();
        self.requests.list = Rc::new(list);
        Ok(())
    }
}

pub(crate) fn bare_name(size: usize) -> String {
    if size == 200 {
        "bare".to_owned()
    } else {
        format!("bare-{size}")
    }
}

fn noop_name(size: usize) -> String {
    if size == 200 {
        "noop".to_owned()
    } else {
        format!("noop-{size}")
    }
}

fn suffix(size: usize) -> String {
    if size == 200 { String::new() } else { format!("-{size}") }
}
