"""The limits of the data path, in seconds and bytes.

Owns the defaults. Leaves the limits of requests (the size of a head, of a chunk, of a document) to their parsers.
"""

import msgspec


class TransferLimits(msgspec.Struct, frozen=True):
    """Limits of connections and of the bytes on them."""

    tick: float = 1.0  # seconds between two checks of the limits below
    head_seconds: float = 10.0  # for the first byte of a connection, and for a whole head
    idle_seconds: float = 75.0  # between two requests of a connection
    confirm_seconds: float = 0.01  # the judge confirms its decision about a body that ends later than that
    stall_seconds: float = 60.0  # without progress of a body, in either direction
    least_rate: int = 1024  # bytes per second of a request body, on average over rate_seconds
    rate_seconds: float = 30.0
    least_read: int = 16_384  # bytes of an answer that a slow client must read within stall_seconds
    connect_seconds: float = 5.0
    retry_seconds: float = 5.0  # between two attempts to reach a store that is away, if no request asks for it
    first_byte_seconds: float = 300.0  # from the end of a request to the answer of the store
    store_idle_seconds: float = 15.0  # an unused connection to a store is closed
    fresh_seconds: float = 4.0  # requests that cannot be sent twice take only connections that were used so recently
    most_idle: int = 64  # unused connections of one store
    most_store_connections: int = 1024  # of one store
    last_head_seconds: float = 2.0  # for a head, after the gateway has stopped accepting
    finish_seconds: float = 25.0  # for running requests, after the gateway has stopped accepting
    end_seconds: float = 3.0  # for the client to read the last answer of a connection
    most_discarded: int = 1_048_576  # bytes of a body that are read and dropped after a refusal
    threads: int = 16  # for keys, buckets and other facts that have to be loaded
    most_waiting: int = 256  # requests that wait for a thread


MOST_HELD = 65_536  # bytes that are kept of a request whose turn has not come
WRITE_BUFFER = 32_768  # bytes that a transport keeps before the other side is not read
TLS_READ_BUFFER = 65_536  # bytes that a transport with TLS has received and not passed on
