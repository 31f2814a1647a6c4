"""Every maximum in the system, each with a name, a unit and what happens when it is reached.

Called by every room. Promises: integers only, no work at import but the asserts that relate the
bounds to each other. Reaching a bound is always a refusal somebody sees (a reject, a closed
connection, a socket that is not read), never a silent drop. Bounds that decide outcomes (the
`..._MAX` of identities and orders) are only defaults here: the genesis entry carries the values in
force, because every replica must decide alike (docs/adr/0012).
"""

from typing import Final

# --- records: the fixed layouts of the log and of the engine's output (oms/messages)
COMMAND_BYTES: Final = 128
EVENT_BYTES: Final = 128
BATCH_HEADER_BYTES: Final = 32

# --- one log entry
BATCH_COMMANDS_MAX: Final = 1024  # commands in one entry; the batch closes at this bound
BATCH_BYTES_MAX: Final = BATCH_HEADER_BYTES + BATCH_COMMANDS_MAX * COMMAND_BYTES
WORK_STEPS_MAX: Final = 1024  # of a day-end sweep or of mass cancels in one entry: slots, orders
SCAN_SLOTS_MAX: Final = 16_384  # slab slots one entry examines for mass cancels
MASS_CANCELS_MAX: Final = 16  # not yet done; beyond: reject CAPACITY
TRADES_MAX: Final = 1 << 20  # a genesis may ask for at most, to be taken back
TRADES_MAX_DEFAULT: Final = 1 << 16  # of new venues; older trades of the day cannot be taken back
CURRENCIES_MAX: Final = 64  # a genesis may ask for at most; beyond: reject CAPACITY
CURRENCY_RATE_ONE: Final = 100_000_000  # rates are in 10^-8 of the first currency
CURRENCY_RATE_MAX: Final = 100_000 * CURRENCY_RATE_ONE  # beyond: reject BAD_VALUE
FEE_SCHEDULES_MAX: Final = 64  # beyond: reject CAPACITY
TICK_TABLES_MAX: Final = 64  # beyond: reject CAPACITY
TICK_ROWS_MAX: Final = 18  # of one table; beyond: reject BAD_VALUE
TICK_ROWS_SENT_MAX: Final = 9  # in one command record: two of them fill the longest table
FEE_RATE_MAX: Final = 1_000_000  # 10^-7 of a fill's value: a tenth; beyond: reject BAD_VALUE
POSTING_KEYS_MAX: Final = 4096  # keys of deposits and transfers; beyond, the oldest is forgotten
STOPS_MAX: Final = 16_384  # stop orders waiting in one instrument; beyond: reject CAPACITY
TRAILING_STOPS_MAX: Final = 512  # of those, trailing ones: each print may move them all
PEGS_MAX: Final = 16_384  # live pegs of the venue; beyond: reject CAPACITY

# --- identities (defaults of the genesis entry; ids are dense and start at 1)
INSTRUMENTS_MAX: Final = 8192
PARTICIPANTS_MAX: Final = 1024
ACCOUNTS_MAX: Final = 4096
USERS_MAX: Final = 1024
SESSIONS_MAX: Final = 1024
POSITIONS_MAX: Final = 1 << 16  # (account, instrument) pairs ever touched
DUPLICATES_MAX: Final = 256  # orders of one account remembered; at the bound: reject RATE_LIMIT
ORDERS_MAX: Final = 1 << 20  # live orders; at the bound: reject CAPACITY
HARD_ORDERS_MAX: Final = 1 << 26  # what a genesis entry may ask for at most

# --- values
PRICE_MAX: Final = 2_000_000_000  # 10^-4: 200,000.0000, what an ITCH u32 price holds
ORDER_QTY_MAX: Final = 0x7FFF_FFFF  # shares
TIMESTAMP_MAX: Final = (1 << 62) - 1  # of an entry, and of what is due; nanoseconds since 1970
MONEY_MAX: Final = (1 << 62) - 1  # 10^-4 currency units
ORDER_RATE_MAX: Final = 1_000_000  # commands in one window of an order rate
LIMIT_WINDOW_MAX_NS: Final = 3_600_000_000_000  # of an order rate, and for duplicates: an hour

