"""What a story says: values that the command prints as text or JSON. Pure."""

from collections import Counter

import msgspec

from daypass.audit.story.told_events import ToldEvent

MOST_TOLD = 100  # keys, sign-ins and sources of one story
_MOST_SOURCES = 20
_MOST_ACTIONS = 200
_OTHERS = "others"


class Moment(msgspec.Struct, rename="pascal"):
    """One event, in short."""

    time: str
    event: str
    source: str
    user_agent: str
    caller: str
    caller_key: str
    request_id: str
    error: str = ""


class Usage(msgspec.Struct, rename="pascal"):
    """The calls of one key."""

    calls: int = 0
    refused: int = 0
    first: str = ""
    last: str = ""
    actions: Counter[str] = msgspec.field(default_factory=Counter)
    errors: Counter[str] = msgspec.field(default_factory=Counter)
    sources: list[str] = []
    more_sources: bool = False

    def add(self, event: ToldEvent) -> None:
        """Count a call."""
        self.calls += 1
        self.first = min(self.first or event.event_time, event.event_time)
        self.last = max(self.last, event.event_time)
        _count(self.actions, event.action)
        if event.error_code:
            self.refused += 1
            _count(self.errors, event.error_code)
        if event.source not in self.sources:
            if len(self.sources) < _MOST_SOURCES:
                self.sources = [*self.sources, event.source]
            else:
                self.more_sources = True


class KeyStory(msgspec.Struct, rename="pascal"):
    """One access key.

    `issued_from` are the keys and the sign-in behind it, oldest first.
    """

    access_key_id: str
    issued: list[Moment] = []
    caller: str = ""
    role: str = ""
    session: str = ""
    expires: str = ""
    sign_in: str = ""
    issued_from: list[str] = []
    usage: Usage = msgspec.field(default_factory=Usage)
    issued_keys: list[str] = []
    more_issued_keys: int = 0
    revoked: list[Moment] = []


class SignInStory(msgspec.Struct, rename="pascal"):
    """One sign-in of a person, and the keys that it led to."""

    id: str
    person: str = ""
    begun: list[Moment] = []
    steps: list[Moment] = []
    keys: list[str] = []
    ended: list[Moment] = []


class Story(msgspec.Struct, rename="pascal"):
    """The answer to a question. `other_lines` are not events."""

    question: str
    asked: list[str] = []
    keys: list[KeyStory] = []
    sign_ins: list[SignInStory] = []
    more_keys: int = 0
    files: list[str] = []
    lines: int = 0
    other_lines: int = 0


def moment_of(event: ToldEvent) -> Moment:
    """Return an event in short."""
    caller = event.user_identity
    return Moment(
        event.event_time,
        event.event_name,
        event.source,
        event.user_agent,
        caller.name,
        caller.access_key_id,
        event.request_id,
        event.error_code or "",
    )


def add_moment(moments: list[Moment], event: ToldEvent) -> list[Moment]:
    """Return the moments with one more, if there are not too many."""
    return [*moments, moment_of(event)] if len(moments) < MOST_TOLD else moments


def _count(counter: "Counter[str]", name: str) -> None:
    counter[name if name in counter or len(counter) < _MOST_ACTIONS else _OTHERS] += 1
