"""Bring an account's things into a store: where to, what of it, and then as any file is applied.

Owns the order, and where things go: to the account that is named, else to the file's own if it is here, else to where
the same account went before, else to a new one.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from daypass.apply.apply import Manner, Outcome, Tools, apply_file
from daypass.apply.desired import Desired, NewAccount
from daypass.apply.nodes import Mistake, Place
from daypass.apply.present import all_accounts
from daypass.apply.state import Thing
from daypass.arn import Arn, is_account_id
from daypass.directory import records
from daypass.directory.apply_entities import Origin
from daypass.directory.aws_managed import find_aws_policy
from daypass.directory.entities import Account, Role, User
from daypass.directory.store import Reader, Writer
from daypass.importing.carried import Carried, Here, Loss, carry, origin_of
from daypass.importing.details import Details
from daypass.importing.rewriting import Rewriting
from daypass.operations.settings import Quotas
from daypass.ports import Entropy

# The account that is imported had quotas of its own, which nobody here knows.
_ROOM = 10_000_000


@dataclass(frozen=True, slots=True)
class Wish:
    """What the operator asks for: where to (empty for what suits), and whether ARNs are rewritten."""

    account: str = ""
    rewrite: bool = False
    is_trial: bool = False


@dataclass(frozen=True, slots=True)
class Imported:
    """What was done: where from and where to, and what could not be carried over."""

    origin: str
    account: str
    outcome: Outcome
    losses: tuple[Loss, ...]


def roomy(quotas: Quotas) -> Quotas:
    """Return quotas that no import meets, but for the number of versions of a policy."""
    return replace(Quotas(**dict.fromkeys(Quotas.__dataclass_fields__, _ROOM)), policy_versions=quotas.policy_versions)


def bring(details: Details, tools: Tools, wish: Wish, entropy: Entropy) -> Imported:
    """Import what a file holds, in one transaction. Raises Mistake, and then nothing was changed."""
    origin = origin_of(details)
    with tools.store.read() as reader:
        account = _where_to(reader, origin, wish, entropy)
        carried = carry(details, _here(reader, origin, account, wish))
    losses = list(carried.losses)

    def refused(thing: Thing, mistake: Mistake) -> None:
        losses.append(Loss(f"{thing.kind} {thing.name}", mistake.words))

    outcome = apply_file(
        _desired(carried, origin),
        replace(tools, refused=refused),
        Manner(is_trial=wish.is_trial, owns=False),
    )
    if not wish.is_trial:
        _remember(tools, Origin(origin=origin, account=account))
    return Imported(origin, account, outcome, tuple(dict.fromkeys(losses)))


def _where_to(reader: Reader, origin: str, wish: Wish, entropy: Entropy) -> str:
    if wish.account:
        if not is_account_id(wish.account):
            raise Mistake(Place(), f"an account id is twelve digits; {wish.account!r} is not")
        return wish.account
    if records.find(reader, Account, "", origin) is not None:
        return origin
    before = records.find(reader, Origin, "", origin)
    if before is not None and records.find(reader, Account, "", before.account) is not None:
        return before.account
    while True:
        # Twelve random digits without a leading zero: never the id of a real account that the user also uses.
        account = str(10**11 + int.from_bytes(entropy(8)) % (9 * 10**11))
        if records.find(reader, Account, "", account) is None:
            return account


def _here(reader: Reader, origin: str, account: str, wish: Wish) -> Here:
    is_rewritten = wish.rewrite and origin != account
    present = frozenset(all_accounts(reader))
    return Here(
        account=account,
        is_new=account not in present,
        accounts=present | {account},
        exists=_finder(reader),
        is_aws_policy=lambda arn: find_aws_policy(arn) is not None,
        rewriting=Rewriting(origin, account) if is_rewritten else None,
    )


def _finder(reader: Reader) -> Callable[[str], bool]:
    def exists(text: str) -> bool:
        arn = Arn.find(text)
        if arn is None:
            return False
        kind, _, rest = arn.resource.partition("/")
        if arn.service == "sts" and kind == "assumed-role":
            role = records.find(reader, Role, arn.account, rest.partition("/")[0])
            return role is not None and role.name == rest.partition("/")[0]
        if kind not in {"user", "role"}:
            return False
        name = rest.rpartition("/")[2]
        user, role = records.find(reader, User, arn.account, name), records.find(reader, Role, arn.account, name)
        found = user if kind == "user" else role
        return found is not None and found.arn == text

    return exists


def _desired(carried: Carried, origin: str) -> Desired:
    account = carried.here.account
    # A new account gets a name that says where it came from; one that is there keeps its own.
    name = {"name": f"imported from {origin}"} if carried.here.is_new else {}
    whole = Thing(account, "account", account, name, place=Place(f"account {account}"))
    return Desired("import", {whole.key: whole, **carried.state}, {account: NewAccount()})


def _remember(tools: Tools, origin: Origin) -> None:
    with tools.store.write() as writer:
        _put(writer, origin)


def _put(writer: Writer, origin: Origin) -> None:
    found = records.find(writer, Origin, "", origin.origin)
    if found is None:
        records.insert(writer, origin)
    elif found != origin:
        records.replace(writer, origin)
