//! XAES-256-GCM ([C2SP](https://c2sp.org/XAES-256-GCM)): AES-256-GCM with 24-byte nonces and a key for each message.
//!
//! Plain AES-GCM with random 12-byte nonces is safe for about 2^32 messages per key (NIST SP 800-38D, section 8.3).
//! Here the first 12 bytes of the nonce select a derived key and the last 12 are the nonce under it, so a collision
//! needs all 24 bytes to repeat: after 2^80 messages its probability is 2^-33. The tighter bound is that of the
//! derivation, which encrypts two AES blocks per message: 2^-31 after the 2^48 cookies of `docs/CONTRACT.md`.

use aes::Aes256;
use aes::cipher::common::BlockSizeUser;
use aes::cipher::{Block, BlockCipherEncrypt, KeyInit};
use aes_gcm::aead::consts::{U12, U16};
use aes_gcm::aead::{Aead, AeadInOut, Payload};
use aes_gcm::{AesGcm, Nonce};
use zeroize::{Zeroize, Zeroizing};

use crate::crypto::batched_aes::BatchedAes;

/// The length of a nonce, in bytes.
pub(crate) const NONCE_BYTES: usize = 24;
/// The length of the authentication tag, in bytes.
pub(crate) const TAG_BYTES: usize = 16;

/// AES-256 for one message: that of the `aes` crate if it can use the machine's own instructions on this target.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
type MachineAes = Aes256;
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
type MachineAes = BatchedAes;

/// AES-256, which may prepare for one message.
trait MessageAes: BlockCipherEncrypt + BlockSizeUser<BlockSize = U16> {
    /// Prepares for a message of `message_len` bytes under this nonce.
    fn prepare(aes: Aes256, nonce: &[u8; 12], message_len: usize) -> Self;
}

impl MessageAes for Aes256 {
    fn prepare(aes: Aes256, _: &[u8; 12], _: usize) -> Self {
        aes
    }
}

impl MessageAes for BatchedAes {
    fn prepare(aes: Aes256, nonce: &[u8; 12], message_len: usize) -> Self {
        Self::new(aes, nonce, message_len)
    }
}

/// One key, with its AES key schedule and CMAC subkey computed once.
#[derive(Clone)]
pub(crate) struct Xaes256Gcm {
    aes: Aes256,
    subkey: Zeroizing<[u8; 16]>,
}

/// The message was too long to encrypt, or the ciphertext is not authentic.
#[derive(Debug)]
pub(crate) struct AeadError;

impl Xaes256Gcm {
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        let aes = Aes256::new(key.into());
        let mut block = Block::<Aes256>::default();
        aes.encrypt_block(&mut block);
        Self {
            aes,
            subkey: Zeroizing::new(double(block.into())),
        }
    }

    pub(crate) fn encrypt(&self, nonce: &[u8; NONCE_BYTES], msg: &[u8], aad: &[u8]) -> Result<Vec<u8>, AeadError> {
        self.encrypt_with::<MachineAes>(nonce, msg, aad)
    }

    fn encrypt_with<A: MessageAes>(
        &self,
        nonce: &[u8; NONCE_BYTES],
        msg: &[u8],
        aad: &[u8],
    ) -> Result<Vec<u8>, AeadError> {
        let (cipher, nonce) = self.derive::<A>(nonce, msg.len());
        cipher.encrypt(&nonce, Payload { msg, aad }).map_err(|_| AeadError)
    }

    /// Decrypts in place a message with its tag behind it. Returns the plaintext, which is where the message was.
    pub(crate) fn decrypt_in_place<'a>(
        &self,
        nonce: &[u8; NONCE_BYTES],
        sealed: &'a mut [u8],
        aad: &[u8],
    ) -> Result<&'a mut [u8], AeadError> {
        #[cfg(fuzzing)]
        let mut copy = sealed.to_vec();
        let opened = self.decrypt_with::<MachineAes>(nonce, sealed, aad);
        #[cfg(fuzzing)]
        assert_eq!(
            opened.as_ref().ok(),
            self.decrypt_with::<BatchedAes>(nonce, &mut copy, aad).as_ref().ok(),
            "the forms of AES differ"
        );
        opened
    }

    fn decrypt_with<'a, A: MessageAes>(
        &self,
        nonce: &[u8; NONCE_BYTES],
        sealed: &'a mut [u8],
        aad: &[u8],
    ) -> Result<&'a mut [u8], AeadError> {
        let (message, tag) = sealed.split_last_chunk_mut::<TAG_BYTES>().ok_or(AeadError)?;
        let (cipher, nonce) = self.derive::<A>(nonce, message.len());
        cipher
            .decrypt_inout_detached(&nonce, aad, (&mut *message).into(), (&*tag).into())
            .map_err(|_| AeadError)?;
        Ok(message)
    }

    /// Derives the key and the nonce from a 24-byte nonce: a counter-mode KDF (NIST SP 800-108r1) over CMAC.
    fn derive<A: MessageAes>(&self, nonce: &[u8; NONCE_BYTES], message_len: usize) -> (AesGcm<A, U12>, Nonce<U12>) {
        let (selector, rest) = halves(nonce);
        let input = |counter: u8| {
            let mut input = [0u8; 16];
            let fixed = [0, counter, b'X', 0];
            for (byte, value) in input.iter_mut().zip(fixed.iter().chain(&selector)) {
                *byte = *value;
            }
            for (byte, mask) in input.iter_mut().zip(self.subkey.iter()) {
                *byte ^= mask;
            }
            Block::<Aes256>::from(input)
        };
        // Without AES instructions, four blocks take no longer than two (see `BatchedAes`). The last two are not used.
        let mut blocks = [
            input(1),
            input(2),
            Block::<Aes256>::default(),
            Block::<Aes256>::default(),
        ];
        self.aes.encrypt_blocks(&mut blocks);
        let mut key = Zeroizing::new([0u8; 32]);
        for (half, block) in key.chunks_exact_mut(16).zip(&blocks) {
            half.copy_from_slice(block);
        }
        blocks.iter_mut().for_each(|block| block.zeroize());
        let cipher = A::prepare(Aes256::new((&*key).into()), &rest, message_len);
        (AesGcm::from(cipher), rest.into())
    }
}

