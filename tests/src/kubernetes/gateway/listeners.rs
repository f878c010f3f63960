//! The settings of listeners and connections in ClientTrafficPolicies.

use serde_json::{Value, json};

use super::values::{bytes, text};
use crate::kubernetes::envoy::{of_kind, texts};
use crate::kubernetes::manifests::Manifest;

/// The policy of a listener, or else of the Gateway: never a merge of both.
pub(super) fn client_policy<'a>(manifests: &'a [Manifest], listener: &str) -> &'a Value {
    let of = |section: Option<&str>| {
        of_kind(manifests, "ClientTrafficPolicy").find(|policy| {
            policy
                .content
                .pointer("/spec/targetRefs/0/sectionName")
                .and_then(Value::as_str)
                == section
        })
    };
    &of(Some(listener)).or_else(|| of(None)).expect("a policy").content["spec"]
}

/// The settings of a policy for the connections of one listener.
pub(super) fn limit_connections(chain: &mut Value, listener: &str, policy: &Value) {
    chain["transport_socket_connect_timeout"] = policy["timeout"]["tcp"]["tlsHandshakeTimeout"].clone();
    let limit = json!({
        "name": "envoy.filters.network.connection_limit",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.network.connection_limit.v3.ConnectionLimit",
            "stat_prefix": listener,
            "max_connections": policy["connection"]["connectionLimit"]["value"],
        },
    });
    chain["filters"].as_array_mut().expect("filters").insert(0, limit);
}

/// The settings of a policy for requests.
pub(super) fn settings(connection_manager: &mut Value, policy: &Value) {
    let (path, headers, http) = (&policy["path"], &policy["headers"], &policy["timeout"]["http"]);
    connection_manager["merge_slashes"] = json!(path["disableMergeSlashes"] == false);
    connection_manager["path_with_escaped_slashes_action"] = match text(path, "escapedSlashesAction") {
        "RejectRequest" => json!("REJECT_REQUEST"),
        other => panic!(
            "`escapedSlashesAction: {other}` is not translated: add it to {}",
            file!()
        ),
    };
    connection_manager["common_http_protocol_options"] = json!({
        "headers_with_underscores_action": match text(headers, "withUnderscoresAction") {
            "DropHeader" => "DROP_HEADER",
            other => panic!("`withUnderscoresAction: {other}` is not translated: add it to {}", file!()),
        },
        "idle_timeout": http["idleTimeout"],
    });
    if let Some(limit) = headers.get("maxRequestHeaderLimit") {
        connection_manager["max_request_headers_kb"] = json!(bytes(limit) >> 10);
    }
    let removed: Vec<Value> = texts(&headers["earlyRequestHeaders"]["remove"])
        .into_iter()
        .map(|name| json!({"remove": name}))
        .collect();
    connection_manager["early_header_mutation_extensions"] = json!([{
        "name": "envoy.http.early_header_mutation.header_mutation",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation",
            "mutations": removed,
        },
    }]);
    connection_manager["request_headers_timeout"] = http["requestHeadersReceivedTimeout"].clone();
    assert!(
        http.get("requestReceivedTimeout").is_none(),
        "`requestReceivedTimeout` would end streams: leave it out"
    );
    connection_manager["stream_idle_timeout"] = http["streamIdleTimeout"].clone();
    connection_manager["http2_protocol_options"] = json!({
        "max_concurrent_streams": policy["http2"]["maxConcurrentStreams"],
        "initial_stream_window_size": bytes(&policy["http2"]["initialStreamWindowSize"]),
        "initial_connection_window_size": bytes(&policy["http2"]["initialConnectionWindowSize"]),
    });
    connection_manager["upgrade_configs"] = json!([{"upgrade_type": "websocket", "enabled": false}]);
}
