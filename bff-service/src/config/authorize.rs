//! The rules of `/authorize`: the filter's plugin configuration, in a separate file.

use std::cell::RefCell;
use std::path::Path;
use std::sync::Arc;

use actix_web::http::header::HeaderName;
use bff_core::gateway::config::{Config as Rules, EndStreams};
use sha2::{Digest, Sha256};

use super::error::FieldError;
use super::secrets;
use super::sections::Settings;

/// The rules, with a digest to compare them after a reload.
#[derive(Clone, Debug)]
pub struct AuthorizeRules {
    /// The rules.
    pub rules: Arc<Rules>,
    /// Digest of the file and of every secret that it names.
    digest: [u8; 32],
}

impl PartialEq for AuthorizeRules {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest
    }
}

/// The values of `[authorize]`: the rules, and the header with the method.
type Loaded = (Option<AuthorizeRules>, Option<HeaderName>);

/// Reads and validates the file that `authorize.plugin_configuration_file` names. If the file names an environment
/// variable for a secret, `<variable>_FILE` may name a file that contains the secret, as for the service's own secrets.
pub(super) fn load(settings: &Settings, env: &impl Fn(&str) -> Option<String>) -> Result<Loaded, FieldError> {
    const FILE: &str = "authorize.plugin_configuration_file";
    let Some(path) = &settings.authorize.plugin_configuration_file else {
        return match &settings.authorize.method_header {
            None => Ok((None, None)),
            Some(_) => Err(FieldError::new(
                FILE,
                "missing: write the path of the file, or remove `authorize.method_header`",
            )),
        };
    };
    let method_header = settings.authorize.method_header.as_deref();
    let method_header = method_header.map(HeaderName::try_from).transpose().map_err(|_| {
        let what = "invalid header name: write a name such as `x-original-method`";
        FieldError::new("authorize.method_header", what)
    })?;
    let text = std::fs::read(path).map_err(|error| {
        let shown = path.display();
        let what = format!("reading {shown} failed: {error}: write the path of a file that can be read");
        FieldError::new(FILE, what)
    })?;
    let digest = RefCell::new(Sha256::new_with_prefix(&text));
    let unreadable = RefCell::new(None);
    let secret = |name: &str| {
        let found = env(name).or_else(|| {
            let variable = format!("{name}_FILE");
            let file = env(&variable)?;
            let read = secrets::read(Path::new(&file), &variable);
            let read = read.map_err(|error| unreadable.replace(Some(error)));
            read.ok().map(|secret| secret.expose().trim().to_owned())
        })?;
        digest.borrow_mut().update(&found);
        digest.borrow_mut().update([0]);
        Some(found)
    };
    match Rules::parse(&text, secret) {
        Ok(rules) if rules.end_streams != EndStreams::Never => {
            let shown = path.display();
            let what = format!(
                "{shown}: end_streams: the service cannot end the streams of the proxy that calls `/authorize`: remove the \
                 field"
            );
            Err(FieldError::new(FILE, what))
        }
        Ok(rules) => {
            let rules = AuthorizeRules {
                rules: Arc::new(rules),
                digest: digest.into_inner().finalize().into(),
            };
            Ok((Some(rules), method_header))
        }
        Err(error) => {
            let what = unreadable
                .take()
                .map_or_else(|| error.to_string(), |error: FieldError| error.to_string());
            Err(FieldError::new(FILE, format!("{}: {what}", path.display())))
        }
    }
}
