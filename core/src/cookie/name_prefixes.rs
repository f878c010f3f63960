//! The full names of the cookies, with the cookie name prefixes that browsers know, and the purpose that a name stands for.

use serde::Deserialize;

use super::purpose::Purpose;
use crate::encoding::bytes;

/// Cookie name prefixes. They make the browser refuse a cookie that was set without the required attributes or, with
/// `__Host-`, by a sibling domain (draft-ietf-httpbis-rfc6265bis, section 4.1.3; draft-ietf-httpbis-layered-cookies for
/// those with `Http`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(rename_all = "lowercase")]
pub enum NamePrefixes {
    /// `__Host-Http-` (`__Host-` for the cookie `<p>-bound`) if `Path` is `/` and there is no `Domain`, otherwise `__Http-`.
    #[default]
    Host,
    /// `__Host-` if `Path` is `/` and there is no `Domain`, otherwise `__Secure-`.
    Secure,
    /// No prefix.
    None,
}

/// Cookie name prefixes under any configuration. A longer one stands before one that it begins with.
const FORMS: [&str; 5] = ["__Host-Http-", "__Host-", "__Http-", "__Secure-", ""];

/// Whether the name keeps other hosts from setting the cookie: browsers require Path `/` and no Domain for it.
pub fn is_host_locked(name: &str) -> bool {
    name.starts_with("__Host-")
}

/// The full names of the cookies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CookieNames {
    /// The configured prefix.
    prefix: String,
    /// In the order of [`Purpose::ALL`].
    names: [String; Purpose::ALL.len()],
}

impl CookieNames {
    /// Builds the names from the configured prefix. `root_paths`: all cookies have Path `/`. `has_domain`: the cookies
    /// have a Domain attribute.
    ///
    /// # Errors
    /// The prefix is invalid: see [`check_prefix`].
    pub fn new(
        prefix: &str,
        prefixes: NamePrefixes,
        root_paths: bool,
        has_domain: bool,
    ) -> Result<Self, InvalidPrefix> {
        check_prefix(prefix)?;
        let (host, other) = match prefixes {
            NamePrefixes::Host => ("__Host-Http-", "__Http-"),
            NamePrefixes::Secure => ("__Host-", "__Secure-"),
            NamePrefixes::None => ("", ""),
        };
        let name = |purpose: Purpose| {
            let has_root_path = root_paths || !purpose.is_for_endpoints_alone();
            let form = if has_root_path && !has_domain { host } else { other };
            // Chromium refuses to bind a session to a cookie whose name begins with `__Host-Http-`.
            let form = match (purpose, form) {
                (Purpose::DeviceBinding, "__Host-Http-") => "__Host-",
                (_, form) => form,
            };
            format!("{form}{prefix}-{}", purpose.name_suffix())
        };
        Ok(Self {
            prefix: prefix.to_owned(),
            names: Purpose::ALL.map(name),
        })
    }

    /// Returns all names, in the order of [`Purpose::ALL`].
    pub fn all(&self) -> [&str; Purpose::ALL.len()] {
        self.names.each_ref().map(String::as_str)
    }

    /// Returns the name of the cookie for a purpose.
    pub fn of(&self, purpose: Purpose) -> &str {
        let mut names = Purpose::ALL.iter().zip(&self.names);
        let name = names.find_map(|(other, name)| (*other == purpose).then_some(name));
        name.map_or("", String::as_str)
    }

    /// Returns the purpose of the cookie that has this name under another configuration: with the same configured
    /// prefix, but a cookie name prefix other than the current one.
    pub fn recognize_other_form(&self, name: &[u8]) -> Option<Purpose> {
        let bare = FORMS.iter().find_map(|form| {
            let rest = name.strip_prefix(form.as_bytes())?;
            rest.strip_prefix(self.prefix.as_bytes())?.strip_prefix(b"-")
        })?;
        let is_current = self.recognize(name).is_some();
        let is_of = |purpose: &Purpose| suffix(bare, purpose.name_suffix().as_bytes()).is_some();
        // Those of bound sessions do not count: applications may have such names, and an old one gives access to
        // nothing.
        let is_of_bound_sessions = |purpose: &Purpose| matches!(purpose, Purpose::DeviceBinding | Purpose::DeviceKey);
        let mut found = Purpose::ALL
            .into_iter()
            .filter(|purpose| !is_of_bound_sessions(purpose));
        found.find(is_of).filter(|_| !is_current)
    }

    /// Returns the purpose of the cookie or part with this name, and what follows the cookie's name: nothing, or `.`
    /// and the number of a part. Parts are recognized however they are numbered, so that none of them is forwarded.
    pub fn recognize<'a>(&self, name: &'a [u8]) -> Option<(Purpose, &'a [u8])> {
        Purpose::ALL.into_iter().zip(&self.names).find_map(|(purpose, ours)| {
            let ours = ours.as_bytes();
            let (start, suffix) = name.split_at_checked(ours.len())?;
            // The names begin alike and end differently: comparing the last bytes first is fastest.
            if start.last() != ours.last() || !bytes::is_equal(start, ours) {
                return None;
            }
            is_part(suffix).then_some((purpose, suffix))
        })
    }
}

