//! Envoy's configuration for a server: `envoy/envoy.yaml` with another stage for opaque access tokens.

use std::net::SocketAddr;

use serde_json::Value;

/// A field of the stage.
pub(crate) const INTROSPECTION_ENDPOINT: &str = "introspection_endpoint";
const STAGE: &str = "\"phantom_token\": {";
/// The address that Envoy dials for introspection, the second of these in the file.
const INTROSPECTION: &str = "- name: introspection\n";
const ADDRESS: &str = "{ address: 127.0.0.1, port_value: 3004 }";
/// The filter's configurations, in the order of the file.
const WEB: &str = "- name: bff_filter_web";
const DEFAULT: &str = "- name: bff_filter_default";

/// `template` with these stages at the entry points "web" and "default". `None`: "web" has no such stage.
pub(crate) fn with_stages(
    template: &str,
    stage: Option<&Value>,
    bearer_stage: Option<&Value>,
) -> Result<String, String> {
    let mut text = template.to_owned();
    for (entry_point, stage) in [(WEB, stage), (DEFAULT, bearer_stage)] {
        if stage.is_none() && entry_point == DEFAULT {
            // It has no other stage, and no request is sent there.
            continue;
        }
        let start = text.find(entry_point).and_then(|at| Some(at + text[at..].find(STAGE)?));
        let start =
            start.ok_or_else(|| format!("missing {STAGE} below {entry_point} in envoy/envoy.yaml: restore it"))?;
        let open = start + STAGE.len() - 1;
        let close = matching(&text[open..]).ok_or("invalid envoy/envoy.yaml: a `{` has no `}`: write it")? + open;
        let replacement = match stage {
            Some(stage) => {
                let mut merged: Value = serde_json::from_str(&text[open..=close]).map_err(|error| {
                    format!("envoy/envoy.yaml: invalid `phantom_token`: {error}: write a JSON object")
                })?;
                // The stage has its own, or exchanges the access token without introspection.
                if let Some(members) = merged.as_object_mut() {
                    members.remove(INTROSPECTION_ENDPOINT);
                }
                for (name, value) in stage.as_object().into_iter().flatten() {
                    merged[name] = value.clone();
                }
                // In one line, with a space after each colon, as the demo's own replacements expect it.
                format!("\"phantom_token\": {merged:#}").replace('\n', " ")
            }
            // The comma before it would be left over.
            None => {
                // The demo replaces this text, wherever it is.
                text.push_str("# \"timeout_ms\": 2000\n");
                "\"phantom_token\": null".to_owned()
            }
        };
        text.replace_range(start..=close, &replacement);
    }
    Ok(text)
}

/// `template` with an address for introspection other than that of the server's pages.
pub(crate) fn with_introspection_at(template: &str, address: SocketAddr) -> Result<String, String> {
    let (before, cluster) = template
        .split_once(INTROSPECTION)
        .ok_or("missing cluster introspection in envoy/envoy.yaml: restore it")?;
    let address = format!("{{ address: {}, port_value: {} }}", address.ip(), address.port());
    Ok(format!(
        "{before}{INTROSPECTION}{}",
        cluster.replacen(ADDRESS, &address, 1)
    ))
}

/// The place of the brace that closes the one at the beginning. The texts in the file have no braces.
fn matching(text: &str) -> Option<usize> {
    let mut depth = 0;
    for (place, one) in text.char_indices() {
        match one {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(place);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use bff_tests::repository;
    use serde_json::json;

    use super::*;

    #[test]
    fn the_stage_is_replaced_at_both_entry_points() {
        let template = repository::text("envoy/envoy.yaml");
        let stage = json!({"introspection_endpoint": "https://login.example.com/introspect", "response": "claims"});
        let text = with_stages(&template, Some(&stage), Some(&stage)).expect("replaced");
        assert_eq!(text.matches("https://login.example.com/introspect").count(), 2);
        assert_eq!(text.matches("\"response\": \"claims\"").count(), 2);
        // The third is of the entry point "mtls".
        assert_eq!(text.matches("\"cluster\": \"introspection\"").count(), 3);
        let stage = json!({"token_exchange": {"audience": "orders-api"}});
        let text = with_stages(&template, Some(&stage), Some(&stage)).expect("replaced");
        assert_eq!(text.matches("\"audience\": \"orders-api\"").count(), 2);
        // The endpoint of the entry point "mtls".
        assert_eq!(text.matches(INTROSPECTION_ENDPOINT).count(), 1);
        let text = with_stages(&template, None, None).expect("removed");
        assert_eq!(text.matches("\"phantom_token\": null").count(), 1);
    }

    #[test]
    fn introspection_goes_elsewhere() {
        let template = repository::text("envoy/envoy.yaml");
        let text = with_introspection_at(&template, SocketAddr::from(([127, 0, 0, 1], 4445))).expect("replaced");
        assert_eq!(text.matches("port_value: 4445 }").count(), 1);
        assert_eq!(text.matches(ADDRESS).count(), 1);
    }
}
