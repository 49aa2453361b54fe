import { svelte } from '@sveltejs/vite-plugin-svelte';
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';
import { defineConfig, type Plugin } from 'vite';

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));
const GIT_IGNORE =
  '# What the build writes here; the folder itself is watched by the build of the binary.\n*\n!.gitignore\n';

/** Writes each file compressed beside itself; the binary sends what the browser takes. */
function compressed(): Plugin {
  return {
    name: 'compressed',
    apply: 'build',
    closeBundle() {
      const folder = path('dist');
      for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
        if (!/\.(html|js|css|svg)$/.test(name)) continue;
        const content = readFileSync(`${folder}/${name}`);
        writeFileSync(`${folder}/${name}.gz`, gzipSync(content, { level: 9 }));
        const params = { [constants.BROTLI_PARAM_QUALITY]: 11 };
        writeFileSync(`${folder}/${name}.br`, brotliCompressSync(content, { params }));
      }
      writeFileSync(`${folder}/.gitignore`, GIT_IGNORE);
    },
  };
}

// Relative addresses, so that the page works under any path; no data: addresses, which the policy forbids.
export default defineConfig({
  base: './',
  plugins: [svelte(), compressed()],
  resolve: { alias: { '@ecp-ai/orchestrator-client': path('../sdk/javascript/src/browser.ts') } },
  build: { outDir: 'dist', assetsInlineLimit: 0, modulePreload: { polyfill: false }, target: 'es2022' },
});
