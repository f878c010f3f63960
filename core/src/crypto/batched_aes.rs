//! AES for GCM, several blocks at a time.
//!
//! Without AES instructions, as in wasm, the `aes` crate takes as long for one block as for four, and prepares its
//! key once in each call. GCM encrypts single blocks: for its hash key, the mask of the tag, and what remains of a
//! message after its last group of four blocks. Here these are computed together with those that GCM requests next.
//! That only affects the time: a block that was not computed in advance is computed when it is requested.

use std::cell::RefCell;

use aes::Aes256;
use aes::cipher::common::{BlockSizeUser, ParBlocksSizeUser};
use aes::cipher::inout::InOut;
use aes::cipher::{Block, BlockCipherEncBackend, BlockCipherEncClosure, BlockCipherEncrypt};
use aes_gcm::aead::consts::{U1, U16};
use zeroize::Zeroize;

/// The number of blocks that the `aes` crate encrypts at once.
const PARALLEL_BLOCKS: u32 = 4;
/// The maximum number of blocks in a run, in which preparing the key is a small part of the time.
const MAX_RUN_BLOCKS: u32 = 64;

/// AES-256 for one message.
pub(crate) struct BatchedAes {
    aes: Aes256,
    nonce: [u8; 12],
    /// The encrypted block of zeros (NIST SP 800-38D, section 7.1).
    hash_key: Block<Aes256>,
    /// The last counter that the message needs.
    last: u32,
    run: RefCell<Run>,
}

/// Consecutive counter blocks, encrypted in advance.
struct Run {
    first: u32,
    blocks: Vec<Block<Aes256>>,
}

impl BatchedAes {
    /// Prepares for a message of `message_len` bytes under this nonce.
    pub(crate) fn new(aes: Aes256, nonce: &[u8; 12], message_len: usize) -> Self {
        // The counter begins at one, which is the tag's (NIST SP 800-38D, section 7.1). Further blocks are computed
        // only when they are requested: a message that is not authentic needs none.
        let mut blocks = [
            [0; 16],
            counter_block(nonce, 1),
            counter_block(nonce, 2),
            counter_block(nonce, 3),
        ]
        .map(Into::into);
        aes.encrypt_blocks(&mut blocks);
        let [hash_key, first_blocks @ ..] = blocks;
        let blocks_of_message = u32::try_from(message_len.div_ceil(16)).unwrap_or(u32::MAX);
        Self {
            aes,
            nonce: *nonce,
            hash_key,
            last: blocks_of_message.saturating_add(1),
            run: RefCell::new(Run {
                first: 1,
                blocks: first_blocks.to_vec(),
            }),
        }
    }

    fn encrypt(&self, block: Block<Aes256>) -> Block<Aes256> {
        let (nonce, counter) = parts(block.into());
        if nonce == self.nonce {
            self.keystream(counter)
        } else if nonce == [0; 12] && counter == 0 {
            self.hash_key
        } else {
            let mut block = block;
            self.aes.encrypt_block(&mut block);
            block
        }
    }

    fn keystream(&self, counter: u32) -> Block<Aes256> {
        let mut run = self.run.borrow_mut();
        let at = usize::try_from(counter.wrapping_sub(run.first)).unwrap_or(usize::MAX);
        if let Some(block) = run.blocks.get(at) {
            return *block;
        }
        let len = self.last.saturating_sub(counter).saturating_add(1);
        let len = len.clamp(1, MAX_RUN_BLOCKS).next_multiple_of(PARALLEL_BLOCKS);
        let block = |ahead| Block::<Aes256>::from(counter_block(&self.nonce, counter.wrapping_add(ahead)));
        run.first = counter;
        run.erase();
        run.blocks.extend((0..len).map(block));
        self.aes.encrypt_blocks(&mut run.blocks);
        run.blocks.first().copied().unwrap_or_default()
    }
}

impl Drop for BatchedAes {
    fn drop(&mut self) {
        self.hash_key.zeroize();
        self.run.get_mut().erase();
    }
}

