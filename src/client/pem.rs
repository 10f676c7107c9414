//! PEM files of connections: reading them, and saying what is wrong with one in words of what to do.

use std::path::Path;

use rustls::crypto::ring;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// What a file has to hold.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Certificate,
    Key,
}

/// The certificates in a file.
///
/// # Errors
/// Why there are none, as a sentence without a full stop.
pub fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let all = CertificateDer::pem_file_iter(file)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|e| unreadable(file, Wanted::Certificate, &e))?;
    if all.is_empty() {
        return Err(unreadable(file, Wanted::Certificate, &"it holds no certificate"));
    }
    Ok(all)
}

/// A client's certificate with its chain, and its private key.
///
/// # Errors
/// Why these files cannot be used, as a sentence without a full stop.
pub fn identity(certificate: &Path, key: &Path) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), String> {
    let private = PrivateKeyDer::from_pem_file(key).map_err(|e| unreadable(key, Wanted::Key, &e))?;
    let chain = certificates(certificate)?;
    match CertifiedKey::from_der(chain.clone(), private.clone_key(), &ring::default_provider()) {
        Ok(_) => Ok((chain, private)),
        Err(rustls::Error::InconsistentKeys(_)) => Err(format!(
            "{} is not the private key of the first certificate in {}, which has to be the client's own",
            key.display(),
            certificate.display()
        )),
        Err(e) => Err(format!("{} and {} cannot be used: {e}", certificate.display(), key.display())),
    }
}

fn unreadable(file: &Path, wanted: Wanted, e: &dyn std::fmt::Display) -> String {
    let why = std::fs::read(file).ok().and_then(|bytes| told_by_content(file, &bytes, wanted));
    format!("cannot read {}: {}", file.display(), why.unwrap_or_else(|| e.to_string()))
}

/// Why a file that can be read is not what is wanted, told by how it begins.
fn told_by_content(file: &Path, bytes: &[u8], wanted: Wanted) -> Option<String> {
    let text = String::from_utf8_lossy(bytes);
    let has_key = text.contains("PRIVATE KEY-----");
    let quoted = format!("'{}'", file.display().to_string().replace('\'', "'\\''"));
    Some(match () {
        () if bytes.starts_with(&[0xfe, 0xed, 0xfe, 0xed]) || bytes.starts_with(&[0xce, 0xce, 0xce, 0xce]) => format!(
            "it is a Java key store, and PEM is needed: keytool -importkeystore -srckeystore {quoted} -destkeystore client.p12 -deststoretype PKCS12 \
             makes a PKCS#12 file of it, and openssl pkcs12 -in client.p12 -nodes PEM of that"
        ),
        () if bytes.starts_with(&[0x30]) && bytes.get(1).is_some_and(|b| *b >= 0x80) => {
            format!("it is a binary file (PKCS#12 or DER), and PEM is needed: openssl pkcs12 -in {quoted} -nodes makes it of PKCS#12")
        }
        () if wanted == Wanted::Key && has_key && text.contains("ENCRYPTED") => format!(
            "its private key is encrypted, and keys are read without a password: openssl pkey -in {quoted} -out client.key decrypts it; keep that \
             one 0600"
        ),
        () if wanted == Wanted::Key && text.contains("-----BEGIN CERTIFICATE") => {
            "it holds a certificate and no private key; perhaps `certificate_file` and `key_file` are exchanged".into()
        }
        () if wanted == Wanted::Certificate && has_key => {
            "it holds a private key and no certificate; perhaps `certificate_file` and `key_file` are exchanged".into()
        }
        () => return None,
    })
}

/// The advice by which a handshake that failed so succeeds; `None` where nothing better is known than to look at all files.
pub fn handshake_hint(e: &rustls::Error, has_certificate: bool) -> Option<&'static str> {
    use rustls::{AlertDescription as Alert, CertificateError as Bad, Error};
    Some(match e {
        Error::InvalidCertificate(Bad::UnknownIssuer) => {
            "The authority that signed the server's certificate is not trusted here: set `ca_file` in the `tls` block to its certificate."
        }
        Error::InvalidCertificate(Bad::NotValidForName | Bad::NotValidForNameContext { .. }) => {
            "The server's certificate is for other names: use one of these as the address."
        }
        Error::InvalidCertificate(Bad::Expired | Bad::ExpiredContext { .. }) => {
            "The server's certificate has expired: it has to be renewed."
        }
        Error::AlertReceived(Alert::BadCertificate | Alert::CertificateRequired | Alert::HandshakeFailure) if !has_certificate => {
            "The listener asks for a client certificate: set `certificate_file` and `key_file` in the `tls` block."
        }
        Error::AlertReceived(
            Alert::BadCertificate
            | Alert::CertificateUnknown
            | Alert::UnknownCA
            | Alert::CertificateExpired
            | Alert::UnsupportedCertificate,
        ) => {
            "The listener refuses the client's certificate: `certificate_file` has to be signed by an authority that the server trusts, and not be \
             expired."
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// B4.
    #[test]
    fn b4_files_that_cannot_be_used_are_named_with_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            path
        };
        let make = || {
            let key = rcgen::KeyPair::generate().unwrap();
            let certificate = rcgen::CertificateParams::new(vec!["x".into()]).unwrap().self_signed(&key).unwrap();
            (certificate.pem(), key.serialize_pem())
        };
        let ((crt, key), (_, other)) = (make(), make());
        let (crt, key, other) = (file("a.crt", crt.as_bytes()), file("a.key", key.as_bytes()), file("b.key", other.as_bytes()));
        let encrypted = file("enc.key", b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIE\n-----END ENCRYPTED PRIVATE KEY-----\n");
        let legacy =
            b"-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nMIIE\n-----END EC PRIVATE KEY-----\n";
        let legacy = file("legacy.key", legacy);
        let (store, jks) = (file("it's.p12", &[0x30, 0x82, 5, 6]), file("a.jks", &[0xfe, 0xed, 0xfe, 0xed, 0, 0]));
        assert!(identity(&crt, &key).is_ok());
        for (certificate, key, telling) in [
            (&crt, &encrypted, "openssl pkey -in"),
            (&crt, &legacy, "openssl pkey -in"),
            (&store, &key, "it'\\''s.p12' -nodes"),
            (&crt, &jks, "keytool -importkeystore"),
            (&key, &crt, "are exchanged"),
            (&key, &key, "are exchanged"),
            (&crt, &other, "b.key is not the private key of the first certificate in"),
        ] {
            let text = identity(certificate, key).unwrap_err();
            assert!(text.contains(telling) && !text.contains("no items") && !text.contains("MIIE"), "{telling}: {text}");
        }
    }
}
