// W3C Trace Context: each request's place in a trace and its id go into the log, and on to whoever is asked because of it.
import { AsyncLocalStorage } from 'node:async_hooks';

import { log } from './log.mjs';

const TRACEPARENT = /^00-(?<trace>[0-9a-f]{32})-(?<parent>[0-9a-f]{16})-[0-9a-f]{2}$/;
const REQUEST_ID = /^[\w.-]{1,64}$/;

const current = new AsyncLocalStorage();

// One line a request that comes with either. The route's name and not the path, which may hold what is nobody's business.
export async function traceRequests(ctx, next) {
  const traceparent = TRACEPARENT.exec(ctx.get('traceparent'));
  const requestId = REQUEST_ID.exec(ctx.get('x-request-id'))?.[0];
  if (!traceparent && !requestId) return next();
  const headers = { ...(traceparent && { traceparent: traceparent[0] }), ...(requestId && { 'x-request-id': requestId }) };
  try {
    await current.run(headers, next);
  } finally {
    log('info', 'request', {
      method: ctx.method,
      route: ctx.oidc?.route,
      status: ctx.status,
      request_id: requestId,
      trace_id: traceparent?.groups.trace,
      parent_id: traceparent?.groups.parent,
    });
  }
}

// What a request that is made because of the current one says.
export function traceHeaders() {
  return current.getStore() ?? {};
}
