import { createHash } from 'node:crypto';
import type { RedisArguments, RedisReply } from './metrics-store.redis.connection.ts';
import { replyCode } from './metrics-store.redis.errors.ts';
import type { RedisLink } from './metrics-store.redis.link.ts';

/**
 * The functions that run inside Redis. Scripts called by their hash, not Functions: a script that Redis has forgotten
 * (SCRIPT FLUSH, a restart, a failover, a new node) is sent along with the very next call, so there is nothing to install,
 * to give rights for, or to keep in step with the version of this program. All keys are passed in.
 *
 * Numbers of Lua are doubles: the counts that pass through one are what a batch adds, far below 2^53. What must be exact in
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
 * KEYS: head, recent, types, totals, journal, steps, then of every step that changes its latencies and its counts.
 * ARGV: generation, previous token, log_no, next_offset, token, now, what to add, journal entry, most entries and bytes of the
 * journal, most events and bytes of recent, channel, beginning of the message, then score and text of every recent event.
 *
 * What could still fail once writing has begun (a key of another type: somebody's hand) would leave the partition half
 * applied. It is then left without a head, so that it is rebuilt.
 */
export const applyScript = script(`${parseHead}
local generation, sequence, journal_bytes, recent_bytes, log_no, next_offset, token = parse(redis.call('GET', KEYS[1]))
if not generation then return {'diverged'} end
if token == ARGV[5] and log_no == ARGV[3] and next_offset == ARGV[4] then return {'already_applied'} end
if token ~= ARGV[2] then return {'diverged'} end
if generation ~= ARGV[1] then return {'generation', generation} end
if redis.call('EXISTS', KEYS[3]) == 0 then return {'diverged'} end

-- Lua passes at most 8,000 values to a function.
local function add(key, flat, numbers, stride, width)
  local args = {'BITFIELD', key}
  if width > 0 then
    args[3], args[4], args[5], args[6] = 'INCRBY', 'u48', '#' .. (width - 1), 0
  end
  for i = 1, #flat, 2 do
    local index = flat[i]
    if numbers then
      index = numbers[math.floor(index / stride) + 1] * stride + index % stride
    end
    local n = #args
    args[n + 1], args[n + 2], args[n + 3], args[n + 4] = 'INCRBY', 'u48', '#' .. index, flat[i + 1]
    if n > 6000 then
      redis.call(unpack(args))
      args = {'BITFIELD', key}
    end
  end
  if #args > 2 then redis.call(unpack(args)) end
end

local function number_types(names)
  local numbers = {}
  if #names == 0 then return numbers, 0 end
  local next_number = redis.call('HLEN', KEYS[3]) - 1
  for from = 1, #names, 5000 do
    local found = redis.call('HMGET', KEYS[3], unpack(names, from, math.min(from + 4999, #names)))
    for i = 1, #found do
      local number = found[i] and tonumber(found[i])
      if not number then
        number = next_number
        next_number = next_number + 1
        redis.call('HSET', KEYS[3], names[from + i - 1], number)
      end
      numbers[from + i - 1] = number
    end
  end
  return numbers, next_number
end

local function apply()
  local what = cjson.decode(ARGV[7])
  local numbers, count = number_types(what.types)
  add(KEYS[4], what.totals, numbers, 3, 0)
  for i, step in ipairs(what.steps) do
    local latencies, counts = KEYS[5 + 2 * i], KEYS[6 + 2 * i]
    add(latencies, step.latencies, nil, 1, 0)
    -- As long as all types at once: growing string by string would double it.
    if #step.counts > 0 then add(counts, step.counts, numbers, 1, count) end
    if redis.call('PEXPIRE', latencies, step.expires, 'NX') == 1 then
      redis.call('ZADD', KEYS[6], ARGV[6] + step.expires, step.name)
    end
    if #step.counts > 0 then redis.call('PEXPIRE', counts, step.expires, 'NX') end
  end
  redis.call('ZREMRANGEBYSCORE', KEYS[6], '-inf', ARGV[6])

  local entries = redis.call('LPUSH', KEYS[5], ARGV[8])
  journal_bytes = journal_bytes + #ARGV[8]
  while entries > 0 and (entries > tonumber(ARGV[9]) or journal_bytes > tonumber(ARGV[10])) do
    journal_bytes = journal_bytes - #redis.call('RPOP', KEYS[5])
    entries = entries - 1
  end

  local events = {}
  local kept = redis.call('ZCARD', KEYS[2])
  if kept == 0 then recent_bytes = 0 end
  for i = 15, #ARGV, 2 do
    events[#events + 1] = ARGV[i + 1]
    if redis.call('ZADD', KEYS[2], ARGV[i], ARGV[i + 1]) == 1 then
      kept = kept + 1
      recent_bytes = recent_bytes + #ARGV[i + 1]
    end
  end
  while kept > 1 and (kept > tonumber(ARGV[11]) or recent_bytes > tonumber(ARGV[12])) do
    recent_bytes = recent_bytes - #redis.call('ZPOPMIN', KEYS[2])[1]
    kept = kept - 1
  end

  local head = {generation, string.format('%.0f', sequence + 1), string.format('%.0f', journal_bytes),
    string.format('%.0f', math.max(0, recent_bytes)), ARGV[3], ARGV[4], ARGV[5]}
  redis.call('SET', KEYS[1], table.concat(head, ' '))
  redis.call('PUBLISH', ARGV[13], ARGV[14] .. table.concat(events, ',') .. ']}')
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
 * Makes a rebuilt generation the one that counts, if the head is still what it was.
 * KEYS: head, then the old generation's keys that do not expire by themselves, then what of the new one is to stay, then its
 * steps' keys. ARGV: head as it was ('' of none), new head, how many keys of the first two kinds, how long the old ones stay,
 * channel, message, then the time to live of each step's key.
 */
export const switchScript = script(`
local old, staying = tonumber(ARGV[3]), tonumber(ARGV[4])
if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then return 'changed' end
for i = 2 + old, #KEYS do
  if redis.call('EXISTS', KEYS[i]) == 0 then return 'expired' end
end
for i = 2, 1 + old do redis.call('PEXPIRE', KEYS[i], ARGV[5]) end
for i = 2 + old, 1 + old + staying do redis.call('PERSIST', KEYS[i]) end
for i = 2 + old + staying, #KEYS do redis.call('PEXPIRE', KEYS[i], ARGV[8 + i - 2 - old - staying]) end
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

/** @throws UnavailableError, ErrorReply */
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
