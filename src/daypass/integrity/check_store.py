"""Check a store in one snapshot.

Memory does not grow with the number of records and links. Owns the order of the checks, and the words for damage. The
rules are the tables of references.py, link_ends.py and contents.py.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from daypass.directory.records import KINDS, kinds_by_name, to_record
from daypass.directory.secret_box import SecretBox, SecretDecryptionError
from daypass.directory.store import Record
from daypass.integrity.contents import POLICIES, SECRETS, compile_policy
from daypass.integrity.findings import Findings
from daypass.integrity.link_ends import ENDS
from daypass.integrity.references import REFERENCES, KnownRecords
from daypass.storage.refusals import StoreOpenError
from daypass.storage.sql.snapshots import SnapshotReader
from daypass.storage.sql.sql_store import SqlStore
from daypass.storage.sql.table_rows import each_row
from daypass.storage.views import OpenedStore

Advance = Callable[[int, int], None]
OTHER_KINDS = frozenset({"vault", "revocations"})  # records that are not entities
_STEP = 500  # rows between two reports of progress
_RESTORE = "restore a backup from before the damage"


def check_opened(there: OpenedStore, advance: Advance) -> Findings:
    """Check an open store. Raises StoreOpenError for a store in memory."""
    if not isinstance(there.store, SqlStore):
        raise StoreOpenError("a store in memory ends with its process, so there is nothing to check")
    with there.store.read() as reader:
        return check_store(reader, there.vault, advance)


def check_store(reader: SnapshotReader, vault: SecretBox, advance: Advance) -> Findings:
    """Check everything, and return the damage."""
    check = _StoreCheck(reader, vault)
    total = reader.table_size("records") + reader.table_size("links")
    for problem in reader.integrity_problems():
        check.findings.add("database", "the database file", problem, f"stop every server, and {_RESTORE}")
    for number, part in enumerate(check.parts(), 1):
        part()
        if number % _STEP == 0:
            advance(number, total)
    check.compare_counts()
    return check.findings


class _StoreCheck:
    def __init__(self, reader: SnapshotReader, vault: SecretBox) -> None:
        self._reader, self._vault = reader, vault
        self._places = KnownRecords(reader)
        self._types = kinds_by_name()
        self._counted: Counter[tuple[str, str]] = Counter()
        self.findings = Findings()

    def parts(self) -> Iterator[Callable[[], None]]:
        """Yield the check of each row."""
        for row in each_row(self._reader, "records"):
            yield lambda row=row: self._check_record(Record(**dict(zip(_COLUMNS, row, strict=True))))  # type: ignore[misc]
        for row in each_row(self._reader, "links"):
            yield lambda row=row: self._check_link(row)  # type: ignore[misc]

    def compare_counts(self) -> None:
        """Compare the counts with the records, and look at the last write."""
        for (kind, account), number in self._counted.items():
            stored = self._reader.count(kind, account)
            if stored != number:
                self.findings.add(
                    "counts",
                    f"{kind} of account {account or '(all)'}",
                    f"{stored} are counted, and {number} exist: quotas are wrong",
                    "back up the store and restore it, which counts again",
                )
        if self._reader.position().number and not self._reader.position().nonce:
            self.findings.add(
                "counts",
                "the log of changes",
                "its last write has no nonce",
                "start a server, which adds what is missing",
            )

    def _check_record(self, record: Record) -> None:
        self._counted[record.kind, record.account] += 1
        if record.kind in OTHER_KINDS:
            return
        type_ = self._types.get(record.kind)
        subject = f"{record.kind} {record.account}/{record.key}"
        if type_ is None:
            self.findings.add("records", subject, "its kind is unknown", "check with the version that wrote it")
            return
        try:
            entity = KINDS[type_].decoder.decode(record.body)
            again = to_record(entity)
        except Exception:  # noqa: BLE001 - whatever a damaged body leads to
            self.findings.add("records", subject, "its content is unreadable", f"delete and create it, or {_RESTORE}")
            return
        subject = str(getattr(entity, "arn", subject))
        if _names(again) != _names(record):
            self.findings.add("records", subject, "it is stored under names of another record", _RESTORE)
        self._check_secrets(entity, subject)
        self._check_references(entity, subject)
        self._check_policies(entity, subject)

    def _check_secrets(self, entity: Any, subject: str) -> None:
        find = SECRETS.get(type(entity))
        for bound_to, sealed in () if find is None else find(entity):
            try:
                if sealed:
                    self._vault.decrypt(sealed, bound_to=bound_to)
            except SecretDecryptionError:
                why = "its secret does not open: it was changed, or belongs to another record or store"
                self.findings.add("secrets", subject, why, f"replace the key or device, or {_RESTORE}")

    def _check_references(self, entity: Any, subject: str) -> None:
        for missing in REFERENCES[type(entity)](entity, self._places):
            hint = f"delete {subject}, or create what is missing, or {_RESTORE}"
            self.findings.add("references", subject, f"{missing} does not exist", hint)

    def _check_policies(self, entity: Any, subject: str) -> None:
        find = POLICIES.get(type(entity))
        for policy in () if find is None else find(entity):
            try:
                compile_policy(self._reader, entity, policy)
            except Exception as error:  # noqa: BLE001 - any exception refuses requests
                reason = getattr(error, "message", type(error).__name__)
                why = f"{policy[0]} does not compile, so every request that needs it is refused: {reason}"
                self.findings.add("policies", subject, why, f"put {policy[0]} again")

    def _check_link(self, row: Sequence[Any]) -> None:
        kind, source, target, _ = row
        subject = f"{kind} from {source} to {target}"
        if kind not in ENDS:
            self.findings.add("links", subject, "its kind is unknown", "check with the version that wrote it")
            return
        for end, exists, name in zip((source, target), ENDS[kind], ("source", "target"), strict=True):
            if not exists(end, self._places):
                self.findings.add("links", subject, f"its {name} {end} does not exist", _RESTORE)


_COLUMNS = ("kind", "account", "key", "sort", "unique_id", "body")


def _names(record: Record) -> tuple[str | None, ...]:
    return record.kind, record.account, record.key, record.sort, record.unique_id
