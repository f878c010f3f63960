// oidc-provider's configuration: clients, features, lifetimes and policies.
import Provider, { errors } from 'oidc-provider';

import { accountFinder } from './accounts.mjs';
import { adminRoutes } from './admin.mjs';
import { adapterFactory } from './adapter.mjs';
import { GATEWAY_CLIENT, clients } from './clients.mjs';
import { log } from './log.mjs';
import { ACR_PASSWORD, interactionUrl, loginRoutes } from './login.mjs';
import { mtlsAliases, mtlsFeature } from './mtls.mjs';
import { errorPage, logoutPage, signedOutPage } from './pages.mjs';
import { INTROSPECTION_PATH, phantomToken } from './phantom-token.mjs';
import { traceHeaders, traceRequests } from './trace.mjs';
import { securityHeaders, serveAssets } from './web.mjs';

const DAY_SECONDS = 86_400;

const ROUTES = {
  authorization: '/oauth/v2/oauth-authorize',
  token: '/oauth/v2/oauth-token',
  introspection: INTROSPECTION_PATH,
  revocation: '/oauth/v2/oauth-revoke',
  userinfo: '/oauth/v2/oauth-userinfo',
  end_session: '/oauth/v2/oauth-session/logout',
  pushed_authorization_request: '/oauth/v2/oauth-par',
  jwks: '/oauth/v2/jwks',
};

// Whether the application itself requests the logout, so that no confirmation is needed: the request carries an ID token of
// the user who is signed in here or, since a token in a URL is best avoided, the browser comes from the same site.
function isRequestedByApplication(ctx, config) {
  const { Client, IdTokenHint } = ctx.oidc.entities;
  if (IdTokenHint) return IdTokenHint.payload.sub === ctx.oidc.session.accountId;
  if (!Client || Client.clientId === GATEWAY_CLIENT) return false;
  return config.logoutFromOtherSites || ['same-site', 'same-origin'].includes(ctx.get('sec-fetch-site'));
}

export function createProvider(config, database, keys) {
  const applicationUrl = `${config.spaOrigin}/`;
  // An administrator may change this lifetime.
  const lifetimes = { accessTokenSeconds: config.accessTokenSeconds };
  const cookie = { httpOnly: true, sameSite: 'lax', secure: config.secure, signed: true };

  const provider = new Provider(config.issuer, {
    adapter: adapterFactory(database, config.refreshGraceSeconds),
    findAccount: accountFinder(database, config.largeClaimBytes),
    clients: clients(config),
    // Every ID token has auth_time, not only after a request with max_age (OpenID Connect Core 1.0, section 2).
    clientDefaults: { require_auth_time: true },
    jwks: { keys: keys.signing },
    routes: ROUTES,
    scopes: ['openid', 'profile', 'email', 'data'],
    claims: {
      openid: ['sub'],
      profile: ['name', 'given_name', 'family_name', 'preferred_username', 'groups'],
      email: ['email', 'email_verified'],
    },
    acrValues: [ACR_PASSWORD],
    responseTypes: ['code'],
    clientAuthMethods: [
      'client_secret_basic', 'client_secret_post', 'private_key_jwt',
      ...(config.mtls ? ['tls_client_auth', 'self_signed_tls_client_auth'] : []),
    ],
    discovery: mtlsAliases(config, ROUTES),
    extraTokenClaims: authenticationOf,
    // The ID token has profile claims: applications read them there.
    conformIdTokenClaims: false,
    pkce: { required: () => true },
    cookies: {
      names: {
        session: config.secure ? '__Host-session' : 'session',
        interaction: config.secure ? '__Secure-interaction' : 'interaction',
        resume: config.secure ? '__Secure-resume' : 'resume',
      },
      keys: keys.cookies,
      long: cookie,
      short: cookie,
    },
    features: {
      devInteractions: { enabled: false },
      // Every proof must carry the server's nonce.
      dPoP: config.client.requireDpop
        ? { enabled: true, nonceSecret: Buffer.from(keys.cookies[0], 'base64url'), requireNonce: () => true }
        : { enabled: false },
      mTLS: mtlsFeature(config),
      clientCredentials: { enabled: Boolean(config.mtls) },
      requestObjects: { enabled: true },
      resourceIndicators: resources(config),
      claimsParameter: { enabled: true },
      pushedAuthorizationRequests: { enabled: true },
      jwtResponseModes: { enabled: true },
      // A client may revoke only its own tokens.
      revocation: { enabled: true, allowedPolicy: (ctx, client, token) => token.clientId === client.clientId },
      introspection: {
        enabled: true,
        // Access tokens only: a refresh token that somebody sends to an API is inactive.
        allowedPolicy: (ctx, client, token) => client.clientId === GATEWAY_CLIENT && ['AccessToken', 'ClientCredentials'].includes(token.kind),
      },
      jwtIntrospection: { enabled: true },
      jwtUserinfo: { enabled: true },
      backchannelLogout: { enabled: true },
      rpInitiatedLogout: {
        enabled: true,
        logoutSource(ctx, form) {
          ctx.body = logoutPage({ form, confirmed: isRequestedByApplication(ctx, config) });
        },
        postLogoutSuccessSource(ctx) {
          ctx.type = 'html';
          ctx.body = signedOutPage({ applicationUrl });
        },
      },
    },
    // The clients' addresses come from the operator of this server and may be on its own network, so the dispatcher that
    // blocks such addresses is not used.
    fetch: (address, { dispatcher, ...options }) => fetch(address, {
      ...options, headers: { ...options.headers, ...traceHeaders() },
    }),
    interactions: { url: interactionUrl },
    loadExistingGrant,
    issueRefreshToken: async (ctx, client) => client.grantTypeAllowed('refresh_token'),
    // Always: the second use of a refresh token, after the grace period, is then a sign of theft and revokes the grant.
    rotateRefreshToken: true,
    clientBasedCORS: () => false,
    ttl: {
      AccessToken: () => lifetimes.accessTokenSeconds,
      AuthorizationCode: 60,
      ClientCredentials: config.accessTokenSeconds,
      IdToken: 3600,
      Interaction: 600,
      RefreshToken: config.refreshTokenSeconds,
      // Refresh tokens rotate at most until the grant or the session expires.
      Grant: 14 * DAY_SECONDS,
      Session: 14 * DAY_SECONDS,
    },
    renderError(ctx, out) {
      ctx.type = 'html';
      ctx.body = errorPage({ error: out.error, description: out.error_description, applicationUrl });
    },
  });

  provider.proxy = true;
  provider.use(traceRequests);
  provider.use(securityHeaders(config));
  provider.use(serveAssets);
  provider.use(loginRoutes(config, database, provider));
  provider.use(phantomToken(config, keys.signing));
  if (config.adminToken) provider.use(adminRoutes(config, database, provider, lifetimes));
  logEvents(provider);
  return provider;
}

