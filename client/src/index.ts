// The API of the package. `bff-envoy-client/react` adds a hook.

export { BffClient, type BffClientOptions, type LoginOptions, type LogoutOptions, type PageLoad } from './client.js';
export { BffError, type BffErrorCode } from './http.js';
export { takePageUrl } from './page.js';
export type { Claims, Session, SessionEvent, SessionListener } from './session.js';
