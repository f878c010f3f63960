//! Values in resources.

use serde_json::Value;

/// A string that must be present.
pub(super) fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name]
        .as_str()
        .unwrap_or_else(|| panic!("missing {name} in {value}: add it to the manifest"))
}

/// A quantity of Kubernetes in bytes.
pub(super) fn bytes(quantity: &Value) -> u64 {
    let quantity = quantity.as_str().expect("a quantity");
    let number = |text: &str| text.parse::<u64>().expect("a number");
    let units = [("Ki", 10), ("Mi", 20), ("Gi", 30)];
    let with_unit = units
        .iter()
        .find_map(|(unit, shift)| Some(number(quantity.strip_suffix(unit)?) << shift));
    with_unit.unwrap_or_else(|| number(quantity))
}