/// Returns what follows the name if that is nothing, or `.` and the number of a part.
fn suffix<'a>(text: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    text.strip_prefix(name).filter(|suffix| is_part(suffix))
}

/// Whether the suffix is empty, or `.` and a number.
fn is_part(suffix: &[u8]) -> bool {
    match suffix {
        [] => true,
        [b'.', digits @ ..] => !digits.is_empty() && digits.iter().all(u8::is_ascii_digit),
        _ => false,
    }
}

/// Checks a configured prefix, which becomes part of cookie names and of a header name.
///
/// # Errors
/// The prefix is invalid. The message says what to write.
pub fn check_prefix(prefix: &str) -> Result<(), InvalidPrefix> {
    let is_allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if prefix.is_empty() || prefix.len() > 64 || !prefix.bytes().all(is_allowed) {
        Err(InvalidPrefix)
    } else {
        Ok(())
    }
}

/// The configured prefix is invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid prefix: write 1 to 64 lower-case letters, digits or hyphens, for example `example`")]
pub struct InvalidPrefix;

#[cfg(test)]
mod tests {
    use super::*;

    fn names(hardening: NamePrefixes, root_paths: bool, has_domain: bool) -> [String; 8] {
        CookieNames::new("example", hardening, root_paths, has_domain)
            .unwrap()
            .all()
            .map(str::to_owned)
    }

    #[test]
    fn a_host_prefix_stands_only_where_the_path_is_the_root_and_there_is_no_domain() {
        use NamePrefixes::{Host, None, Secure};
        let expect_with = |wide: &str, narrow: &str, bound: &str| {
            [
                ("login", wide),
                ("at", wide),
                ("auth", narrow),
                ("id", narrow),
                ("csrf", wide),
                ("nav", wide),
                ("bound", bound),
                ("key", narrow),
            ]
            .map(|(name, prefix)| format!("{prefix}example-{name}"))
        };
        let expect = |wide: &str, narrow: &str| expect_with(wide, narrow, wide);
        assert_eq!(
            names(Host, false, false),
            expect_with("__Host-Http-", "__Http-", "__Host-")
        );
        assert_eq!(
            names(Host, true, false),
            expect_with("__Host-Http-", "__Host-Http-", "__Host-")
        );
        assert_eq!(names(Host, true, true), expect("__Http-", "__Http-"));
        assert_eq!(names(Secure, false, false), expect("__Host-", "__Secure-"));
        assert_eq!(names(Secure, false, true), expect("__Secure-", "__Secure-"));
        assert_eq!(names(None, false, true), expect("", ""));
    }

    #[test]
    fn parts_are_ours_and_lookalikes_are_the_applications() {
        let names = CookieNames::new("example", NamePrefixes::None, false, false).unwrap();
        for ours in [
            "example-at",
            "example-at.1",
            "example-at.0",
            "example-csrf.12345678901234567890",
        ] {
            assert!(names.recognize(ours.as_bytes()).is_some(), "{ours}");
        }
        for other in [
            "example-a",
            "example-att",
            "Example-at",
            "example-at.",
            "example-at.x",
            "example-at.1x",
            "xexample-at",
            "",
        ] {
            assert!(names.recognize(other.as_bytes()).is_none(), "{other}");
        }
    }

    #[test]
    fn names_of_another_configuration_are_recognised_and_todays_and_lookalikes_are_not() {
        let names = CookieNames::new("example", NamePrefixes::Host, false, false).unwrap();
        for (other, purpose) in [
            ("example-at", Purpose::AccessToken),
            ("__Host-example-at.2", Purpose::AccessToken),
            ("__Http-example-csrf", Purpose::Csrf),
            ("__Host-Http-example-auth", Purpose::RefreshToken),
            ("__Secure-example-id.12", Purpose::IdToken),
            ("example-login", Purpose::Login),
        ] {
            assert_eq!(names.recognize_other_form(other.as_bytes()), Some(purpose), "{other}");
        }
        for other in [
            "__Host-Http-example-at",
            "__Http-example-auth.1",
            "__Http-Host-example-at",
            "__Host-Httpexample-at",
            "example-attic",
            "other-at",
            "example-at.",
            "example",
            "",
        ] {
            assert_eq!(names.recognize_other_form(other.as_bytes()), None, "{other}");
        }
    }

    #[test]
    fn a_prefix_that_cannot_be_a_name_is_refused() {
        for prefix in ["", "Example", "a b", "a;b", "a=b", "ä", "a_b", &"x".repeat(65)] {
            assert_eq!(check_prefix(prefix), Err(InvalidPrefix), "{prefix}");
        }
    }
}
