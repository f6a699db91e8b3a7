import { randomUUID } from 'node:crypto';
import { describe, expect, it, test } from 'vitest';
import { bytesToId, idToBytes, writeIdBytes } from './rows.ts';

describe('an id', () => {
  it('is its sixteen bytes, in either case, and comes back in lower case', () => {
    const id = '01234567-89ab-cdef-fedc-ba9876543210';
    expect(Buffer.from(idToBytes(id)).toString('hex')).toBe('0123456789abcdeffedcba9876543210');
    expect(idToBytes(id.toUpperCase())).toEqual(idToBytes(id));
    for (let turn = 0; turn < 100; turn++) {
      const random = randomUUID();
      expect(bytesToId(idToBytes(random))).toBe(random);
    }
  });

  test.each([
    '',
    '0123456789abcdeffedcba9876543210',
    '01234567-89ab-cdef-fedc-ba987654321',
    '01234567-89ab-cdef-fedc-ba98765432100',
    '01234567-89ab-cdef-fedc-ba987654321g',
    '01234567_89ab-cdef-fedc-ba9876543210',
    '012345678-9ab-cdef-fedc-ba9876543210',
    // Characters whose lower seven bits are those of a digit, and of a dash.
    '\u01301234567-89ab-cdef-fedc-ba987654321',
    '01234567\u01ad89ab-cdef-fedc-ba9876543210',
  ])('that is none, such as "%s", is no bytes', (text) => {
    expect(idToBytes(text)).toHaveLength(0);
  });

  it('is written over one that was there before, where it is one', () => {
    const buffer = idToBytes('ffffffff-ffff-ffff-ffff-ffffffffffff');
    expect(writeIdBytes(buffer, '01234567-89ab-cdef-fedc-ba9876543210')).toBe(buffer);
    expect(bytesToId(buffer)).toBe('01234567-89ab-cdef-fedc-ba9876543210');
    expect(writeIdBytes(buffer, '01234567-89ab-cdef-fedc')).toHaveLength(0);
  });
});
