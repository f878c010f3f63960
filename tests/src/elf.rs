//! What a program or library for Linux needs of its surroundings, read from the file.

use std::collections::BTreeSet;
use std::path::Path;

use object::elf::{self, FileHeader64};
use object::read::elf::{Dyn, FileHeader, Sym};
use object::{Endianness, SymbolIndex};

/// A symbol that the file defines or needs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Symbol {
    /// Its name.
    pub name: String,
    /// Its version, such as `GLIBC_2.17`; `None` if it has none.
    pub version: Option<String>,
}

/// The dynamic section of a file.
#[derive(Clone, Debug, Default)]
pub struct Dynamic {
    /// The libraries that it needs, by their file names.
    pub libraries: BTreeSet<String>,
    /// The symbols that another file must define.
    pub needed: BTreeSet<Symbol>,
    /// The names of the symbols that it defines for others.
    pub defined: BTreeSet<String>,
    /// Whether it stays in memory until the process ends.
    pub is_never_unloaded: bool,
}

impl Dynamic {
    /// Reads a file with 64-bit addresses.
    pub fn read(path: &Path) -> Self {
        let data = std::fs::read(path).unwrap_or_else(|error| panic!("reading {} failed: {error}", path.display()));
        Self::parse(&data).unwrap_or_else(|error| panic!("reading {} as ELF failed: {error}", path.display()))
    }

    fn parse(data: &[u8]) -> object::read::Result<Self> {
        let mut found = Self::default();
        let file = FileHeader64::<Endianness>::parse(data)?;
        let endian = file.endian()?;
        let sections = file.sections(endian, data)?;
        if let Some((entries, strings)) = sections.dynamic(endian, data)? {
            let strings = sections.strings(endian, data, strings)?;
            for entry in entries {
                match entry.tag(endian) {
                    elf::DT_NEEDED => {
                        let library = entry.string(endian, strings)?;
                        found.libraries.insert(String::from_utf8_lossy(library).into_owned());
                    }
                    elf::DT_FLAGS_1 => {
                        found.is_never_unloaded = entry.d_val(endian) & elf::DF_1_NODELETE.0 != 0;
                    }
                    _ => {}
                }
            }
        }
        let symbols = sections.symbols(endian, data, elf::SHT_DYNSYM)?;
        let versions = sections.versions(endian, data)?;
        for (index, symbol) in symbols.enumerate() {
            let name = String::from_utf8_lossy(symbols.symbol_name(endian, symbol)?).into_owned();
            if name.is_empty() {
                continue;
            }
            if !symbol.is_undefined(endian) {
                found.defined.insert(name);
                continue;
            }
            let version = match &versions {
                Some(versions) => versions.version(versions.version_index(endian, SymbolIndex(index.0)).into())?,
                None => None,
            };
            let version = version.map(|version| String::from_utf8_lossy(version.name()).into_owned());
            found.needed.insert(Symbol { name, version });
        }
        Ok(found)
    }

    /// The newest version of glibc of which it needs a symbol, and that symbol.
    pub fn newest_of_glibc(&self) -> (Vec<u32>, &Symbol) {
        let versions = self.needed.iter().filter_map(|symbol| {
            let version = symbol.version.as_deref()?.strip_prefix("GLIBC_")?;
            let numbers: Result<Vec<u32>, _> = version.split('.').map(str::parse).collect();
            Some((numbers.ok()?, symbol))
        });
        versions.max().expect("a symbol of glibc")
    }
}
