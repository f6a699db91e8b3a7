import { describe, expect, it } from 'vitest';
import { giveBack, giveBackReceived } from './give-back.ts';

describe('giving memory back', () => {
  it('leaves nothing of it, through whichever view', () => {
    const bytes = Buffer.allocUnsafeSlow(64 * 1024);
    const view = bytes.subarray(100, 200);
    giveBack(view);
    expect([bytes.length, view.length, bytes.buffer.byteLength]).toEqual([0, 0, 0]);
    // Once more, as of each of many records that stand in it.
    giveBack(bytes);
  });

  it("leaves Node's pool to those who share it", () => {
    const pooled = Buffer.from('x'.repeat(1_000));
    const neighbour = Buffer.from('y'.repeat(1_000));
    expect(pooled.buffer).toBe(neighbour.buffer);
    giveBack(pooled);
    expect(neighbour.toString()).toBe('y'.repeat(1_000));
    expect(pooled.toString()).toBe('x'.repeat(1_000));
  });

  it('leaves shared memory, and what is not worth the trouble', () => {
    const shared = new Uint8Array(new SharedArrayBuffer(10_000));
    const small = Buffer.allocUnsafeSlow(100);
    giveBack(shared);
    giveBack(small);
    expect([shared.length, small.length]).toEqual([10_000, 100]);
  });

  it('leaves what others have made, unless it is all of its memory', () => {
    const shared = Buffer.allocUnsafeSlow(16 * 1024);
    const piece = shared.subarray(0, 8 * 1024);
    giveBackReceived(piece);
    expect([piece.length, shared.length]).toEqual([8 * 1024, 16 * 1024]);
    giveBackReceived(shared);
    expect([piece.length, shared.length]).toEqual([0, 0]);
  });
});
