//! TLS towards a partner that the bridge dials.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{CertificateError, ClientConfig, Error, OtherError, RootCertStore};

/// The largest file of authorities that is read, in bytes.
const MAX_FILE: u64 = 1024 * 1024;

/// Trusts these authorities and no others.
pub(crate) fn trusting(ca_file: &Path) -> Result<Arc<ClientConfig>, String> {
    let failed = |what: String| format!("{}: {what}", ca_file.display());
    let file = File::open(ca_file).map_err(|error| failed(error.to_string()))?;
    let mut pem = Vec::new();
    let read = file.take(MAX_FILE + 1).read_to_end(&mut pem);
    if read.map_err(|error| failed(error.to_string()))? as u64 > MAX_FILE {
        return Err(failed(format!("larger than {MAX_FILE} bytes")));
    }
    let mut roots = RootCertStore::empty();
    for (index, found) in CertificateDer::pem_slice_iter(&pem).enumerate() {
        let added = found.map_err(|_| ()).and_then(|one| roots.add(one).map_err(|_| ()));
        added.map_err(|()| failed(format!("certificate {} cannot be used", index + 1)))?;
    }
    if roots.is_empty() {
        return Err(failed("expected certificates in PEM".to_owned()));
    }
    config(roots)
}

/// Trusts the authorities that the system does.
pub(crate) fn trusting_system() -> Result<Arc<ClientConfig>, String> {
    let mut roots = RootCertStore::empty();
    // A few that cannot be used are nothing unusual.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        let what = "this system has no certificate authorities: install ca-certificates, or set \
                    dial_ca_file";
        return Err(what.to_owned());
    }
    config(roots)
}

fn config(roots: RootCertStore) -> Result<Arc<ClientConfig>, String> {
    let ring = Arc::new(rustls::crypto::ring::default_provider());
    let versions = ClientConfig::builder_with_provider(ring).with_safe_default_protocol_versions();
    let builder = versions.map_err(|error| error.to_string())?;
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    // A server that prefers HTTP/2 would not upgrade.
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// Why a handshake failed, in words for the operator.
pub(crate) fn why(error: &std::io::Error) -> &'static str {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    let Some(error) = inner else { return "the connection broke in the TLS handshake" };
    match error {
        Error::InvalidCertificate(error) => match error {
            CertificateError::UnknownIssuer => {
                "the partner's certificate is of an authority that is not trusted here"
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "the partner's certificate has expired"
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                "the partner's certificate is not valid yet"
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                "the partner's certificate is for another name"
            }
            CertificateError::Other(error) if is_authority(error) => {
                "the partner's certificate is an authority's own (CA:TRUE), and no server's"
            }
            _ => "the partner's certificate does not hold",
        },
        Error::InvalidMessage(_) => "what answers speaks no TLS",
        _ => "the TLS handshake failed",
    }
}

fn is_authority(OtherError(error): &OtherError) -> bool {
    matches!(error.downcast_ref(), Some(webpki::Error::CaUsedAsEndEntity))
}
