//! When and how the user authenticated, and what an entry point or a route requires of that (RFC 9470).

use serde_json::{Map, Value};

use crate::jwt;

/// Time by which `auth_time` may be in the future, in seconds: clocks differ.
const CLOCK_SKEW_SECONDS: u64 = 60;

/// Maximum of `max_auth_age`, in seconds: a year.
pub(crate) const MAX_AUTH_AGE_SECONDS: u64 = 31_536_000;

/// The user's authentication, as the claims of an access token have it (RFC 9470, section 6).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Authentication {
    /// The authentication context class reference, from `acr`.
    pub(crate) acr: Option<String>,
    /// When the user authenticated, in seconds since 1970, from `auth_time`.
    pub(crate) time: Option<u64>,
}

/// A requirement on the user's authentication.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuthenticationRequirement {
    /// Acceptable values of `acr`, in order of preference. Empty: any, or none.
    pub acr_values: Vec<String>,
    /// Maximum time since the user authenticated, in seconds. `None`: any.
    pub max_age: Option<u64>,
}

impl Authentication {
    /// Reads `acr` and `auth_time`. A claim of another type counts as missing: it meets no requirement, and concerns no
    /// request without one.
    pub(crate) fn of(claims: &Map<String, Value>) -> Self {
        Self {
            acr: claims.get("acr").and_then(Value::as_str).map(str::to_owned),
            time: jwt::whole_date(claims, "auth_time").unwrap_or_default(),
        }
    }
}

impl AuthenticationRequirement {
    /// No requirement.
    pub const NONE: Self = Self {
        acr_values: Vec::new(),
        max_age: None,
    };

    /// Reads space-separated values of `acr` and a number of seconds, as route metadata has them. `None`: one is malformed,
    /// which must not count as no requirement.
    pub(crate) fn parse(acr_values: Option<&[u8]>, max_age: Option<&[u8]>) -> Option<Self> {
        let text = |bytes| std::str::from_utf8(bytes).ok();
        let acr_values: Vec<String> = match acr_values {
            None => Vec::new(),
            Some(values) => {
                let values = text(values)?.split(' ').filter(|value| !value.is_empty());
                let values: Vec<String> = values.map(str::to_owned).collect();
                (!values.is_empty() && values.iter().all(|value| is_acr(value))).then_some(values)?
            }
        };
        let max_age = match max_age {
            None => None,
            Some(seconds) => {
                let is_decimal = seconds.iter().all(u8::is_ascii_digit);
                let seconds = text(seconds).filter(|_| is_decimal)?.parse().ok()?;
                Some(Some(seconds).filter(|seconds| (1..=MAX_AUTH_AGE_SECONDS).contains(seconds))?)
            }
        };
        Some(Self { acr_values, max_age })
    }

    /// Returns the requirement on the heap, since most entry points and routes have none; `None` if it requires
    /// nothing.
    pub(crate) fn boxed(self) -> Option<Box<Self>> {
        (self != Self::NONE).then(|| Box::new(self))
    }

    /// Checks the user's authentication at the time `now`, in seconds since 1970.
    ///
    /// # Errors
    /// What is not sufficient, for the log.
    pub(crate) fn check(&self, authentication: &Authentication, now: u64) -> Result<(), &'static str> {
        if !self.acr_values.is_empty() {
            match &authentication.acr {
                None => return Err("the token lacks acr, which the entry point or the route requires"),
                Some(acr) if self.acr_values.contains(acr) => {}
                Some(_) => return Err("the acr of the token is not one that the entry point or the route requires"),
            }
        }
        let Some(max_age) = self.max_age else { return Ok(()) };
        match authentication.time {
            None => Err("the token lacks auth_time, which max_auth_age requires"),
            Some(time) if time > now.saturating_add(CLOCK_SKEW_SECONDS) => {
                Err("auth_time of the token is in the future: compare the clocks")
            }
            Some(time) if now.saturating_sub(time) > max_age => {
                Err("the authentication of the user is older than max_auth_age")
            }
            Some(_) => Ok(()),
        }
    }

    /// Returns the requirement that is met if this one and another one are; `None` if no `acr` meets both.
    pub(crate) fn and(&self, other: &Self) -> Option<Self> {
        let acr_values: Vec<String> = match (self.acr_values.as_slice(), other.acr_values.as_slice()) {
            (values, []) | ([], values) => values.to_vec(),
            (values, others) => {
                let both: Vec<String> = values.iter().filter(|value| others.contains(value)).cloned().collect();
                (!both.is_empty()).then_some(both)?
            }
        };
        let max_age = [self.max_age, other.max_age].into_iter().flatten().min();
        Some(Self { acr_values, max_age })
    }
}

