import { array, type Codec, string, struct } from './codec.ts';

/** One kind of request and its answer, in one version. */
export interface Message<Request, Response> {
  readonly name: string;
  /** Kafka's number of it. */
  readonly key: number;
  readonly version: number;
  /** In the flexible form, headers have tagged fields too. */
  readonly isFlexible: boolean;
  readonly request: Codec<Request>;
  readonly response: Codec<Response>;
}

/** In the flexible form. */
export function message<Request, Response>(
  name: string,
  [key, version]: readonly [key: number, version: number],
  { request, response }: { readonly request: Codec<Request>; readonly response: Codec<Response> },
): Message<Request, Response> {
  return { name, key, version, isFlexible: true, request, response };
}

/** Of topics, by name, what is said of each of their partitions. */
export function byTopic<Partition>(partition: Codec<Partition>) {
  return array(struct({ name: string, partitions: array(partition) }));
}
