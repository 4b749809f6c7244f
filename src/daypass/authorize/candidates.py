"""The users and roles that a trust policy may match.

Only these need an evaluation. Owns the search for them, which never omits one that could assume the role:

- A trust policy that names users, roles and accounts leads to them. Only `*` and NotPrincipal mean all accounts.
- A principal of another account, or one that is meant by its account, needs an Allow in its own policies. Without a
  statement about the action and the resource, conditions aside, it is left out before it is loaded as a caller.
- Links are read for many principals at once. A document is judged once, however many principals have it.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from heapq import merge
from itertools import islice

import msgspec

from daypass.arn import account_in_arn, iam_arn
from daypass.directory import records
from daypass.directory.entities.iam_entities import Group, Role, User
from daypass.directory.identity import managed_text
from daypass.directory.links import ATTACHED, MEMBER
from daypass.directory.store import Reader, Record
from daypass.policy.compiled import CompiledStatement, compile_document
from daypass.policy.language.document import DocumentKind, parse_document
from daypass.policy.principal import Names
from daypass.policy.source import PolicySource, PolicyType

_TOGETHER = 400  # principals whose links are read at once
_MOST_JUDGED = 20_000  # documents that are remembered
_WILD = ("*", "?", "${")


class PossiblePrincipal(msgspec.Struct, frozen=True):
    """The fields of a user or role that the search reads."""

    id: str
    account: str
    name: str
    path: str = "/"
    inline: dict[str, str] = {}
    is_role: bool = False

    @property
    def arn(self) -> str:
        """Return the ARN of the user or role, path included."""
        return iam_arn(self.account, "role" if self.is_role else "user", self.path, self.name)


class _Statement(msgspec.Struct, frozen=True):
    """The elements of a statement that say what it may be about."""

    effect: str = msgspec.field(name="Effect")
    action: str | list[str] | None = msgspec.field(name="Action", default=None)
    resource: str | list[str] | None = msgspec.field(name="Resource", default=None)


class _Document(msgspec.Struct, frozen=True):
    statement: _Statement | list[_Statement] = msgspec.field(name="Statement")


_candidate = msgspec.json.Decoder(PossiblePrincipal).decode
_document = msgspec.json.Decoder(_Document).decode


@dataclass(frozen=True, slots=True)
class Meant:
    """The accounts and single principals that Allow statements name.

    `everyone` means all accounts.
    """

    everyone: bool
    accounts: frozenset[str]
    ids: frozenset[str]

    @classmethod
    def by(cls, allows: Iterable[CompiledStatement]) -> "Meant":
        """Collect the names of the statements."""
        everyone = False
        accounts: set[str] = set()
        ids: set[str] = set()
        for statement in allows:
            names = Names.of(statement.statement.principals or ())
            everyone = everyone or names.everyone or statement.statement.not_principal
            accounts |= names.accounts
            for name in names.exact:
                account = account_in_arn(name)
                # A stored name is a unique id, or a role's with a session name. An ARN is of one of its account's.
                if account:
                    accounts.add(account)
                else:
                    ids.add(name.partition(":")[0])
        return cls(everyone, frozenset(accounts), frozenset(ids))


def find_candidates(
    allows: Sequence[CompiledStatement], reader: Reader, *, inside: str = ""
) -> Iterator[PossiblePrincipal]:
    """Yield the users and roles that the statements may match.

    They are ordered by account, users first, by path and name. With `inside`, only those of this account.
    """
    meant = Meant.by(allows)
    if meant.everyone:
        yield from _each_of(reader, inside or None)
        return
    single: dict[str, list[Record]] = {}
    for unique_id in meant.ids:
        record = reader.find_by_id(unique_id)
        if record is not None and record.kind in {"user", "role"} and record.account not in meant.accounts:
            single.setdefault(record.account, []).append(record)
    for account in sorted(meant.accounts | set(single)):
        if inside in {"", account}:
            found = single.get(account)
            yield from _each_of(reader, account) if found is None else map(_to_candidate, sorted(found, key=_place))


def _each_of(reader: Reader, account: str | None) -> Iterator[PossiblePrincipal]:
    """Yield the users and roles of an account, or of all accounts if it is None."""
    listed = (records.each_record(reader, type_, account, batch=_TOGETHER) for type_ in (User, Role))
    return map(_to_candidate, merge(*listed, key=_place))


def _place(record: Record) -> tuple[str, bool, str]:
    return record.account, record.kind == "role", record.sort


def _to_candidate(record: Record) -> PossiblePrincipal:
    found = _candidate(record.body)
    return msgspec.structs.replace(found, is_role=True) if record.kind == "role" else found


class OwnPolicies:
    """Judges whether policies may allow an action on a resource.

    Conditions are ignored.
    """

    def __init__(self, action: str, resource: str, reader: Reader) -> None:
        self._action, self._resource, self._reader = action, resource, reader
        self._is_sts = action.lower().startswith("sts:")
        self._judged: dict[str, bool] = {}
        self._by_arn: dict[str, bool] = {}
        self._by_group: dict[str, bool] = {}

    def each_able(
        self, candidates: Iterator[PossiblePrincipal], needs_own: Callable[[PossiblePrincipal], bool]
    ) -> Iterator[PossiblePrincipal]:
        """Yield the candidates that may be allowed, in their order.

        `needs_own` says which of them need a policy of their own.
        """
        while some := list(islice(candidates, _TOGETHER)):
            needing = [one for one in some if needs_own(one)]
            unable = {one.id for one in needing} - self._able(needing)
            yield from (one for one in some if one.id not in unable)

    def _able(self, candidates: Sequence[PossiblePrincipal]) -> set[str]:
        able = {one.id for one in candidates if any(map(self._may_allow, one.inline.values()))}
        reader = self._reader
        left = [one.id for one in candidates if one.id not in able]
        able |= {link.source for link in reader.targets_of(ATTACHED, left) if self._may_managed(link.target)}
        left = [one.id for one in candidates if not one.is_role and one.id not in able]
        return able | {link.source for link in reader.targets_of(MEMBER, left) if self._may_group(link.target)}

    def _may_group(self, unique_id: str) -> bool:
        if unique_id not in self._by_group:
            reader = self._reader
            group = records.find_by_id(reader, Group, unique_id)
            self._by_group[unique_id] = group is not None and (
                any(map(self._may_allow, group.inline.values()))
                or any(self._may_managed(link.target) for link in reader.targets(ATTACHED, unique_id))
            )
        return self._by_group[unique_id]

    def _may_managed(self, arn: str) -> bool:
        if arn not in self._by_arn:
            text = managed_text(self._reader, arn)
            self._by_arn[arn] = text is not None and self._may_allow(text)
        return self._by_arn[arn]

    def _may_allow(self, text: str) -> bool:
        if not self._may_be_about(text):
            return False
        if text not in self._judged:
            if len(self._judged) >= _MOST_JUDGED:
                self._judged.clear()
            self._judged[text] = self._judge(text)
        return self._judged[text]

    def _may_be_about(self, text: str) -> bool:
        """Return False if a document is certainly not about the action and resource.

        It reads three elements of each statement; the parser needs about thirty times as long for all.
        """
        try:
            statements = _document(text).statement
        except msgspec.DecodeError:
            return True
        for one in statements if isinstance(statements, list) else (statements,):
            if one.effect == "Allow" and self._is_near(one):
                return True
        return False

    def _is_near(self, statement: _Statement) -> bool:
        if statement.action is not None and not any(map(self._may_cover, _listed(statement.action))):
            return False
        # NotResource, like NotAction, is left to the parser.
        return statement.resource is None or any(map(self._may_reach, _listed(statement.resource)))

    def _may_cover(self, pattern: str) -> bool:
        service = pattern.partition(":")[0].lower()
        return not self._is_sts or service == "sts" or any(wild in service for wild in _WILD)

    def _may_reach(self, pattern: str) -> bool:
        return pattern == self._resource or any(wild in pattern for wild in _WILD)

    def _judge(self, text: str) -> bool:
        try:
            policy = compile_document(
                parse_document(text, DocumentKind.IDENTITY), PolicySource(PolicyType.IDENTITY, "one")
            )
        except Exception:  # noqa: BLE001 - the evaluation meets the same error and reports it
            return True
        return any(map(self._reaches, policy.statements))

    def _reaches(self, statement: CompiledStatement) -> bool:
        if not statement.statement.allow or not statement.action.covers(self._action):
            return False
        # A variable may stand for any value of a request.
        has_variables = any("${" in pattern for pattern in statement.statement.resources or ())
        return has_variables or statement.resource is None or statement.resource(self._resource, {})


def load_own_policies(reader: Reader, action: str, resource: str) -> OwnPolicies:
    """Return the judge of an action on a resource.

    It remembers the documents of the snapshot that it has read.
    """
    return OwnPolicies(action, resource, reader)


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value
