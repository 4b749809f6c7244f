"""Apply a file to a store.

The plan is made on a snapshot, then executed in one transaction, and made again if the store has changed meanwhile.
Every refusal comes before the commit.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from daypass.apply.file.desired import Desired
from daypass.apply.file.nodes import ApplyFileError, FilePosition
from daypass.apply.file.secret_names import Secrets
from daypass.apply.plan.differences import ApplyPlan, RemovalRule, Verb, make_plan
from daypass.apply.plan.references import check_references
from daypass.apply.store.administrators import has_administrator
from daypass.apply.store.api import Api, AuditOrigin
from daypass.apply.store.caching_writer import CachingWriter
from daypass.apply.store.ownership import write_marks
from daypass.apply.store.plan_executor import PlanExecutor, Progress, Refused
from daypass.apply.store.store_state import read_marks, read_present
from daypass.audit.event import AuditRecord
from daypass.bootstrap import RootKey
from daypass.directory.secret_box import SecretBox
from daypass.directory.store import Reader, Store, Writer
from daypass.operations.registry import Registry
from daypass.operations.request_context import RequestContext
from daypass.wire.catalog import Catalog


@dataclass(frozen=True, slots=True)
class Tools:
    """The environment of an apply.

    `open_context` makes the RequestContext of a transaction. `progress` is called after each change. `refused` gets a
    refusal, and the other changes continue.
    """

    store: Store
    vault: SecretBox
    catalog: Catalog
    registry: Registry
    open_context: Callable[[Writer], RequestContext]
    source: AuditOrigin
    secrets: Secrets
    record: Callable[[AuditRecord], None]
    progress: Progress = lambda _done, _total: None
    refused: Refused | None = None


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


class _RollbackError(Exception):
    """Roll the transaction back."""


def apply_file(desired: Desired, tools: Tools, manner: Manner) -> ApplyResult:
    """Change the store to the state that the file describes.

    This is one transaction. Raises ApplyFileError, and then the store is unchanged. A trial executes the changes too,
    to find every refusal, and rolls them back.
    """
    with tools.store.read() as reader:
        revision = reader.revision()
        plan, rule = _plan(reader, desired, tools, manner)
    if not plan.changes:
        return ApplyResult(plan)
    audit_records: list[AuditRecord] = []
    keys: list[RootKey] = []
    try:
        with tools.store.write() as transaction:
            writer = CachingWriter(transaction)
            # A write increments the revision by one.
            if writer.revision() != revision + 1:
                plan, rule = _plan(writer, desired, tools, manner)
            guard = Guard.before(writer, plan)
            api = Api(tools.catalog, tools.registry, tools.open_context(writer), tools.source, audit_records)
            keys = PlanExecutor(api, tools.secrets, tools.progress, tools.refused).execute(plan, desired)
            guard.check(writer)
            if manner.owns:
                write_marks(writer, plan, desired.name, rule.marks)
            _end(manner)
    except _RollbackError:
        return ApplyResult(plan)
    except ApplyFileError:
        # Rolled-back changes are not recorded; the refusal is.
        _record(tools, [record for record in audit_records if record.fault is not None])
        raise
    _record(tools, audit_records)
    return ApplyResult(plan, keys)


def _end(manner: Manner) -> None:
    if manner.is_trial:
        raise _RollbackError


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
