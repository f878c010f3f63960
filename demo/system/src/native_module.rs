//! The same configuration of Envoy with the native module in place of the proxy-wasm module.

use crate::error::Error;

/// The type of a filter that is a proxy-wasm module.
const WASM: &str = "\"@type\": type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm";

/// Returns a configuration in which each filter that is a proxy-wasm module is the native module at this path, with the same
/// name and the same plugin configuration.
///
/// # Errors
/// Names the filter that is not written as in `envoy/envoy.yaml`.
pub fn with_native_module(envoy_yaml: &str, module: &str) -> Result<String, Error> {
    let mut lines = envoy_yaml.lines().peekable();
    let mut text = String::with_capacity(envoy_yaml.len());
    while let Some(line) = lines.next() {
        if line.trim_start() != WASM {
            text.push_str(line);
            text.push('\n');
            continue;
        }
        let indent = &line[..indentation(line)];
        let mut block = Vec::new();
        while let Some(next) = lines.next_if(|next| !next.is_empty() && indentation(next) >= indent.len()) {
            block.push(next);
        }
        text.push_str(&filter(indent, &block, module)?);
    }
    Ok(text)
}

/// The filter in place of one whose settings are these lines.
fn filter(indent: &str, wasm: &[&str], module: &str) -> Result<String, Error> {
    let named = wasm.iter().find_map(|line| line.trim_start().strip_prefix("name: "));
    let name =
        named.ok_or_else(|| Error::new("invalid configuration of Envoy: a wasm filter has no name: write one"))?;
    let missing = || {
        Error::new(format!(
            "invalid configuration of Envoy: {name} has no `value: |`: write one"
        ))
    };
    let start = wasm
        .iter()
        .position(|line| line.trim_start() == "value: |")
        .ok_or_else(missing)?;
    let json = &wasm[start + 1..];
    // One level less deep: `filter_config` stands beside the type, and `configuration` below `config`.
    let json = json.iter().map(|line| line.strip_prefix("  ").unwrap_or(line));
    let mut text = format!(
        "{indent}\"@type\": type.googleapis.com/envoy.extensions.filters.http.dynamic_modules.v3.DynamicModuleFilter\n\
         {indent}dynamic_module_config:\n\
         {indent}  module: {{ local: {{ filename: \"{module}\" }} }}\n\
         {indent}  do_not_close: true\n\
         {indent}filter_name: {name}\n\
         {indent}filter_config:\n\
         {indent}  \"@type\": type.googleapis.com/google.protobuf.StringValue\n\
         {indent}  value: |\n"
    );
    for line in json {
        text.push_str(line);
        text.push('\n');
    }
    Ok(text)
}

fn indentation(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENVOY_YAML: &str = include_str!("../../../envoy/envoy.yaml");

    #[test]
    fn the_file_for_the_native_module_is_the_other_one_with_that_module() {
        let native = with_native_module(ENVOY_YAML, "target/native/libbff_module.so").expect("converted");
        let native = format!(
            "# `envoy.yaml` with the native module in place of the proxy-wasm module. A test makes it from that file: change that one.\n#\n{}",
            native
                .replace("envoy -c envoy/envoy.yaml       ", "envoy -c envoy/envoy-native.yaml")
                .replace("envoy/envoy.yaml", "envoy/envoy-native.yaml")
                .replace("cargo xtask up          ", "cargo xtask up --native ")
        );
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../envoy/envoy-native.yaml");
        if std::env::var_os("BFF_WRITE_REFERENCE").is_some() {
            std::fs::write(path, &native).expect("written");
        }
        assert_eq!(std::fs::read_to_string(path).expect("the file"), native);
    }

    #[test]
    fn nothing_but_the_filters_changes() {
        let text = "filters:\n  - name: a\n    typed_config:\n      \"@type\": type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm\n      \
                    config:\n        name: web\n        vm_config: x\n        configuration:\n          value: |\n            {\n              \"a\": 1\n            }\n\n\
                    other: 1\n";
        let native = with_native_module(text, "/m.so").expect("converted");
        let expected = "filters:\n  - name: a\n    typed_config:\n      \"@type\": type.googleapis.com/envoy.extensions.filters.http.dynamic_modules.v3.DynamicModuleFilter\n      \
                        dynamic_module_config:\n        module: { local: { filename: \"/m.so\" } }\n        do_not_close: true\n      \
                        filter_name: web\n      filter_config:\n        \"@type\": type.googleapis.com/google.protobuf.StringValue\n        value: |\n          \
                        {\n            \"a\": 1\n          }\n\nother: 1\n";
        assert_eq!(native, expected);
        let nameless = text.replace("        name: web\n", "");
        assert!(with_native_module(&nameless, "/m.so").is_err());
    }
}
