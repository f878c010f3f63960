//! The filter as a native module, with the requests of the proxy-wasm module.

use serde_json::{Value, json};

use crate::credentials::token;
use crate::envoy;
use crate::ground::Ground;
use crate::result::Result;
use crate::variants::{MORE_THAN_ARE_CACHED, SESSIONS, Variants, bare_name, suffix};

/// Adds the variants, whose bases are those of the proxy-wasm module.
pub(crate) fn add(all: &mut Variants, ground: &Ground<'_>) -> Result<()> {
    let ours = |configuration: Value| vec![envoy::native(&ground.artifacts.native_module, &configuration)];
    let (stage, cookies) = (envoy::phantom_token(10_000), envoy::bff_token());
    let web = all.add_listener(ours(json!({"bff_token": cookies, "phantom_token": stage})));
    let opened = all.add_listener(ours(json!({"bff_token": cookies})));
    let bearer = all.add_listener(ours(json!({"phantom_token": stage})));
    let noop = all.add_listener(vec![envoy::native(&ground.artifacts.noop_module, &json!({}))]);
    let forwarded = Some((true, false));
    for size in [200, 2000] {
        let base = bare_name(size);
        let sessions = ground.sessions(size, SESSIONS)?;
        let requests = sessions.iter().map(|session| ground.get(session)).collect();
        let name = format!("native-noop{}", suffix(size));
        all.add(&name, &base, noop, requests, 200, Some((false, true)));
        let sessions = ground.bound_sessions(size, SESSIONS)?;
        let requests = sessions.iter().map(|session| ground.get(session)).collect();
        all.add(&format!("native-bound-{size}"), &base, web, requests, 200, forwarded);
        for (name, port, count) in [("hit", web, SESSIONS), ("first", opened, MORE_THAN_ARE_CACHED)] {
            let sessions = ground.sessions(size, count)?;
            let requests = sessions.iter().map(|session| ground.get(session)).collect();
            all.add(&format!("native-{name}-{size}"), &base, port, requests, 200, forwarded);
        }
    }
    let sessions = ground.sessions(200, 100_000)?;
    let requests = sessions.iter().map(|session| ground.get(session)).collect();
    all.add("native-sessions-100000", "bare", web, requests, 200, forwarded);
    let tokens: Vec<String> = (0..SESSIONS).map(|_| token(57)).collect::<Result<_>>()?;
    let requests = tokens.iter().map(|token| ground.bearer(token)).collect();
    all.add("native-bearer-hit", "bare-bearer", bearer, requests, 200, forwarded);
    all.add("native-refuse", "bare", web, vec![ground.request("GET", "")], 401, None);
    Ok(())
}
