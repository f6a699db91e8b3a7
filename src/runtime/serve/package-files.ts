import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** The package's root: three folders up, from src/runtime/serve in a clone and from dist/runtime/serve in a package. */
const root = new URL('../../../', import.meta.url);

export function dashboardDir(): string {
  return fileURLToPath(new URL('dashboard/dist', root));
}

export function productVersion(): string {
  const manifest: unknown = JSON.parse(readFileSync(new URL('package.json', root), 'utf8'));
  return (manifest as { version: string }).version;
}
