"""Import an account's entities into a store.

Owns the choice of the target account: the named one, else the file's if it exists, else that of the previous import,
else a new one. Leaves the changes to daypass.apply.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from daypass.apply.apply import ApplyResult, Manner, Tools, apply_file
from daypass.apply.file.desired import Desired, NewAccount
from daypass.apply.file.nodes import ApplyFileError, FilePosition
from daypass.apply.file.state import Thing
from daypass.apply.store.store_state import all_accounts
from daypass.arn import Arn, is_account_id
from daypass.bootstrap import new_account_id
from daypass.directory import records
from daypass.directory.entities.apply_entities import Origin
from daypass.directory.entities.iam_entities import Account, Role, User
from daypass.directory.managed_policies.aws_managed import find_aws_policy
from daypass.directory.store import Reader, Writer
from daypass.importing.account_rewriter import AccountRewriter
from daypass.importing.bucket_converter import convert_buckets
from daypass.importing.converter import Conversion, ImportTarget, Omission, convert, origin_of
from daypass.importing.details import Details
from daypass.operations.settings import Quotas
from daypass.ports import Entropy

# The source account had its own quotas, which are not known here.
_ROOM = 10_000_000


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """The request of the operator.

    It contains the target account (empty for the default choice), whether ARNs are rewritten, and the gateway's backend
    with the buckets.
    """

    account: str = ""
    backend: str = ""
    rewrite: bool = False
    is_trial: bool = False


@dataclass(frozen=True, slots=True)
class Imported:
    """The result: the source, the target, and the losses."""

    origin: str
    account: str
    outcome: ApplyResult
    omissions: tuple[Omission, ...]


def roomy(quotas: Quotas) -> Quotas:
    """Return quotas that no import reaches.

    Only the quota of policy versions stays.
    """
    return replace(Quotas(**dict.fromkeys(Quotas.__dataclass_fields__, _ROOM)), policy_versions=quotas.policy_versions)


def import_account(details: Details, tools: Tools, options: ImportOptions, entropy: Entropy) -> Imported:
    """Import a file, a large one in batches.

    Raises ApplyFileError, and then the store is unchanged unless `tools.committed` was called. The first batch records
    the target, so that a second import of the file goes on in the same account.
    """
    origin = _origin(details, options)
    with tools.store.read() as reader:
        account = _where_to(reader, origin, options, entropy)
        conversion = convert(details, _target(reader, origin, account, options))
        convert_buckets(details, conversion, options.backend)
    omissions = list(conversion.omissions)

    def refused(thing: Thing, mistake: ApplyFileError) -> None:
        omissions.append(Omission(f"{thing.kind} {thing.name}", mistake.words))

    def remember(writer: Writer) -> None:
        if not details.has_only_buckets:
            _put(writer, Origin(origin=origin, account=account))

    outcome = apply_file(
        _desired(conversion, origin),
        replace(tools, refused=refused, also_write=remember),
        Manner(is_trial=options.is_trial, owns=False),
    )
    if not options.is_trial and not outcome.plan.changes:
        with tools.store.write() as writer:
            remember(writer)
    return Imported(origin, account, outcome, tuple(dict.fromkeys(omissions)))


def _origin(details: Details, options: ImportOptions) -> str:
    """Return the account that the file describes. Answers about buckets do not name it."""
    if not details.has_only_buckets:
        return origin_of(details)
    if not options.account:
        raise ApplyFileError(FilePosition(), "the file describes buckets only: name their account with --account")
    return options.account


def _where_to(reader: Reader, origin: str, options: ImportOptions, entropy: Entropy) -> str:
    if options.account:
        if not is_account_id(options.account):
            raise ApplyFileError(FilePosition(), f"an account id is twelve digits; {options.account!r} is not")
        return options.account
    if records.find(reader, Account, "", origin) is not None:
        return origin
    before = records.find(reader, Origin, "", origin)
    if before is not None and records.find(reader, Account, "", before.account) is not None:
        return before.account
    return new_account_id(reader, entropy)


def _target(reader: Reader, origin: str, account: str, options: ImportOptions) -> ImportTarget:
    is_rewritten = options.rewrite and origin != account
    present = frozenset(all_accounts(reader))
    return ImportTarget(
        account=account,
        is_new=account not in present,
        accounts=present | {account},
        exists=_finder(reader),
        is_aws_policy=lambda arn: find_aws_policy(arn) is not None,
        rewriter=AccountRewriter(origin, account) if is_rewritten else None,
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
        return isinstance(records.find_by_arn(reader, text), User | Role)

    return exists


def _desired(conversion: Conversion, origin: str) -> Desired:
    account = conversion.target.account
    # A new account's name states its origin; an existing one keeps its name.
    name = {"name": f"imported from {origin}"} if conversion.target.is_new else {}
    whole = Thing(account, "account", account, name, place=FilePosition(f"account {account}"))
    return Desired("import", {whole.key: whole, **conversion.state}, {account: NewAccount()})


def _put(writer: Writer, origin: Origin) -> None:
    found = records.find(writer, Origin, "", origin.origin)
    if found is None:
        records.insert(writer, origin)
    elif found != origin:
        records.replace(writer, origin)
