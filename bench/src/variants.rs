//! The variants that are measured beside bare Envoy: name, filters, requests.

use serde_json::{Value, json};

use crate::credentials::token;
use crate::envoy::{self, Listener};
use crate::ground::Ground;
use crate::load::Requests;
use crate::oauth2::Product;
use crate::oauth2_proxy::{Server, Store};
use crate::result::Result;
use crate::variant::{Expected, Variant};
use crate::{lua, oauth2, oauth2_proxy};

/// The number of sessions in turn, unless the variant has another number.
pub(crate) const SESSIONS: usize = 64;
/// More sessions than the cache of opened cookies holds, so that each request is a cache miss.
pub(crate) const MORE_THAN_ARE_CACHED: usize = 30_500;

/// All variants, and the listeners for them.
pub(crate) struct Variants {
    pub(crate) list: Vec<Variant>,
    pub(crate) listeners: Vec<Listener>,
    signed_in: Vec<SignedIn>,
}

/// A variant whose cookies come from a sign-in, after Envoy has started.
struct SignedIn {
    name: &'static str,
    product: &'static Product,
    port: u16,
    /// In bytes.
    token_length: usize,
}

/// Cookie sizes, in bytes of the access token cookie's value.
const SIZES_BYTES: [usize; 7] = [100, 200, 500, 1000, 2000, 4000, 8000];

impl Variants {
    pub(crate) fn new(ground: &Ground<'_>) -> Result<Self> {
        let mut all = Self {
            list: Vec::new(),
            listeners: Vec::new(),
            signed_in: Vec::new(),
        };
        let ours = |configuration: Value| vec![envoy::wasm(&ground.artifacts.filter, &configuration)];
        let bare = all.add_listener(Vec::new());
        let noop = all.add_listener(vec![envoy::wasm(&ground.artifacts.noop_filter, &json!({}))]);
        let (stage, cookies) = (envoy::phantom_token(10_000), envoy::bff_token());
        let web_port = all.add_listener(ours(json!({"bff_token": cookies, "phantom_token": stage})));
        for size in SIZES_BYTES {
            let sessions = ground.sessions(size, SESSIONS)?;
            let requests = || sessions.iter().map(|session| ground.get(session)).collect::<Vec<_>>();
            let base = bare_name(size);
            all.add(&base, &base, bare, requests(), 200, Some((false, true)));
            if matches!(size, 200 | 2000) {
                all.add(&noop_name(size), &base, noop, requests(), 200, Some((false, true)));
                let script = lua::script(ground.deployment, &sessions, ground.jwt);
                let lua = all.add_listener(vec![envoy::lua(&script)]);
                all.add(
                    &format!("lua{}", suffix(size)),
                    &base,
                    lua,
                    requests(),
                    200,
                    Some((true, false)),
                );
                let ext_authz = all.add_listener(vec![envoy::ext_authz(ground.upstream)]);
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
        all.add_web_variants(ground, bare, web_port, &ours)?;
        all.add_other_filters(ground, bare);
        if ground.artifacts.oauth2_proxy.is_some() {
            all.add_oauth2_proxy(bare);
        }
        Ok(all)
    }

    fn add_web_variants(
        &mut self,
        ground: &Ground<'_>,
        bare: u16,
        web_port: u16,
        ours: &impl Fn(Value) -> Vec<Value>,
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

        for size in [200, 2000] {
            let sessions = ground.bound_sessions(size, SESSIONS)?;
            let requests = sessions.iter().map(|session| ground.get(session)).collect();
            let name = format!("web-bound-{size}");
            self.add(&name, &bare_name(size), web_port, requests, 200, Some((true, false)));
        }
        let opened = self.add_listener(ours(json!({"bff_token": envoy::bff_token()})));
        for size in [200, 2000] {
            let sessions = ground.sessions(size, MORE_THAN_ARE_CACHED)?;
            let requests = sessions.iter().map(|session| ground.get(session)).collect();
            let name = format!("web-first-{size}");
            self.add(&name, &bare_name(size), opened, requests, 200, Some((true, false)));
        }
        let mut stage = envoy::phantom_token(1);
        stage["shared_cache_bytes"] = json!(0);
        let small_cache = self.add_listener(ours(json!({"bff_token": envoy::bff_token(), "phantom_token": stage})));
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
            // To Envoy, two proxy-wasm filters with the same configuration are one, with one cache.
            let mut stage = envoy::phantom_token(10_000);
            stage["token_cache_bytes"] = json!(32 * 1024 * 1024 + count);
            let port = self.add_listener(ours(json!({"bff_token": envoy::bff_token(), "phantom_token": stage})));
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

        let bearer = self.add_listener(ours(json!({"phantom_token": envoy::phantom_token(10_000)})));
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
        let altered: Vec<Vec<u8>> = sessions
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
        self.add("refuse-altered-cookie", "bare", web_port, altered, 401, None);
        Ok(())
    }

    fn add_other_filters(&mut self, ground: &Ground<'_>, bare: u16) {
        let jwt = || vec![ground.bearer(ground.jwt)];
        self.add("bare-jwt", "bare-jwt", bare, jwt(), 200, Some((true, false)));
        for (name, cached) in [("jwt_authn", false), ("jwt_authn-cached", true)] {
            let port = self.add_listener(vec![envoy::jwt_authn(ground.jwks, cached)]);
            self.add(name, "bare-jwt", port, jwt(), 200, Some((true, false)));
        }
        for (name, token_length) in oauth2::tokens(ground.jwt) {
            let port = self.add_listener(vec![envoy::oauth2(ground.upstream)]);
            self.add_signed_in(name, &oauth2::ENVOY, token_length, port, bare);
        }
    }

    fn add_oauth2_proxy(&mut self, bare: u16) {
        for store in Store::ALL {
            let server = Server::new(store);
            let listener = Listener::asking(server);
            let port = listener.port;
            self.listeners.push(listener);
            for (name, token_length) in store.variants() {
                self.add_signed_in(name, &oauth2_proxy::PRODUCT, token_length, port, bare);
            }
        }
    }

    fn add_signed_in(
        &mut self,
        name: &'static str,
        product: &'static Product,
        token_length: usize,
        port: u16,
        bare: u16,
    ) {
        let base = bare_of(name);
        self.add(name, &base, port, Vec::new(), 200, Some((true, true)));
        self.add(&base, &base, bare, Vec::new(), 200, Some((false, true)));
        self.signed_in.push(SignedIn {
            name,
            product,
            port,
            token_length,
        });
    }

    /// Adds a listener with these HTTP filters, and returns its port.
    pub(crate) fn add_listener(&mut self, filters: Vec<Value>) -> u16 {
        let listener = Listener::new(filters);
        let port = listener.port;
        self.listeners.push(listener);
        port
    }

    /// Adds a variant. `status` is what the client must get, and `upstream` whether `Authorization` and our cookies must
    /// reach the API; `None` if the request must not.
    pub(crate) fn add(
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
                token_length: None,
                our_cookies,
            }),
        });
    }

    /// Keeps the variants whose names are wanted, their bases and their listeners.
    pub(crate) fn retain(&mut self, is_wanted: impl Fn(&str) -> bool) {
        let named = self.list.iter().filter(|variant| is_wanted(&variant.name));
        let mut wanted: Vec<String> = named
            .flat_map(|variant| [variant.name.clone(), variant.base.clone()])
            .collect();
        // A base has the cookies of its variant's sign-in.
        let bases = self
            .signed_in
            .iter()
            .filter(|variant| wanted.contains(&bare_of(variant.name)));
        let signed_in: Vec<String> = bases.map(|variant| variant.name.to_owned()).collect();
        wanted.extend(signed_in);
        self.list.retain(|variant| wanted.contains(&variant.name));
        let ports: Vec<u16> = self.list.iter().map(|variant| variant.requests.port).collect();
        self.listeners.retain(|listener| ports.contains(&listener.port));
        self.signed_in
            .retain(|variant| wanted.iter().any(|name| name == variant.name));
    }

    /// The servers of oauth2-proxy that the listeners need.
    pub(crate) fn servers(&self) -> Vec<Server> {
        self.listeners.iter().filter_map(|listener| listener.server).collect()
    }

    /// The server of oauth2-proxy that is asked for the requests of a variant.
    pub(crate) fn server_of(&self, variant: &Variant) -> Option<Server> {
        let listener = |listener: &&Listener| listener.port == variant.requests.port;
        self.listeners.iter().find(listener)?.server
    }

    /// Signs in as a browser does, and gives the cookies to the variants that need them and to their bases.
    pub(crate) async fn sign_in(&mut self, ground: &Ground<'_>) -> Result<()> {
        for SignedIn {
            name,
            product,
            port,
            token_length,
        } in &self.signed_in
        {
            let cookies = oauth2::sign_in(product, *port, *token_length).await?;
            let requests = vec![ground.request("GET", &format!("cookie: {cookies}\r\n"))];
            for variant in self.list.iter_mut().filter(|variant| variant.base == bare_of(name)) {
                variant.requests = Requests::new(variant.requests.port, requests.clone(), 200);
                if let Some(expected) = variant.expected.as_mut().filter(|expected| expected.authorization) {
                    expected.token_length = Some(*token_length);
                }
            }
        }
        Ok(())
    }
}

