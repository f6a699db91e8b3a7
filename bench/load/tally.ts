import { appendFileSync } from 'node:fs';

/** What a run of the generator saw. */
export interface LoadResult {
  readonly seconds: number;
  /**
   * Requests answered before the end of the window, and of each that was under way then the part of its time that lay
   * in it: of few and large ones the last would else make the rate jump. The rate is made of these.
   */
  readonly requests: number;
  readonly events: number;
  readonly requestsPerSecond: number;
  readonly eventsPerSecond: number;
  /** Everything that was answered 202, what came in after the window included: the account is made of these. */
  readonly accepted: number;
  /** Answers other than a 202 that took everything, by status; with what the first one said. */
  readonly refusals: Readonly<Record<string, number>>;
  readonly firstRefusal: string | null;
  /** Milliseconds from sending (paced: from when it was due) to the answer. */
  readonly latencyMs: { readonly p50: number; readonly p90: number; readonly p99: number; readonly max: number };
  readonly cpuSeconds: number;
}

const idBytes = 36;
const idStart = '{"id":"';

/** Counts answers, and keeps the ids of single ones. Grows by doubling, so that counting costs next to nothing. */
export function createTally(eventsPerRequest: number) {
  let latencies = new Float64Array(1 << 16);
  let ids = Buffer.allocUnsafe(idBytes << 16);
  let answered = 0;
  let inWindow = 0;
  let accepted = 0;
  let firstRefusal: string | null = null;
  const refusals: Record<string, number> = {};
  const receipt = `{"accepted":${eventsPerRequest},"rejected":0,"retry":0,`;

  function refuse(status: number, bodyStart: string): void {
    refusals[status] = (refusals[status] ?? 0) + 1;
    firstRefusal ??= `${status} ${bodyStart}`;
  }

  function keepId(bodyStart: string): void {
    if ((accepted + 1) * idBytes > ids.length) ids = Buffer.concat([ids], ids.length * 2);
    ids.write(bodyStart.slice(idStart.length, idStart.length + idBytes), accepted * idBytes, 'latin1');
  }

  return {
    add(status: number, bodyStart: string, latencyMs: number, partInWindow: number): void {
      if (answered === latencies.length) {
        const larger = new Float64Array(latencies.length * 2);
        larger.set(latencies);
        latencies = larger;
      }
      latencies[answered] = latencyMs;
      answered += 1;
      if (status !== 202 || !bodyStart.startsWith(eventsPerRequest === 1 ? idStart : receipt)) {
        refuse(status, bodyStart);
        return;
      }
      if (eventsPerRequest === 1) keepId(bodyStart);
      accepted += eventsPerRequest;
      inWindow += partInWindow;
    },

    result(seconds: number, cpuSeconds: number, idsFile: string | null): LoadResult {
      if (idsFile !== null && eventsPerRequest === 1) appendFileSync(idsFile, ids.subarray(0, accepted * idBytes));
      const sorted = latencies.subarray(0, answered).sort();
      const quantile = (part: number) => sorted[Math.min(answered - 1, Math.floor(answered * part))] ?? Number.NaN;
      return {
        seconds,
        requests: inWindow,
        events: inWindow * eventsPerRequest,
        requestsPerSecond: inWindow / seconds,
        eventsPerSecond: (inWindow * eventsPerRequest) / seconds,
        accepted,
        refusals,
        firstRefusal,
        latencyMs: { p50: quantile(0.5), p90: quantile(0.9), p99: quantile(0.99), max: quantile(1) },
        cpuSeconds,
      };
    },
  };
}
