"""The check of a log's hash chains.

Owns which change of a log is found, and the words of a finding. Pure: reads lines once, and keeps a few facts for each
chain. Leaves files to log_files.py.

A changed, removed, added or moved line is found, but for these, which the log alone cannot prove:

- The end of a chain may have been cut off, or its last line changed. The digest of the last line, which was stored
  elsewhere, proves it (`expected`).
- A person who can write the log can compute a new chain. Only a digest that is stored elsewhere proves that.
- The start of a chain may be missing if the log continues an older one. It is a finding in a complete log: one whose
  first line says that the log was empty before.
"""

from collections import OrderedDict
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from typing import NamedTuple

import msgspec

from daypass.audit.chain import NO_LINE, digest_of, find_member
from daypass.counted import counted

_MOST_RECENT = 10_000  # digests of earlier lines, among which the start of a chain finds its own
_MOST_FINDINGS = 1_000
_MOST_DAMAGED = 100  # lines that may come between a cut line and its repetition


class LogLine(NamedTuple):
    """A line without its end, and its place."""

    file: str
    number: int
    text: bytes

    @property
    def place(self) -> str:
        """The file and the number of the line."""
        return f"{self.file}:{self.number}"


class ChainFinding(msgspec.Struct, frozen=True, rename="pascal"):
    """A place at which the log is not as it was written."""

    file: str
    line: int
    message: str


class CheckedChain(msgspec.Struct, rename="pascal"):
    """The lines of one process. `digest` is that of the last one."""

    id: str
    first: int
    last: int
    digest: str
    begins_at: str
    ends_at: str
    follows: str = ""


class ChainReport(msgspec.Struct, rename="pascal"):
    """The result of a check.

    `unchained` counts lines of an older server, in front of the first chain.
    """

    lines: int = 0
    unchained: int = 0
    chains: list[CheckedChain] = []
    findings: list[ChainFinding] = []
    finding_count: int = 0
    notes: list[str] = []

    def find(self, line: LogLine, message: str) -> None:
        """Add a finding. Only the first ones are kept."""
        self.finding_count += 1
        if len(self.findings) < _MOST_FINDINGS:
            self.findings.append(ChainFinding(line.file, line.number, message))


class _ChainCheck:
    def __init__(self, expected: AbstractSet[str], *, is_complete: bool) -> None:
        self.report = ChainReport()
        self.missing = set(expected)
        self.is_complete = is_complete
        self.chains: dict[str, CheckedChain] = {}
        self.recent: OrderedDict[str, str] = OrderedDict()
        self.damaged: list[tuple[LogLine, int]] = []
        self.last_unchained: LogLine | None = None

    def take(self, line: LogLine) -> None:
        self.report.lines += 1
        digest, member = digest_of(line.text), find_member(line.text)
        if self.damaged:
            self._forget_repeated(line)
        if member is None:
            self._take_unchained(line)
        else:
            self._take_chained(line, digest, *member)
        self.missing.discard(digest)
        self.recent[digest] = line.place
        if len(self.recent) > _MOST_RECENT:
            self.recent.popitem(last=False)

    def _take_unchained(self, line: LogLine) -> None:
        if line.text.startswith(b"{") and line.text.endswith(b"}") and not self.chains:
            self.report.unchained += 1
            self.last_unchained = line
        else:
            self.damaged.append((line, self.report.lines + _MOST_DAMAGED))

    def _take_chained(self, line: LogLine, digest: str, identifier: str, sequence: int, previous: str) -> None:
        chain = self.chains.get(identifier)
        if chain is None:
            follows = self._begin(line, identifier, sequence, previous)
            chain = CheckedChain(identifier, sequence, sequence, digest, line.place, line.place, follows)
            self.chains[identifier] = chain
            self.report.chains.append(chain)
            return
        if sequence <= chain.last:
            self.report.find(
                line, f"line {sequence} of chain {identifier} comes after line {chain.last}: it was added or moved"
            )
            return
        if sequence > chain.last + 1:
            count = sequence - chain.last - 1
            lines = f"{counted(count, 'line')} {'is' if count == 1 else 'are'}"
            self.report.find(line, f"{lines} missing before it in chain {identifier}, after {chain.ends_at}")
        elif previous != chain.digest:
            self.report.find(line, f"the line before it in chain {identifier} was changed: {chain.ends_at}")
        chain.last, chain.digest, chain.ends_at = sequence, digest, line.place

    def _begin(self, line: LogLine, identifier: str, sequence: int, previous: str) -> str:
        """Return the place of the line that a new chain follows, or "" if it is not among the lines."""
        is_first = not self.chains
        if sequence > 1:
            if self.is_complete:
                missing = "line 1" if sequence == 2 else f"lines 1 to {sequence - 1}"  # noqa: PLR2004 - its number
                self.report.find(line, f"the start of chain {identifier} is missing: {missing}")
            else:
                self.report.notes.append(f"{line.place}: chain {identifier} continues at line {sequence}")
            return ""
        if previous == NO_LINE:
            self.is_complete = self.is_complete or (is_first and self.last_unchained is None)
            if is_first and self.last_unchained is not None:
                self.report.find(line, f"the log was empty before it: {self.last_unchained.place} was added")
            return ""
        if previous in self.recent:
            return self.recent[previous]
        if is_first and self.last_unchained is None and not self.is_complete:
            self.report.notes.append(f"{line.place}: chain {identifier} follows a line that is not in these files")
        else:
            self.report.find(line, f"the line that chain {identifier} follows was changed or removed")
        return ""

    def _forget_repeated(self, line: LogLine) -> None:
        """Drop a cut line that was written again, and report those that were not."""
        kept = []
        for cut, until in self.damaged:
            if cut.text and line.text.startswith(cut.text) and len(line.text) > len(cut.text):
                self.report.notes.append(f"{cut.place}: a write was cut off here, and repeated at {line.place}")
            elif self.report.lines > until:
                self._find_damaged(cut)
            else:
                kept.append((cut, until))
        self.damaged = kept

    def _find_damaged(self, line: LogLine) -> None:
        self.report.find(line, "the line is not in a chain: it was added or changed, or a write was cut off")

    def end(self) -> ChainReport:
        for cut, _ in self.damaged:
            self._find_damaged(cut)
        self.report.findings.sort(key=lambda each: (each.file, each.line))
        for digest in sorted(self.missing):
            self.report.find(
                LogLine("", 0, b""), f"no line has the digest {digest}: the log was cut off or written anew"
            )
        return self.report


def check_chains(
    lines: Iterable[LogLine], expected: AbstractSet[str] = frozenset(), *, is_complete: bool = False
) -> ChainReport:
    """Return what the lines of a log prove, from the oldest to the newest.

    `expected` are digests that were stored elsewhere. With `is_complete`, the lines begin with the log.
    """
    check = _ChainCheck(expected, is_complete=is_complete)
    for line in lines:
        check.take(line)
    return check.end()
