import { defineConfig } from 'vite';

const client = (entry: string) => decodeURI(new URL(`../../client/src/${entry}.ts`, import.meta.url).pathname);

export default defineConfig({
  resolve: {
    // The client's sources, so that building this page takes no step before. An application has the package.
    alias: { 'bff-envoy-client/react': client('react'), 'bff-envoy-client': client('index') },
    dedupe: ['react'],
  },
  build: {
    // The page's Content-Security-Policy allows files of its own origin only: nothing is inlined.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
});
