import { createClient } from 'redis';

/** A bare connection, for what tests do to Redis behind the store's back. */
export interface TestClient {
  send<Reply = unknown>(...args: string[]): Promise<Reply>;
  destroy(): void;
}

export async function createTestClient(url: string): Promise<TestClient> {
  const client = createClient({ url, RESP: 2 });
  // The command itself rejects.
  client.on('error', () => undefined);
  await client.connect();
  return {
    send: <Reply>(...args: string[]) => client.sendCommand<Reply>(args),
    destroy: () => client.destroy(),
  };
}
