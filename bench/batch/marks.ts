import type { KafkaIngest } from '../ingest/kafka.ts';
import type { Mark } from '../measurement.ts';
import { ratioOf, type SideResult } from '../parts/rounds.ts';

const severalRatioMin = 0.8;
const oneRatioMin = 0.5;

/** @param numbers of all processes together, and of one */
export function batchMarks({ one, several, peer, load }: KafkaIngest, numbers: readonly [string, string]): Mark[] {
  if (peer === null) return [];
  const mark = (number: string, side: SideResult, min: number): Mark => {
    const ratio = ratioOf(side, peer).median;
    return {
      number,
      what: `on Kafka: ${formOf(load)}, ${side.name} over ${peer.name}`,
      figure: ratio.toFixed(2),
      mustBe: `≥ ${min}`,
      held: ratio >= min,
    };
  };
  return [mark(numbers[0], several, severalRatioMin), mark(numbers[1], one, oneRatioMin)];
}

export function formOf({ form, eventsPerRequest }: KafkaIngest['load']): string {
  return `${form === 'array' ? 'arrays' : 'NDJSON'} of ${eventsPerRequest.toLocaleString('en')}`;
}
