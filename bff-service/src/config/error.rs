//! What is wrong with a configuration.

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    field: String,
    message: String,
}

impl FieldError {
    /// `field` is the path of the field (`client.redirect_uri`), empty for the file as a whole. `message` says what to
    /// write instead, and never repeats a secret.
    pub fn new(field: &str, message: impl Into<String>) -> FieldError {
        FieldError {
            field: field.to_owned(),
            message: message.into(),
        }
    }

    /// The same fault in a table at `path`.
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

    /// The path of the field.
    pub fn field(&self) -> &str {
        &self.field
    }
}

impl std::fmt::Display for FieldError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.field.as_str() {
            "" => f.write_str(&self.message),
            field => write!(f, "`{field}`: {}", self.message),
        }
    }
}

/// A configuration that cannot be used. `Display` is one line for each fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    faults: Vec<FieldError>,
}

impl ConfigError {
    /// `faults` must not be empty.
    pub fn new(faults: Vec<FieldError>) -> ConfigError {
        ConfigError { faults }
    }

    /// Every fault that was found.
    pub fn faults(&self) -> &[FieldError] {
        &self.faults
    }
}

impl From<FieldError> for ConfigError {
    fn from(fault: FieldError) -> ConfigError {
        ConfigError::new(vec![fault])
    }
}

impl std::fmt::Display for ConfigError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, fault) in self.faults.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            fault.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}
