import { randomBytes } from 'node:crypto';

/**
 * SQL that every batch asks: the server reads and plans it once for each connection, where that is possible. Of a small
 * batch's time in the server, reading and planning was nearly a third.
 */
export interface Statement {
  readonly text: string;
  /** The same for as long as the process lives. */
  readonly name: string;
}

/** Where a proxy after all gives one of the server's connections to several processes, none meets another's. */
const ofProcess = randomBytes(4).toString('hex');
let made = 0;

/** To be called once for each text, when a module is loaded: a connection keeps what it was asked. */
export function statement(text: string): Statement {
  made += 1;
  return { text, name: `esp_${ofProcess}_${made}` };
}
