//! Headers and parameters that may be there once: the one rule for those that are missing or repeated.

/// The values under a name that may be there once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Values<T> {
    /// The name is not there.
    Absent,
    /// It is there once, with this value.
    Single(T),
    /// It is repeated: which value is meant cannot be known.
    Repeated,
}

impl<T> Values<T> {
    /// From all values under the name.
    pub fn of(values: impl IntoIterator<Item = T>) -> Self {
        let mut values = values.into_iter();
        match (values.next(), values.next()) {
            (None, _) => Self::Absent,
            (Some(value), None) => Self::Single(value),
            (Some(_), Some(_)) => Self::Repeated,
        }
    }

    /// The value, where it is there once.
    pub fn single(self) -> Option<T> {
        match self {
            Self::Single(value) => Some(value),
            Self::Absent | Self::Repeated => None,
        }
    }
}
