"""Apply a file to a store.

The plan is made on a snapshot, outside the writers' lock. It is executed in batches (store/batches.py), each in one
transaction: a small file is one batch, and then every refusal comes before the commit.

- A batch is executed on a newer snapshot, as a draft. It begins with a check that the entities of its changes are as
the plan found them. Otherwise the rest is planned again.
- The lock is held only to write the draft. If another writer has changed something that the draft read, the batch is
executed again; after a few times under the lock.
- A trial makes one draft of the whole file, and does not write it.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Protocol

from daypass.apply.file.desired import Desired
from daypass.apply.file.nodes import ApplyFileError, FilePosition
from daypass.apply.file.secret_names import Secrets
from daypass.apply.file.state import Thing
from daypass.apply.plan.differences import ApplyPlan, Change, RemovalRule, Verb, make_plan
from daypass.apply.plan.references import check_references
from daypass.apply.store.administrators import has_administrator
from daypass.apply.store.api import Api, AuditOrigin
from daypass.apply.store.batches import BatchSizes, split_plan
from daypass.apply.store.caching_writer import CachingWriter
from daypass.apply.store.ownership import write_marks
from daypass.apply.store.plan_executor import PlanExecutor, Progress, Refused
from daypass.apply.store.store_state import read_marks, read_present
from daypass.audit.event import AuditRecord
from daypass.bootstrap import RootKey
from daypass.directory.secret_box import SecretBox
from daypass.directory.store import Reader, Snapshot, Store, Writer
from daypass.operations.registry import Registry
from daypass.operations.request_context import RequestContext
from daypass.wire.catalog import Catalog

_MOST_FAILURES = 20  # plans in turn that do not fit the store any more
_MOST_DRAFTS = 4  # of one batch, before it is executed under the lock
# SQLite's waiting writers look every 100 ms whether the lock is free. A replica may need as long for the last batch.
_PAUSE_SECONDS = 0.11


@dataclass(frozen=True, slots=True)
class Committed:
    """The changes of the batches that were committed.

    `total` includes the changes of the other batches. `root_keys` are those of new accounts.
    """

    done: int
    total: int
    root_keys: tuple[RootKey, ...] = ()


class DraftWriter(Writer, Protocol):
    """A Writer on a snapshot, whose changes are written later."""

    def write_to(self, writer: Writer, store: Store) -> bool:
        """Write the changes, and return whether that was possible.

        It is not if another writer has changed something that this one read.
        """
        ...


@dataclass(frozen=True, slots=True)
class Tools:
    """The environment of an apply.

    `open_draft` makes a writer on a snapshot, and `open_context` the RequestContext of a writer. `progress` is called
    after each change, and `committed` after each batch. `refused` gets a refusal, and the other changes continue.
    `also_write` is called in each transaction; the second call changes nothing.
    """

    store: Store
    vault: SecretBox
    catalog: Catalog
    registry: Registry
    open_draft: Callable[[Snapshot], DraftWriter]
    open_context: Callable[[Writer], RequestContext]
    source: AuditOrigin
    secrets: Secrets
    record: Callable[[AuditRecord], None]
    progress: Progress = lambda _done, _total: None
    committed: Callable[[Committed], None] = lambda _: None
    refused: Refused | None = None
    also_write: Callable[[Writer], None] = lambda _: None
    sizes: BatchSizes = field(default_factory=BatchSizes)


@dataclass(frozen=True, slots=True)
class Manner:
    """How a file is applied: with pruning, as a trial, or with ownership.

    With an owner, marks record created entities.
    """

    prune: bool = False
    is_trial: bool = False
    owns: bool = True


@dataclass(frozen=True, slots=True)
class ApplyResult:
    """The changes that were made, or that a trial would make."""

    plan: ApplyPlan
    root_keys: list[RootKey] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Attempt:
    """The audit records and the refusals of one execution of a batch."""

    audit_records: list[AuditRecord] = field(default_factory=list)
    refusals: list[tuple[Thing, ApplyFileError]] = field(default_factory=list)

    def clear(self) -> None:
        """Begin again."""
        self.audit_records.clear()
        self.refusals.clear()

    def refuse(self, thing: Thing, mistake: ApplyFileError) -> None:
        """Remember a refusal."""
        self.refusals.append((thing, mistake))


class _ConflictError(Exception):
    """Another writer has changed something that a draft read."""


class _StalePlanError(Exception):
    """The store has changed since the plan was made."""


def apply_file(desired: Desired, tools: Tools, manner: Manner) -> ApplyResult:
    """Change the store to the state that the file describes.

    Raises ApplyFileError, and then the present batch is not written: the store is unchanged unless `tools.committed`
    was called. A trial executes the changes too, to find every refusal, and writes none.
    """
    return _Run(desired, tools, manner).execute()


class _Run:
    """One application of a file."""

    def __init__(self, desired: Desired, tools: Tools, manner: Manner) -> None:
        self._desired, self._tools, self._manner = desired, tools, manner
        self._revision = 0  # of the snapshot of the plan, or of the last batch
        self._is_alone = True  # no other writer since the snapshot
        self._done: list[Change] = []
        self._keys: list[RootKey] = []
        self._total = 0

    def execute(self) -> ApplyResult:
        """Execute batch after batch.

        It plans again if a batch finds that the store has changed.
        """
        plan, rule = self._plan()
        kept, failures = plan.kept, 0
        while plan.changes:
            try:
                done = len(self._done)
                for at, batch in enumerate(self._split(plan)):
                    if at:
                        time.sleep(_PAUSE_SECONDS)
                    self._apply(batch, rule)
                break
            except _StalePlanError:
                failures = failures + 1 if len(self._done) == done else 0
                if failures >= _MOST_FAILURES:
                    words = "other writers change the same entities all the time. Run the command again"
                    raise ApplyFileError(FilePosition(), words, refused=True) from None
                time.sleep(_PAUSE_SECONDS)
                plan, rule = self._plan()
        return ApplyResult(ApplyPlan(tuple(sorted(self._done, key=lambda one: one.thing.key)), kept), self._keys)

    def _plan(self) -> tuple[ApplyPlan, RemovalRule]:
        with self._tools.store.read() as reader:
            self._revision, self._is_alone = reader.revision(), True
            plan, rule = _plan(reader, self._desired, self._tools, self._manner)
        if self._tools.refused is not None:
            # A change that was refused would be planned again.
            tried = {change.thing.key for change in self._done}
            plan = replace(plan, changes=tuple(one for one in plan.changes if one.thing.key not in tried))
        self._total = len(self._done) + len(plan.changes)
        return plan, rule

    def _split(self, plan: ApplyPlan) -> list[ApplyPlan]:
        """Return the batches. A trial is one."""
        return [plan] if self._manner.is_trial else split_plan(plan, self._tools.sizes)

    def _apply(self, batch: ApplyPlan, rule: RemovalRule) -> None:
        """Execute one batch, in a transaction of its own unless it is a trial."""
        attempt = _Attempt()
        try:
            keys = self._drafted(batch, rule, attempt)
        except ApplyFileError as mistake:
            mistake.is_late = bool(self._done)
            # Changes that were not written are not recorded; the refusal is.
            _record(self._tools, [record for record in attempt.audit_records if record.fault is not None])
            raise
        self._done += batch.changes
        if self._tools.refused is not None:
            for thing, refusal in attempt.refusals:
                self._tools.refused(thing, refusal)
        if self._manner.is_trial:
            return
        self._keys += keys
        self._tools.committed(Committed(len(self._done), self._total, tuple(self._keys)))
        _record(self._tools, attempt.audit_records)

    def _drafted(self, batch: ApplyPlan, rule: RemovalRule, attempt: _Attempt) -> list[RootKey]:
        """Execute a batch outside the lock, and then write it."""
        for _ in range(_MOST_DRAFTS):
            attempt.clear()
            with self._tools.store.read() as snapshot:
                self._require_fresh(snapshot, snapshot.revision(), batch, rule)
                draft = self._tools.open_draft(snapshot)
                keys = self._execute(draft, batch, rule, attempt)
            if self._manner.is_trial or self._is_written(draft):
                return keys
        attempt.clear()
        with self._tools.store.write() as transaction:
            number = transaction.revision()
            self._require_fresh(transaction, number - 1, batch, rule)
            keys = self._execute(CachingWriter(transaction), batch, rule, attempt)
        self._revision = number
        return keys

    def _is_written(self, draft: DraftWriter) -> bool:
        """Write a draft, and return whether it was possible."""
        try:
            with self._tools.store.write() as transaction:
                number = transaction.revision()
                _write(draft, transaction, self._tools.store)
        except _ConflictError:
            return False
        # A write increments the revision by one. Later batches may depend on what others wrote before this one.
        self._is_alone = self._is_alone and number == self._revision + 1
        self._revision = number
        return True

    def _require_fresh(self, reader: Reader, number: int, batch: ApplyPlan, rule: RemovalRule) -> None:
        """Require that the entities of a batch are as they were planned, if another writer came between."""
        self._is_alone = self._is_alone and number == self._revision
        if not self._is_alone:
            _require_fresh(reader, batch, rule, self._desired, self._tools)

    def _execute(self, writer: Writer, batch: ApplyPlan, rule: RemovalRule, attempt: _Attempt) -> list[RootKey]:
        tools, before = self._tools, 2 * len(self._done)

        def progress(done: int, _total: int) -> None:
            tools.progress(before + done, 2 * self._total)

        refused = None if tools.refused is None else attempt.refuse
        guard = Guard.before(writer, batch)
        api = Api(tools.catalog, tools.registry, tools.open_context(writer), tools.source, attempt.audit_records)
        keys = PlanExecutor(api, tools.secrets, progress, refused).execute(batch, self._desired)
        guard.check(writer)
        if self._manner.owns:
            write_marks(writer, batch, self._desired.name, rule.marks)
        tools.also_write(writer)
        return keys


def _write(draft: DraftWriter, transaction: Writer, store: Store) -> None:
    """Write a draft. Raises _ConflictError."""
    if not draft.write_to(transaction, store):
        raise _ConflictError


def _require_fresh(reader: Reader, batch: ApplyPlan, rule: RemovalRule, desired: Desired, tools: Tools) -> None:
    """Raise _StalePlanError unless the entities of a batch, and their marks, are as they were planned."""
    accounts = sorted({change.thing.account for change in batch.changes})
    present = read_present(reader, accounts, tools.vault)
    marks = read_marks(reader, accounts, desired.name)
    for change in batch.changes:
        found = present.get(change.thing.key)
        if found != change.before or (found is not None and marks.get(found.id) != rule.marks.get(found.id)):
            raise _StalePlanError


def _record(tools: Tools, audit_records: list[AuditRecord]) -> None:
    for record in audit_records:
        tools.record(record)


def _plan(reader: Reader, desired: Desired, tools: Tools, manner: Manner) -> tuple[ApplyPlan, RemovalRule]:
    present = read_present(reader, desired.accounts, tools.vault)
    rule = RemovalRule(read_marks(reader, desired.accounts, desired.name), manner.prune)
    plan = make_plan(desired, present, rule)
    check_references(desired, present, plan)
    return plan, rule


@dataclass(frozen=True, slots=True)
class Guard:
    """The accounts that have an administrator and must keep one."""

    accounts: tuple[str, ...]

    @classmethod
    def before(cls, reader: Reader, plan: ApplyPlan) -> "Guard":
        """Find these accounts before any change.

        Only changed or deleted entities can remove an administrator.
        """
        touched = {change.thing.account for verb in (Verb.CHANGE, Verb.DELETE) for change in plan.of(verb)}
        return cls(tuple(account for account in sorted(touched) if has_administrator(reader, account)))

    def check(self, reader: Reader) -> None:
        """Refuse to remove the last administrator of an account."""
        for account in self.accounts:
            if not has_administrator(reader, account):
                raise ApplyFileError(
                    FilePosition(f"accounts.{account}"),
                    "this would remove the account's last administrator: no remaining user or role could "
                    "administer its users and roles. Keep one, or create another first",
                    refused=True,
                )
