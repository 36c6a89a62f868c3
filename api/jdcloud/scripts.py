"""What happens to an utterance in Redis, each step at once: several web processes may each see some of its packets.

Of a Request-Id there is a hash `record` with a state: "open" while packets come, "measured" while its result is
computed, "closed" afterwards, for as long as the id is remembered. The bytes received so far lie apart in `content`. A
`speaker` hash says which record keeps others from enrolling or testing that speaker. `mine` and `all` are the open
records of the tenant and of the platform, scored by the moment they expire, and `sizes` the bytes of the latter.

Every moment that is judged comes with the request, from our own clock. The expiry times of Redis stand behind it, for
what a crash leaves.
"""

from __future__ import annotations

from typing import Final

HELPERS: Final = """
local record, content, mine, all, sizes, speaker = unpack(KEYS)
local given, chunk = cjson.decode(ARGV[1]), ARGV[2]
local now = given.now

local function leave_streams(name)
    redis.call('ZREM', mine, name)
    redis.call('ZREM', all, name)
    redis.call('HDEL', sizes, name)
end

local function close()
    local held = redis.call('HGET', record, 'speaker')
    if held and redis.call('HGET', held, 'record') == record then redis.call('DEL', held) end
    redis.call('DEL', record, content)
    leave_streams(record)
    redis.call('HSET', record, 'state', 'closed')
    redis.call('PEXPIRE', record, given.remembered)
end

local function refuse(verdict)
    close()
    return {verdict}
end

local function go_on(held, bytes)
    redis.call('HSET', held, 'record', record, 'until', now + given.lasts)
    redis.call('PEXPIRE', held, given.lasts + 1000)
    redis.call('HSET', record, 'until', now + given.lasts, 'bytes', bytes)
    redis.call('PEXPIRE', record, given.lasts + given.remembered)
    if given.final then
        redis.call('HSET', record, 'state', 'measured')
        redis.call('DEL', content)
        return leave_streams(record)
    end
    redis.call('APPEND', content, chunk)
    redis.call('PEXPIRE', content, given.lasts + 1000)
    redis.call('ZADD', mine, now + given.lasts, record)
    redis.call('ZADD', all, now + given.lasts, record)
    redis.call('HSET', sizes, record, bytes)
    for _, key in ipairs({mine, all, sizes}) do redis.call('PEXPIRE', key, given.remembered) end
end

local function streams_of_tenant()
    redis.call('ZREMRANGEBYSCORE', mine, '-inf', '(' .. now)
    return redis.call('ZCARD', mine)
end

local function bytes_of_platform()
    for _, name in ipairs(redis.call('ZRANGEBYSCORE', all, '-inf', '(' .. now)) do leave_streams(name) end
    local total = 0
    for _, bytes in ipairs(redis.call('HVALS', sizes)) do total = total + bytes end
    return total
end

local function bytes_of_tenant()
    local total = 0
    for _, name in ipairs(redis.call('ZRANGE', mine, 0, -1)) do
        total = total + (redis.call('HGET', sizes, name) or 0)
    end
    return total
end

-- The utterance as long as it takes packets, else nil. An expired one is closed as soon as anybody asks for it.
local function running()
    local state, ends, packets, user, bytes, opening =
        unpack(redis.call('HMGET', record, 'state', 'until', 'packets', 'user', 'bytes', 'opening'))
    if state ~= 'open' then return nil end
    if tonumber(ends) < now or redis.call('EXISTS', content) == 0 then return close() end
    return {packets = tonumber(packets), user = user, bytes = tonumber(bytes), opening = opening}
end
"""

BEGIN: Final = (
    HELPERS
    + """
local utterance = running()
if utterance and utterance.user ~= given.user then return {'another user'} end
if redis.call('EXISTS', record) == 1 then return {'not next'} end
local ends = redis.call('HGET', speaker, 'until')
if ends and tonumber(ends) >= now then return {'speaker taken'} end
if not given.final and streams_of_tenant() >= given.stream_limit then return {'too many streams'} end
if not given.final and bytes_of_platform() + given.size > given.platform_limit then return {'too many bytes'} end
if not given.final and bytes_of_tenant() + given.size > given.tenant_limit then return {'too many bytes of tenant'} end
if given.size == 0 then return refuse('empty') end
if given.size > given.size_limit then return refuse('too large') end
redis.call('HSET', record, 'state', 'open', 'packets', 1, 'user', given.user,
    'opening', given.opening, 'speaker', speaker)
go_on(speaker, given.size)
return {'taken', given.opening, ''}
"""
)

CONTINUE: Final = (
    HELPERS
    + """
local utterance = running()
if not utterance then return {'not next'} end
local in_order = given.position == utterance.packets + 1
if utterance.user ~= given.user then return in_order and refuse('another user') or {'another user'} end
if not in_order then return {'not next'} end
local bytes = utterance.bytes + given.size
if bytes > given.size_limit then return refuse('too large') end
-- The last packet stays nowhere, and makes room.
local stays = given.final and 0 or given.size
if bytes_of_platform() + stays > given.platform_limit then return refuse('too many bytes') end
if bytes_of_tenant() + stays > given.tenant_limit then return refuse('too many bytes of tenant') end
local received = given.final and redis.call('GET', content) or ''
redis.call('HINCRBY', record, 'packets', 1)
go_on(redis.call('HGET', record, 'speaker'), bytes)
return {'taken', utterance.opening, received}
"""
)

CLOSE: Final = HELPERS + "close()"

# A packet that cannot even be read ends its utterance if its turn had come, and is nothing to it otherwise.
REFUSE: Final = (
    HELPERS
    + """
local utterance = running()
local in_order = utterance and given.position == utterance.packets + 1
local opens = given.position == 1 and redis.call('EXISTS', record) == 0
if in_order or opens then close() end
"""
)