/// Doubles in GF(2^128), as CMAC does for its subkey (NIST SP 800-38B, section 6.1). No branch depends on the secret.
fn double(block: [u8; 16]) -> [u8; 16] {
    let value = u128::from_be_bytes(block);
    let carry = value >> 127;
    ((value << 1) ^ carry.wrapping_mul(0x87)).to_be_bytes()
}

fn halves(nonce: &[u8; NONCE_BYTES]) -> ([u8; 12], [u8; 12]) {
    let (mut first, mut second) = ([0u8; 12], [0u8; 12]);
    for (into, from) in first.iter_mut().chain(&mut second).zip(nonce) {
        *into = *from;
    }
    (first, second)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn assert_vectors<A: MessageAes>() {
        let nonce = b"ABCDEFGHIJKLMNOPQRSTUVWX";
        let cases: [(u8, &[u8], &str); 2] = [
            (1, b"", "ce546ef63c9cc60765923609b33a9a1974e96e52daf2fcf7075e2271"),
            (
                3,
                b"c2sp.org/XAES-256-GCM",
                "986ec1832593df5443a179437fd083bf3fdb41abd740a21f71eb769d",
            ),
        ];
        for (byte, aad, expected) in cases {
            let cipher = Xaes256Gcm::new(&[byte; 32]);
            let sealed = cipher.encrypt_with::<A>(nonce, b"XAES-256-GCM", aad).unwrap();
            assert_eq!(hex(&sealed), expected);
            assert_eq!(
                cipher.decrypt_with::<A>(nonce, &mut sealed.clone(), aad).unwrap(),
                b"XAES-256-GCM"
            );
        }
    }

    /// The two test vectors of the specification. The doubling for the subkey has a carry in one of them alone.
    #[test]
    fn the_vectors_of_the_specification_hold() {
        assert_vectors::<MachineAes>();
        assert_vectors::<Aes256>();
        assert_vectors::<BatchedAes>();
    }

    #[test]
    fn what_one_form_of_aes_has_sealed_opens_with_the_other() {
        let cipher = Xaes256Gcm::new(&[7; 32]);
        for len in [0, 1, 15, 16, 17, 63, 64, 65, 1000, 4096] {
            let message: Vec<u8> = (0..len).map(|at| (at % 251) as u8).collect();
            let one = cipher.encrypt_with::<Aes256>(&[9; 24], &message, b"data").unwrap();
            let other = cipher.encrypt_with::<BatchedAes>(&[9; 24], &message, b"data").unwrap();
            assert_eq!(one, other, "{len} bytes");
            let mut opened = one.clone();
            assert_eq!(
                cipher
                    .decrypt_with::<BatchedAes>(&[9; 24], &mut opened, b"data")
                    .unwrap(),
                message
            );
            let mut altered = one;
            altered[len / 2] ^= 1;
            for refused in [
                cipher.decrypt_with::<Aes256>(&[9; 24], &mut altered.clone(), b"data"),
                cipher.decrypt_with::<BatchedAes>(&[9; 24], &mut altered.clone(), b"data"),
            ] {
                assert!(refused.is_err(), "{len} bytes");
            }
        }
    }
}
