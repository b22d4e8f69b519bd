"""What must happen at once, in Lua: the server runs a script without letting anybody else in between.

Scripts never read the server's clock: an entry has expired when its head says so by the caller's clock,
or when Redis has removed it. The chunks of an entry are in its slot, so no script leaves the slot of its keys.

Beside the entries of a scope is its index, a sorted set of the ends of their names by expiry: what a scope holds is
found without a look at what others hold. It lasts as long as the entry that lasts longest. Its seconds are whole ones,
which Redis finds a place for in a tenth of the time.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

__all__ = ["CHANGE", "TOUCH", "Script", "spell_out"]


@dataclass(frozen=True)
class Script:
    """A script, by its source or, where the server knows it, by its digest."""

    source: str = field(repr=False)
    digest: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "digest", hashlib.sha1(self.source.encode(), usedforsecurity=False).hexdigest())

    def call(self, names: list[str], *arguments: object) -> tuple[object, ...]:
        """The command that runs it."""
        return ("EVALSHA", self.digest, len(names), *names, *arguments)


def spell_out(command: tuple[object, ...]) -> tuple[object, ...]:
    """The same command for a server that does not know the script yet."""
    return ("EVAL", _SOURCES[command[1]], *command[2:]) if command[0] == "EVALSHA" else command


_COMMON = """
local now = tonumber(ARGV[1])

local function head(key)
  local text = redis.call('GETRANGE', key, 0, 63)
  if text == '' then return nil end
  if text:sub(1, 4) ~= 'DSM1' then return { etag = '', live = true, nbytes = 0, chunks = 0 } end
  local over = tonumber(text:sub(23, 40))
  return {
    etag = text:sub(6, 21),
    over = over,
    live = over == 0 or over > now,
    nbytes = tonumber(text:sub(42, 54)),
    chunks = tonumber(text:sub(56, 63)),
  }
end

local function upload(key, entry)
  return '#' .. key .. '#' .. entry.etag
end

local function each_chunk(command, key, entry, ...)
  for number = 0, entry.chunks - 1 do redis.call(command, upload(key, entry) .. '/' .. number, ...) end
end

local function all(command, key, entry, ...)
  redis.call(command, key, ...)
  each_chunk(command, key, entry, ...)
end

local function expire(key, entry, ttl)
  if ttl == '' then all('PERSIST', key, entry) else all('PEXPIRE', key, entry, ttl) end
end

local changed = {}

local function list(key, ttl)
  local _, last = key:find('{[^/]*/?[^/]*}')
  local index, rest = '#' .. key:sub(1, last), key:sub(last + 1)
  if rest == '' then return end
  changed[index] = true
  if ttl == '0' then return redis.call('ZREM', index, rest) end
  redis.call('ZADD', index, ttl == '' and '+inf' or math.ceil(now + ttl / 1000), rest)
end

local function trim_indexes()
  for index in pairs(changed) do
    redis.call('ZREMRANGEBYSCORE', index, '-inf', now)
    local over = redis.call('ZRANGE', index, -1, -1, 'WITHSCORES')[2]
    if over == 'inf' then
      redis.call('PERSIST', index)
    elseif over then
      redis.call('PEXPIRE', index, math.ceil((over - now) * 1000) + 1000)
    end
  end
end
"""

CHANGE = Script(
    _COMMON
    + """
