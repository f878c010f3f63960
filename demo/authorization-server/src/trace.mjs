// W3C Trace Context: logs each request's trace and request id, and propagates them to requests that follow from it.
import { AsyncLocalStorage } from 'node:async_hooks';

import { log } from './log.mjs';

const TRACEPARENT = /^00-(?<trace>[0-9a-f]{32})-(?<parent>[0-9a-f]{16})-[0-9a-f]{2}$/;
const REQUEST_ID = /^[\w.-]{1,64}$/;

const current = new AsyncLocalStorage();

// One line per request with either of them. The route's name, not the path, which may hold confidential values.
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

// The headers of a request that follows from the current one.
export function traceHeaders() {
  return current.getStore() ?? {};
}