# --- per session
OUTCOME_WINDOW: Final = 4096  # (client_seq -> out_seq) pairs kept to answer repeats (RULES A7)
SESSION_IN_FLIGHT_MAX: Final = 4096  # pushed, outcome unknown; at the bound the socket is not read
GATEWAY_IN_FLIGHT_MAX: Final = 16_384  # of all sessions of a gateway, shared by the busy ones
SESSION_IN_FLIGHT_MIN: Final = 64  # every session's share, however many are busy
CL_ORD_ID_BYTES_MAX: Final = 24
OUCH_CL_ORD_ID_BYTES: Final = 14
FIRM_BYTES: Final = 4
SYMBOL_BYTES_MAX: Final = 8
USER_NAME_BYTES_MAX: Final = 16
SOUP_USER_BYTES: Final = 6
SOUP_PASSWORD_BYTES: Final = 10

# --- gateways
CONNECTIONS_MAX: Final = 512  # TCP connections of one gateway; at the bound: accept and close
SEND_BUFFER_BYTES_MAX: Final = 8 << 20  # unsent bytes to one client; beyond: close with reason
PUSH_COMMANDS_MAX: Final = 512  # commands in one PUSH frame
COMMAND_TTL_NS: Final = 2_000_000_000  # not_after = push time + this (RULES A5)
RESEND_AFTER_NS: Final = 500_000_000  # nothing committed for so long: resend the window
CLIENT_FRAME_BYTES_MAX: Final = 1024  # one packet from a client; beyond: close with reason
READ_BYTES_MAX: Final = 1 << 16  # read from one socket at a time
LOGIN_HELD_BYTES_MAX: Final = 1 << 16  # sent behind a login not yet decided; beyond: not read
PASSWORD_CHECKS_MAX: Final = 64  # logins waiting for their check; beyond: close with reason
PENDING_FRAMES_MAX: Final = 4096  # engine frames behind a gap; beyond: dropped, fetched by replay
GATEWAY_HEARTBEAT_NS: Final = 200_000_000
GATEWAY_LEASE_NS: Final = 3_000_000_000  # silent for so long: the leader proposes GatewayLost

# --- ZeroMQ
PUSH_HWM: Final = 256  # frames; beyond, PUSH blocks and the gateway stops reading sockets
PULL_HWM: Final = 1024
ENGINE_HWM: Final = 16_384  # engine and status frames to one gateway; beyond, as for PUB_HWM
PUB_HWM: Final = 65_536  # frames; beyond, PUB drops and the subscriber repairs by number
REPLAY_BYTES_MAX: Final = 1 << 20  # one ROUTER reply; the caller asks again from where it ends
REQUEST_BYTES_MAX: Final = 1 << 16
PUSH_BYTES_MAX: Final = 1 << 18  # one PUSH frame; a longer one closes the gateway's connection
REPLIES_HWM: Final = 64  # replies waiting for one requester; beyond, a reply is dropped and counted

