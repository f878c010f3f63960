// Mutual TLS (RFC 8705): a listener of its own that asks for certificates, and the aliases by which clients find it.
import { createServer } from 'node:https';

export function mtlsFeature(config) {
  if (!config.mtls) return { enabled: false };
  return {
    enabled: true,
    certificateBoundAccessTokens: true,
    selfSignedTlsClientAuth: true,
    tlsClientAuth: true,
    getCertificate: (ctx) => (ctx.socket.encrypted ? ctx.socket.getPeerX509Certificate() : undefined),
    certificateAuthorized: (ctx) => ctx.socket.authorized === true,
    certificateSubjectMatches(ctx, property, expected) {
      // Node has one attribute a line, the outermost first; RFC 4514 has them the other way round.
      const subject = ctx.socket.getPeerX509Certificate().subject.split('\n').reverse().join(',');
      return property === 'tls_client_auth_subject_dn' && subject === expected;
    },
  };
}

// What goes into the metadata besides.
export function mtlsAliases(config, routes) {
  if (!config.mtls) return {};
  const endpoints = {
    token_endpoint: routes.token,
    revocation_endpoint: routes.revocation,
    introspection_endpoint: routes.introspection,
    userinfo_endpoint: routes.userinfo,
    pushed_authorization_request_endpoint: routes.pushed_authorization_request,
  };
  const aliases = Object.entries(endpoints).map(([name, path]) => [name, `${config.mtls.origin}${path}`]);
  return { mtls_endpoint_aliases: Object.fromEntries(aliases) };
}

// Takes any certificate: whether it is one of the client's is decided by how the client is registered.
export function mtlsServer({ cert, key, ca }, callback) {
  return createServer({ cert, key, ca, requestCert: true, rejectUnauthorized: false }, callback);
}
