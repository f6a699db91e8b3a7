import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

/** Where `vite dashboard` finds the API while the dashboard itself is worked on. */
const proxy = { target: 'http://127.0.0.1:3000', changeOrigin: false };

export default defineConfig({
  root: import.meta.dirname,
  base: '/dashboard/',
  plugins: [react()],
  build: {
    outDir: 'dist',
    emptyOutDir: true,
    target: ['chrome123', 'firefox121', 'safari17.5'],
    // A page that is served beside its API gains nothing from preloading polyfills or inlined assets.
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
  },
  // Host stays as the browser sends it, so that to the API the page is of its own origin.
  server: { proxy: { '/api': proxy, '/health': proxy } },
});
