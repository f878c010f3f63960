//! Configuration errors.

/// One error.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{message}", self.subject())]
pub struct FieldError {
    field: String,
    message: String,
}

impl FieldError {
    /// `field` is the path of the field (`client.redirect_uri`) or the name of an environment variable, empty for the
    /// whole file. `message` says what is wrong and what to write, and never contains a secret.
    pub fn new(field: &str, message: impl Into<String>) -> FieldError {
        FieldError {
            field: field.to_owned(),
            message: message.into(),
        }
    }

    /// The same error in a table at `path`.
    pub fn within(&self, path: &str) -> FieldError {
        let field = match self.field.as_str() {
            "" => path.to_owned(),
            field => format!("{path}.{field}"),
        };
        FieldError {
            field,
            message: self.message.clone(),
        }
    }

    /// The path of the field, or the name of the environment variable.
    pub fn field(&self) -> &str {
        &self.field
    }

    fn subject(&self) -> String {
        match self.field.as_str() {
            "" => String::new(),
            field => format!("{field}: "),
        }
    }
}

/// An invalid configuration. `Display` is one line for each error.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.lines())]
pub struct ConfigError {
    errors: Vec<FieldError>,
}

impl ConfigError {
    /// `errors` must not be empty.
    pub fn new(errors: Vec<FieldError>) -> ConfigError {
        ConfigError { errors }
    }

    /// All errors.
    pub fn errors(&self) -> &[FieldError] {
        &self.errors
    }

    fn lines(&self) -> String {
        let lines: Vec<String> = self.errors.iter().map(FieldError::to_string).collect();
        lines.join("\n")
    }
}

impl From<FieldError> for ConfigError {
    fn from(error: FieldError) -> ConfigError {
        ConfigError::new(vec![error])
    }
}
