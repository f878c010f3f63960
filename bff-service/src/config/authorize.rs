//! The rules of `/authorize`: the filter's plugin configuration, in a file of its own.

use bff_core::config::Config as Rules;

use super::fault::Fault;
use super::sections::Settings;

/// Reads and checks the file that `authorize.plugin_configuration_file` names. Where the file names an environment variable
/// for a secret, `<variable>_FILE` may name the file that holds it, as for the service's own.
pub(super) fn load(settings: &Settings, env: &impl Fn(&str) -> Option<String>) -> Result<Option<Rules>, Fault> {
    const FILE: &str = "authorize.plugin_configuration_file";
    let Some(path) = &settings.authorize.plugin_configuration_file else {
        return match &settings.authorize.method_header {
            None => Ok(None),
            Some(_) => Err(Fault::new(
                FILE,
                "`authorize.method_header` is of no use without this file",
            )),
        };
    };
    if let Some(name) = &settings.authorize.method_header
        && actix_web::http::header::HeaderName::try_from(name.as_str()).is_err()
    {
        let fault = "write the name of a header, for example `x-original-method`";
        return Err(Fault::new("authorize.method_header", fault));
    }
    let text =
        std::fs::read(path).map_err(|error| Fault::new(FILE, format!("{} cannot be read: {error}", path.display())))?;
    let secret = |name: &str| {
        env(name).or_else(|| {
            let file = env(&format!("{name}_FILE"))?;
            let text = std::fs::read_to_string(file).ok()?;
            Some(text.trim().to_owned())
        })
    };
    match Rules::parse(&text, secret) {
        Ok(rules) => Ok(Some(rules)),
        Err(error) => Err(Fault::new(FILE, format!("{}: {error}", path.display()))),
    }
}
