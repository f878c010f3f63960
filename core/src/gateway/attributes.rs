//! What the proxy knows of a request besides its head.

/// The proxy's number for a request.
pub type StreamId = u32;

/// The request's attributes, in Envoy's sense. Each is asked for only where a rule needs it.
pub trait RequestAttributes {
    /// SHA-256 of the certificate (DER) that the client showed on this connection.
    fn peer_certificate(&self) -> Option<[u8; 32]>;

    /// The route's metadata under a namespace and a name: the bytes of a string, or whatever bytes the proxy has for a value
    /// of another type.
    fn route_metadata(&self, namespace: &str, name: &str) -> Option<Vec<u8>>;
}
