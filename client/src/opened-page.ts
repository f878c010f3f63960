// The page in which a `BffClient` is used.

import type { BffClientOptions } from './options.js';
import { type TabEvent, Tabs } from './tabs.js';

/** What exists only in a page. */
export interface Page {
  readonly bffUrl: string;
  readonly apiOrigins: ReadonlySet<string>;
  readonly tabs: Tabs;
}

/**
 * Begins to use the `BffClient` in a page.
 * @param hear receives the events of other tabs
 * @param look requests the session, since the page may have missed something while it was in the browser's cache (the Back
 *   button: `isRestored` is true), or while it was not visible
 * @throws Error if there is no page
 */
export function openPage(
  options: BffClientOptions,
  hear: (event: TabEvent) => void,
  look: (isRestored: boolean) => void,
): Page {
  if (typeof document === 'undefined') {
    throw new Error('bff-envoy-client: there is no page: use the client in the browser only');
  }
  const { bffUrl, apiOrigins, cookieNamePrefix = 'example' } = options;
  const url = resolveUrl(bffUrl.replace(/\/+$/, ''));
  addEventListener('pageshow', ({ persisted }) => {
    if (persisted) look(true);
  });
  addEventListener('visibilitychange', () => {
    if (!document.hidden) look(false);
  });
  return {
    bffUrl: url.href,
    apiOrigins: new Set((apiOrigins ?? [url.origin]).map((api) => resolveUrl(api).origin)),
    tabs: new Tabs(`bff ${cookieNamePrefix} ${url.href}`, hear),
  };
}

/** Resolves a URL as the page would. */
export function resolveUrl(url: string): URL {
  return new URL(url, document.baseURI);
}
