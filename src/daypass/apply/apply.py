"""Apply a file to a store: plan on a snapshot, then carry it out in one transaction, planned anew if it moved on.

Owns the order of the whole. Everything that could be refused is refused before anything is kept.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from daypass.apply.administrators import has_administrator
from daypass.apply.api import Api, Source
from daypass.apply.carry_out import Carrier, Progress, Refused
from daypass.apply.desired import Desired
from daypass.apply.marking import write_marks
from daypass.apply.nodes import Mistake, Place
from daypass.apply.plan import Plan, Rule, Verb, make_plan
from daypass.apply.present import read_marks, read_present
from daypass.apply.references import check_references
from daypass.apply.remembering import RememberingWriter
from daypass.apply.secret_names import Secrets
from daypass.audit.event import Happening
from daypass.bootstrap import RootKey
from daypass.directory.secret_box import SecretBox
from daypass.directory.store import Reader, Store, Writer
from daypass.operations.registry import Registry
from daypass.operations.world import World
from daypass.wire.catalog import Catalog


@dataclass(frozen=True, slots=True)
class Tools:
    """What applying needs of the world around it. `open_world` makes the World of one transaction.

    `progress` is told of each change that is done. With `refused` a refusal is told, and the rest goes on.
    """

    store: Store
    vault: SecretBox
    catalog: Catalog
    registry: Registry
    open_world: Callable[[Writer], World]
    source: Source
    secrets: Secrets
    record: Callable[[Happening], None]
    progress: Progress = lambda _done, _total: None
    refused: Refused | None = None


@dataclass(frozen=True, slots=True)
class Manner:
    """How a file is applied: whether what it does not name goes too, whether it is tried only, whether it is owned.

    Where it is owned, marks remember what the file has made.
    """

    prune: bool = False
    is_trial: bool = False
    owns: bool = True


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was done, or would be."""

    plan: Plan
    root_keys: list[RootKey] = field(default_factory=list)


class _Undo(Exception):  # noqa: N818 - ends a transaction that was a trial
    """Nothing of it is kept."""


def apply_file(desired: Desired, tools: Tools, manner: Manner) -> Outcome:
    """Make the store what the file wants, in one transaction. Raises Mistake, and then nothing was changed.

    A trial is carried out like all others and then undone, so that what would be refused is refused here.
    """
    with tools.store.read() as reader:
        revision = reader.revision()
        plan, rule = _plan(reader, desired, tools, manner)
    if not plan.changes:
        return Outcome(plan)
    happenings: list[Happening] = []
    keys: list[RootKey] = []
    try:
        with tools.store.write() as transaction:
            writer = RememberingWriter(transaction)
            # A write is one revision further than what it found.
            if writer.revision() != revision + 1:
                plan, rule = _plan(writer, desired, tools, manner)
            guard = Guard.before(writer, plan)
            api = Api(tools.catalog, tools.registry, tools.open_world(writer), tools.source, happenings)
            keys = Carrier(api, tools.secrets, tools.progress, tools.refused).carry_out(plan, desired)
            guard.check(writer)
            if manner.owns:
                write_marks(writer, plan, desired.name, rule.marks)
            _end(manner)
    except _Undo:
        return Outcome(plan)
    except Mistake:
        # What was undone did not happen; that something was refused did.
        _record(tools, [happening for happening in happenings if happening.fault is not None])
        raise
    _record(tools, happenings)
    return Outcome(plan, keys)


def _end(manner: Manner) -> None:
    if manner.is_trial:
        raise _Undo


def _record(tools: Tools, happenings: list[Happening]) -> None:
    for happening in happenings:
        tools.record(happening)


def _plan(reader: Reader, desired: Desired, tools: Tools, manner: Manner) -> tuple[Plan, Rule]:
    present = read_present(reader, desired.accounts, tools.vault)
    rule = Rule(read_marks(reader, desired.accounts, desired.name), manner.prune)
    plan = make_plan(desired, present, rule)
    check_references(desired, present, plan)
    return plan, rule


@dataclass(frozen=True, slots=True)
class Guard:
    """The accounts that have an administrator and must still have one afterwards."""

    accounts: tuple[str, ...]

    @classmethod
    def before(cls, reader: Reader, plan: Plan) -> "Guard":
        """Look before anything is changed. Only what changes or goes can take an administrator away."""
        touched = {change.thing.account for verb in (Verb.CHANGE, Verb.DELETE) for change in plan.of(verb)}
        return cls(tuple(account for account in sorted(touched) if has_administrator(reader, account)))

    def check(self, reader: Reader) -> None:
        """Refuse to leave an account without its last administrator."""
        for account in self.accounts:
            if not has_administrator(reader, account):
                raise Mistake(
                    Place(f"accounts.{account}"),
                    "this would take away the account's last administrator: no user or role would be left that may "
                    "administer its users and roles. Keep one, or make another first",
                    refused=True,
                )
