/** What the package offers to programs: running the server inside their own process. Everything else goes over HTTP. */
export type * from './http/contract.ts';
export type { ConfigProblem } from './runtime/config/config.reader.ts';
export { type Config, type Loaded, loadConfig } from './runtime/config/config.ts';
export { type RunningServer, startServer } from './runtime/serve/start.ts';
