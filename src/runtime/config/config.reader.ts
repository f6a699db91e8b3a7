import { readFileSync } from 'node:fs';
import { editDistance } from '../../domain/edit-distance.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

export interface ConfigProblem {
  readonly variable: string;
  readonly message: string;
}

interface Range {
  readonly min: number;
  readonly max: number;
}

/** Letters that differ, at most, for a name to be taken for another one. */
const typosMax = 2;

/** Reads variables one by one and keeps what is wrong with each, so that all of it can be told at once. */
export type ConfigReader = ReturnType<typeof createConfigReader>;

export function createConfigReader(env: Environment) {
  const problems: ConfigProblem[] = [];
  const asked = new Set<string>();

  function text(variable: string, fallback: string): string {
    asked.add(variable);
    return env[variable]?.trim() || fallback;
  }

  function number<Default extends number | null>(variable: string, fallback: Default, range: Range): number | Default {
    const given = text(variable, '');
    if (given === '') return fallback;
    const value = Number(given);
    if (value >= range.min && value <= range.max) return value;
    problems.push({ variable, message: `must be a number from ${rounded(range.min)} to ${range.max}, got "${given}"` });
    return fallback;
  }

  function oneOf<const Choice extends string, Default extends Choice | null>(
    variable: string,
    fallback: Default,
    choices: readonly Choice[],
  ): Choice | Default {
    const given = text(variable, '').toLowerCase();
    if (given === '') return fallback;
    const found = choices.find((choice) => choice === given);
    if (found !== undefined) return found;
    problems.push({ variable, message: `must be one of ${choices.join(', ')}, got "${given}"` });
    return fallback;
  }

  /** A value that may also lie in a file, named by the variable with `_FILE` at its end: for secrets. Null: not set. */
  function secret(variable: string): string | null {
    const fileVariable = `${variable}_FILE`;
    const [given, path] = [text(variable, ''), text(fileVariable, '')];
    if (given !== '' && path !== '') {
      problems.push({ variable: fileVariable, message: `is set, and ${variable} as well: unset one of them` });
    }
    if (given !== '') return given;
    if (path === '') return null;
    try {
      const content = readFileSync(path, 'utf8').trim();
      if (content !== '') return content;
      problems.push({ variable: fileVariable, message: `names ${path}, which is empty` });
    } catch (error) {
      const reason = (error as NodeJS.ErrnoException).code ?? String(error);
      problems.push({ variable: fileVariable, message: `names ${path}, which can't be read (${reason})` });
    }
    // Set, though not to anything: nothing else is to be said of it.
    return '';
  }

  /**
   * Names that are nearly those that were asked for: set, they would be ignored, and the default taken for what was
   * meant.
   */
  function misspelt(prefix: string): readonly ConfigProblem[] {
    const strange = Object.keys(env).filter((name) => name.startsWith(prefix) && !asked.has(name));
    return strange.flatMap((variable) => {
      const meant = [...asked].find((name) => editDistance(name, variable) <= typosMax || isCutShort(variable, name));
      return meant === undefined ? [] : [{ variable, message: `is no setting: did you mean ${meant}?` }];
    });
  }

  return {
    problems,
    misspelt,
    text,
    number,
    oneOf,
    secret,
    isSet: (variable: string) => text(variable, '') !== '' || text(`${variable}_FILE`, '') !== '',
    integer(variable: string, fallback: number, range: Range): number {
      const value = number(variable, fallback, range);
      if (Number.isInteger(value)) return value;
      problems.push({ variable, message: `must be a whole number, got "${env[variable]}"` });
      return fallback;
    },
    list(variable: string, fallback: readonly string[]): readonly string[] {
      const given = text(variable, '');
      const items = given === '' ? fallback : given.split(',').map((item) => item.trim());
      return items.filter((item) => item !== '').map((item) => item.toLowerCase());
    },
    flag(variable: string): boolean | null {
      const given = oneOf(variable, null, ['true', 'false']);
      return given === null ? null : given === 'true';
    },
    matching(variable: string, fallback: string, pattern: RegExp, rule: string): string {
      const given = text(variable, fallback);
      if (pattern.test(given)) return given;
      problems.push({ variable, message: `must be ${rule}, got "${given}"` });
      return fallback;
    },
  };
}

/**
 * `ESP_RETENTION` for `ESP_RETENTION_DAYS`. What a system sets by itself, as Kubernetes does for a service named esp,
 * is none.
 */
function isCutShort(variable: string, name: string): boolean {
  return name.startsWith(variable) && variable.length > name.length / 2;
}

/** Upwards, so that the smallest number told is one that is taken. */
function rounded(min: number): number {
  return Math.ceil(min * 1000) / 1000;
}
