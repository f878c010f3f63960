//! What `bff-service check` says.

/// What was found.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// What was looked at and is in order.
    pub good: Vec<String>,
    /// What works but should be seen to.
    pub warnings: Vec<String>,
    /// What nothing here can find out, as a question.
    pub not_tested: Vec<String>,
    /// What must be put right.
    pub faults: Vec<String>,
}

impl Report {
    /// Whether nothing must be put right.
    pub fn is_good(&self) -> bool {
        self.faults.is_empty()
    }

    /// 0 when nothing must be put right, 1 otherwise: the exit code of the command.
    pub fn exit_code(&self) -> u8 {
        u8::from(!self.is_good())
    }
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (label, lines) in [
            ("ok", &self.good),
            ("not tested", &self.not_tested),
            ("warning", &self.warnings),
            ("fault", &self.faults),
        ] {
            for line in lines {
                writeln!(f, "{label}: {line}")?;
            }
        }
        match self.faults.len() {
            0 => f.write_str("Configuration is valid."),
            1 => f.write_str("1 fault."),
            count => write!(f, "{count} faults."),
        }
    }
}
