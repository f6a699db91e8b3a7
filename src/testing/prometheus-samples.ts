import type { Prometheus } from '../telemetry/prometheus.ts';

/** What a scrape shows: the value of each sample by its name with labels. */
export async function samplesOf(prometheus: Prometheus): Promise<ReadonlyMap<string, number>> {
  const { body } = await prometheus.expose();
  const samples = body.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(
    samples.map((line) => {
      const space = line.lastIndexOf(' ');
      return [line.slice(0, space), Number(line.slice(space + 1))];
    }),
  );
}
