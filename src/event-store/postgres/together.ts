/**
 * The answers to statements that were sent one behind the other on one connection. Where one fails, so does everything
 * that was sent behind it in its transaction; what is thrown is the failure of the first in the order of sending,
 * whichever of their promises is settled first.
 */
export async function together<Answers extends readonly unknown[]>(
  sent: {
    readonly [Index in keyof Answers]: Promise<Answers[Index]>;
  },
): Promise<Answers> {
  const settled = await Promise.allSettled(sent);
  const failure = settled.find(({ status }) => status === 'rejected') as PromiseRejectedResult | undefined;
  if (failure !== undefined) throw failure.reason;
  return settled.map((each) => (each as PromiseFulfilledResult<unknown>).value) as unknown as Answers;
}
