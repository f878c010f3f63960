// The headers of every response, and the static files of the pages.
import { readFileSync } from 'node:fs';

const ASSETS = new Map([
  ['/assets/style.css', asset('style.css', 'text/css; charset=utf-8')],
  ['/assets/confirm-logout.js', asset('confirm-logout.js', 'text/javascript; charset=utf-8')],
]);

function asset(name, type) {
  return { type, body: readFileSync(new URL(`../assets/${name}`, import.meta.url)) };
}

// form-action also restricts the redirect after a form is submitted, and signing in ends at the application.
// oidc-provider adds the hash of the script in its self-submitting form to script-src.
export function securityHeaders(config) {
  const applications = [config.spaOrigin, config.second?.spaOrigin, ...config.client.redirectUris].filter(Boolean);
  const origins = new Set(["'self'", ...applications.map((uri) => new URL(uri).origin)]);
  const policy = [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    'img-src data:',
    `form-action ${[...origins].join(' ')}`,
    "frame-ancestors 'none'",
    "base-uri 'none'",
  ].join('; ');
  return async (ctx, next) => {
    // The issuer's scheme is what browsers see, whatever the proxy in front sends: it decides whether cookies are Secure.
    ctx.req.headers['x-forwarded-proto'] = config.secure ? 'https' : 'http';
    ctx.set({
      'Content-Security-Policy': policy,
      'X-Content-Type-Options': 'nosniff',
      'X-Frame-Options': 'DENY',
      // Not no-referrer: with it browsers send `Origin: null` with the login form, and the Origin could not be checked.
      'Referrer-Policy': 'same-origin',
      'Cross-Origin-Opener-Policy': 'same-origin',
      ...(config.secure ? { 'Strict-Transport-Security': 'max-age=31536000' } : undefined),
    });
    await next();
  };
}

export async function serveAssets(ctx, next) {
  const found = ASSETS.get(ctx.path);
  if (!found || !['GET', 'HEAD'].includes(ctx.method)) return next();
  ctx.set('Cache-Control', 'max-age=3600');
  ctx.type = found.type;
  ctx.body = found.body;
}

const MAX_FORM_BYTES = 8192;

// The body as a form. Throws an error with an HTTP status if it is anything else, or too long.
export async function readForm(ctx) {
  if (!ctx.is('application/x-www-form-urlencoded')) ctx.throw(415);
  const chunks = [];
  let length = 0;
  for await (const chunk of ctx.req) {
    length += chunk.length;
    if (length > MAX_FORM_BYTES) ctx.throw(413);
    chunks.push(chunk);
  }
  return new URLSearchParams(Buffer.concat(chunks).toString('utf8'));
}
