// The process environment, read once and checked: every fault names its variable and says what to write.
import { readFileSync } from 'node:fs';

const INTROSPECTION_RESPONSES = ['jwt', 'json-jwt', 'json-phantom-token', 'rfc9701', 'json'];
const INACTIVE_RESPONSES = ['204', 'json'];
const SECRET_AUTHENTICATIONS = ['client_secret_basic', 'client_secret_post'];
const AUTHENTICATIONS = [...SECRET_AUTHENTICATIONS, 'private_key_jwt', 'tls_client_auth', 'self_signed_tls_client_auth'];

export function readConfig(env) {
  const issuer = url(env, 'ISSUER');
  const authentication = oneOf(env, 'CLIENT_AUTHENTICATION', AUTHENTICATIONS, 'client_secret_basic');
  return Object.freeze({
    host: env.HOST || '127.0.0.1',
    port: integer(env, 'PORT', 3004, 0, 65535),
    issuer,
    secure: issuer.startsWith('https:'),
    databaseFile: required(env, 'DATABASE_FILE', 'the path of the SQLite file'),
    spaOrigin: new URL(url(env, 'SPA_ORIGIN')).origin,
    client: {
      authentication,
      secret: SECRET_AUTHENTICATIONS.includes(authentication) ? secret(env, 'CLIENT_SECRET_FILE') : undefined,
      // Its public keys: fetched from the client, or read at the start.
      jwksUri: env.CLIENT_JWKS_URI || undefined,
      jwks: env.CLIENT_JWKS_FILE ? JSON.parse(readFileSync(env.CLIENT_JWKS_FILE, 'utf8')) : undefined,
      tlsSubjectDn: env.CLIENT_TLS_SUBJECT_DN || undefined,
      requirePar: flag(env, 'CLIENT_REQUIRE_PAR'),
      requireSignedRequest: flag(env, 'CLIENT_REQUIRE_SIGNED_REQUEST'),
      requireDpop: flag(env, 'CLIENT_REQUIRE_DPOP'),
      // What userinfo is signed with; JSON without.
      userinfoAlgorithm: env.CLIENT_USERINFO_ALGORITHM || undefined,
      redirectUris: list(env, 'CLIENT_REDIRECT_URIS'),
      postLogoutRedirectUris: list(env, 'CLIENT_POST_LOGOUT_REDIRECT_URIS'),
    },
    // Another client of the same kind: another brand's application.
    second: env.SECOND_CLIENT_ID && {
      id: env.SECOND_CLIENT_ID,
      secret: secret(env, 'SECOND_CLIENT_SECRET_FILE'),
      spaOrigin: new URL(url(env, 'SECOND_SPA_ORIGIN')).origin,
    },
    // A further listener, for clients with certificates.
    mtls: env.MTLS_PORT && {
      port: integer(env, 'MTLS_PORT', 0, 1, 65535),
      origin: url(env, 'MTLS_ORIGIN'),
      cert: readFileSync(required(env, 'MTLS_CERT_FILE', 'the path of a certificate in PEM')),
      key: readFileSync(required(env, 'MTLS_KEY_FILE', 'the path of its private key in PEM')),
      ca: env.MTLS_CA_FILE ? readFileSync(env.MTLS_CA_FILE) : undefined,
    },
    // The one resource (RFC 8707) that access tokens may be asked for.
    resource: env.RESOURCE || undefined,
    // Every user gets a claim of about this many bytes.
    largeClaimBytes: integer(env, 'LARGE_CLAIM_BYTES', 0, 0, 65_536),
    // How long a refresh token that was used may be used again, in seconds.
    refreshGraceSeconds: integer(env, 'REFRESH_GRACE_SECONDS', 0, 0, 60),
    // Whoever knows what is in this file may end sessions.
    adminToken: env.ADMIN_TOKEN_FILE ? secret(env, 'ADMIN_TOKEN_FILE') : undefined,
    gatewayClientSecret: secret(env, 'GATEWAY_CLIENT_SECRET_FILE'),
    accessTokenSeconds: integer(env, 'ACCESS_TOKEN_SECONDS', 300, 1, 86_400),
    refreshTokenSeconds: integer(env, 'REFRESH_TOKEN_SECONDS', 12 * 3600, 1, 14 * 86_400),
    introspectionResponse: oneOf(env, 'INTROSPECTION_RESPONSE', INTROSPECTION_RESPONSES, 'jwt'),
    // Without a choice an inactive token is answered in the form that the caller asked for (src/phantom-token.mjs).
    inactiveResponse: oneOf(env, 'INACTIVE_RESPONSE', INACTIVE_RESPONSES, undefined),
    apiAudience: env.API_AUDIENCE || 'demo-api',
    backchannelLogoutUri: env.BACKCHANNEL_LOGOUT_URI || undefined,
  });
}

function required(env, name, what) {
  if (!env[name]) throw new Error(`${name} is not set: it should be ${what}`);
  return env[name];
}

function url(env, name) {
  const value = required(env, name, 'an http or https URL without a trailing slash');
  if (!/^https?:\/\/[^/?#]+$/.test(value) || !URL.canParse(value)) {
    throw new Error(`${name} should be an origin such as https://login.example.localhost:8443, without a path`);
  }
  return value;
}

function integer(env, name, fallback, min, max) {
  if (!env[name]) return fallback;
  const value = Number(env[name]);
  if (!Number.isInteger(value) || value < min || value > max) {
    throw new Error(`${name} should be a whole number from ${min} to ${max}`);
  }
  return value;
}

function flag(env, name) {
  return oneOf(env, name, ['true', 'false'], 'false') === 'true';
}

function list(env, name) {
  return (env[name] || '').split(',').map((item) => item.trim()).filter(Boolean);
}

function oneOf(env, name, values, fallback) {
  if (!env[name]) return fallback;
  if (!values.includes(env[name])) throw new Error(`${name} should be one of ${values.join(', ')}`);
  return env[name];
}

function secret(env, name) {
  const file = required(env, name, 'the path of a file that holds the secret');
  const value = readFileSync(file, 'utf8').trim();
  if (!value) throw new Error(`${name} names an empty file: it should hold the secret`);
  return value;
}
