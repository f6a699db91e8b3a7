import type { Output } from './context.ts';

export interface Progress {
  /** Shows this line in place of the one before; at most five times a second, and only on a terminal. */
  update(line: () => string): void;
  /** Takes the line away, so that other text starts at the margin. */
  clear(): void;
}

export function createProgress(output: Output, now: () => number = () => performance.now()): Progress {
  let shownAt = Number.NEGATIVE_INFINITY;
  let shown = false;
  return {
    update(line) {
      if (!output.isTTY || now() - shownAt < 200) return;
      shownAt = now();
      shown = true;
      output.write(`\r\x1b[2K${line()}`);
    },
    clear() {
      if (!shown) return;
      shown = false;
      output.write('\r\x1b[2K');
    },
  };
}