/// The base of a variant whose cookies come from a sign-in.
fn bare_of(name: &str) -> String {
    format!("bare-{name}")
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

pub(crate) fn suffix(size: usize) -> String {
    if size == 200 { String::new() } else { format!("-{size}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_keeps_bases_and_the_variants_that_sign_in_for_them() {
        let kept = |filter: &str| {
            let mut all = Variants {
                list: Vec::new(),
                listeners: Vec::new(),
                signed_in: Vec::new(),
            };
            let (bare, other) = (all.add_listener(Vec::new()), all.add_listener(Vec::new()));
            all.add("bare", "bare", bare, Vec::new(), 200, None);
            all.add("lua", "bare", other, Vec::new(), 200, None);
            all.add_oauth2_proxy(bare);
            all.retain(|name| name.contains(filter));
            let names: Vec<String> = all.list.iter().map(|variant| variant.name.clone()).collect();
            (names.join(" "), all.listeners.len(), all.servers().len())
        };
        assert_eq!(kept("lua"), ("bare lua".to_owned(), 2, 0));
        let of_redis = "oauth2-proxy-redis-2000 bare-oauth2-proxy-redis-2000";
        assert_eq!(kept("redis-2000"), (of_redis.to_owned(), 2, 1));
        assert_eq!(kept("bare-oauth2-proxy-redis-2000"), (of_redis.to_owned(), 2, 1));
    }
}
