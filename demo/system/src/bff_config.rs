//! `bff.toml`, the BFF's configuration in this system.

use std::path::Path;

use crate::component::Component;
use crate::options::Options;

/// The text of `bff.toml`. A field that is not in it has its default. Secrets are in files that environment variables name.
pub fn bff_toml(options: &Options, ca: &Path, redis_host: &str) -> String {
    let Options {
        ports,
        bff_request_timeout_ms,
        ..
    } = options;
    let origins: Vec<String> = options
        .trusted_web_origins()
        .iter()
        .map(|origin| quoted(origin))
        .collect();
    let origins = origins.join(", ");
    let page = quoted(&format!("{}/", options.page_origin()));
    // A developer's own server need not have a certificate.
    let demo = match options.page_origin().starts_with("http://") {
        true => "demo = true\n",
        false => "",
    };
    let issuer = quoted(&options.origin("login"));
    let callback = quoted(&format!("{}/bff/callback", options.api_origin()));
    let redis = match options.has(Component::Redis) {
        true => format!(
            "\n[redis]\nurl = \"redis://{redis_host}:{}\"\nsession_affinity = {}\n",
            ports.redis, options.session_affinity
        ),
        false => String::new(),
    };
    let ca = quoted(&ca.to_string_lossy());
    let (port, admin_port) = (ports.bff, ports.bff_admin);
    format!(
        "# Generated at every start of the demo. bff-service/bff.example.toml has every field.
{demo}trusted_web_origins = [{origins}]
cookie_name_prefix = \"example\"

[server]
port = {port}
admin_port = {admin_port}

[authorization_server]
issuer = {issuer}
ca_file = {ca}
request_timeout_ms = {bff_request_timeout_ms}

[client]
id = \"spa-client\"
redirect_uri = {page}
post_logout_redirect_uri = {page}
scope = \"openid profile email data\"

[navigation]
redirect_uri = {callback}
{redis}"
    )
}

/// A TOML basic string.
fn quoted(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{escaped}\"")
}
