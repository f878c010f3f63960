// The process environment, read once and validated: every error names its variable and says what to write.
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
      // The client's public keys: fetched from the client, or read at startup.
      jwksUri: env.CLIENT_JWKS_URI || undefined,
      jwks: env.CLIENT_JWKS_FILE ? json(env, 'CLIENT_JWKS_FILE') : undefined,
      tlsSubjectDn: env.CLIENT_TLS_SUBJECT_DN || undefined,
      requirePar: flag(env, 'CLIENT_REQUIRE_PAR'),
      requireSignedRequest: flag(env, 'CLIENT_REQUIRE_SIGNED_REQUEST'),
      requireDpop: flag(env, 'CLIENT_REQUIRE_DPOP'),
      // The algorithm that signs userinfo responses; unset: JSON.
      userinfoAlgorithm: env.CLIENT_USERINFO_ALGORITHM || undefined,
      redirectUris: list(env, 'CLIENT_REDIRECT_URIS'),
      postLogoutRedirectUris: list(env, 'CLIENT_POST_LOGOUT_REDIRECT_URIS'),
    },
    // The client of a second application.
    second: env.SECOND_CLIENT_ID && {
      id: env.SECOND_CLIENT_ID,
      secret: secret(env, 'SECOND_CLIENT_SECRET_FILE'),
      spaOrigin: new URL(url(env, 'SECOND_SPA_ORIGIN')).origin,
    },
    // A second listener, for clients with certificates.
    mtls: env.MTLS_PORT && {
      port: integer(env, 'MTLS_PORT', 0, 1, 65535),
      origin: url(env, 'MTLS_ORIGIN'),
      cert: file(env, 'MTLS_CERT_FILE', 'the path of a certificate in PEM'),
      key: file(env, 'MTLS_KEY_FILE', 'the path of its private key in PEM'),
      ca: env.MTLS_CA_FILE ? file(env, 'MTLS_CA_FILE', 'the path of certificates in PEM') : undefined,
    },
    // The only resource (RFC 8707) that a client may request access tokens for.
    resource: env.RESOURCE || undefined,
    // The size in bytes of a claim that every user gets.
    largeClaimBytes: integer(env, 'LARGE_CLAIM_BYTES', 0, 0, 65_536),
    // How long a used refresh token may be used again, in seconds.
    refreshGraceSeconds: integer(env, 'REFRESH_GRACE_SECONDS', 0, 0, 60),
    // The content of this file authorizes the requests of administrators (src/admin.mjs).
    adminToken: env.ADMIN_TOKEN_FILE ? secret(env, 'ADMIN_TOKEN_FILE') : undefined,
    gatewayClientSecret: secret(env, 'GATEWAY_CLIENT_SECRET_FILE'),
    accessTokenSeconds: integer(env, 'ACCESS_TOKEN_SECONDS', 300, 1, 86_400),
    refreshTokenSeconds: integer(env, 'REFRESH_TOKEN_SECONDS', 12 * 3600, 1, 14 * 86_400),
    introspectionResponse: oneOf(env, 'INTROSPECTION_RESPONSE', INTROSPECTION_RESPONSES, 'jwt'),
    // Without a value, the form of the response for an inactive token follows that for an active one (src/phantom-token.mjs).
    inactiveResponse: oneOf(env, 'INACTIVE_RESPONSE', INACTIVE_RESPONSES, undefined),
    apiAudience: env.API_AUDIENCE || 'demo-api',
    // Whether a logout that begins at another site needs no confirmation, as if the application itself had requested it.
    logoutFromOtherSites: flag(env, 'LOGOUT_FROM_OTHER_SITES'),
    backchannelLogoutUri: env.BACKCHANNEL_LOGOUT_URI || undefined,
  });
}

function required(env, name, what) {
  if (!env[name]) throw new Error(`missing ${name}: set it to ${what}`);
  return env[name];
}

function url(env, name) {
  const value = required(env, name, 'an origin such as https://login.example.localhost:8443, without a path');
  if (!/^https?:\/\/[^/?#]+$/.test(value) || !URL.canParse(value)) {
    throw new Error(`invalid ${name}: write an origin such as https://login.example.localhost:8443, without a path`);
  }
  return value;
}

function integer(env, name, fallback, min, max) {
  if (!env[name]) return fallback;
  const value = Number(env[name]);
  if (!Number.isInteger(value) || value < min || value > max) {
    throw new Error(`invalid ${name}: write an integer from ${min} to ${max}`);
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
  if (!values.includes(env[name])) throw new Error(`invalid ${name}: write one of ${values.join(', ')}`);
  return env[name];
}

function secret(env, name) {
  const value = file(env, name, 'the path of a file that holds the secret').toString('utf8').trim();
  if (!value) throw new Error(`invalid ${name}: ${env[name]} is empty: write the secret into it`);
  return value;
}

function json(env, name) {
  const text = file(env, name, 'the path of a JSON file').toString('utf8');
  try {
    return JSON.parse(text);
  } catch {
    // The error of JSON.parse quotes the file.
    throw new Error(`invalid ${name}: ${env[name]} is not JSON: write a JWKS`);
  }
}

function file(env, name, what) {
  const path = required(env, name, what);
  try {
    return readFileSync(path);
  } catch (error) {
    throw new Error(`invalid ${name}: reading ${path} failed: ${error.code}: set it to ${what}`);
  }
}
