//! The TLS settings of a connection, for the sockets that the raw protocol uses. Reads certificate files.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::{KafkaConnection, KafkaError};
use crate::client::pem;

/// Where operating systems keep the authorities that they trust.
const SYSTEM_BUNDLES: [&str; 4] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem", "/etc/ssl/ca-bundle.pem"];

/// The TLS settings; `None` where the connection uses no TLS.
pub(super) fn client_config(connection: &KafkaConnection) -> Result<Option<Arc<ClientConfig>>, KafkaError> {
    if !connection.protocol.tls() {
        return Ok(None);
    }
    let provider = Arc::new(ring::default_provider());
    let builder =
        ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions().map_err(|e| failed(&e))?;
    let builder = if connection.insecure_skip_verify {
        builder.dangerous().with_custom_certificate_verifier(Arc::new(TakeAny(provider)))
    } else {
        builder.with_root_certificates(roots(connection.ca_file.as_deref())?)
    };
    let config = match (&connection.certificate_file, &connection.key_file) {
        (Some(certificate), Some(key)) => {
            let (chain, key) = pem::identity(certificate, key).map_err(|message| KafkaError::Connection { message })?;
            builder.with_client_auth_cert(chain, key).map_err(|e| failed(&e))?
        }
        _ => builder.with_no_client_auth(),
    };
    Ok(Some(Arc::new(config)))
}

fn roots(ca_file: Option<&Path>) -> Result<RootCertStore, KafkaError> {
    let file = ca_file.map(PathBuf::from).or_else(|| SYSTEM_BUNDLES.iter().map(PathBuf::from).find(|p| p.exists()));
    let file = file.ok_or_else(|| KafkaError::Connection {
        message: "no `ca_file` is set and this machine has no list of trusted authorities".into(),
    })?;
    let mut store = RootCertStore::empty();
    let (added, _) = store.add_parsable_certificates(pem::certificates(&file).map_err(|message| KafkaError::Connection { message })?);
    match added {
        0 => Err(KafkaError::Connection { message: format!("{} holds no usable authority", file.display()) }),
        _ => Ok(store),
    }
}

/// The subject of the first certificate in a PEM file, as brokers write it: the last part first, `CN=alice,OU=x`.
pub fn subject(file: &Path) -> Option<String> {
    let der = CertificateDer::from_pem_file(file).ok()?;
    let (_, parsed) = x509_parser::parse_x509_certificate(&der).ok()?;
    let parts: Vec<String> =
        parsed.subject().iter_attributes().map(|a| part(&a.attr_type().to_id_string(), a.as_str().unwrap_or_default())).collect();
    Some(parts.into_iter().rev().collect::<Vec<_>>().join(","))
}

fn part(oid: &str, value: &str) -> String {
    let name = match oid {
        "2.5.4.3" => "CN",
        "2.5.4.6" => "C",
        "2.5.4.7" => "L",
        "2.5.4.8" => "ST",
        "2.5.4.10" => "O",
        "2.5.4.11" => "OU",
        other => other,
    };
    let escaped: String = value.chars().flat_map(|c| [Some('\\').filter(|_| ",+\"\\<>;".contains(c)), Some(c)]).flatten().collect();
    format!("{name}={escaped}")
}

fn failed(e: &rustls::Error) -> KafkaError {
    KafkaError::Connection { message: format!("the certificate, the key and the TLS settings do not fit together: {e}") }
}

/// Takes every certificate, for `insecure_skip_verify`; signatures are still checked.
#[derive(Debug)]
struct TakeAny(Arc<CryptoProvider>);

impl ServerCertVerifier for TakeAny {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        m: &[u8],
        c: &CertificateDer<'_>,
        d: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(m, c, d, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        m: &[u8],
        c: &CertificateDer<'_>,
        d: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(m, c, d, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_is_written_as_brokers_write_it() {
        use rcgen::{CertificateParams, DnType, KeyPair};
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        for (kind, value) in [(DnType::CountryName, "PL"), (DnType::OrganizationalUnitName, "etl, Ost"), (DnType::CommonName, "alice")] {
            params.distinguished_name.push(kind, value);
        }
        let pem = params.self_signed(&KeyPair::generate().unwrap()).unwrap().pem();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), pem).unwrap();
        assert_eq!(subject(file.path()).as_deref(), Some("CN=alice,OU=etl\\, Ost,C=PL"));
        assert_eq!(subject(Path::new("/nowhere")), None);
    }
}
