//! How a connection is secured, in words.

/// What a TLS handshake agreed on, and who the peer is. Text in it may be the peer's.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Secured {
    /// `TLSv1.3`.
    pub version: String,
    /// The cipher suite, by its standard name.
    pub cipher: String,
    /// The protocol chosen by ALPN.
    pub alpn: Option<String>,
    /// The server's name, as the client asked for it.
    pub server_name: Option<String>,
    /// The peer's own certificate, where it has one.
    pub peer: Option<PeerCertificate>,
}

/// A peer's certificate. Nothing in it is true because it stands there.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct PeerCertificate {
    /// Whose it is.
    pub subject: String,
    /// Who signed it.
    pub issuer: String,
    /// From when it is valid, in OpenSSL's words (GMT).
    pub not_before: String,
    /// And until when.
    pub not_after: String,
    /// Its SHA-256, hexadecimal with colons.
    pub sha256: String,
    /// The certificate itself.
    pub pem: String,
}
