import { defineConfig } from 'vite';

const client = (entry: string) => decodeURI(new URL(`../../client/src/${entry}.ts`, import.meta.url).pathname);

export default defineConfig({
  resolve: {
    // The client's sources, so that building this page needs no earlier step. An application uses the package.
    alias: { 'bff-envoy-client/react': client('react'), 'bff-envoy-client': client('index') },
    dedupe: ['react'],
  },
  build: {
    // The page's Content-Security-Policy allows only files of its own origin: nothing is inlined.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
});
