import { Worker as Thread } from 'node:worker_threads';
import type { Discrepancy } from '../../event-store/event-store.ts';
import { siblingModule } from '../threads/sibling-module.ts';

/** Runs the store's verification in a thread of its own. */
export function verifyInThread(storePath: string, eventTypesMax: number): Promise<readonly Discrepancy[]> {
  return new Promise((resolve, reject) => {
    const thread = new Thread(siblingModule('verify-thread', import.meta.url), {
      name: 'verify',
      workerData: { storePath, eventTypesMax },
    });
    thread.once('message', resolve);
    thread.once('error', reject);
    // After a message this changes nothing; without one, the thread died.
    thread.once('exit', (code) => reject(new Error(`the verification ended with code ${code} and no answer`)));
  });
}
