//! Random bytes of the generator of AWS-LC. Each thread has a generator, which is rarely seeded again, so a nonce
//! normally needs no system call.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

/// No random bytes are available.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("generating random bytes failed")]
pub struct RandomError;

/// `N` random bytes.
///
/// # Errors
/// The generator failed.
pub fn bytes<const N: usize>() -> Result<[u8; N], RandomError> {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| RandomError)?;
    Ok(bytes)
}

/// 256 random bits as 43 characters of base64url, such as a `state`, a `nonce` or a PKCE code verifier.
///
/// # Errors
/// The generator failed.
pub fn token() -> Result<String, RandomError> {
    Ok(URL_SAFE_NO_PAD.encode(Zeroizing::new(bytes::<32>()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_has_256_bits_and_is_fit_to_be_a_code_verifier() {
        let token = token().unwrap();
        assert_eq!(URL_SAFE_NO_PAD.decode(&token).unwrap().len(), 32);
        // RFC 7636, section 4.1: 43 to 128 unreserved characters.
        assert_eq!(token.len(), 43);
    }

    #[test]
    fn two_draws_differ() {
        assert_ne!(bytes::<32>().unwrap(), bytes::<32>().unwrap());
    }
}
