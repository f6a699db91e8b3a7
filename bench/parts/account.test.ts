import { describe, expect, it } from 'vitest';
import { accountOf, type Counted } from './account.ts';

const sound: Counted = {
  accepted: 1_000,
  duplicates: 10,
  stored: 990,
  idsChecked: 0,
  idsMissing: 0,
  ledger: { appended: 1_000, stored: 990, duplicate: 10, balanced: true },
  inMetrics: 990,
};

function accountWith(changed: Partial<Counted>, ledger: Partial<Counted['ledger']> = {}) {
  const { lost, doubled, ledgerAgrees } = accountOf({ ...sound, ...changed, ledger: { ...sound.ledger, ...ledger } });
  return { lost, doubled, ledgerAgrees };
}

describe('an account', () => {
  it('has nothing to say against every record stored once and every duplicate counted', () => {
    expect(accountWith({})).toEqual({ lost: 0, doubled: 0, ledgerAgrees: true });
  });

  it.each([
    ['a row is missing', { stored: 989 }, {}, { lost: 1, doubled: 0, ledgerAgrees: false }],
    ['a duplicate was stored', { stored: 991 }, {}, { lost: 0, doubled: 1, ledgerAgrees: false }],
    [
      'the ledger took a row for a duplicate',
      { stored: 989, inMetrics: 989 },
      { stored: 989, duplicate: 11 },
      { lost: 1, doubled: 0, ledgerAgrees: false },
    ],
    ['the ledger missed a duplicate', {}, { duplicate: 9 }, { lost: 0, doubled: 0, ledgerAgrees: false }],
    ['the log has more than was accepted', {}, { appended: 1_001 }, { lost: 0, doubled: 1, ledgerAgrees: false }],
    ['the ledger is not balanced', {}, { balanced: false }, { lost: 0, doubled: 0, ledgerAgrees: false }],
    ['the metrics count otherwise', { inMetrics: null }, {}, { lost: 0, doubled: 0, ledgerAgrees: false }],
    ['an id was not found', { idsChecked: 990, idsMissing: 2 }, {}, { lost: 2, doubled: 0, ledgerAgrees: true }],
  ])('tells when %s', (_, changed, ledger, expected) => {
    expect(accountWith(changed, ledger)).toEqual(expected);
  });
});
