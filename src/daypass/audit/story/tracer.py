"""The search for a story, from a key, a person or a role.

Owns which events belong to a story:

- A question names roots: a key, or all keys that a person got, or that were issued for a role.
- Backwards, each key leads to the key or the sign-in that it was issued from, up to the sign-in of a person or a
  long-term key. Their other calls are not part of the story.
- Forwards, each key leads to the keys that were issued from it. Their calls are counted.

The lines are read again until nothing new is found: mostly three times. Only the lines that contain a known id are
parsed, so memory depends on the story alone, which has a limit too.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Final

import msgspec

from daypass.audit.story.line_search import matching_lines
from daypass.audit.story.stories import MOST_TOLD, KeyStory, SignInStory, Story, add_moment
from daypass.audit.story.told_events import SIGN_IN_EVENTS, SIGN_IN_PREFIX, ToldEvent, read_event

MOST_KEYS: Final = 10_000
_MOST_PASSES = 40  # a chain has at most 16 keys; each pass finds one more step, in a log in any order
_REVOKING = frozenset({"DeleteAccessKey", "UpdateAccessKey", "RevokeSignIn", "SignOut", "Logout", "RevokeSessions"})
_OLDER_SESSIONS = "AWSRevokeOlderSessions"
_STEPS = frozenset(
    {"RedeemHandover", "CreateToken", "CreateOAuth2Token", "ApproveAuthorization", "ApproveDeviceAuthorization"}
)


class Question(msgspec.Struct, frozen=True):
    """One of a key, a person and a role, within a time.

    Times are written as in events; empty ones do not limit.
    """

    key: str = ""
    person: str = ""
    role: str = ""
    since: str = ""
    until: str = ""

    @property
    def words(self) -> str:
        """The question, for the answer."""
        return next(f"{name} {value}" for name in ("key", "person", "role") if (value := getattr(self, name)))

    @property
    def text(self) -> bytes:
        """A string that each event of the question contains."""
        name = self.key or self.person or self.role.rpartition("/")[2]
        return msgspec.json.encode(name)[1:-1]

    def is_within(self, event: ToldEvent) -> bool:
        """Return whether the event is within the time."""
        return self.since <= event.event_time and (not self.until or event.event_time <= self.until)

    def names(self, event: ToldEvent) -> bool:
        """Return whether a key that the event issued belongs to the question."""
        if self.key:
            return event.issued_key == self.key
        return self._is_of_person(event) if self.person else self._is_of_role(event)

    def _is_of_person(self, event: ToldEvent) -> bool:
        caller = event.user_identity
        answer = event.response_elements or {}
        named = (
            caller.user_name,
            event.parameter("roleSessionName"),
            event.parameter("sourceIdentity"),
            event.parameter("userName") if event.event_name == "CreateAccessKey" else "",
            answer.get("subject", ""),
            answer.get("subjectFromWebIdentityToken", ""),
            event.session_arn.rpartition("/")[2],
        )
        return self.person in named

    def _is_of_role(self, event: ToldEvent) -> bool:
        if event.role and self.role.startswith("arn:"):
            return event.role == self.role
        name = self.role.rpartition("/")[2]
        named = (event.role.rpartition("/")[2], event.parameter("roleName"))
        return name in named or f":assumed-role/{name}/" in event.session_arn


class _Facts:
    """What one pass over the lines has found."""

    def __init__(self) -> None:
        self.keys: dict[str, KeyStory] = {}
        self.sign_ins: dict[str, SignInStory] = {}
        self.more_keys = 0
        self.lines = self.others = 0

    def key(self, name: str) -> KeyStory:
        return self.keys.setdefault(name, KeyStory(name))

    def sign_in(self, name: str) -> SignInStory:
        return self.sign_ins.setdefault(name, SignInStory(name))


class Tracer:
    """Reads the lines until the story is complete."""

    def __init__(self, question: Question) -> None:
        self._question = question
        self._roots: dict[str, None] = {question.key: None} if question.key else {}
        self._later: dict[str, None] = {}  # keys that were issued from the roots
        self._earlier: dict[str, None] = {}  # keys and sign-ins that led to them
        self._roles: set[str] = set()
        self._facts = _Facts()

    def trace(self, read: Callable[[], Iterable[bytes]]) -> Story:
        """Return the story.

        `read` returns the blocks of the log, from the oldest line to the newest.
        """
        for _ in range(_MOST_PASSES):
            before = len(self._roots) + len(self._later) + len(self._earlier) + len(self._roles)
            self._facts = _Facts()
            for block in read():
                self._facts.lines += block.count(b"\n") + (not block.endswith(b"\n"))
                for event in self._events(block):
                    self._take(event)
            if before == len(self._roots) + len(self._later) + len(self._earlier) + len(self._roles):
                break
        return self._story()

    def _events(self, block: bytes) -> Iterator[ToldEvent]:
        ids = {each.encode() for each in (*self._roots, *self._later, *self._earlier)}
        words = {self._question.text} | ({_OLDER_SESSIONS.encode()} if self._roles else set())
        for line in matching_lines(block, words, ids):
            event = read_event(line)
            if event is None:
                self._facts.others += 1
            else:
                yield event

    def _take(self, event: ToldEvent) -> None:
        facts, issued, sign_in = self._facts, event.issued_key, event.sign_in
        is_told = event.user_identity.access_key_id in self._roots or event.user_identity.access_key_id in self._later
        if issued and not event.error_code:
            if self._question.is_within(event) and self._question.names(event):
                self._add(self._roots, issued)
            if is_told and issued not in self._roots:
                self._add(self._later, issued)
            if issued in self._roots or issued in self._later or issued in self._earlier:
                self._tell_issue(event, facts.key(issued))
        if self._question.person and event.event_name in SIGN_IN_EVENTS and self._question.names(event) and sign_in:
            self._earlier.setdefault(sign_in)
        if sign_in in self._earlier:
            self._tell_sign_in(event, facts.sign_in(sign_in))
        if is_told and self._question.is_within(event):
            facts.key(event.user_identity.access_key_id).usage.add(event)
        if event.event_name in _REVOKING or event.parameter("policyName") == _OLDER_SESSIONS:
            self._tell_end(event)

    def _add(self, keys: dict[str, None], key: str) -> None:
        if key in keys:
            return
        if len(self._roots) + len(self._later) < MOST_KEYS:
            keys[key] = None
        else:
            self._facts.more_keys += 1

    def _tell_issue(self, event: ToldEvent, story: KeyStory) -> None:
        caller = event.user_identity
        story.issued = add_moment(story.issued, event)
        # A call of a person has two events. That of STS says more.
        story.role = story.role or event.role
        story.session = story.session or event.session_arn
        story.expires = story.expires or str(event.issued.get("expiration", ""))
        if not story.caller or caller.identity_provider:
            story.caller = caller.name
        story.sign_in = story.sign_in or event.sign_in
        known = event.origins()
        if len(known) > len(story.issued_from):
            story.issued_from = known
        if story.role:
            self._roles.add(story.role.rpartition("/")[2])
        for each in known:
            self._earlier.setdefault(each)
            if each.startswith(SIGN_IN_PREFIX):
                story.sign_in = story.sign_in or each
        parent = caller.access_key_id
        if parent and parent != story.access_key_id:
            self._tell_child(self._facts.key(parent), story.access_key_id)

    def _tell_child(self, parent: KeyStory, key: str) -> None:
        if key in parent.issued_keys:
            return
        if len(parent.issued_keys) < MOST_TOLD:
            parent.issued_keys = [*parent.issued_keys, key]
        else:
            parent.more_issued_keys += 1

    def _tell_sign_in(self, event: ToldEvent, story: SignInStory) -> None:
        caller = event.user_identity
        if caller.identity_provider and not story.person:
            story.person = caller.name
        if event.event_name in SIGN_IN_EVENTS:
            story.begun = add_moment(story.begun, event)
        elif event.event_name in _STEPS:
            story.steps = add_moment(story.steps, event)
        if event.issued_key and event.issued_key not in story.keys and len(story.keys) < MOST_TOLD:
            story.keys = [*story.keys, event.issued_key]

    def _tell_end(self, event: ToldEvent) -> None:
        """Tell that a key, a sign-in or the sessions of a role were ended."""
        if event.error_code:
            return
        sign_in = event.parameter("signInId") or event.sign_in
        if sign_in in self._facts.sign_ins or sign_in in self._earlier:
            story = self._facts.sign_in(sign_in)
            story.ended = add_moment(story.ended, event)
        key, role = event.parameter("accessKeyId"), event.parameter("roleName")
        is_active = event.event_name == "UpdateAccessKey" and event.parameter("status") == "Active"
        if not is_active and (key in self._roots or key in self._later or key in self._earlier):
            found = self._facts.key(key)
            found.revoked = add_moment(found.revoked, event)
        # `daypass sessions revoke --issued-before` leaves later sessions alone.
        before = event.parameter("issuedBefore") or event.event_time
        if role and role in self._roles and event.parameter("policyName") == _OLDER_SESSIONS:
            for story_of_key in self._facts.keys.values():
                was_issued = story_of_key.issued and story_of_key.issued[0].time <= before
                if story_of_key.role.rpartition("/")[2] == role and was_issued:
                    story_of_key.revoked = add_moment(story_of_key.revoked, event)

    def _story(self) -> Story:
        facts, told = self._facts, list(self._roots)
        for key in told:
            facts.key(key)
        shown = [facts.keys[key] for key in told[-MOST_TOLD:]]
        later = [key for key in self._later if key in facts.keys][:MOST_TOLD]
        earlier = [each for each in self._earlier if each in facts.keys and each not in self._roots]
        return Story(
            question=self._question.words,
            asked=[key.access_key_id for key in shown],
            keys=[facts.keys[key] for key in dict.fromkeys([*told[-MOST_TOLD:], *earlier[:MOST_TOLD], *later])],
            sign_ins=list(facts.sign_ins.values())[-MOST_TOLD:],
            more_keys=facts.more_keys + max(0, len(told) - MOST_TOLD),
            lines=facts.lines,
            other_lines=facts.others,
        )
