/**
 * Which of a store's writers takes a partition's batches, counted from 0. The store goes by it, and so does whoever
 * lets the batches of one writer wait for one another.
 */
export function writerOf(partition: number, writers: number): number {
  return partition % writers;
}
