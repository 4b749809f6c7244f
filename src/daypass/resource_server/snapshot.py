"""One answer, read from one snapshot of the store with its dependencies.

Owns the names of dependencies in answers: keyed hashes, because a plain name would let a resource server observe
records that it may not know of.
"""

import hmac
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from daypass.authorize.snapshot import SnapshotViews
from daypass.base64url import to_base64url
from daypass.directory.changes import Changes, Position
from daypass.directory.entities.resource_server_entities import ResourceServer
from daypass.directory.store import Store
from daypass.storage.invalidation import Dependency, invalidated_keys
from daypass.storage.recording_reader import RecordingReader

T = TypeVar("T")

_BYTES = 12  # of a keyed hash: a collision only drops one cached answer too many
_SEPARATOR = "\x1f"  # a store does not accept it in names


class RecordedSnapshot:
    """Views of one snapshot that remember what was read."""

    def __init__(self, recording: RecordingReader, position: Position, server: ResourceServer) -> None:
        self._recording = recording
        self._server = server
        self.position = position
        self.reader = recording
        self.views = SnapshotViews(recording)

    @property
    def dependencies(self) -> frozenset[str]:
        """The names of everything that was read so far."""
        return hidden_names(self._recording.dependencies, self._server)


@contextmanager
def open_snapshot(store: Store, server: ResourceServer) -> Iterator[RecordedSnapshot]:
    """Open a snapshot for an answer to a resource server."""
    with store.read() as reader:
        yield RecordedSnapshot(RecordingReader(reader), reader.position(), server)


def invalidated_names(changes: Changes, server: ResourceServer) -> frozenset[str]:
    """Return the names of the dependencies that changes invalidate."""
    return hidden_names({name for change in changes.changed for name in invalidated_keys(change)}, server)


def hidden_names(dependencies: "set[Dependency]", server: ResourceServer) -> frozenset[str]:
    """Return the hashes of dependencies, keyed with a registration's salt."""
    hide = _hider(server.salt)
    return frozenset(hide(dependency) for dependency in dependencies)


def _hider(salt: bytes) -> Callable[[Dependency], str]:
    def hide(dependency: Dependency) -> str:
        name = _SEPARATOR.join(dependency).encode()
        return to_base64url(hmac.digest(salt, name, "sha256")[:_BYTES])

    return hide
