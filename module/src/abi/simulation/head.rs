//! The head of a request or a response.

use super::super::callbacks::{Buffer, Header};

type Bytes = Box<[u8]>;

/// Names and values. Every change moves all of them, so that a pointer from before it is dead.
#[derive(Clone, Debug, Default)]
pub(crate) struct Head(Vec<(Bytes, Bytes)>);

impl Head {
    /// Returns a head with these lines.
    pub(crate) fn of(lines: &[(&str, &str)]) -> Head {
        let line = |(name, value): &(&str, &str)| (Box::from(name.as_bytes()), Box::from(value.as_bytes()));
        Head(lines.iter().map(line).collect())
    }

    /// Returns the first value of a name, as a string.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let (_, value) = self.0.iter().find(|(of, _)| **of == *name.as_bytes())?;
        Some(std::str::from_utf8(value).expect("UTF-8"))
    }

    pub(super) fn values<'a>(&'a self, name: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
        let lines = self.0.iter().filter(move |(of, _)| **of == *name);
        lines.map(|(_, value)| &**value)
    }

    pub(super) const fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn lines(&self) -> impl Iterator<Item = Header<'_>> {
        self.0.iter().map(|(name, value)| Header {
            name: Buffer::of(name),
            value: Buffer::of(value),
        })
    }

    /// Replaces all values of a name, and removes it if the value is empty.
    pub(crate) fn set(&mut self, name: &[u8], value: &[u8]) {
        let others = self.0.iter().filter(|(of, _)| **of != *name);
        self.0 = others.cloned().collect();
        self.add(name, value);
    }

    /// Adds a value. Returns whether there was one.
    pub(super) fn add(&mut self, name: &[u8], value: &[u8]) -> bool {
        if value.is_empty() {
            return false;
        }
        let mut lines = self.0.clone();
        lines.push((Box::from(name), Box::from(value)));
        self.0 = lines;
        true
    }

    /// # Safety
    /// The module has filled the array, and it lives until its call returns.
    pub(super) unsafe fn of_module(lines: *const Header<'_>, count: usize) -> Head {
        let mut head = Head::default();
        for index in 0..count {
            // SAFETY: the contract of this function.
            let line = unsafe { *lines.add(index) };
            // SAFETY: as above.
            let (name, value) = unsafe { (line.name.bytes(), line.value.bytes()) };
            head.0.push((Box::from(name), Box::from(value)));
        }
        head
    }
}
