//! The signature algorithms: one table of their names, key types, hash functions and identifiers in the library.
//!
//! All are asymmetric. There is no variant for `none` or a symmetric algorithm, so the header of a token cannot select
//! one. ES512 is missing because `jsonwebtoken` does not support P-521: to add it, add a [`KeyType`] and use a library
//! that verifies it.

use sha2::{Digest, Sha256, Sha384, Sha512};

/// A key type with its curve, as in a JSON Web Key (RFC 7518, section 6.1; RFC 8037, section 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyType {
    /// RSA.
    Rsa,
    /// Elliptic curve P-256.
    P256,
    /// Elliptic curve P-384.
    P384,
    /// Octet key pair on Ed25519.
    Ed25519,
}

/// A hash function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hash {
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

/// The properties of an algorithm.
struct Row {
    /// The values of `alg`. The first is the current one, the last the one that most authorization servers know.
    names: &'static [&'static str],
    key: KeyType,
    /// The hash function of the signature, and of `at_hash` (OpenID Connect Core 1.0, section 3.1.3.6).
    hash: Hash,
    library: jsonwebtoken::Algorithm,
}

macro_rules! algorithms {
    ($($(#[$comment:meta])* $variant:ident: $names:expr, $key:ident, $hash:ident, $library:ident;)*) => {
        /// A signature algorithm (RFC 7518, section 3.1; RFC 9864, section 2.2).
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Algorithm {
            $($(#[$comment])* $variant,)*
        }

        impl Algorithm {
            /// All algorithms.
            pub const ALL: &[Algorithm] = &[$(Algorithm::$variant),*];

            const fn row(self) -> Row {
                match self {
                    $(Algorithm::$variant => Row {
                        names: &$names,
                        key: KeyType::$key,
                        hash: Hash::$hash,
                        library: jsonwebtoken::Algorithm::$library,
                    },)*
                }
            }
        }
    };
}

// Names, key type, hash function, identifier in the library.
algorithms! {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    RS256: ["RS256"], Rsa, Sha256, RS256;
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    RS384: ["RS384"], Rsa, Sha384, RS384;
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    RS512: ["RS512"], Rsa, Sha512, RS512;
    /// RSASSA-PSS with SHA-256.
    PS256: ["PS256"], Rsa, Sha256, PS256;
    /// RSASSA-PSS with SHA-384.
    PS384: ["PS384"], Rsa, Sha384, PS384;
    /// RSASSA-PSS with SHA-512.
    PS512: ["PS512"], Rsa, Sha512, PS512;
    /// ECDSA on P-256 with SHA-256.
    ES256: ["ES256"], P256, Sha256, ES256;
    /// ECDSA on P-384 with SHA-384.
    ES384: ["ES384"], P384, Sha384, ES384;
    /// EdDSA on Ed25519. `Ed25519` names the curve (RFC 9864, section 2.2), and `EdDSA` is the older name (RFC 8037,
    /// section 3.1).
    Ed25519: ["Ed25519", "EdDSA"], Ed25519, Sha512, EdDSA;
}

impl Algorithm {
    /// The algorithm with this `alg`, which is compared exactly.
    pub fn of(name: &str) -> Option<Algorithm> {
        NamedAlgorithm::of(name).map(|named| named.algorithm)
    }

    /// The key type.
    pub fn key_type(self) -> KeyType {
        self.row().key
    }

    /// The hash function.
    pub fn hash(self) -> Hash {
        self.row().hash
    }

    /// The identifier in `jsonwebtoken`.
    pub(super) fn library(self) -> jsonwebtoken::Algorithm {
        self.row().library
    }
}

impl KeyType {
    /// The key type with these members of a JSON Web Key.
    pub(super) fn of(kty: &str, crv: Option<&str>) -> Option<KeyType> {
        match (kty, crv) {
            ("RSA", _) => Some(KeyType::Rsa),
            ("EC", Some("P-256")) => Some(KeyType::P256),
            ("EC", Some("P-384")) => Some(KeyType::P384),
            ("OKP", Some("Ed25519")) => Some(KeyType::Ed25519),
            _ => None,
        }
    }

    /// The algorithms that use this key type.
    pub(super) fn algorithms(self) -> impl Iterator<Item = Algorithm> {
        Algorithm::ALL
            .iter()
            .copied()
            .filter(move |algorithm| algorithm.key_type() == self)
    }
}

impl Hash {
    /// The hash of these bytes.
    pub fn digest(self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Hash::Sha256 => Sha256::digest(bytes).to_vec(),
            Hash::Sha384 => Sha384::digest(bytes).to_vec(),
            Hash::Sha512 => Sha512::digest(bytes).to_vec(),
        }
    }
}

/// An algorithm with one of its names, which is the value of `alg`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NamedAlgorithm {
    /// The algorithm.
    pub algorithm: Algorithm,
    /// The name.
    pub name: &'static str,
}

impl NamedAlgorithm {
    fn all() -> impl Iterator<Item = NamedAlgorithm> {
        Algorithm::ALL.iter().copied().flat_map(|algorithm| {
            let names = algorithm.row().names.iter();
            names.map(move |name| NamedAlgorithm { algorithm, name })
        })
    }

    /// The algorithm with this name.
    pub fn of(name: &str) -> Option<NamedAlgorithm> {
        NamedAlgorithm::all().find(|named| named.name == name)
    }

    /// The algorithm with the newest of its names that is in `names`.
    pub fn among(algorithm: Algorithm, names: &[String]) -> Option<NamedAlgorithm> {
        NamedAlgorithm::all().find(|named| named.algorithm == algorithm && names.iter().any(|name| name == named.name))
    }

    /// The algorithm with the name that most authorization servers know.
    pub fn well_known(algorithm: Algorithm) -> Option<NamedAlgorithm> {
        NamedAlgorithm::all()
            .filter(|named| named.algorithm == algorithm)
            .last()
    }

    /// All names, for an error message.
    pub fn names() -> String {
        let names: Vec<&str> = NamedAlgorithm::all().map(|named| named.name).collect();
        names.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_is_of_one_algorithm_and_none_is_symmetric() {
        let names: Vec<NamedAlgorithm> = NamedAlgorithm::all().collect();
        for named in &names {
            assert_eq!(Algorithm::of(named.name), Some(named.algorithm), "{}", named.name);
            let same = names.iter().filter(|other| other.name == named.name).count();
            assert_eq!(same, 1, "{}", named.name);
        }
        for other in ["none", "HS256", "HS384", "HS512", "ES512", "rs256"] {
            assert_eq!(Algorithm::of(other), None, "{other}");
        }
    }
}
