//! The modules of a crate, and the imports between them, read from the source.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{Group, TokenStream, TokenTree};
use syn::visit::Visit;
use syn::{Attribute, Item, ItemMod, ItemUse, Macro, UseTree};

/// A module's path below its crate: `["gateway", "effect"]`; empty for the root.
pub(crate) type ModulePath = Vec<String>;

/// The modules of one crate that have a file of their own. Code below `#[cfg(test)]` is left out.
pub(crate) struct ModuleGraph {
    /// The other modules that each of them names.
    pub(crate) imports: BTreeMap<ModulePath, BTreeSet<ModulePath>>,
}

impl ModuleGraph {
    /// Reads the crate with this root file (`src/lib.rs`, `src/main.rs`).
    pub(crate) fn read(root: &Path) -> Self {
        let mut files = BTreeMap::new();
        collect(root, Vec::new(), &mut files);
        let modules: BTreeSet<ModulePath> = files.keys().cloned().collect();
        let imports = files.iter().map(|(module, file)| {
            let mut reader = Reader {
                modules: &modules,
                module: module.clone(),
                inline: Vec::new(),
                named: BTreeSet::new(),
            };
            reader.visit_file(file);
            reader.named.remove(module);
            (module.clone(), reader.named)
        });
        Self {
            imports: imports.collect(),
        }
    }

    /// Groups of modules that name each other in a circle.
    pub(crate) fn circles(&self) -> Vec<BTreeSet<ModulePath>> {
        let reachable = |from: &ModulePath| {
            let mut seen = BTreeSet::new();
            let mut pending: Vec<&ModulePath> = self.imports[from].iter().collect();
            while let Some(module) = pending.pop() {
                if seen.insert(module.clone()) {
                    pending.extend(&self.imports[module]);
                }
            }
            seen
        };
        let all: BTreeMap<&ModulePath, BTreeSet<ModulePath>> =
            self.imports.keys().map(|module| (module, reachable(module))).collect();
        let circle_of = |module: &ModulePath| {
            let others = all[module].iter().filter(|other| all[other].contains(module));
            others.cloned().collect::<BTreeSet<_>>()
        };
        let circles: BTreeSet<BTreeSet<ModulePath>> = self.imports.keys().map(circle_of).collect();
        circles.into_iter().filter(|circle| !circle.is_empty()).collect()
    }
}

/// Reads a module's file, and those of its child modules. One with a `#[path]` is of another crate.
fn collect(path: &Path, module: ModulePath, files: &mut BTreeMap<ModulePath, syn::File>) {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("reading {} failed: {error}", path.display()));
    let file = syn::parse_file(&text).unwrap_or_else(|error| panic!("parsing {} failed: {error}", path.display()));
    let is_folder_root = matches!(
        path.file_stem().and_then(|stem| stem.to_str()),
        Some("lib" | "main" | "mod")
    );
    let folder = if is_folder_root {
        path.parent().expect("a folder").to_owned()
    } else {
        path.with_extension("")
    };
    for item in &file.items {
        if let Item::Mod(child) = item
            && child.content.is_none()
            && !is_for_tests(&child.attrs)
            && !child.attrs.iter().any(|attribute| attribute.path().is_ident("path"))
        {
            let name = child.ident.to_string();
            let candidates = [folder.join(format!("{name}.rs")), folder.join(&name).join("mod.rs")];
            let path: &PathBuf = candidates
                .iter()
                .find(|path| path.exists())
                .unwrap_or_else(|| panic!("{}: missing file of `mod {name}`", path.display()));
            collect(path, [module.clone(), vec![name]].concat(), files);
        }
    }
    files.insert(module, file);
}

/// Whether one of the attributes is `#[cfg(test)]`.
fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute
                .meta
                .require_list()
                .is_ok_and(|list| list.tokens.to_string() == "test")
    })
}

fn has_leading_in(group: &Group) -> bool {
    matches!(group.stream().into_iter().next(), Some(TokenTree::Ident(first)) if first == "in")
}

/// Finds the modules that a file names, in `use` declarations, paths and the arguments of macros.
struct Reader<'a> {
    modules: &'a BTreeSet<ModulePath>,
    module: ModulePath,
    /// The inline modules around the present position.
    inline: Vec<String>,
    named: BTreeSet<ModulePath>,
}

impl Reader<'_> {
    /// Records a path as it is written here.
    fn name(&mut self, path: &[String]) {
        let mut rest = path;
        let mut base = match rest.first().map(String::as_str) {
            Some("crate") => Vec::new(),
            Some("self" | "super") => [self.module.clone(), self.inline.clone()].concat(),
            // A child module: anything else is of another crate, or was imported.
            Some(first)
                if self
                    .modules
                    .contains(&[self.module.clone(), vec![first.to_owned()]].concat()) =>
            {
                self.module.clone()
            }
            _ => return,
        };
        while let Some(first) = rest.first() {
            match first.as_str() {
                "crate" | "self" => {}
                "super" => {
                    base.pop();
                }
                _ => break,
            }
            rest = &rest[1..];
        }
        // As far down as there are modules: the rest is an item.
        for segment in rest {
            let next = [base.clone(), vec![segment.clone()]].concat();
            if !self.modules.contains(&next) {
                break;
            }
            base = next;
        }
        while !self.modules.contains(&base) {
            base.pop();
        }
        self.named.insert(base);
    }

    fn name_tree(&mut self, prefix: &mut Vec<String>, tree: &UseTree) {
        match tree {
            UseTree::Path(path) => {
                prefix.push(path.ident.to_string());
                self.name_tree(prefix, &path.tree);
                prefix.pop();
            }
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.name_tree(prefix, tree);
                }
            }
            UseTree::Name(name) => self.name(&[prefix.clone(), vec![name.ident.to_string()]].concat()),
            UseTree::Rename(name) => self.name(&[prefix.clone(), vec![name.ident.to_string()]].concat()),
            UseTree::Glob(_) => self.name(prefix),
        }
    }

    /// Paths that begin with `crate`, `self` or `super` among tokens.
    fn name_tokens(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        for token in tokens {
            match token {
                TokenTree::Ident(ident) => {
                    let ident = ident.to_string();
                    if matches!(ident.as_str(), "crate" | "self" | "super") || !path.is_empty() {
                        path.push(ident);
                    }
                    continue;
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' => continue,
                // A visibility, `pub(in crate::…)`, is not an import.
                TokenTree::Group(group) if has_leading_in(&group) => {}
                TokenTree::Group(group) => self.name_tokens(group.stream()),
                TokenTree::Punct(_) | TokenTree::Literal(_) => {}
            }
            if path.len() > 1 {
                self.name(&path);
            }
            path.clear();
        }
        if path.len() > 1 {
            self.name(&path);
        }
    }
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        let attributes = match item {
            Item::Mod(item) => &item.attrs,
            Item::Fn(item) => &item.attrs,
            Item::Impl(item) => &item.attrs,
            Item::Use(item) => &item.attrs,
            _ => &Vec::new(),
        };
        if !is_for_tests(attributes) {
            syn::visit::visit_item(self, item);
        }
    }

    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        self.inline.push(item.ident.to_string());
        syn::visit::visit_item_mod(self, item);
        self.inline.pop();
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        self.name_tree(&mut Vec::new(), &item.tree);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        if segments.len() > 1 {
            self.name(&segments);
        }
        syn::visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, makro: &'ast Macro) {
        self.name_tokens(makro.tokens.clone());
    }

    /// `pub(in crate::…)` names no import.
    fn visit_visibility(&mut self, _: &'ast syn::Visibility) {}
}
