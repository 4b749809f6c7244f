"""A large file is applied in batches, which are complete, checked against the store, and resumed."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from tests.apply.directory import ACCOUNT, Directory, Given
from tests.documents import allow, trusting

from daypass.apply.apply import ApplyResult, Committed, Manner, Tools, apply_file
from daypass.apply.file.desired import Desired, read_desired
from daypass.apply.file.file_parser import read_text
from daypass.apply.file.nodes import ApplyFileError
from daypass.apply.store.batches import BatchSizes

OTHER = "222233334444"
THIRD = "333344445555"


@dataclass
class Batches:
    """Applies files with small batches, and records the commits."""

    directory: Directory = field(default_factory=Directory)
    sizes: BatchSizes = field(default_factory=lambda: BatchSizes(small_plan=0, batch=2))
    committed: list[Committed] = field(default_factory=list)
    meanwhile: Callable[[Committed], None] = lambda _: None

    def apply(self, file: dict[str, Any], *, prune: bool = False, is_trial: bool = False) -> ApplyResult:
        """Apply a file."""
        self.committed.clear()
        desired = read_desired(read_text(json.dumps(file).encode()), Given(self.directory.secrets))
        tools = self.directory.tools
        tools = Tools(**{name: getattr(tools, name) for name in Tools.__dataclass_fields__} | self._extra)
        return apply_file(desired, tools, Manner(prune=prune, is_trial=is_trial))

    @property
    def _extra(self) -> dict[str, Any]:
        return {"sizes": self.sizes, "committed": self._commit}

    def _commit(self, committed: Committed) -> None:
        self.committed.append(committed)
        self.meanwhile(committed)


@pytest.fixture
def batches() -> Batches:
    """Return an empty store, to which files are applied in batches of two new entities."""
    return Batches()


def _policy(*statements: dict[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def _role(*names: str, **more: Any) -> dict[str, Any]:
    return {"trust": _policy(trusting({"AWS": list(names)})), **more}


def _arn(name: str, account: str = ACCOUNT) -> str:
    return f"arn:aws:iam::{account}:role/{name}"


def _file(**accounts: dict[str, Any]) -> dict[str, Any]:
    return {"version": 1, "accounts": {name.removeprefix("a"): fields for name, fields in accounts.items()}}


def _many(number: int = 7, **more: Any) -> dict[str, Any]:
    roles = {
        f"role-{at}": _role(ACCOUNT, inline={"own": _policy(allow("s3:GetObject"))}, **more) for at in range(number)
    }
    return _file(**{f"a{ACCOUNT}": {"name": "many", "roles": roles}})


EVERYTHING: dict[str, Any] = _file(
    **{
        f"a{ACCOUNT}": {
            "name": "one",
            "policies": {"read": {"document": _policy(allow("s3:GetObject"))}},
            "groups": {"ops": {"policies": ["read"], "inline": {"own": _policy(allow("s3:PutObject"))}}},
            "users": {"alice": {"groups": ["ops"], "boundary": "read"}, "bob": {"policies": ["read"]}},
            "oidcProviders": {"issuer.example": {"clientIds": ["aws"]}},
            "roles": {
                # A chain across the accounts, against the order of names; a cycle; and a role that names itself.
                "a": _role(_arn("b", OTHER)),
                "self": _role(_arn("self")),
                "after-self": _role(f"arn:aws:sts::{ACCOUNT}:assumed-role/self/one"),
                "circle": _role(_arn("circle", OTHER), f"arn:aws:iam::{ACCOUNT}:user/alice"),
            },
        },
        f"a{OTHER}": {
            "name": "other",
            "roles": {"b": _role(_arn("self")), "circle": _role(_arn("circle")), "z": _role(_arn("a"))},
        },
    }
)


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_the_result_is_that_of_one_transaction(size: int) -> None:
    """Whatever the batches, each entity comes after those that it names, with all its parts."""
    whole, parts = Directory(), Batches(sizes=BatchSizes(small_plan=0, batch=size))
    whole.apply(json.dumps(EVERYTHING))
    result = parts.apply(EVERYTHING)
    assert parts.directory.export() == whole.export()
    assert len(result.root_keys) == 2
    assert parts.committed[-1] == Committed(len(result.plan.changes), len(result.plan.changes), tuple(result.root_keys))
    assert not parts.apply(EVERYTHING).plan.changes
    # The marks are complete too: a file without the roles deletes them.
    less = json.loads(json.dumps(EVERYTHING))
    for fields in less["accounts"].values():
        fields["roles"] = {}
    whole.apply(json.dumps(less))
    parts.apply(less)
    assert parts.directory.export() == whole.export()


def test_a_small_file_is_one_transaction(batches: Batches) -> None:
    """The default is a thousand changes."""
    batches.sizes = BatchSizes()
    before = batches.directory.revision()
    batches.apply(EVERYTHING)
    assert batches.directory.revision() == before + 1
    assert len(batches.committed) == 1


def test_a_changed_account_is_one_batch(batches: Batches) -> None:
    """Changes and deletions of an account are never seen in part; other accounts are other batches."""
    batches.apply(EVERYTHING)
    changed = json.loads(json.dumps(EVERYTHING))
    here, there = changed["accounts"][ACCOUNT], changed["accounts"][OTHER]
    for fields in (*here["roles"].values(), *there["roles"].values()):
        fields["description"] = "changed"
    del here["users"]["bob"], here["groups"]["ops"]["policies"]
    there["roles"]["new"] = _role(_arn("a"))
    batches.apply(changed)
    assert [one.done for one in batches.committed] == [6, 10]
    assert not batches.apply(changed).plan.changes


def test_a_refusal_keeps_the_batches_before_it(batches: Batches) -> None:
    """The refused batch is rolled back and its refusal is recorded; the corrected file makes the rest."""
    file = _many()
    file["accounts"][ACCOUNT]["roles"]["role-4"]["boundary"] = f"arn:aws:iam::{OTHER}:policy/none"
    with pytest.raises(ApplyFileError) as refusal:
        batches.apply(file)
    assert refusal.value.is_late
    assert str(refusal.value).startswith(f"accounts.{ACCOUNT}.roles.role-4")
    assert batches.committed
    made = batches.committed[-1].done
    assert 0 < made < 8
    assert len(batches.committed[-1].root_keys) == 1
    names = [f"role-{at}" for at in range(7)]
    stored = [name for name in names if batches.directory.thing("role", name) is not None]
    assert len(stored) == made - 1
    for name in stored:
        thing = batches.directory.thing("role", name)
        assert thing is not None
        assert thing.value("inline"), "a role of a committed batch is complete"
    rest = batches.apply(_many())
    assert len(rest.plan.changes) == 7 - len(stored)
    assert not rest.root_keys


def test_a_trial_takes_no_lock(batches: Batches) -> None:
    """It finds every refusal and makes no transaction, whatever the size of the file: another writer may have one."""
    before = batches.directory.revision()
    with batches.directory.there.store.write():
        assert len(batches.apply(_many(), is_trial=True).plan.changes) == 8
        refused = _many()
        refused["accounts"][ACCOUNT]["roles"]["role-6"]["boundary"] = f"arn:aws:iam::{OTHER}:policy/none"
        with pytest.raises(ApplyFileError, match="role-6"):
            batches.apply(refused, is_trial=True)
    assert batches.directory.revision() == before
    assert not batches.committed


class MeanwhileStore:
    """A store in which another writer acts before each transaction, after the draft was made."""

    def __init__(self, store: Any, act: Callable[[], object]) -> None:
        self._store, self._act = store, act
        self.writes = 0

    def read(self) -> Any:
        """Open a snapshot."""
        return self._store.read()

    def write(self) -> Any:
        """Open a transaction."""
        self.writes += 1
        self._act()
        return self._store.write()

    def changes_since(self, position: Any) -> Any:
        """Return the changes after a position."""
        return self._store.changes_since(position)


def _with_another(batches: Batches, act: Callable[[], object]) -> tuple[MeanwhileStore, Tools]:
    tools = batches.directory.tools
    store = MeanwhileStore(tools.store, act)
    return store, Tools(**{name: getattr(tools, name) for name in Tools.__dataclass_fields__} | {"store": store})


def _desired(file: dict[str, Any]) -> Desired:
    return read_desired(read_text(json.dumps(file).encode()), Given({}))


def test_a_draft_is_written_beside_other_accounts_and_made_again_in_its_own(batches: Batches) -> None:
    """A draft that is written has seen all changes of its account by others; those elsewhere do not matter."""
    for account in (ACCOUNT, THIRD):
        batches.directory.apply(json.dumps(_file(**{f"a{account}": {"name": "there"}})))
    numbers = iter(range(100))
    store, tools = _with_another(
        batches, lambda: batches.directory.call("CreateUser", THIRD, UserName=f"u-{next(numbers)}")
    )
    apply_file(_desired(_many(3)), tools, Manner())
    assert store.writes == 1
    left = ["first", "second"]
    store, tools = _with_another(
        batches, lambda: left and batches.directory.call("CreateUser", ACCOUNT, UserName=left.pop())
    )
    apply_file(_desired(_file(**{f"a{ACCOUNT}": {"users": {"alice": {}}}})), tools, Manner())
    assert store.writes == 3
    assert batches.directory.thing("user", "alice") is not None


def test_a_batch_that_never_fits_is_executed_under_the_lock(batches: Batches) -> None:
    """Another writer that writes to the same account all the time delays a file, and does not stop it."""
    batches.directory.apply(json.dumps(_file(**{f"a{ACCOUNT}": {"name": "there"}})))
    numbers = iter(range(100))
    store, tools = _with_another(
        batches, lambda: batches.directory.call("CreateUser", ACCOUNT, UserName=f"u-{next(numbers)}")
    )
    apply_file(_desired(_file(**{f"a{ACCOUNT}": {"users": {"alice": {}}}})), tools, Manner())
    assert store.writes == 5
    assert batches.directory.thing("user", "alice") is not None


def _once(batches: Batches, act: Callable[[], object]) -> None:
    """Act after the first batch of the next file."""
    left = [act]

    def meanwhile(_: Committed) -> None:
        if left:
            left.pop()()

    batches.meanwhile = meanwhile


def test_other_writers_go_on_between_two_batches(batches: Batches) -> None:
    """A write to another entity does not matter; one to an entity of the plan makes a new plan."""
    batches.directory.apply(json.dumps(_file(**{f"a{ACCOUNT}": {"name": "many"}, f"a{THIRD}": {"name": "third"}})))
    _once(batches, lambda: batches.directory.call("CreateUser", THIRD, UserName="carol"))
    batches.apply(_many())
    assert len(batches.committed) == 4
    # The last role to be made.
    trust = json.dumps(_policy(trusting({"AWS": THIRD})))
    batches.apply(_file(**{f"a{ACCOUNT}": {"roles": {}}}))
    _once(batches, lambda: batches.directory.call("CreateRole", RoleName="role-0", AssumeRolePolicyDocument=trust))
    result = batches.apply(_many())
    role = batches.directory.thing("role", "role-0")
    assert role is not None
    assert role.value("trust") == _role(ACCOUNT)["trust"]
    assert {change.verb.value for change in result.plan.changes if change.thing.name == "role-0"} == {"change"}
    # The file did not make this role, so it does not delete it.
    batches.apply(_file(**{f"a{ACCOUNT}": {"roles": {}}}))
    assert batches.directory.thing("role", "role-0") is not None
    assert batches.directory.thing("role", "role-6") is None


def test_a_changed_entity_is_planned_again(batches: Batches) -> None:
    """A batch does not overwrite a later change by another writer."""
    both = _many(3)
    both["accounts"][OTHER] = {"name": "other", "roles": {"r": _role(OTHER, description="old")}}
    batches.apply(both)
    for fields in both["accounts"][ACCOUNT]["roles"].values():
        fields["description"] = "new"
    both["accounts"][OTHER]["roles"]["r"]["description"] = "new"
    _once(
        batches,
        lambda: batches.directory.call("UpdateRole", OTHER, RoleName="r", Description="x", MaxSessionDuration=7200),
    )
    result = batches.apply(both)
    (change,) = (change for change in result.plan.changes if change.thing.account == OTHER)
    assert {one.attribute: one.before for one in change.differences} == {"description": "x"}
    role = batches.directory.thing("role", "r", OTHER)
    assert role is not None
    assert role.value("maxSessionDuration") == 7200  # no file has set it


@pytest.mark.slow
def test_endless_changes_of_others_end_the_command(batches: Batches) -> None:
    """A plan that never fits is given up with a message, and the store is as the others left it."""
    batches.apply(_many(3))
    numbers = iter(range(10_000))
    changed = _many(3, description="new")
    _, tools = _with_another(batches, lambda: _describe(batches.directory, f"by another {next(numbers)}"))
    with pytest.raises(ApplyFileError, match="other writers change the same entities"):
        apply_file(_desired(changed), tools, Manner())
    role = batches.directory.thing("role", "role-0")
    assert role is not None
    assert role.value("description").startswith("by another")


def _describe(directory: Directory, words: str) -> None:
    directory.call("UpdateRole", RoleName="role-0", Description=words)
