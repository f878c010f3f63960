// The phantom token response: the filter introspects an opaque access token and gets a JWT access token (RFC 9068)
// for the same grant, which it forwards to the API. Authorization servers send it in different forms, so it is configurable:
//
//   jwt                 application/jwt if the Accept header prefers it, otherwise RFC 7662 or RFC 9701 as requested
//   json-jwt            RFC 7662 JSON with the JWT in a member `jwt`
//   json-phantom-token  the same in a member `phantom_token`
//   rfc9701             the signed introspection response, whatever the request prefers
//   json                RFC 7662 JSON only
//
// The response for an inactive token is HTTP 204, or JSON or RFC 9701 with `active: false`. Unless that is configured, it is
// HTTP 204 if the response for an active one would contain a JWT access token.
import { createPrivateKey, randomUUID } from 'node:crypto';

import { SignJWT, decodeJwt } from 'jose';

import { epochTime } from './database.mjs';

export const INTROSPECTION_PATH = '/oauth/v2/oauth-introspect';
const JWT = 'application/jwt';
const INTROSPECTION_JWT = 'application/token-introspection+jwt';
const ALGORITHM = 'ES256';

export function phantomToken(config, signingKeys) {
  const jwk = signingKeys.find((key) => key.alg === ALGORITHM);
  const privateKey = createPrivateKey({ key: jwk, format: 'jwk' });

  const accessTokenJwt = ({ sub, client_id, scope, exp, iss, aud, cnf, acr, auth_time }) => new SignJWT({ client_id, scope, cnf, acr, auth_time })
    .setProtectedHeader({ alg: ALGORITHM, kid: jwk.kid, typ: 'at+jwt' })
    .setIssuer(iss)
    // A client that acts for itself is its own subject (RFC 9068, section 2.2).
    .setSubject(sub ?? client_id)
    .setAudience(aud ?? config.apiAudience)
    .setIssuedAt()
    .setExpirationTime(exp)
    // `jti` of an opaque access token is the token itself, so the JWT has one of its own.
    .setJti(randomUUID())
    .sign(privateKey);

  return async (ctx, next) => {
    if (ctx.path !== INTROSPECTION_PATH || ctx.method !== 'POST') return next();
    const wanted = config.introspectionResponse === 'jwt' ? requested(ctx) : config.introspectionResponse;
    // oidc-provider's own response, so that it and this code never disagree about Accept.
    ctx.req.headers.accept = wanted === 'rfc9701' ? INTROSPECTION_JWT : 'application/json';
    await next();
    if (ctx.status !== 200) return;

    const claims = wanted === 'rfc9701' ? decodeJwt(ctx.body).token_introspection : ctx.body;
    if (claims.active !== true) {
      // Without the no-store of oidc-provider, as for an active token.
      ctx.remove('Cache-Control');
      const empty = config.inactiveResponse ?? (wanted === 'json' || wanted === 'rfc9701' ? 'json' : '204');
      if (empty === '204') ctx.status = 204;
      return;
    }
    ctx.set('Cache-Control', `private, max-age=${Math.max(0, claims.exp - epochTime())}`);
    if (wanted === 'jwt') {
      ctx.body = await accessTokenJwt(claims);
      ctx.type = JWT;
    } else if (wanted === 'json-jwt') {
      ctx.body.jwt = await accessTokenJwt(claims);
    } else if (wanted === 'json-phantom-token') {
      ctx.body.phantom_token = await accessTokenJwt(claims);
    }
  };
}

// The form that the Accept header prefers. Without a preference: the JSON of RFC 7662.
function requested(ctx) {
  switch (ctx.accepts('application/json', JWT, INTROSPECTION_JWT)) {
    case JWT: return 'jwt';
    case INTROSPECTION_JWT: return 'rfc9701';
    default: return 'json';
  }
}
