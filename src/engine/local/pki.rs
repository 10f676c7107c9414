//! A small certificate authority per cluster: keys and certificates as PEM files, and PKCS#12 stores for Connect's REST server.
//!
//! All files are for this user only. A certificate that exists is kept: a restart changes no key. Certificates are for loopback.

use std::path::{Path, PathBuf};

use p12_keystore::{Certificate, KeyStore, KeyStoreEntry, PrivateKey, PrivateKeyChain};
use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, date_time_ymd};
use rustls_pki_types::pem::PemObject;

use crate::client::kafka::certificate_subject;
use crate::diag::Diagnostic;
use crate::diag::codes::engine as codes;
use crate::disk::private::{private_dir, read_optional, write_private};

/// An authority in a folder.
#[derive(Clone, Debug)]
pub struct Pki {
    dir: PathBuf,
}

/// One issued certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issued {
    /// PEM: the certificate.
    pub certificate: PathBuf,
    /// PEM: the private key (PKCS#8).
    pub key: PathBuf,
    /// PEM: key, certificate and authority in one file, as Kafka's key stores want it.
    pub bundle: PathBuf,
}

fn bad(what: &str, error: impl std::fmt::Display) -> Diagnostic {
    Diagnostic::error(codes::CERTIFICATE, format!("{what}: {error}."))
        .hint("Remove the cluster's `pki` folder to have all of it made anew.")
}

impl Pki {
    /// The authority of a folder, made where there is none yet.
    ///
    /// # Errors
    /// When the folder cannot be written or holds something else.
    pub fn open(dir: &Path, name: &str) -> Result<Pki, Diagnostic> {
        private_dir(dir)?;
        let pki = Pki { dir: dir.to_path_buf() };
        if read_optional(&pki.ca_file())?.is_none() {
            let key = KeyPair::generate().map_err(|e| bad("Cannot make a key", e))?;
            let mut params = params(&format!("{name} authority"), &[])?;
            params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
            params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
            let certificate = params.self_signed(&key).map_err(|e| bad("Cannot sign the authority", e))?;
            // The key first: an authority whose key was lost in a crash is made again.
            write_private(&pki.dir.join("ca.key"), key.serialize_pem().as_bytes())?;
            write_private(&pki.ca_file(), certificate.pem().as_bytes())?;
        }
        Ok(pki)
    }

    /// The authority that signed with this CA file, where its key lies beside it: so a Connect cluster gets a certificate from the
    /// local cluster that it joins.
    pub fn beside(ca_file: &Path) -> Option<Pki> {
        let dir = ca_file.parent()?;
        dir.join("ca.key").is_file().then(|| Pki { dir: dir.to_path_buf() })
    }

    /// PEM: the authority's certificate.
    pub fn ca_file(&self) -> PathBuf {
        self.dir.join("ca.crt")
    }

    /// The certificate with the subject `CN=common_name`, issued where there is none yet. Good for servers on loopback and for clients.
    ///
    /// # Errors
    /// When it cannot be made or written.
    pub fn issue(&self, common_name: &str) -> Result<Issued, Diagnostic> {
        let path = |ext: &str| self.dir.join(format!("{common_name}.{ext}"));
        let issued = Issued { certificate: path("crt"), key: path("key"), bundle: path("pem") };
        if issued.bundle.is_file() && issued.certificate.is_file() && issued.key.is_file() {
            return Ok(issued);
        }
        let read = |name: &str| {
            read_optional(&self.dir.join(name))?.ok_or_else(|| bad("The authority is incomplete", format!("{name} is missing")))
        };
        let (ca_pem, ca_key) = (read("ca.crt")?, read("ca.key")?);
        let ca_key = KeyPair::from_pem(&ca_key).map_err(|e| bad("The authority's key cannot be read", e))?;
        let issuer = Issuer::from_ca_cert_pem(&ca_pem, ca_key).map_err(|e| bad("The authority's certificate cannot be read", e))?;
        let key = KeyPair::generate().map_err(|e| bad("Cannot make a key", e))?;
        let mut params = params(common_name, &["localhost", "127.0.0.1"])?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(&key, &issuer).map_err(|e| bad("Cannot sign a certificate", e))?.pem();
        write_private(&issued.key, key.serialize_pem().as_bytes())?;
        write_private(&issued.certificate, certificate.as_bytes())?;
        write_private(&issued.bundle, format!("{}{certificate}{ca_pem}", key.serialize_pem()).as_bytes())?;
        Ok(issued)
    }