function resources(config) {
  if (!config.resource) return { enabled: false };
  return {
    enabled: true,
    // A request without a resource gets an access token that is not bound to one.
    defaultResource: () => undefined,
    useGrantedResource: () => true,
    getResourceServerInfo(ctx, indicator) {
      if (indicator !== config.resource) throw new errors.InvalidTarget();
      return { scope: 'data', audience: indicator, accessTokenTTL: config.accessTokenSeconds, accessTokenFormat: 'opaque' };
    },
  };
}

// How and when the user authenticated, for introspection of the access token (RFC 9470, section 6.2).
async function authenticationOf(ctx) {
  const { RefreshToken, AuthorizationCode } = ctx.oidc.entities;
  const { acr, authTime } = RefreshToken ?? AuthorizationCode ?? {};
  return { acr, auth_time: authTime };
}

// The clients that people sign in to are first-party: their scopes are granted without a consent page.
async function loadExistingGrant(ctx) {
  const { client, provider, session } = ctx.oidc;
  const grantId = session.grantIdFor(client.clientId);
  const existing = grantId && await provider.Grant.find(grantId);
  const grant = existing ?? new provider.Grant({ clientId: client.clientId, accountId: session.accountId });
  grant.addOIDCScope([...ctx.oidc.requestParamOIDCScopes].join(' '));
  for (const [indicator, server] of Object.entries(ctx.oidc.resourceServers ?? {})) {
    grant.addResourceScope(indicator, server.scope);
  }
  if (ctx.oidc.requestParamClaims.size > 0) grant.addOIDCClaims([...ctx.oidc.requestParamClaims]);
  await grant.save();
  return grant;
}

function logEvents(provider) {
  const failures = ['authorization', 'grant', 'introspection', 'revocation', 'userinfo', 'end_session',
    'end_session_confirm', 'pushed_authorization_request'];
  for (const name of failures) {
    provider.on(`${name}.error`, (ctx, error) => {
      log('warn', `${name}_refused`, {
        client: ctx.oidc.client?.clientId,
        error: error.error ?? error.name,
        reason: error.error_detail ?? error.error_description,
      });
    });
  }
  provider.on('server_error', (ctx, error) => log('error', 'server_error', { route: ctx.oidc?.route, error: error.stack }));
  provider.on('grant.success', (ctx) => {
    log('info', 'tokens_issued', { client: ctx.oidc.client.clientId, grant_type: ctx.oidc.params.grant_type });
  });
  provider.on('grant.revoked', () => log('info', 'grant_revoked'));
  provider.on('end_session.success', () => log('info', 'logout'));
}
