// The process environment, read once and checked: every fault names its variable and says what to write.
import { readFileSync } from 'node:fs';

const INTROSPECTION_RESPONSES = ['jwt', 'json-jwt', 'json-phantom-token', 'rfc9701', 'json'];
const INACTIVE_RESPONSES = ['204', 'json'];

export function readConfig(env) {
  const issuer = url(env, 'ISSUER');
  return Object.freeze({
    host: env.HOST || '127.0.0.1',
    port: integer(env, 'PORT', 3004, 0, 65535),
    issuer,
    secure: issuer.startsWith('https:'),
    databaseFile: required(env, 'DATABASE_FILE', 'the path of the SQLite file'),
    spaOrigin: new URL(url(env, 'SPA_ORIGIN')).origin,
    clientSecret: secret(env, 'CLIENT_SECRET_FILE'),
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
