// Mutual TLS (RFC 8705): a listener that requests client certificates, and the endpoint aliases in the metadata.
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
      // Node.js has one attribute per line, the outermost first. RFC 4514 has the reverse order.
      const subject = ctx.socket.getPeerX509Certificate().subject.split('\n').reverse().join(',');
      return property === 'tls_client_auth_subject_dn' && subject === expected;
    },
  };
}

// The additional members of the metadata.
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

// Accepts any certificate: the client's registration decides whether it is the client's.
export function mtlsServer({ cert, key, ca }, callback) {
  return createServer({ cert, key, ca, requestCert: true, rejectUnauthorized: false }, callback);
}
