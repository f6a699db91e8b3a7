import type { Config } from '../config/config.ts';

/**
 * Brings the store's schema up to date. May be called at any time, by several at once.
 *
 * @returns the names of the migrations that were applied now
 * @throws StartupError where a server holds the data directory, or a newer version has used the store; UnavailableError
 */
export async function migrateStore({ production, dataDir }: Config): Promise<readonly string[]> {
  const applied =
    production === null
      ? await (await import('../compose/compose.embedded.ts')).migrateFiles(dataDir)
      : await (await import('../compose/compose.production.ts')).migrateDatabase(production);
  return applied.map(({ version, name }) => `${String(version).padStart(4, '0')}_${name}`);
}
