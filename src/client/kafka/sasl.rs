//! The client's side of SASL PLAIN and SCRAM (RFC 4616, RFC 5802), as pure messages. No I/O.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256, Sha512};

use super::SaslMechanism;

/// Iterations above this are refused: a broker must not make us compute for minutes.
const MAX_ITERATIONS: u32 = 1_000_000;

/// The one message of PLAIN.
pub(super) fn plain(user: &str, password: &str) -> Vec<u8> {
    format!("\0{user}\0{password}").into_bytes()
}

/// A SCRAM login that has sent its first message.
pub(super) struct Scram {
    mechanism: SaslMechanism,
    password: String,
    nonce: String,
    first_bare: String,
}

/// What the client must see at the end to know that the server knows the password too.
pub(super) struct ServerProof(Vec<u8>);

impl Scram {
    /// Starts a login; the nonce must be random and printable.
    pub(super) fn new(mechanism: SaslMechanism, user: &str, password: &str, nonce: String) -> Self {
        let user = user.replace('=', "=3D").replace(',', "=2C");
        Scram { mechanism, password: password.to_string(), first_bare: format!("n={user},r={nonce}"), nonce }
    }

    /// The first message.
    pub(super) fn first(&self) -> Vec<u8> {
        format!("n,,{}", self.first_bare).into_bytes()
    }

    /// The last message in answer to the server's first, and what the server must answer. `None` when the answer makes no sense.
    pub(super) fn last(&self, server_first: &[u8]) -> Option<(Vec<u8>, ServerProof)> {
        let server_first = std::str::from_utf8(server_first).ok()?;
        let field = |key: &str| server_first.split(',').find_map(|f| f.strip_prefix(key));
        let (nonce, salt, iterations) = (field("r=")?, BASE64.decode(field("s=")?).ok()?, field("i=")?.parse::<u32>().ok()?);
        if !nonce.starts_with(&self.nonce) || nonce.len() == self.nonce.len() || !(1..=MAX_ITERATIONS).contains(&iterations) {
            return None;
        }
        let without_proof = format!("c=biws,r={nonce}");
        let message = format!("{},{server_first},{without_proof}", self.first_bare);
        let salted = salted_password(self.mechanism, &self.password, &salt, iterations);
        let client_key = mac(self.mechanism, &salted, b"Client Key");
        let signature = mac(self.mechanism, &hash(self.mechanism, &client_key), message.as_bytes());
        let proof: Vec<u8> = client_key.iter().zip(&signature).map(|(a, b)| a ^ b).collect();
        let server_key = mac(self.mechanism, &salted, b"Server Key");
        let expected = mac(self.mechanism, &server_key, message.as_bytes());
        Some((format!("{without_proof},p={}", BASE64.encode(proof)).into_bytes(), ServerProof(expected)))
    }
}

impl ServerProof {
    /// Whether the server's last message proves that it knows the password.
    pub(super) fn accepts(&self, server_last: &[u8]) -> bool {
        let signature =
            std::str::from_utf8(server_last).ok().and_then(|s| s.strip_prefix("v=")).and_then(|s| BASE64.decode(s.trim_end()).ok());
        signature.is_some_and(|s| s == self.0)
    }
}

/// RFC 5802's `Hi`: the form in which a password is stored and proved.
pub(super) fn salted_password(mechanism: SaslMechanism, password: &str, salt: &[u8], iterations: u32) -> Vec<u8> {
    let mut block = mac(mechanism, password.as_bytes(), &[salt, &[0, 0, 0, 1]].concat());
    let mut sum = block.clone();
    for _ in 1..iterations {
        block = mac(mechanism, password.as_bytes(), &block);
        sum.iter_mut().zip(&block).for_each(|(s, b)| *s ^= b);
    }
    sum
}

fn mac(mechanism: SaslMechanism, key: &[u8], data: &[u8]) -> Vec<u8> {
    match mechanism {
        SaslMechanism::ScramSha512 => mac_with::<Hmac<Sha512>>(key, data),
        SaslMechanism::ScramSha256 | SaslMechanism::Plain => mac_with::<Hmac<Sha256>>(key, data),
    }
}

fn mac_with<M: Mac + KeyInit>(key: &[u8], data: &[u8]) -> Vec<u8> {
    // HMAC takes keys of every length, so the error cannot happen; an empty result would only make the login fail.
    let Ok(mut m) = <M as KeyInit>::new_from_slice(key) else { return Vec::new() };
    m.update(data);
    m.finalize().into_bytes().to_vec()
}

fn hash(mechanism: SaslMechanism, data: &[u8]) -> Vec<u8> {
    match mechanism {
        SaslMechanism::ScramSha512 => Sha512::digest(data).to_vec(),
        SaslMechanism::ScramSha256 | SaslMechanism::Plain => Sha256::digest(data).to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 7677, section 3.
    #[test]
    fn scram_sha_256_as_in_the_rfc() {
        let scram = Scram::new(SaslMechanism::ScramSha256, "user", "pencil", "rOprNGfwEbeRWgbNEkqO".into());
        assert_eq!(scram.first(), b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
        let server_first = b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
        let (last, proof) = scram.last(server_first).unwrap();
        let expected = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
        assert_eq!(String::from_utf8(last).unwrap(), expected);
        assert!(proof.accepts(b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="));
        assert!(!proof.accepts(b"v=AAAA"));
    }

    #[test]
    fn a_foreign_nonce_is_refused() {
        let scram = Scram::new(SaslMechanism::ScramSha512, "u", "p", "abc".into());
        assert!(scram.last(b"r=xyz1,s=AAAA,i=4096").is_none());
        assert!(scram.last(b"r=abc,s=AAAA,i=4096").is_none());
    }
}
