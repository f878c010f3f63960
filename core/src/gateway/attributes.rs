//! Attributes of a request that are not in its head.

/// The number by which the host identifies a request.
pub type StreamId = u64;

/// Request attributes, in Envoy's sense. Each is read only if a rule needs it.
pub trait RequestAttributes {
    /// Returns the SHA-256 hash of the client certificate (DER) of the request's connection.
    fn peer_certificate(&self) -> Option<[u8; 32]>;

    /// Returns the route metadata under a namespace and a name: the bytes of a string, or for any other type whatever
    /// bytes the host has, such as a zero byte.
    fn route_metadata(&self, namespace: &str, name: &str) -> Option<Vec<u8>>;
}
