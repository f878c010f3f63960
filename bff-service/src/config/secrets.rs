//! The sources of secrets: the environment, or files.

use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::error::FieldError;
use super::secret::Secret;
use super::sections::{ClientAuthentication, Settings};

/// The sources of one secret.
struct SecretSource {
    /// The field that contains it, in demo mode.
    inline: &'static str,
    /// The field that names a file.
    file: &'static str,
    /// The variable that contains it.
    variable: &'static str,
    /// The variable that names a file.
    file_variable: &'static str,
}

const CLIENT_SECRET: SecretSource = SecretSource {
    inline: "client.secret",
    file: "client.secret_file",
    variable: "BFF_CLIENT_SECRET",
    file_variable: "BFF_CLIENT_SECRET_FILE",
};

const COOKIE_KEYS: SecretSource = SecretSource {
    inline: "keys.ring",
    file: "keys.file",
    variable: "BFF_COOKIE_KEYS",
    file_variable: "BFF_COOKIE_KEYS_FILE",
};

const REDIS_URL: SecretSource = SecretSource {
    inline: "redis.url",
    file: "redis.url_file",
    variable: "BFF_REDIS_URL",
    file_variable: "BFF_REDIS_URL_FILE",
};

const ADMIN_TOKEN: SecretSource = SecretSource {
    inline: "admin.token",
    file: "admin.token_file",
    variable: "BFF_ADMIN_TOKEN",
    file_variable: "BFF_ADMIN_TOKEN_FILE",
};

/// Minimum length of the operators' token, in bytes, so that nobody can guess it.
const MIN_ADMIN_TOKEN_BYTES: usize = 32;

/// Resolves the secrets and stores them in `client.secret`, `keys.ring`, `redis.url` and `admin.token`. A client with a key or
/// a certificate needs no secret, unless `client.authentication` requires one. Returns the errors.
pub fn resolve(settings: &mut Settings, env: &impl Fn(&str) -> Option<String>) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let (client, keys, redis) = (&mut settings.client, &mut settings.keys, &mut settings.redis);
    let admin = &mut settings.admin;
    let has_other_means = !client.signing_key_files.is_empty() || client.certificate_file.is_some();
    let is_secret_needed = client
        .authentication
        .map_or(!has_other_means, ClientAuthentication::is_secret_required);
    let secrets = [
        (
            CLIENT_SECRET,
            &mut client.secret,
            client.secret_file.as_deref(),
            is_secret_needed,
        ),
        (COOKIE_KEYS, &mut keys.ring, keys.file.as_deref(), true),
        (REDIS_URL, &mut redis.url, redis.url_file.as_deref(), false),
        (ADMIN_TOKEN, &mut admin.token, admin.token_file.as_deref(), false),
    ];
    for (source, secret, file, is_needed) in secrets {
        match find(&source, secret.take(), file, settings.demo, env) {
            Ok(None) if is_needed => errors.push(missing_error(&source)),
            Ok(found) => *secret = found,
            Err(error) => errors.push(error),
        }
    }
    errors.extend(settings.admin.token.as_ref().and_then(check_admin_token));
    errors
}

/// The error of a token that could be guessed, or that no header can contain.
fn check_admin_token(token: &Secret) -> Option<FieldError> {
    let token = token.expose().as_bytes();
    let is_valid = token.len() >= MIN_ADMIN_TOKEN_BYTES && token.iter().all(u8::is_ascii_graphic);
    (!is_valid).then(|| {
        let what = format!(
            "invalid token: write at least {MIN_ADMIN_TOKEN_BYTES} characters of ASCII without spaces, such as the output of \
             `openssl rand -hex 32`"
        );
        FieldError::new(ADMIN_TOKEN.inline, what)
    })
}

fn missing_error(source: &SecretSource) -> FieldError {
    let SecretSource {
        inline: field,
        file,
        variable,
        file_variable,
    } = source;
    FieldError::new(
        field,
        format!("missing: set {variable}, {file_variable} (file path), or `{file}`"),
    )
}

/// The secret, if configured. Variables take precedence over fields, as for every other field.
fn find(
    source: &SecretSource,
    inline: Option<Secret>,
    file: Option<&Path>,
    demo: bool,
    env: &impl Fn(&str) -> Option<String>,
) -> Result<Option<Secret>, FieldError> {
    let SecretSource {
        inline: field,
        file: file_field,
        variable,
        file_variable,
    } = source;
    // A URL of Redis contains a password only if it contains `@`.
    let has_secret = |value: &Secret| *field != REDIS_URL.inline || value.expose().contains('@');
    if inline.as_ref().is_some_and(has_secret) && !demo {
        let what = format!(
            "contains a secret, which the file may hold in demo mode only: set {variable}, {file_variable} (file path), or `{file_field}` instead"
        );
        return Err(FieldError::new(field, what));
    }
    match (env(variable), env(file_variable).map(PathBuf::from)) {
        (Some(_), Some(_)) => Err(FieldError::new(
            field,
            format!("both {variable} and {file_variable} are set: set only one of them"),
        )),
        (Some(text), None) => check(&text, field, variable).map(Some),
        (None, Some(path)) => read(&path, field).map(Some),
        (None, None) => match (inline, file) {
            (Some(_), Some(_)) => Err(FieldError::new(
                field,
                format!("`{file_field}` is set as well: set only one of them"),
            )),
            (Some(inline), None) => check(inline.expose(), field, "the value").map(Some),
            (None, Some(path)) => read(path, file_field).map(Some),
            (None, None) => Ok(None),
        },
    }
}

/// Reads a secret from a file that `field` names.
pub(super) fn read(path: &Path, field: &str) -> Result<Secret, FieldError> {
    let shown = path.display().to_string();
    let text = std::fs::read_to_string(path).map(Zeroizing::new);
    let text = text.map_err(|error| {
        let what = format!("reading {shown} failed: {error}: write the path of a file that can be read");
        FieldError::new(field, what)
    })?;
    check(text.trim_end_matches(['\r', '\n']), field, &format!("the file {shown}"))
}

fn check(text: &str, field: &str, origin: &str) -> Result<Secret, FieldError> {
    // Some editors write a byte order mark, which is invisible and would be part of the secret.
    if text.starts_with('\u{feff}') {
        let what = format!("{origin} begins with a byte order mark: save the secret as UTF-8 without one");
        return Err(FieldError::new(field, what));
    }
    match text.trim().is_empty() {
        true => Err(FieldError::new(field, format!("{origin} is empty: write the secret"))),
        false => Ok(Secret::new(text.to_owned())),
    }
}
