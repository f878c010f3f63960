//! The arguments of `bff-service`.

use std::path::PathBuf;

/// The usage text.
pub const USAGE: &str = "\
usage: bff-service [serve|check|ready] --config PATH
       bff-service keys generate|fingerprint
       bff-service --version

  serve   serves the BFF's endpoints (default)
  check   validates the configuration, checks Redis, the authorization server and the client's credentials, and prints
          errors and warnings
  ready   asks the service that runs with this configuration whether it is ready; for health checks of containers
  keys    generates cookie keys, and prints the fingerprints of existing ones; see bff-service keys --help

environment: BFF_LOG_FORMAT=human|json, BFF_LOG_SUBJECT=true|false, RUST_LOG=info
             OTEL_EXPORTER_OTLP_ENDPOINT, and the other OTEL_ variables of docs/observability.md
             HTTPS_PROXY and NO_PROXY, for the authorization server
             BFF_COOKIE_KEYS or BFF_COOKIE_KEYS_FILE, BFF_CLIENT_SECRET or BFF_CLIENT_SECRET_FILE,
             BFF_REDIS_URL or BFF_REDIS_URL_FILE
             BFF_ADMIN_TOKEN or BFF_ADMIN_TOKEN_FILE
             a variable for each other field of the configuration, such as BFF_SERVER__PORT for server.port";

/// The command to run.
#[derive(PartialEq, Eq, Debug)]
pub enum Command {
    /// Serve the BFF's endpoints.
    Serve,
    /// Validate the configuration, and check Redis, the authorization server and the client's credentials.
    Check,
    /// Ask the running service whether it is ready.
    Ready,
    /// Print the usage text.
    Help,
    /// Print the version and the commit.
    Version,
}

/// Parses the arguments: the command and its configuration file.
///
/// # Errors
/// What is wrong with the arguments.
pub fn parse(arguments: impl IntoIterator<Item = String>) -> Result<(Command, PathBuf), String> {
    let mut command = None;
    let mut config = None;
    let mut arguments = arguments.into_iter();
    while let Some(argument) = arguments.next() {
        let named = match argument.as_str() {
            "--help" | "-h" => return Ok((Command::Help, PathBuf::new())),
            "--version" | "-V" => return Ok((Command::Version, PathBuf::new())),
            "serve" => Command::Serve,
            "check" => Command::Check,
            "ready" => Command::Ready,
            "--config" => {
                let path = arguments
                    .next()
                    .ok_or("missing path after --config: write --config PATH")?;
                if config.replace(PathBuf::from(path)).is_some() {
                    return Err("repeated --config: write it once".to_owned());
                }
                continue;
            }
            other => match other.strip_prefix("--config=") {
                Some(path) if config.is_none() => {
                    config = Some(PathBuf::from(path));
                    continue;
                }
                Some(_) => return Err("repeated --config: write it once".to_owned()),
                None => return Err(format!("invalid argument `{other}`: write one of the arguments below")),
            },
        };
        if command.replace(named).is_some() {
            return Err("more than one command: write one".to_owned());
        }
    }
    let config = config.ok_or("missing configuration file: write --config PATH")?;
    Ok((command.unwrap_or(Command::Serve), config))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(arguments: &[&str]) -> Result<(Command, PathBuf), String> {
        parse(arguments.iter().map(|argument| argument.to_string()))
    }

    #[test]
    fn serving_is_the_default() {
        assert_eq!(parsed(&["--config", "a.toml"]), Ok((Command::Serve, "a.toml".into())));
        assert_eq!(
            parsed(&["serve", "--config=a.toml"]),
            Ok((Command::Serve, "a.toml".into()))
        );
        assert_eq!(
            parsed(&["--config", "a.toml", "check"]),
            Ok((Command::Check, "a.toml".into()))
        );
    }

    #[test]
    fn help_and_version_need_no_configuration() {
        for (argument, command) in [
            ("--help", Command::Help),
            ("-h", Command::Help),
            ("--version", Command::Version),
            ("-V", Command::Version),
        ] {
            assert_eq!(parsed(&["check", argument]), Ok((command, PathBuf::new())));
        }
    }

    #[test]
    fn a_wrong_call_is_told_what_is_wrong() {
        for (arguments, message) in [
            (&[][..], "missing configuration file: write --config PATH"),
            (&["--config"], "missing path after --config: write --config PATH"),
            (
                &["start", "--config", "a"],
                "invalid argument `start`: write one of the arguments below",
            ),
            (&["serve", "check", "--config", "a"], "more than one command: write one"),
            (&["--config", "a", "--config", "b"], "repeated --config: write it once"),
            (&["--config", "a", "--config=b"], "repeated --config: write it once"),
        ] {
            assert_eq!(parsed(arguments), Err(message.to_owned()));
        }
    }
}