impl Run {
    /// Erases the keystream: with the ciphertext, it reveals the message.
    fn erase(&mut self) {
        Block::<Aes256>::slice_as_flattened_mut(&mut self.blocks).zeroize();
        self.blocks.clear();
    }
}

/// Returns the counter block for a 96-bit nonce (NIST SP 800-38D, section 7.1).
fn counter_block(nonce: &[u8; 12], counter: u32) -> [u8; 16] {
    let mut block = [0; 16];
    if let Some((head, tail)) = block.split_first_chunk_mut() {
        *head = *nonce;
        tail.copy_from_slice(&counter.to_be_bytes());
    }
    block
}

fn parts(block: [u8; 16]) -> ([u8; 12], u32) {
    let [nonce @ .., a, b, c, d] = block;
    (nonce, u32::from_be_bytes([a, b, c, d]))
}

impl BlockSizeUser for BatchedAes {
    type BlockSize = U16;
}

impl ParBlocksSizeUser for BatchedAes {
    type ParBlocksSize = U1;
}

impl BlockCipherEncrypt for BatchedAes {
    fn encrypt_with_backend(&self, f: impl BlockCipherEncClosure<BlockSize = U16>) {
        f.call(self);
    }
}

impl BlockCipherEncBackend for BatchedAes {
    fn encrypt_block(&self, mut block: InOut<'_, '_, Block<Self>>) {
        let encrypted = self.encrypt(block.clone_in());
        *block.get_out() = encrypted;
    }
}

#[cfg(test)]
mod tests {
    use aes::cipher::KeyInit;
    use aes_gcm::aead::consts::U12;
    use aes_gcm::aead::{Aead, Payload};
    use aes_gcm::{Aes256Gcm, AesGcm};
    use proptest::prelude::*;

    use super::*;

    fn cipher(key: [u8; 32], nonce: &[u8; 12], message_len: usize) -> AesGcm<BatchedAes, U12> {
        AesGcm::from(BatchedAes::new(Aes256::new(&key.into()), nonce, message_len))
    }

    proptest! {
        #[test]
        fn it_is_aes_gcm(
            key: [u8; 32],
            nonce: [u8; 12],
            msg in proptest::collection::vec(any::<u8>(), 0..2400),
            aad in proptest::collection::vec(any::<u8>(), 0..40),
            other_nonce: [u8; 12],
        ) {
            let plain = Aes256Gcm::new(&key.into());
            let payload = || Payload { msg: &msg, aad: &aad };
            let sealed = plain.encrypt(&nonce.into(), payload()).unwrap();
            let ours = cipher(key, &nonce, msg.len());
            prop_assert_eq!(&ours.encrypt(&nonce.into(), payload()).unwrap(), &sealed);
            let opened = ours.decrypt(&nonce.into(), Payload { msg: &sealed, aad: &aad });
            prop_assert_eq!(opened.unwrap(), msg.clone());
            // Prepared for another nonce and length, the result is the same.
            let opened = cipher(key, &other_nonce, 0).decrypt(&nonce.into(), Payload { msg: &sealed, aad: &aad });
            prop_assert_eq!(opened.unwrap(), msg.clone());
        }

        #[test]
        fn it_is_aes_whatever_is_asked_in_whatever_order(
            key: [u8; 32],
            nonce: [u8; 12],
            asked in proptest::collection::vec((any::<[u8; 16]>(), 0u32..9, any::<bool>()), 0..30),
        ) {
            let (aes, ours) = (Aes256::new(&key.into()), BatchedAes::new(Aes256::new(&key.into()), &nonce, 50));
            for (block, near, likely) in asked {
                // Near the end of the counter's range and its beginning.
                let block = if likely { counter_block(&nonce, near.wrapping_sub(4)) } else { block };
                let (mut one, mut other) = (block.into(), block.into());
                BlockCipherEncrypt::encrypt_block(&aes, &mut one);
                BlockCipherEncrypt::encrypt_block(&ours, &mut other);
                prop_assert_eq!(one, other);
            }
        }
    }
}
