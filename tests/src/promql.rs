//! The metrics and labels in an expression of Prometheus' query language. promtool checks whether it is a valid
//! expression.

use std::collections::BTreeSet;

/// A selector in an expression.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selector {
    /// The metric; empty if only `__name__` names it.
    pub metric: String,
    /// The labels of the selector, and their values if it compares for equality.
    pub labels: Vec<(String, Option<String>)>,
    /// The pattern for `__name__`.
    pub pattern: Option<String>,
}

/// The selectors of an expression, and the labels that it groups by.
pub fn parts(expression: &str) -> (Vec<Selector>, BTreeSet<String>) {
    let tokens = tokens(expression);
    let mut selectors = Vec::new();
    let mut grouped = BTreeSet::new();
    let mut at = 0;
    let text = |at: usize| tokens.get(at).map_or("", String::as_str);
    while at < tokens.len() {
        let token = text(at);
        let mut next = at + 1;
        if ["by", "without", "on", "ignoring", "group_left", "group_right"].contains(&token) && text(next) == "(" {
            while text(next) != ")" {
                next += 1;
                if is_name(text(next)) {
                    grouped.insert(text(next).to_owned());
                }
            }
        } else if token == "[" {
            while text(next) != "]" {
                next += 1;
            }
        } else if token == "{" || (is_name(token) && text(next) != "(" && !WORDS.contains(&token)) {
            let mut selector = Selector::default();
            if token != "{" {
                selector.metric = token.to_owned();
                next += usize::from(text(next) == "{");
            }
            if token == "{" || text(at + 1) == "{" {
                while text(next) != "}" && next < tokens.len() {
                    if is_name(text(next)) {
                        let (label, operator, value) = (text(next), text(next + 1), text(next + 2));
                        let value = value.trim_matches('"').to_owned();
                        match label {
                            "__name__" => selector.pattern = Some(value),
                            label => selector
                                .labels
                                .push((label.to_owned(), (operator == "=").then_some(value))),
                        }
                        next += 2;
                    }
                    next += 1;
                }
                next += 1;
            }
            selectors.push(selector);
        }
        at = next;
    }
    (selectors, grouped)
}

const WORDS: [&str; 7] = ["and", "or", "unless", "bool", "offset", "sum", "count"];

fn is_name(token: &str) -> bool {
    let first = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_';
    token.bytes().next().is_some_and(first)
}

fn tokens(expression: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut rest = expression.trim_start();
    while let Some(first) = rest.chars().next() {
        let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | ':' | '.' | '$');
        let length = match first {
            '"' => 2 + rest[1..].find('"').expect("a string ends"),
            '=' | '!' | '<' | '>' => rest.find(|c| !"=!<>~".contains(c)).unwrap_or(rest.len()),
            c if word(c) => rest.find(|c| !word(c)).unwrap_or(rest.len()),
            c => c.len_utf8(),
        };
        tokens.push(rest[..length].to_owned());
        rest = rest[length..].trim_start();
    }
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expression_names_metrics_and_labels() {
        let (selectors, grouped) = parts(
            "histogram_quantile(0.95, sum by (le, endpoint) (rate(a_bucket{x=\"1\",y=~\"2|3\"}[$__rate_interval]))) > 1 \
             unless sum(b) / on (c) count({__name__=~\"d_.+\"}) offset 5m",
        );
        let labels = vec![("x".to_owned(), Some("1".to_owned())), ("y".to_owned(), None)];
        assert_eq!(selectors.len(), 3, "{selectors:?}");
        assert_eq!(
            (selectors[0].metric.as_str(), &selectors[0].labels),
            ("a_bucket", &labels)
        );
        assert_eq!(selectors[1].metric, "b");
        assert_eq!(selectors[2].pattern.as_deref(), Some("d_.+"));
        let expected = ["c", "endpoint", "le"].map(str::to_owned);
        assert_eq!(grouped, expected.into());
    }
}
