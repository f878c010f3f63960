//! Comparison of bytes that is fast on wasm32, where the compiler's own goes byte by byte.

/// Whether both have the same bytes. Not for secrets: it stops at the first difference.
pub(crate) fn is_equal(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len()
        && match one.len() {
            16.. => is_equal_in_chunks(one, other, u128::from_ne_bytes),
            8..=15 => is_equal_in_chunks(one, other, u64::from_ne_bytes),
            4..=7 => is_equal_in_chunks(one, other, u32::from_ne_bytes),
            _ => one.iter().eq(other),
        }
}

/// Compares as numbers of `N` bytes. If the length is not a multiple, the last number overlaps the one before it. Both
/// have the same length, which is at least `N`.
fn is_equal_in_chunks<const N: usize, T: PartialEq>(one: &[u8], other: &[u8], number: impl Fn([u8; N]) -> T) -> bool {
    let is_same = |(one, other): (&[u8; N], &[u8; N])| number(*one) == number(*other);
    one.last_chunk().zip(other.last_chunk()).is_some_and(is_same)
        && one.as_chunks().0.iter().zip(other.as_chunks().0).all(is_same)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_equal_when_none_of_them_differs() {
        for len in 0..70 {
            let one: Vec<u8> = (0..len).collect();
            assert!(is_equal(&one, &one.clone()), "{len}");
            for at in 0..one.len() {
                let mut other = one.clone();
                other[at] ^= 0x80;
                assert!(!is_equal(&one, &other), "{len} at {at}");
            }
            assert!(!is_equal(&one, &[&one[..], &[0]].concat()), "{len}");
        }
    }
}