/// Whether the string is one value of `acr` that fits into `acr_values` and into a quoted string: printable ASCII characters
/// without the space, `"` and `\`.
pub(crate) fn is_acr(value: &str) -> bool {
    let is_legal = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\');
    !value.is_empty() && value.bytes().all(is_legal)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const NOW: u64 = 1_800_000_000;

    fn authentication(claims: &Value) -> Authentication {
        Authentication::of(claims.as_object().unwrap())
    }

    fn requirement(acr_values: &str, max_age: &str) -> Option<AuthenticationRequirement> {
        let given = |text: &'static str| (text != "-").then_some(text.as_bytes());
        let (acr_values, max_age) = (acr_values.to_owned().leak(), max_age.to_owned().leak());
        AuthenticationRequirement::parse(given(acr_values), given(max_age))
    }

    #[test]
    fn an_acr_is_sufficient_if_it_is_one_of_those_required() {
        let strong = requirement("gold silver", "-").unwrap();
        for (claims, is_sufficient) in [
            (json!({"acr": "gold"}), true),
            (json!({"acr": "silver"}), true),
            (json!({"acr": "bronze"}), false),
            (json!({"acr": "gold silver"}), false),
            (json!({"acr": "Gold"}), false),
            (json!({"acr": ["gold"]}), false),
            (json!({"acr": null}), false),
            (json!({}), false),
        ] {
            let checked = strong.check(&authentication(&claims), NOW);
            assert_eq!(checked.is_ok(), is_sufficient, "{claims}");
            assert!(
                AuthenticationRequirement::NONE
                    .check(&authentication(&claims), NOW)
                    .is_ok()
            );
        }
    }

    #[test]
    fn an_authentication_is_sufficient_until_the_second_of_its_maximum_age() {
        let recent = requirement("-", "300").unwrap();
        for (claims, is_sufficient) in [
            (json!({"auth_time": NOW}), true),
            (json!({"auth_time": NOW - 300}), true),
            (json!({"auth_time": NOW - 301}), false),
            (json!({"auth_time": 1_799_999_700.9}), true),
            (json!({"auth_time": 0}), false),
            (json!({"auth_time": NOW + 60}), true),
            (json!({"auth_time": NOW + 61}), false),
            (json!({"auth_time": NOW.to_string()}), false),
            (json!({"auth_time": -1}), false),
            (json!({"auth_time": 1e300}), false),
            (json!({"auth_time": true}), false),
            (json!({}), false),
        ] {
            let checked = recent.check(&authentication(&claims), NOW);
            assert_eq!(checked.is_ok(), is_sufficient, "{claims}");
        }
    }

    #[test]
    fn a_malformed_requirement_is_not_no_requirement() {
        assert_eq!(requirement("-", "-"), Some(AuthenticationRequirement::NONE));
        for (acr_values, max_age) in [
            ("", "-"),
            (" ", "-"),
            ("go\"ld", "-"),
            ("g\u{f6}ld", "-"),
            ("-", ""),
            ("-", "0"),
            ("-", "-5"),
            ("-", "+5"),
            ("-", "5.0"),
            ("-", "5 "),
            ("-", "31536001"),
            ("-", "99999999999999999999"),
            // A number instead of a string: the bytes of a float.
            ("-", "\0\0\0\0\0\0\u{8}@"),
        ] {
            assert_eq!(requirement(acr_values, max_age), None, "{acr_values:?} {max_age:?}");
        }
    }

    #[test]
    fn two_requirements_are_met_by_what_meets_each() {
        let both = |one: (&str, &str), other: (&str, &str)| {
            requirement(one.0, one.1)
                .unwrap()
                .and(&requirement(other.0, other.1).unwrap())
        };
        assert_eq!(both(("-", "300"), ("gold", "-")), requirement("gold", "300"));
        assert_eq!(both(("-", "300"), ("-", "20")), requirement("-", "20"));
        assert_eq!(
            both(("gold silver bronze", "-"), ("bronze silver", "-")),
            requirement("silver bronze", "-")
        );
        assert_eq!(both(("gold", "-"), ("silver", "-")), None);
    }
}
