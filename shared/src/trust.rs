//! TLS root certificates for connections to AWS.
//!
//! The platform's trust store has about 140 roots, and parsing them takes half of the CPU time of a cold start. In most
//! regions every AWS endpoint has a certificate of Amazon Trust Services, so a function needs only these five roots.

use std::env;
use std::fs;

use aws_smithy_http_client::tls::{TlsContext, TrustStore};

use crate::partition::trusts_amazon;

/// The roots of Amazon Trust Services, and the Starfield root through which older clients trust them.
const AMAZON_ROOTS: &str = include_str!("amazon_roots.pem");

/// The TLS context for AWS: Amazon's roots on Lambda; the platform's roots elsewhere, and in regions whose certificates
/// have other issuers. The certificates in the file that `AWS_CA_BUNDLE` names are trusted in addition, for networks
/// with a TLS-inspecting proxy.
pub(crate) fn tls_context() -> TlsContext {
    let region = env::var("AWS_REGION").unwrap_or_default();
    let on_lambda = env::var_os("AWS_LAMBDA_FUNCTION_NAME").is_some();
    let bundle = env::var_os("AWS_CA_BUNDLE").filter(|path| !path.is_empty());
    let bundle = bundle.and_then(|path| {
        fs::read(&path)
            .inspect_err(|error| tracing::error!(%error, "cannot read the file that AWS_CA_BUNDLE names"))
            .ok()
    });
    context(trust_store(on_lambda && trusts_amazon(&region), bundle))
}

fn trust_store(amazon_only: bool, bundle: Option<Vec<u8>>) -> TrustStore {
    let store = if amazon_only {
        TrustStore::empty().with_pem_certificate(AMAZON_ROOTS)
    } else {
        TrustStore::default()
    };
    match bundle {
        Some(bundle) => store.with_pem_certificate(bundle),
        None => store,
    }
}

fn context(store: TrustStore) -> TlsContext {
    TlsContext::builder()
        .with_trust_store(store)
        .build()
        .unwrap_or_else(|error| {
            tracing::error!(%error, "cannot configure TLS with these roots: using the defaults");
            TlsContext::default()
        })
}

#[cfg(test)]
mod tests {
    use aws_smithy_http_client::Builder;
    use aws_smithy_http_client::tls::Provider;
    use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    /// The certificates in a PEM bundle, as DER.
    fn ders(bundle: &str) -> Vec<Vec<u8>> {
        bundle
            .split("-----BEGIN CERTIFICATE-----")
            .skip(1)
            .map(|rest| {
                let (body, _) = rest.split_once("-----END CERTIFICATE-----").expect("an end marker");
                STANDARD.decode(body.replace('\n', "")).expect("base64")
            })
            .collect()
    }

    #[test]
    fn the_bundled_roots_are_amazons_and_publicly_trusted() {
        let roots = ders(AMAZON_ROOTS);
        assert_eq!(roots.len(), 5);
        for (root, name) in roots.iter().zip([
            "Amazon Root CA 1",
            "Amazon Root CA 2",
            "Amazon Root CA 3",
            "Amazon Root CA 4",
            "Starfield Services Root Certificate Authority - G2",
        ]) {
            assert!(root.windows(name.len()).any(|part| part == name.as_bytes()), "{name}");
            let trusted = webpki_root_certs::TLS_SERVER_ROOT_CERTS;
            assert!(trusted.iter().any(|other| other.as_ref() == root.as_slice()), "{name}");
        }
    }

    #[test]
    fn a_client_can_be_built_with_either_set_of_roots_and_a_bundle() {
        for amazon_only in [true, false] {
            for bundle in [None, Some(AMAZON_ROOTS.as_bytes().to_vec())] {
                let tls = context(trust_store(amazon_only, bundle));
                // Parses the roots; an invalid one panics here.
                let _ = Builder::new()
                    .tls_provider(Provider::Rustls(CryptoMode::Ring))
                    .tls_context(tls)
                    .build_https();
            }
        }
    }
}
