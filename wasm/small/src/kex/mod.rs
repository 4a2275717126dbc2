//! Ephemeral key agreement: curves, groups modulo a prime, and a KEM with a curve.

pub mod curve;
mod group;
mod hybrid;

use denossh_fast::memory::scrubbed;
use group::Group;
use hybrid::Hybrid;
use wasm_bindgen::prelude::wasm_bindgen;

/// The initiator's state until the answer.
enum Private {
    Curve { name: &'static str, scalar: Vec<u8> },
    Hybrid { hybrid: Hybrid, key: Vec<u8>, scalar: Vec<u8> },
    Group { group: Group, exponent: Vec<u8> },
}

/// The initiator's half of a key exchange.
#[wasm_bindgen]
pub struct Initiator {
    private: Private,
    public: Vec<u8>,
}

#[wasm_bindgen]
impl Initiator {
    /// Over a curve, with or without a KEM. None for an unknown name.
    pub fn start(name: &str) -> Option<Initiator> {
        if let Some(hybrid) = Hybrid::named(name) {
            let (key, scalar, public) = scrubbed(|| hybrid.generate())?;
            return Some(Initiator { private: Private::Hybrid { hybrid, key, scalar }, public });
        }
        let name = curve::known(name)?;
        let (scalar, public) = scrubbed(|| curve::generate(name))?;
        Some(Initiator { private: Private::Curve { name, scalar }, public })
    }

    /// In the group of `generator` modulo `prime`. None for an even modulus.
    pub fn start_in_group(prime: &[u8], generator: &[u8]) -> Option<Initiator> {
        let group = Group::new(prime, generator)?;
        let (exponent, public) = scrubbed(|| group.generate());
        Some(Initiator { private: Private::Group { group, exponent }, public })
    }

    pub fn public_value(&self) -> Vec<u8> {
        self.public.clone()
    }

    /// The shared secret, raw; for a hybrid already combined. None if the peer's value is bad.
    pub fn finish(&self, peer: &[u8]) -> Option<Vec<u8>> {
        scrubbed(|| match &self.private {
            Private::Curve { name, scalar } => curve::agree(name, scalar, peer),
            Private::Hybrid { hybrid, key, scalar } => hybrid.finish(key, scalar, peer),
            Private::Group { group, exponent } => group.agree(exponent, peer),
        })
    }
}

/// The responder's whole part: its public value, then the secret as `finish` gives it.
#[wasm_bindgen]
pub fn respond(name: &str, peer: &[u8]) -> Option<Vec<u8>> {
    scrubbed(|| {
        if let Some(hybrid) = Hybrid::named(name) {
            return hybrid.respond(peer);
        }
        let (scalar, public) = curve::generate(name)?;
        Some([public, curve::agree(name, &scalar, peer)?].concat())
    })
}

/// The same in a group; both parts are as long as the prime.
#[wasm_bindgen]
pub fn respond_in_group(prime: &[u8], generator: &[u8], peer: &[u8]) -> Option<Vec<u8>> {
    let group = Group::new(prime, generator)?;
    scrubbed(|| {
        let (exponent, public) = group.generate();
        Some([public, group.agree(&exponent, peer)?].concat())
    })
}

/// The raw shared secret of a curve. None for a point off the curve, or an all-zero result (RFC
/// 7748
/// §6.1).
#[wasm_bindgen]
pub fn agree(name: &str, scalar: &[u8], peer: &[u8]) -> Option<Vec<u8>> {
    scrubbed(|| curve::agree(name, scalar, peer))
}
