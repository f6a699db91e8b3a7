// Preloaded (--import): a thread that serves HTTP ends by an error, or by itself, when a file of that name appears in ESP_TEST_BREAK.
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { threadName } from 'node:worker_threads';

const ways = {
  throw() {
    throw new Error('broken by the test');
  },
  exit() {
    process.exit(7);
  },
};

if (threadName.startsWith('http ')) {
  setInterval(() => {
    for (const [way, end] of Object.entries(ways)) {
      try {
        // The first of several threads that removes it is the one.
        rmSync(join(process.env.ESP_TEST_BREAK, way));
      } catch {
        continue;
      }
      end();
    }
  }, 10).unref();
}
