//! The cryptography of TLS connections: one provider for the whole process.

/// Makes `ring` the provider of TLS connections that name none, as HTTP and WebSocket clients do. Once is
/// enough, more often is no harm.
pub fn install_crypto_provider() {
    // Refused only where one is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
}