-- KEYS: those of the puts, then those to delete, then the indexes of all these.
-- ARGV: now; how many to delete; for each put two: its entry ('' where it was uploaded), and these words: etag; chunks;
-- milliseconds to live (* for ever); what is expected (* anything, - nothing, else an etag); and for an append how many
-- of its bytes are the start, whether these replace the start that is there, and the most that may be there.
-- Returns how many of those to delete were there, or the negative number of the put that was in conflict. A put that is
-- there already is one whose answer was lost.
-- What may fail for want of memory comes before all else is written, and then nothing is.
local puts, there = {}, {}
for number = 1, (#ARGV - 2) / 2 do
  local words = ARGV[number * 2 + 2]
  local etag, chunks, ttl, expect, start, renew, most = words:match('(%S+) (%S+) (%S+) (%S+) ?(%S*) ?(%S*) ?(%S*)')
  local put = { key = KEYS[number], entry = ARGV[number * 2 + 1], etag = etag, chunks = tonumber(chunks), live = true }
  put.ttl, put.expect = ttl == '*' and '' or ttl, expect
  if start ~= '' then put.append = { start = tonumber(start), renew = renew == '1', most = tonumber(most) } end
  puts[number] = put
end
local last = #puts + tonumber(ARGV[2])
for number = 1, last do there[KEYS[number]] = head(KEYS[number]) end

local function drop(put)
  redis.call('UNLINK', upload(put.key, put))
  each_chunk('UNLINK', put.key, put)
end

local function give_up(reply)
  for _, put in ipairs(puts) do drop(put) end
  return reply
end

local function is_uploaded(put)
  if put.entry == '' and redis.call('EXISTS', upload(put.key, put)) == 0 then return false end
  for number = 0, put.chunks - 1 do
    if redis.call('EXISTS', upload(put.key, put) .. '/' .. number) == 0 then return false end
  end
  return true
end

local function store(put)
  if put.ttl == '0' then
    redis.call('UNLINK', put.key)
    return drop(put)
  end
  local reply
  if put.entry == '' then
    reply = redis.pcall('RENAME', upload(put.key, put), put.key)
  elseif put.ttl == '' then
    reply = redis.pcall('SET', put.key, put.entry)
  else
    reply = redis.pcall('SET', put.key, put.entry, 'PX', put.ttl)
  end
  if reply.err then return reply end
  if put.entry == '' or put.chunks > 0 then expire(put.key, put, put.ttl) end
end

local function too_long(put, entry)
  if not put.append or not entry or not entry.live then return false end
  return entry.chunks > 0 or entry.nbytes + #put.entry - 64 - put.append.start > put.append.most
end

local function extend(put, entry)
  local old, new = redis.call('GETRANGE', put.key, 64, -1), put.entry:sub(65)
  local start, over = put.append.start, put.entry:sub(23, 40)
  if put.ttl ~= '' and (entry.over == 0 or entry.over > tonumber(over)) then
    over = string.format('%018.6f', entry.over)
    put.ttl = entry.over == 0 and '' or tostring(math.ceil((entry.over - now) * 1000))
  end
  local whole = (put.append.renew and new or old):sub(1, start) .. old:sub(start + 1) .. new:sub(start + 1)
  put.entry = string.format('DSM1 %s %s %013d %08d\\n', put.etag, over, #whole, 0) .. whole
end

local function is_there(put)
  return there[put.key] and there[put.key].etag == put.etag
end

for _, lost in ipairs(puts) do
  if is_there(lost) then
    for _, put in ipairs(puts) do
      if is_there(put) then
        redis.call('UNLINK', upload(put.key, put))
        if not put.append then expire(put.key, put, put.ttl) end
      else
        drop(put)
      end
    end
    return 0
  end
end

local staged = {}
for number, put in ipairs(puts) do
  local entry = staged[put.key] or there[put.key]
  local etag = entry and entry.live and entry.etag or '-'
  if put.expect ~= '*' and put.expect ~= etag or too_long(put, entry) then return give_up(-number) end
  if not is_uploaded(put) then return give_up(redis.error_reply('ERR an upload took too long')) end
  staged[put.key] = put
end

for _, put in ipairs(puts) do
  local entry = there[put.key]
  if put.append and entry and entry.live and entry.etag ~= '' then extend(put, entry) end
  local problem = store(put)
  if problem then return give_up(problem) end
  list(put.key, put.ttl)
  if entry then each_chunk('UNLINK', put.key, entry) end
  there[put.key] = put
end

local deleted = 0
for number = #puts + 1, last do
  local key = KEYS[number]
  local entry = there[key]
  if entry then
    if entry.live then deleted = deleted + 1 end
    all('UNLINK', key, entry)
    list(key, '0')
    there[key] = nil
  end
end
trim_indexes()
return deleted
"""
)

TOUCH = Script(
    _COMMON
    + """
-- KEYS: the keys, then their indexes. ARGV: now; for each key milliseconds to live ('' for ever), expiry as it stands
-- in a head. Returns for each whether it is there. What lives longer is left as it is.
-- The expiry is set before the head is written: a full server refuses a script's first write, if it takes room.
local there = {}
for number = 1, (#ARGV - 1) / 2 do
  local key, ttl = KEYS[number], ARGV[number * 2]
  local entry = head(key)
  there[number] = entry and entry.live and 1 or 0
  local over = ARGV[number * 2 + 1]
  local ends = there[number] == 1 and entry.over or 0
  if ends ~= 0 and (ttl == '' or ends < tonumber(over)) then
    expire(key, entry, ttl)
    redis.call('SETRANGE', key, 22, over)
    list(key, ttl)
  end
end
trim_indexes()
return there
"""
)

_SOURCES: dict[object, str] = {script.digest: script.source for script in (CHANGE, TOUCH)}
