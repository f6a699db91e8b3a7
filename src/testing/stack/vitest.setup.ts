import type { TestProject } from 'vitest/node';
import { fetchPart, wholeStack } from './maven.ts';
import { startSharedStack } from './shared-stack.ts';

declare module 'vitest' {
  interface ProvidedContext {
    readonly stackUrl: string;
  }
}

/** Global setup of the project `production`. Fetches here, where no test's time limit runs; starts when tests ask. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  await Promise.all(wholeStack.map(fetchPart));
  const stack = await startSharedStack();
  project.provide('stackUrl', stack.url);
  return () => stack.dispose();
}
