// The client of a fake page, and what tests read from it.

import { BffClient } from '../dist/index.js';
import { API } from './fake-page.mjs';

export function client(options) {
  return new BffClient({ bffUrl: `${API}/bff`, navigate: () => {}, ...options });
}

/** Waits for the first event of a kind. */
export function heard(bff, wanted) {
  return new Promise((resolve) => {
    bff.subscribe((event, session) => {
      if (event === wanted) resolve(session);
    });
  });
}

/** The requests that the BFF and the API received. */
export const lines = (page) => page.bff.requests.map(({ line }) => line);
