// Tabs that contain only the browser client.
import { readFile } from 'node:fs/promises';

import { API, WWW, counted, signIn } from './lib.mjs';

export const DATA = `${API}/api/data`;

/**
 * Serves the built client from the application's own origin, and blocks the application's own scripts. The page itself is the
 * real one: a page must come from this machine before the browser lets it call this machine.
 */
export async function serveClient(tab) {
  await tab.route(`${WWW}/assets/**`, (route) => route.abort());
  await tab.route(`${WWW}/client/dist/*`, async (route) => {
    const file = new URL(`../..${new URL(route.request().url()).pathname}`, import.meta.url);
    return route.fulfill({ contentType: 'text/javascript', body: await readFile(file) });
  });
}

/**
 * Opens tabs, each with a client that has handled its page load: `bff` in the page, and its events in `events`.
 * @param options options of the client
 */
export async function openTabs(context, count, options = {}) {
  const tabs = await Promise.all(Array.from({ length: count }, () => context.newPage()));
  for (const tab of tabs) {
    await serveClient(tab);
    await tab.goto(WWW);
    await tab.evaluate(async ([api, options]) => {
      const { BffClient } = await import('/client/dist/index.js');
      globalThis.events = [];
      globalThis.bff = new BffClient({ bffUrl: `${api}/bff`, navigate: (url) => { globalThis.left = url; }, ...options });
      bff.subscribe((event) => events.push(event));
      await bff.onPageLoad();
    }, [API, options]);
  }
  return tabs;
}

/** Tabs of a signed-in user. */
export async function signedInTabs(page, count, options) {
  await signIn(page);
  // The application's own page would be one more tab.
  await page.goto('about:blank');
  return openTabs(page.context(), count, options);
}

/** The number of refreshes that the service has completed, by its own count. */
export const fulfilledRefreshes = () => counted('bff_requests_total{endpoint="refresh",outcome="ok"}');
