//! The cookies of a session, and those that are sealed before the run.

use bff_core::cookie::purpose::Purpose;
use bff_core::cookie::session_id::SessionId;
use bff_core::encoding::base64url;
use bff_tests::random::Random;
use bff_tests::scripted_introspection::jwt;
use bff_tests::sealing::Seals;
use bff_tests::user_agent::{AT, AUTH, CSRF, ID, LOGIN};
use serde_json::json;

use crate::http::Message;
use crate::modelled_authorization_server::now_ms;
use crate::modelled_authorization_server::tokens::Mint;
use crate::settings::Settings;

/// The cookies that a browser sends to the API.
pub(crate) const FOR_THE_API: &[&str] = &[AT, CSRF];
/// The cookies that a browser sends to the service.
pub(crate) const FOR_THE_SERVICE: &[&str] = &[AT, CSRF, AUTH, ID, LOGIN];

/// A browser's session.
#[derive(Default)]
pub(crate) struct Session {
    /// The family of its refresh tokens; `None` until a response of the API has named it.
    pub(crate) family: Option<u32>,
    pub(crate) csrf: String,
    cookies: Vec<(&'static str, String)>,
}

impl Session {
    /// A session whose access token expires within one lifetime.
    pub(crate) fn sealed(seals: &Seals, settings: &Settings, family: u32, random: &mut Random) -> Self {
        let mut id = [0; 32];
        id[..16].copy_from_slice(&random.bytes(16));
        let id = SessionId(id);
        let lifetime = usize::try_from(settings.token_lifetime().as_secs()).unwrap_or(usize::MAX);
        let expires_in = i64::try_from(random.below(lifetime)).unwrap_or(0);
        let now = now_ms() / 1000;
        let expires_at = now.saturating_add_signed(expires_in) * 1000;
        let csrf = base64url::encode(&random.bytes(32));
        let content = json!({
            "refresh_token": Mint.refresh_token(family, 0),
            "started_at": now,
            // No replica of the run: that of an earlier deployment.
            "renewed_by": 1,
        });
        let claims = json!({"sub": format!("user-{family}"), "aud": "spa-client", "iat": now, "exp": now + 36_000});
        let day = 86_400;
        let seal = |purpose, value: &str, expires_in| seals.seal(purpose, value, id, expires_in);
        let access_token = Mint.access_token(family, 0, expires_at);
        Self {
            family: Some(family),
            cookies: vec![
                (AT, seal(Purpose::AccessToken, &access_token, expires_in)),
                (CSRF, seal(Purpose::Csrf, &csrf, day)),
                (AUTH, seal(Purpose::RefreshToken, &content.to_string(), day)),
                (ID, seal(Purpose::IdToken, &jwt(&claims), day)),
            ],
            csrf,
        }
    }

    /// The Cookie header with those of these cookies that the browser has.
    pub(crate) fn cookies(&self, names: &[&str]) -> String {
        let sent = self.cookies.iter().filter(|(name, _)| names.contains(name));
        let pairs: Vec<String> = sent.map(|(name, value)| format!("{name}={value}")).collect();
        pairs.join("; ")
    }

    /// Stores and removes cookies as a response says.
    pub(crate) fn store_cookies(&mut self, response: &Message) {
        for line in response.header("set-cookie") {
            let Some((name, value)) = line.split(';').next().and_then(|pair| pair.split_once('=')) else {
                continue;
            };
            let Some(known) = FOR_THE_SERVICE.iter().find(|known| **known == name) else {
                continue;
            };
            self.cookies.retain(|(other, _)| other != known);
            if !value.is_empty() && !line.to_ascii_lowercase().contains("max-age=0") {
                self.cookies.push((known, value.to_owned()));
            }
        }
    }
}
