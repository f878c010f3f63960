//! `GET /jwks`: the public keys for the client's signatures, for the authorization server.

use serde_json::json;

use crate::api::call::Call;
use crate::api::success::Success;

pub(in crate::api) fn handle(call: &Call<'_>) -> Success {
    let keys = &call.worker.application.config.client_keys().signing;
    let keys: Vec<_> = keys.iter().map(|key| key.public()).collect();
    Success::json(json!({ "keys": keys }))
}
