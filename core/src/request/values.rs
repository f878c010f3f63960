//! Headers and parameters that may occur once: one rule for missing and repeated ones.

/// The values of a name that may occur once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Values<T> {
    /// The name is missing.
    Absent,
    /// The name occurs once, with this value.
    Single(T),
    /// The name is repeated, so the intended value is unknown.
    Repeated,
}

impl<T> Values<T> {
    /// Classifies all values of the name.
    pub fn of(values: impl IntoIterator<Item = T>) -> Self {
        let mut values = values.into_iter();
        match (values.next(), values.next()) {
            (None, _) => Self::Absent,
            (Some(value), None) => Self::Single(value),
            (Some(_), Some(_)) => Self::Repeated,
        }
    }

    /// Returns the value if the name occurs once.
    pub fn single(self) -> Option<T> {
        match self {
            Self::Single(value) => Some(value),
            Self::Absent | Self::Repeated => None,
        }
    }
}
