import type { Account } from './parts/account.ts';
import type { Servers } from './parts/servers.ts';

/** What every measurement is given. */
export interface Setup {
  /** Of one round. */
  readonly seconds: number;
  readonly rounds: number;
  /** Of the sizes of `growth`; below 1 it is a try, and no measurement. */
  readonly scale: number;
  /** Where data directories are made. */
  readonly directory: string;
  /** It was asked for by its name: then also what no mark asks for. */
  readonly isByName: boolean;
  /** Null: no CPU profiles. */
  readonly profileDir: string | null;
  progress(line: string): void;
  /**
   * Kafka, PostgreSQL and Redis, started when first asked for and shared by all measurements; a reason where they can't
   * be.
   */
  servers(): Promise<Servers | LeftOut>;
}

/** Something that this machine can't measure: what is missing, and how to get it. */
export interface LeftOut {
  readonly leftOut: string;
}

/** What the product has to reach. Ratios rather than rates where the machine would decide. */
export interface Mark {
  /** Its number; a letter behind it where one mark asks for several figures: `0`, `3b`. */
  readonly number: string;
  readonly what: string;
  readonly figure: string;
  readonly mustBe: string;
  readonly held: boolean;
}

/** What one measurement found out. */
export interface Measured {
  /** As it is written to bench/results. */
  readonly result: object;
  /** For people. */
  readonly text: string;
  readonly marks: readonly Mark[];
  /** Of everything the product accepted meanwhile: figures count only where nothing of it was lost or doubled. */
  readonly accounts: readonly Account[];
}

/**
 * One of the names that `npm run bench -- NAME` knows. Each stands alone: it starts what it needs, and takes nothing
 * from another but servers that have run for a while.
 */
export interface Measurement {
  readonly name: string;
  /** False: only when it is asked for by name, since it takes long. */
  readonly isDefault: boolean;
  measure(setup: Setup): Promise<Measured>;
}
