// Everything that an application needs of the backend for frontend. `bff-envoy-client/react` has a hook besides.

export { BffClient, type BffClientOptions, type LoginOptions, type PageLoad } from './client.js';
export { BffError } from './http.js';
export { takePageUrl } from './page.js';
export type { Claims, Session, SessionEvent, SessionListener } from './session.js';
