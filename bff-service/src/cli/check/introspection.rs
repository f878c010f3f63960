//! `check`: credentials for HTTP Basic, and the introspection and token exchange of the gateway.

use bff_core::encoding::form::is_changed_by_encoding;
use bff_core::gateway::authorization_server::Step;
use bff_core::gateway::config::{ClientAuthentication as GatewayAuthentication, PhantomToken, Steps};
use bff_core::gateway::introspection;
use bff_core::gateway::token_exchange::{self, Subject};
use bff_core::gateway::token_state::{InactiveReason, TokenOutcome, TokenState};

use super::report::Report;
use crate::authorize::callout::call_out;
use crate::clock;
use crate::config::{ClientAuthentication, Config};
use crate::oauth::http::HttpClient;
use crate::oauth::metadata::Metadata;

/// A token that no authorization server has issued.
const MADE_UP_TOKEN: &[u8] = b"made-up-by-bff-service-check";

/// Whether form-encoding changes the client identifier or the client secret.
pub(super) fn has_credentials_to_encode(config: &Config) -> bool {
    let secret = config.client_secret();
    let secret = secret.map_or("", |secret| secret.expose());
    is_changed_by_encoding(&config.client.id) || is_changed_by_encoding(secret)
}

/// If the service's own client uses HTTP Basic, and form-encoding changes its credentials, adds a warning.
pub(super) fn check_encoding(config: &Config, metadata: &Metadata, report: &mut Report) {
    if metadata.profile.authentication == ClientAuthentication::ClientSecretBasic && has_credentials_to_encode(config) {
        report.warnings.push(encoding_warning(
            "`client.id` or the client secret",
            "client.authentication = \"client_secret_post\"",
        ));
    }
}

fn encoding_warning(what: &str, setting: &str) -> String {
    format!(
        "{what} has characters that are form-encoded for HTTP Basic (RFC 6749, section 2.3.1), such as `+ / = : %` or a \
         space, and many authorization servers do not decode them: if yours answers HTTP 401 or `invalid_client`, write \
         `{setting}`"
    )
}

/// What happens if the client may not introspect the tokens.
const INACTIVE: &str = "many authorization servers answer `active: false`, and every API call gets HTTP 401";

/// If `/authorize` has rules, checks introspection and token exchange with them. The service does not know the filter's
/// configuration.
pub(super) async fn check_introspection(config: &Config, http: &HttpClient, report: &mut Report) {
    let rules = config.authorize_rules();
    let stage = rules.and_then(|rules| rules.rules.phantom_token.as_ref());
    let (introspecting, otherwise) = match stage {
        Some(stage) => {
            check_stage(stage, http, report).await;
            let may = format!("may `{}` (`phantom_token.client_id` of `/authorize`)", stage.client_id);
            match stage.steps {
                Steps::Introspect(_) => (format!("{may} introspect"), INACTIVE),
                // Many authorization servers answer `invalid_request` to a made-up token, and also to a client that may
                // not exchange any token.
                Steps::Exchange(_) => (format!("{may} exchange"), "every API call gets HTTP 401, 403 or 502"),
                Steps::Both(..) => (format!("{may} introspect and exchange"), INACTIVE),
            }
        }
        None => (
            "if the filter introspects: may its client (`phantom_token.client_id`) introspect".to_owned(),
            INACTIVE,
        ),
    };
    report.not_tested.push(format!(
        "{introspecting} tokens that were issued to `{}`? If not, {otherwise} right after sign-in: sign in and call the API once to test it",
        config.client.id
    ));
}

async fn check_stage(stage: &PhantomToken, http: &HttpClient, report: &mut Report) {
    let is_changed = is_changed_by_encoding(&stage.client_id) || is_changed_by_encoding(&stage.client_secret);
    if stage.client_authentication == GatewayAuthentication::ClientSecretBasic && is_changed {
        report.warnings.push(encoding_warning(
            "`phantom_token.client_id` of `/authorize` or its secret",
            "\"client_authentication\": \"client_secret_post\"",
        ));
    }
    if let Some(endpoint) = stage.steps.introspection() {
        let request = introspection::request(stage, endpoint, MADE_UP_TOKEN, []);
        let response = call_out(http, stage, request).await;
        let outcome = introspection::classify(stage, MADE_UP_TOKEN, &response, clock::now());
        check_outcome(stage, Step::Introspection, &endpoint.url(), &outcome, report);
    }
    if let Some(exchange) = stage.steps.exchange() {
        let request = token_exchange::request(stage, exchange, MADE_UP_TOKEN, []);
        let response = call_out(http, stage, request).await;
        let subject = Subject {
            token: MADE_UP_TOKEN,
            introspected: None,
        };
        let outcome = token_exchange::classify(stage, exchange, subject, &response, clock::now());
        check_outcome(stage, Step::Exchange, &exchange.endpoint.url(), &outcome, report);
    }
}

/// Reports what the authorization server says about the made-up token.
fn check_outcome(stage: &PhantomToken, step: Step, url: &str, outcome: &TokenOutcome, report: &mut Report) {
    let (client, active, what) = match step {
        Step::Introspection => (
            "introspection client",
            "says that a made-up token is active: check that `phantom_token` of `/authorize` names an introspection endpoint",
            "introspection",
        ),
        Step::Exchange => (
            "client of the token exchange",
            "exchanges a made-up token: check that `phantom_token.token_exchange` of `/authorize` names the token endpoint",
            "exchange",
        ),
    };
    match outcome {
        TokenOutcome::Known {
            state:
                TokenState::Inactive(
                    InactiveReason::NotActive | InactiveReason::NotIntrospectable | InactiveReason::NotExchangeable,
                ),
            ..
        } => report
            .valid
            .push(format!("{url} answers the {client} `{}`", stage.client_id)),
        TokenOutcome::Known {
            state: TokenState::Inactive(reason),
            ..
        } => report
            .errors
            .push(format!("{url}, with a made-up token: {}", reason.details())),
        TokenOutcome::Known {
            state: TokenState::Active(_),
            ..
        } => report.errors.push(format!("{url} {active}")),
        TokenOutcome::Unusable(why) => report.errors.push(format!("{url}, with a made-up token: {why}")),
        TokenOutcome::TimedOut(_) => report.errors.push(format!(
            "{url}: {what} of a made-up token timed out after {} ms, or the server answered HTTP 504: check that the \
             authorization server responds, or raise `phantom_token.timeout_ms` of `/authorize`",
            stage.timeout_ms
        )),
    }
}
