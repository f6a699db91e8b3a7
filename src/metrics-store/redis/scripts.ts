import { createHash } from 'node:crypto';
import type { RedisArguments, RedisReply } from './connection.ts';
import { replyCode } from './errors.ts';
import type { RedisLink } from './link.ts';

/**
 * The functions that run inside Redis. Scripts called by their hash, not Functions: a script that Redis has forgotten
 * (SCRIPT FLUSH, a restart, a failover, a new node) is sent along with the very next call, so there is nothing to
 * install, to give rights for, or to keep in step with the version of this program. All keys are passed in.
 *
 * Numbers of Lua are doubles, exact to 2^53. No count passes through one: values come packed. What must be exact in
 * every digit (offset, token, generation) is compared and kept as text.
 */
export interface Script {
  readonly text: string;
  readonly sha1: string;
  readonly readOnly: boolean;
}

function script(text: string, readOnly = false): Script {
  const body = `#!lua${readOnly ? ' flags=no-writes' : ''}\n${text}`;
  return { text: body, sha1: createHash('sha1').update(body).digest('hex'), readOnly };
}

const parseHead = `
local function parse(head)
  return string.match(head or '', '^(%S+) (%d+) (%d+) (%d+) (%d+) (%d+) (.*)$')
end
`;

/**
 * KEYS: head, recent, types, journal, steps, then what gets a new value. ARGV: generation, previous token, log_no,
 * next_offset, token, now, journal entry, most entries and bytes of the journal, most events and bytes of recent,
 * channel, beginning of the message, how many new types, new steps and recent events; then name and number of every new
 * type, expiry and name of every new step, score and text of every event, length and time to live (0: none) of every
 * value; last the values themselves, one after another.
 *
 * Values are whole and new, worked out by the caller from what it knows of the partition as of the previous token:
 * where the tokens match, so does what they were worked out from. What could still fail once writing has begun (a key
 * of another type: somebody's hand) would leave the partition half applied. It is then left without a head, so that it
 * is rebuilt.
 */
export const applyScript = script(`${parseHead}
local generation, sequence, journal_bytes, recent_bytes, log_no, next_offset, token = parse(redis.call('GET', KEYS[1]))
if not generation then return {'diverged'} end
if token == ARGV[5] and log_no == ARGV[3] and next_offset == ARGV[4] then return {'already_applied'} end
if token ~= ARGV[2] then return {'diverged'} end
if generation ~= ARGV[1] then return {'generation'} end
if redis.call('EXISTS', KEYS[3]) == 0 then return {'diverged'} end

-- The newest stay: as many as may, and then as many bytes, but one.
local function trim(kept, bytes)
  local function drop(count)
    local popped = redis.call('ZPOPMIN', KEYS[2], count)
    for i = 1, #popped, 2 do bytes = bytes - #popped[i] end
    kept = kept - count
  end
  if kept > tonumber(ARGV[10]) then drop(kept - ARGV[10]) end
  while kept > 1 and bytes > tonumber(ARGV[11]) do drop(1) end
  return bytes
end

-- Lua passes at most 8,000 values to a function.
local function call_with_all(command, key, first, last)
  for i = first, last, 4000 do
    redis.call(command, key, unpack(ARGV, i, math.min(i + 3999, last)))
  end
end

local function apply()
  local at = 17
  local function take(pairs_count)
    local from = at
    at = at + 2 * pairs_count
    return from, at - 1
  end
  local first, last = take(ARGV[14])
  call_with_all('HSET', KEYS[3], first, last)
  first, last = take(ARGV[15])
  if last > first then
    call_with_all('ZADD', KEYS[5], first, last)
    redis.call('ZREMRANGEBYSCORE', KEYS[5], '-inf', ARGV[6])
  end

  local events = {}
  first, last = take(ARGV[16])
  if last > first then
    for i = first + 1, last, 2 do
      events[#events + 1] = ARGV[i]
      recent_bytes = recent_bytes + #ARGV[i]
    end
    call_with_all('ZADD', KEYS[2], first, last)
    recent_bytes = trim(redis.call('ZCARD', KEYS[2]), recent_bytes)
  end

  local blob, from = ARGV[#ARGV], 1
  for i = 6, #KEYS do
    local value = string.sub(blob, from, from + ARGV[at] - 1)
    if ARGV[at + 1] == '0' then
      redis.call('SET', KEYS[i], value)
    else
      redis.call('SET', KEYS[i], value, 'PX', ARGV[at + 1])
    end
    from = from + ARGV[at]
    at = at + 2
  end

  local entries = redis.call('LPUSH', KEYS[4], ARGV[7])
  journal_bytes = journal_bytes + #ARGV[7]
  while entries > 0 and (entries > tonumber(ARGV[8]) or journal_bytes > tonumber(ARGV[9])) do
    journal_bytes = journal_bytes - #redis.call('RPOP', KEYS[4])
    entries = entries - 1
  end

  local head = {generation, string.format('%.0f', sequence + 1), string.format('%.0f', journal_bytes),
    string.format('%.0f', math.max(0, recent_bytes)), ARGV[3], ARGV[4], ARGV[5]}
  redis.call('SET', KEYS[1], table.concat(head, ' '))
  redis.call('PUBLISH', ARGV[12], ARGV[13] .. table.concat(events, ',') .. ']}')
end

local ok, problem = pcall(apply)
if ok then return {'applied'} end
redis.call('DEL', KEYS[1])
return {'broken', type(problem) == 'table' and problem.err or tostring(problem)}
`);

