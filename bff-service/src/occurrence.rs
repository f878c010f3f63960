//! Headers and parameters that may come once.

/// How often a name came, and with what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Occurrence<T> {
    /// Not at all.
    Absent,
    /// Once, with this value.
    Single(T),
    /// More than once: which of the values was meant cannot be told.
    Repeated,
}

impl<T> Occurrence<T> {
    /// Of the values that came under the name.
    pub(crate) fn of(values: impl IntoIterator<Item = T>) -> Occurrence<T> {
        let mut values = values.into_iter();
        match (values.next(), values.next()) {
            (None, _) => Occurrence::Absent,
            (Some(value), None) => Occurrence::Single(value),
            (Some(_), Some(_)) => Occurrence::Repeated,
        }
    }

    /// The value, where it came once.
    pub(crate) fn single(self) -> Option<T> {
        match self {
            Occurrence::Single(value) => Some(value),
            Occurrence::Absent | Occurrence::Repeated => None,
        }
    }
}
