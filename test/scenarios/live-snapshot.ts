import type { LiveSnapshot } from '../../src/http/contract.ts';
import type { RunningServer } from './harness.ts';

/** The first snapshot of the live stream that meets the condition. */
export async function liveSnapshot(
  server: RunningServer,
  isWanted: (snapshot: LiveSnapshot) => boolean,
): Promise<LiveSnapshot> {
  const abort = new AbortController();
  const response = await fetch(`${server.url}/api/live`, { signal: abort.signal });
  let text = '';
  for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    for (const [, json] of text.matchAll(/event: snapshot\ndata: (.*)\n\n/g)) {
      const snapshot = JSON.parse(json!) as LiveSnapshot;
      if (!isWanted(snapshot)) continue;
      abort.abort();
      return snapshot;
    }
  }
  throw new Error('the live stream ended');
}
