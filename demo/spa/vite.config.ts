import { defineConfig } from 'vite';

export default defineConfig({
  build: {
    // The page's Content-Security-Policy allows files of its own origin only: nothing is inlined.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
});
