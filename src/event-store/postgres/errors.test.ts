import { DatabaseError } from 'pg';
import { describe, expect, it } from 'vitest';
import { copiedRow, isIdTaken, isLostRace, toStoreError } from './errors.ts';

function errorOf(code: string, fields: Partial<DatabaseError> = {}): DatabaseError {
  return Object.assign(new DatabaseError('what happened', 20, 'error'), { code, severity: 'ERROR', ...fields });
}

describe('what is made of an error of PostgreSQL', () => {
  it.each([
    ['40001', 'store_busy'],
    ['40P01', 'store_busy'],
    ['55P03', 'store_busy'],
    ['57014', 'store_timeout'],
    ['57P01', 'store_unavailable'],
    ['57P02', 'store_unavailable'],
    ['57P03', 'store_unavailable'],
    ['53100', 'disk_full'],
    ['53200', 'store_unavailable'],
    ['53300', 'store_unavailable'],
    ['08006', 'store_unavailable'],
    ['08P01', 'store_unavailable'],
    ['28P01', 'store_unavailable'],
    ['25006', 'store_unavailable'],
    ['25P03', 'store_unavailable'],
    ['58030', 'store_unusable'],
    ['XX000', 'store_unusable'],
    ['42501', 'store_unusable'],
    ['42P01', 'store_unusable'],
    ['42703', 'store_unusable'],
    ['55000', 'store_unusable'],
    ['3D000', 'store_unavailable'],
  ])('%s is an unavailable store, %s', (state, code) => {
    const cause = errorOf(state);
    expect(toStoreError(cause)).toMatchObject({ name: 'UnavailableError', code, cause });
    expect((toStoreError(cause) as Error).message).toBe(`PostgreSQL: what happened (${state})`);
  });

  it.each([
    ['22003', {}],
    ['22P02', {}],
    ['22021', {}],
    ['54000', {}],
    ['23502', { column: 'payload' }],
    ['23514', { constraint: 'inbox_state_check' }],
  ])('%s is a value that is refused', (state, fields) => {
    expect(toStoreError(errorOf(state, fields))).toMatchObject({ name: 'RejectedByStoreError' });
  });

  it.each([
    ['23514', { constraint: 'ledger_invariant' }],
    ['23514', { constraint: 'rollup_invariant' }],
    ['23505', { constraint: 'events_id' }],
    ['23505', { constraint: 'inbox_id' }],
    ['42601', {}],
    ['25P02', {}],
  ])('%s %o stays as it is: a bug', (state, fields) => {
    const error = errorOf(state, fields);
    expect(toStoreError(error)).toBe(error);
  });

  it('leaves errors of others alone', () => {
    const error = new TypeError('x');
    expect(toStoreError(error)).toBe(error);
    expect(toStoreError('x')).toBe('x');
  });

  it('knows a lost race', () => {
    expect(isIdTaken(errorOf('23505', { constraint: 'events_id' }))).toBe(true);
    expect(isIdTaken(errorOf('23505', { constraint: 'inbox_id' }))).toBe(false);
    expect(['40001', '40P01', '55P03', '23514'].map((state) => isLostRace(errorOf(state)))).toEqual([
      true,
      true,
      false,
      false,
    ]);
  });

  it('knows the row of a COPY', () => {
    const where = 'JSON data, line 1: {"t":...\nCOPY events, line 17, column payload';
    expect(copiedRow(errorOf('22P02', { where }), 'events')).toBe(17);
    expect(copiedRow(errorOf('22P02', { where }), 'inbox')).toBeNull();
    expect(copiedRow(errorOf('22P02'), 'events')).toBeNull();
  });
});
