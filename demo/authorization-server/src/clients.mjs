// The clients: the application's (its BFF), a second application's if configured, with mutual TLS that of a partner that calls
// the API directly, and the filter's, for introspection.
export const SPA_CLIENT = 'spa-client';
export const GATEWAY_CLIENT = 'api-gateway-client';
const PARTNER_CLIENT = 'partner-client';

export function clients(config) {
  return [
    spaClient(config),
    ...(config.second ? [secondClient(config.second)] : []),
    ...(config.mtls ? [partnerClient()] : []),
    gatewayClient(config),
  ];
}

function spaClient({ client, spaOrigin, backchannelLogoutUri }) {
  return {
    client_id: SPA_CLIENT,
    client_name: 'Example SPA',
    client_secret: client.secret,
    token_endpoint_auth_method: client.authentication,
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    redirect_uris: [`${spaOrigin}/`, ...client.redirectUris],
    post_logout_redirect_uris: [`${spaOrigin}/`, ...client.postLogoutRedirectUris],
    ...(client.jwks && { jwks: client.jwks }),
    ...(client.jwksUri && { jwks_uri: client.jwksUri }),
    ...(client.authentication === 'tls_client_auth' && { tls_client_auth_subject_dn: client.tlsSubjectDn }),
    require_pushed_authorization_requests: client.requirePar,
    require_signed_request_object: client.requireSignedRequest,
    ...(client.requireDpop && { dpop_bound_access_tokens: true }),
    ...(client.userinfoAlgorithm && { userinfo_signed_response_alg: client.userinfoAlgorithm }),
    ...(backchannelLogoutUri && {
      backchannel_logout_uri: backchannelLogoutUri,
      backchannel_logout_session_required: true,
    }),
  };
}

function secondClient({ id, secret, spaOrigin }) {
  return {
    client_id: id,
    client_name: 'Second example SPA',
    client_secret: secret,
    token_endpoint_auth_method: 'client_secret_basic',
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    redirect_uris: [`${spaOrigin}/`],
    post_logout_redirect_uris: [`${spaOrigin}/`],
  };
}

// Its access tokens are bound to its certificate (RFC 8705): the filter requires both.
function partnerClient() {
  return {
    client_id: PARTNER_CLIENT,
    token_endpoint_auth_method: 'tls_client_auth',
    tls_client_auth_subject_dn: `CN=${PARTNER_CLIENT}`,
    tls_client_certificate_bound_access_tokens: true,
    grant_types: ['client_credentials'],
    response_types: [],
    redirect_uris: [],
    scope: 'data',
  };
}

function gatewayClient({ gatewayClientSecret }) {
  return {
    client_id: GATEWAY_CLIENT,
    client_secret: gatewayClientSecret,
    token_endpoint_auth_method: 'client_secret_basic',
    grant_types: [],
    response_types: [],
    redirect_uris: [],
    introspection_signed_response_alg: 'RS256',
  };
}
