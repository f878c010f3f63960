//! The output of `bff-service check`.

/// The findings of a check.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// What was checked and is valid.
    pub valid: Vec<String>,
    /// What works but should be changed.
    pub warnings: Vec<String>,
    /// What the check cannot find out.
    pub not_tested: Vec<String>,
    /// What must be corrected.
    pub errors: Vec<String>,
}

impl Report {
    /// Adds the findings about an application, with its name if it has one.
    pub fn add(&mut self, findings: Report, application: Option<&str>) {
        let named = |line: String| match application {
            Some(name) => format!("application `{name}`: {line}"),
            None => line,
        };
        self.valid.extend(findings.valid.into_iter().map(named));
        self.warnings.extend(findings.warnings.into_iter().map(named));
        self.not_tested.extend(findings.not_tested.into_iter().map(named));
        self.errors.extend(findings.errors.into_iter().map(named));
    }

    /// Whether there is no error.
    pub fn is_valid(&self) -> bool {
        self.errors.is_empty()
    }

    /// The exit code of the command: 0 without an error, otherwise 1.
    pub fn exit_code(&self) -> u8 {
        u8::from(!self.is_valid())
    }
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (label, lines) in [
            ("ok", &self.valid),
            ("not tested", &self.not_tested),
            ("warning", &self.warnings),
            ("error", &self.errors),
        ] {
            for line in lines {
                writeln!(f, "{label}: {line}")?;
            }
        }
        match self.errors.len() {
            0 => f.write_str("Configuration is valid."),
            1 => f.write_str("1 error."),
            count => write!(f, "{count} errors."),
        }
    }
}
