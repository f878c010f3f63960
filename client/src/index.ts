// What the package exports. The entries for React, Vue, Svelte and Angular build on it.

export { BffClient } from './client.js';
export { BffError, type BffErrorCode } from './http.js';
export type { BffClientOptions, BffRequestInit, LoginOptions, LogoutOptions, LogoutResult } from './options.js';
export { takePageUrl } from './page.js';
export type { Claims, PageLoad, Session, SessionEvent, SessionListener } from './session.js';
