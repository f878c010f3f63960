//! The declaration of a configuration section: [`section!`].

use std::path::PathBuf;

use crate::config::error::FieldError;
use crate::config::secret::Secret;

/// The type of a field's value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A string.
    String,
    /// An integer that is not negative.
    Integer,
    /// `true` or `false`.
    Boolean,
    /// A list of strings.
    List,
}

/// The type of a field.
pub(in crate::config) trait FieldType {
    /// The kind of value in the configuration file.
    const KIND: Kind;

    /// The value as a number, for the check of its range. `None`: it is not a number, or missing.
    fn number(&self) -> Option<u64> {
        None
    }
}

macro_rules! field_types {
    ($($kind:ident: $($type:ty),*;)*) => {
        $($(impl FieldType for $type {
            const KIND: Kind = Kind::$kind;
        })*)*
    };
}

field_types! {
    String: String, PathBuf, Secret;
    Integer: u16;
    Boolean: bool;
    List: Vec<String>, Vec<PathBuf>;
}

impl FieldType for u64 {
    const KIND: Kind = Kind::Integer;

    fn number(&self) -> Option<u64> {
        Some(*self)
    }
}

impl FieldType for usize {
    const KIND: Kind = Kind::Integer;

    fn number(&self) -> Option<u64> {
        u64::try_from(*self).ok()
    }
}

impl<T: FieldType> FieldType for Option<T> {
    const KIND: Kind = T::KIND;

    fn number(&self) -> Option<u64> {
        self.as_ref().and_then(T::number)
    }
}

/// Checks that a number is within its range. A missing value is valid.
pub(super) fn check_range(path: &str, value: &impl FieldType, least: u64, most: u64, errors: &mut Vec<FieldError>) {
    if value.number().is_some_and(|number| !(least..=most).contains(&number)) {
        errors.push(FieldError::new(
            path,
            format!("out of range: write a number from {least} to {most}"),
        ));
    }
}

/// A list of strings.
pub(super) fn strings(values: &[&str]) -> Vec<String> {
    values.iter().map(|value| (*value).to_owned()).collect()
}

/// Declares a section: `pub name: Type = default, least..=most;` for each field, below its doc comment. `at` is the
/// prefix of the field paths. `with` lists the tables of the section. The macro defines the structure that serde
/// deserializes, its defaults, its rows in the table of fields, and its range checks.
macro_rules! section {
    (
        $(#[$comment:meta])*
        pub struct $name:ident at $prefix:literal {
            $(
                $(#[$field_comment:meta])*
                $vis:vis $field:ident: $type:ty = $default:expr $(, $least:literal..=$most:literal)?;
            )*
        } $(with {
            $(
                $(#[$table_comment:meta])*
                $table:ident: $table_type:ty;
            )*
        })?
    ) => {
        $(#[$comment])*
        #[derive(Debug, serde::Deserialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        #[serde(deny_unknown_fields, default)]
        pub struct $name {
            $(
                $(#[$field_comment])*
                $(#[cfg_attr(feature = "schema", schemars(range(min = $least, max = $most)))])?
                $vis $field: $type,
            )*
            $($(
                $(#[$table_comment])*
                pub $table: $table_type,
            )*)?
        }

        impl Default for $name {
            fn default() -> $name {
                $name {
                    $($field: $default,)*
                    $($($table: <$table_type>::default(),)*)?
                }
            }
        }

        impl $name {
            /// The paths of the fields, including those of the tables.
            pub(in crate::config) fn fields() -> Vec<(&'static str, $crate::config::sections::field::Kind)> {
                use $crate::config::sections::field::FieldType;
                #[allow(unused_mut, reason = "not every section has tables")]
                let mut fields = vec![
                    $((concat!($prefix, stringify!($field)), <$type as FieldType>::KIND),)*
                ];
                $($(fields.extend(<$table_type>::fields());)*)?
                fields
            }

            /// Adds an error for each number that is out of its range.
            pub(in crate::config) fn check_ranges(&self, errors: &mut Vec<$crate::config::error::FieldError>) {
                $($($crate::config::sections::field::check_range(
                    concat!($prefix, stringify!($field)),
                    &self.$field,
                    $least,
                    $most,
                    errors,
                );)?)*
                $($(self.$table.check_ranges(errors);)*)?
                // Not every section has a range.
                let _ = errors;
            }
        }
    };
}
