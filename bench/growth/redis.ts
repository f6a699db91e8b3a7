import { createClient } from 'redis';

export interface RedisProbe {
  /** What keys and values take, without what the server itself does. */
  usedBytes(): Promise<number>;
  flush(): Promise<void>;
}

export async function withRedis<Result>(url: string, work: (redis: RedisProbe) => Promise<Result>): Promise<Result> {
  const client = createClient({ url });
  await client.connect();
  try {
    return await work({
      usedBytes: async () => Number(/^used_memory_dataset:(\d+)/m.exec(await client.info('memory'))![1]),
      flush: async () => void (await client.flushAll()),
    });
  } finally {
    await client.close();
  }
}