/** KEYS: one. ARGV: time to live, command, its arguments. A key that is built up has its end from the first moment. */
export const writeExpiringScript = script(`
redis.call(ARGV[2], KEYS[1], unpack(ARGV, 3))
redis.call('PEXPIRE', KEYS[1], ARGV[1])
`);

/**
 * Makes a rebuilt generation the one that counts, if the head is still what it was. KEYS: head, then the old
 * generation's keys that do not expire by themselves, then those of the new one, then its values. ARGV: head as it was
 * ('' of none), new head, how many keys of the second and third kind, how long the old ones stay, channel, message,
 * then the time to live of each value (0: as long as the generation).
 */
export const switchScript = script(`
local old, lasting = tonumber(ARGV[3]), tonumber(ARGV[4])
if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then return 'changed' end
for i = 2 + old, #KEYS do
  if redis.call('EXISTS', KEYS[i]) == 0 then return 'expired' end
end
for i = 2, 1 + old do redis.call('PEXPIRE', KEYS[i], ARGV[5]) end
for i = 2 + old, 1 + old + lasting do redis.call('PERSIST', KEYS[i]) end
for i = 2 + old + lasting, #KEYS do
  local lives = ARGV[6 + i - old - lasting]
  if lives == '0' then
    redis.call('PERSIST', KEYS[i])
  else
    redis.call('PEXPIRE', KEYS[i], lives)
  end
end
redis.call('SET', KEYS[1], ARGV[2])
redis.call('PUBLISH', ARGV[6], ARGV[7])
return 'switched'
`);

/**
 * What a reader has to add to be where the partition is: nothing, the updates it lacks (newest first), or 'reload'.
 * KEYS: head, journal of the reader's generation. ARGV: generation and sequence of the reader.
 */
export const followScript = script(
  `${parseHead}
local head = redis.call('GET', KEYS[1])
local generation, sequence = parse(head)
if not generation then return {} end
if generation ~= ARGV[1] then return {head, 'reload'} end
local missing = sequence - ARGV[2]
if missing == 0 then return {head, 'updates'} end
if missing < 0 or missing > redis.call('LLEN', KEYS[2]) then return {head, 'reload'} end
return {head, 'updates', unpack(redis.call('LRANGE', KEYS[2], 0, missing - 1))}
`,
  true,
);

/** @throws UnavailableError, or the refusal */
export async function runScript(
  link: Pick<RedisLink, 'send'>,
  { text, sha1, readOnly }: Script,
  keys: readonly [string, ...string[]],
  args: RedisArguments,
): Promise<RedisReply> {
  const rest = [String(keys.length), ...keys, ...args];
  const suffix = readOnly ? '_RO' : '';
  try {
    return await link.send(keys[0], [`EVALSHA${suffix}`, sha1, ...rest]);
  } catch (error) {
    if (replyCode(error) !== 'NOSCRIPT') throw error;
    return link.send(keys[0], [`EVAL${suffix}`, text, ...rest]);
  }
}
