/// <reference types="vitest/config" />
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig, loadEnv } from 'vite';

const { TAPELIGHT_GATEWAY: gateway = 'http://127.0.0.1:8787' } = loadEnv('', '.', 'TAPELIGHT_');

export default defineConfig({
  plugins: [svelte()],
  base: './',
  build: {
    outDir: '../src/tapelight/web/static',
    emptyOutDir: true,
    target: 'es2023',
    // Every asset is a file: `data:` addresses would need a wider content security policy.
    assetsInlineLimit: 0,
  },
  server: {
    proxy: {
      '/api': gateway,
      '/ws': { target: gateway, ws: true },
    },
  },
  // A limit is against what never ends: how fast the machine is proves nothing.
  test: { include: ['test/**/*.test.ts'], testTimeout: 60_000 },
});
