//! What the modelled authorization server has counted.

use std::collections::HashMap;

use serde_json::{Value, json};

/// Requests by endpoint and outcome, in all and within each second.
#[derive(Default)]
pub(crate) struct Counts {
    by_name: HashMap<&'static str, u64>,
    introspected: HashMap<(u32, u32), u32>,
    per_second: HashMap<u64, [u32; 2]>,
}

impl Counts {
    /// Counts a request by what became of it, such as `refresh_rotated`.
    pub(crate) fn add(&mut self, name: &'static str) {
        *self.by_name.entry(name).or_default() += 1;
    }

    /// Counts an arrival in its second since 1970: of a token request, or of an introspection.
    pub(crate) fn count_arrival(&mut self, second: u64, is_introspection: bool) {
        let [tokens, introspections] = self.per_second.entry(second).or_default();
        *(if is_introspection { introspections } else { tokens }) += 1;
    }

    /// Counts an introspection of the access token of a family's generation.
    pub(crate) fn count_introspection(&mut self, family: u32, generation: u32) {
        *self.introspected.entry((family, generation)).or_default() += 1;
    }

    /// All of them: by name, the number of different access tokens, and the most that arrived within a second.
    pub(crate) fn to_json(&self) -> Value {
        let most = |of: usize| self.per_second.values().filter_map(|both| both.get(of)).max().copied();
        json!({
            "by_name": self.by_name,
            "distinct_introspected": self.introspected.len(),
            "most_token_requests_in_a_second": most(0).unwrap_or(0),
            "most_introspections_in_a_second": most(1).unwrap_or(0),
        })
    }
}
