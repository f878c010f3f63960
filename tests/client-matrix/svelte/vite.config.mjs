import { svelte as plugin } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vite';

// Envoy, in front of the BFF and the API.
const envoy = { target: process.env.GATEWAY, changeOrigin: true };

export default defineConfig({
  plugins: [plugin()],
  preview: { host: 'localhost', strictPort: true, proxy: { '/bff': envoy, '/api': envoy } },
});