# --- node
SEQUENCER_QUEUE_MAX: Final = 32_768  # commands waiting for an entry; beyond, PULL is not read
PIPELINE_ENTRIES_MAX: Final = 1  # entries proposed and not yet committed (docs/adr/0015)
STATUS_PERIOD_NS: Final = 100_000_000
TOPIC_HEARTBEAT_NS: Final = 1_000_000_000
CLOCK_SKEW_MAX_NS: Final = 50_000_000  # RULES A9
HAND_OVER_NS: Final = 1_000_000_000  # a stopping leader waits so long for another to lead
EVENTS_AHEAD_BYTES: Final = 16 << 20  # room of the event log taken ahead; without it: low
SNAPSHOT_EVERY_ENTRIES: Final = 50_000
SNAPSHOTS_KEPT: Final = 3
SNAPSHOT_COPY_BYTES_MAX: Final = 1 << 20  # copied by the loop; beyond, by a process beside it
SCRUB_EVERY_ENTRIES: Final = 1_024  # a slice of the state is hashed at multiples of this index
PULL_FRAMES_PER_TURN: Final = 256  # PUSH frames read in one turn of the loop
REQUESTS_PER_TURN: Final = 32  # requests answered in one turn of the loop
REQUESTS_WAITING_MAX: Final = 1024  # submits and reads that wait for an index; beyond: Refusal
REQUEST_WAIT_NS: Final = 5_000_000_000  # a waiting request is answered by then, if by a Refusal
FEED_SUBSCRIPTIONS_MAX: Final = 65_536  # distinct; beyond, ignored and logged
ENGINE_FRAME_BYTES_MAX: Final = 1 << 18  # applied entries are joined into one frame up to this
GATEWAYS_MAX: Final = 256  # leases; pushes of further gateways are refused and logged

# --- replication
RAFT_FRAME_BYTES_MAX: Final = 4 << 20
JOURNAL_SEGMENT_BYTES: Final = 16 << 20
JOURNAL_RESERVE_BYTES: Final = 8 << 20  # kept for cancels when the disk is full (docs/adr/0019)
JOURNAL_MEMORY_BYTES_MAX: Final = 32 << 20  # entries kept in memory; older ones are read from disk
RAFT_SEND_BUFFER_BYTES_MAX: Final = 32 << 20
SNAPSHOT_CHUNK_BYTES: Final = 256 << 10  # of a snapshot file, in one message

# --- client (oms/client, oms/replay)
CLIENT_HEARTBEAT_NS: Final = 1_000_000_000  # nothing written for so long: a heartbeat
SERVER_SILENT_NS: Final = 15_000_000_000  # nothing read for so long: the connection is lost
CLIENT_SILENT_NS: Final = 4_000_000_000  # the same for a client that has another address to go to
CLIENT_SETTLE_NS: Final = 250_000_000  # a cancel unanswered for so long: ask where the stream is
CLIENT_UNACKNOWLEDGED_MAX: Final = 65_536  # requests of one session; beyond: refused with reason
CLIENT_EVENTS_MAX: Final = 262_144  # events nobody has read; beyond: EventsOverrun at the reader
CLIENT_RETRY_MIN_NS: Final = 50_000_000  # wait before connecting again, doubled each time
CLIENT_RETRY_MAX_NS: Final = 1_000_000_000
REPLAY_IN_FLIGHT_MAX: Final = 4096  # messages of one replayed session without outcome
FEED_PENDING_FRAMES_MAX: Final = 65_536  # frames held back while a gap is filled; beyond: dropped

assert SESSION_IN_FLIGHT_MAX <= OUTCOME_WINDOW, "a resend must always find its outcome"
assert SESSION_IN_FLIGHT_MIN <= SESSION_IN_FLIGHT_MAX <= GATEWAY_IN_FLIGHT_MAX, "a share is a share"
assert SEQUENCER_QUEUE_MAX >= SESSION_IN_FLIGHT_MAX, "one session alone must not fill the sequencer"
assert BATCH_BYTES_MAX < RAFT_FRAME_BYTES_MAX, "an entry fits a Raft frame"
assert BATCH_BYTES_MAX < JOURNAL_SEGMENT_BYTES, "an entry fits a segment"
assert BATCH_BYTES_MAX * 32 < JOURNAL_RESERVE_BYTES, "the reserve is many entries"
assert GATEWAY_HEARTBEAT_NS * 5 <= GATEWAY_LEASE_NS, "a lease survives four lost heartbeats"
assert CLIENT_SILENT_NS > GATEWAY_LEASE_NS, "who is given up by its client has lost its lease"
