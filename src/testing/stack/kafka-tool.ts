import { java } from './kafka.ts';
import { fetchPart } from './maven.ts';
import { runCommand } from './run-command.ts';

const toolMs = 120_000;

/** Kafka's own command line tools, by their class: `org.apache.kafka.tools.ConsoleProducer` with its arguments. */
export async function runKafkaTool(mainClass: string, args: readonly string[], input = ''): Promise<string> {
  const jars = await fetchPart('kafka');
  return runCommand([...java(jars, ['-XX:TieredStopAtLevel=1'], mainClass), ...args], { input, timeoutMs: toolMs });
}