    /// Removes an issued certificate's files. (It stays valid for whoever copied it: there is no revocation list.)
    pub fn forget(&self, common_name: &str) {
        for ext in ["crt", "key", "pem"] {
            let _ = std::fs::remove_file(self.dir.join(format!("{common_name}.{ext}")));
        }
    }

    /// Writes the PKCS#12 key store of an issued certificate and a trust store with the authority.
    ///
    /// # Errors
    /// When they cannot be made or written.
    pub fn stores(&self, issued: &Issued, key_store: &Path, trust_store: &Path, password: &str) -> Result<(), Diagnostic> {
        let key = rustls_pki_types::PrivateKeyDer::from_pem_file(&issued.key).map_err(|e| bad("A key cannot be read", format!("{e:?}")))?;
        let key = PrivateKey::from_der(key.secret_der()).map_err(|e| bad("A key cannot be read", e))?;
        let (leaf, ca) = (load(&issued.certificate)?, load(&self.ca_file())?);
        let mut keys = KeyStore::new();
        keys.add_entry("server", KeyStoreEntry::PrivateKeyChain(PrivateKeyChain::new([1u8].as_slice(), key, [leaf, ca.clone()])));
        let mut trust = KeyStore::new();
        trust.add_entry("ca", KeyStoreEntry::Certificate(ca));
        for (store, path) in [(keys, key_store), (trust, trust_store)] {
            let bytes = store.writer(password).write().map_err(|e| bad("A key store cannot be made", e))?;
            write_private(path, &bytes)?;
        }
        Ok(())
    }
}

fn params(common_name: &str, names: &[&str]) -> Result<CertificateParams, Diagnostic> {
    let names: Vec<String> = names.iter().map(|n| n.to_string()).collect();
    let mut params = CertificateParams::new(names).map_err(|e| bad("A certificate's name is refused", e))?;
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    // Fixed dates, so that no clock is needed: these certificates serve one machine, and their files live as long as its cluster.
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2049, 12, 31);
    Ok(params)
}

fn load(path: &Path) -> Result<Certificate, Diagnostic> {
    let der = rustls_pki_types::CertificateDer::from_pem_file(path).map_err(|e| bad("A certificate cannot be read", format!("{e:?}")))?;
    Certificate::from_der(&der).map_err(|e| bad("A certificate cannot be read", e))
}

/// The principal that Kafka gives to the holder of a certificate: its whole subject as RFC 2253 writes it.
///
/// # Errors
/// When the file holds no certificate.
pub fn principal(certificate: &Path) -> Result<String, Diagnostic> {
    let subject = certificate_subject(certificate).ok_or_else(|| bad("A certificate cannot be read", certificate.display()))?;
    Ok(format!("User:{subject}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn issues_once_and_names_the_principal() {
        let dir = tempfile::tempdir().unwrap();
        let pki = Pki::open(dir.path(), "events").unwrap();
        let first = pki.issue("admin").unwrap();
        let before = std::fs::read(&first.key).unwrap();
        assert_eq!(Pki::open(dir.path(), "events").unwrap().issue("admin").unwrap(), first);
        assert_eq!(std::fs::read(&first.key).unwrap(), before, "a key must survive a second run");
        assert_eq!(principal(&first.certificate).unwrap(), "User:CN=admin");
        assert!(Pki::beside(&pki.ca_file()).is_some());
    }

    #[test]
    fn stores_can_be_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let pki = Pki::open(dir.path(), "events").unwrap();
        let issued = pki.issue("worker").unwrap();
        let (keys, trust) = (dir.path().join("k.p12"), dir.path().join("t.p12"));
        pki.stores(&issued, &keys, &trust, "secret").unwrap();
        let store = KeyStore::from_pkcs12(&std::fs::read(&keys).unwrap(), "secret", p12_keystore::Pkcs12ImportPolicy::Strict).unwrap();
        assert_eq!(store.private_key_chain().unwrap().1.certs().len(), 2);
        assert!(KeyStore::from_pkcs12(&std::fs::read(&trust).unwrap(), "wrong", p12_keystore::Pkcs12ImportPolicy::Strict).is_err());
    }
}
