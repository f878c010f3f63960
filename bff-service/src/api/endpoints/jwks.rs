//! `GET /jwks`: the public keys of the client, for the authorization server.

use serde_json::json;

use crate::api::answer::Answer;
use crate::api::call::Call;

pub(in crate::api) fn handle(call: &Call<'_>) -> Answer {
    let keys = &call.worker.application.config.client_keys().signing;
    let keys: Vec<_> = keys.iter().map(|key| key.public()).collect();
    Answer::json(json!({ "keys": keys }))
}
