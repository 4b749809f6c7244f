"""The kinds of link between things, and the two questions that go with managed policies: who has it, and how many.

Owns the names under which a store keeps links, and how a policy is attached. AWS's own policies are one for all
accounts, so each attachment of one is kept a second time under its account: no account counts or sees another's.
"""

from dataclasses import dataclass

from daypass.directory.store import Link, Missing, Reader, Writer

ATTACHED = "attached"
"""From a user, group or role (unique id) to a managed policy (ARN)."""

MEMBER = "member"
"""From a user (unique id) to a group (unique id)."""

BOUNDARY = "boundary"
"""From a user or role (unique id) to the managed policy (ARN) that bounds it."""

IN_PROFILE = "in_profile"
"""From a role (unique id) to an instance profile (unique id)."""

_AWS = "arn:aws:iam::aws:"
_BY_ACCOUNT = {ATTACHED: "attached_here", BOUNDARY: "boundary_here"}


@dataclass(frozen=True, slots=True)
class Use:
    """A use of managed policies in one account: `kind` is ATTACHED or BOUNDARY."""

    kind: str
    account: str

    def add(self, writer: Writer, holder: str, arn: str) -> None:
        """Attach a policy to the user, group or role of this unique id. Doing it twice is doing it once."""
        writer.link(Link(self.kind, holder, arn))
        if arn.startswith(_AWS):
            writer.link(Link(_BY_ACCOUNT[self.kind], holder, self._local(arn)))

    def remove(self, writer: Writer, holder: str, arn: str) -> None:
        """Detach a policy. Raises Missing where it is not attached."""
        writer.unlink(self.kind, holder, arn)
        if arn.startswith(_AWS):
            try:
                writer.unlink(_BY_ACCOUNT[self.kind], holder, self._local(arn))
            except Missing:
                return  # It was attached by something that keeps no count; there is nothing left to remove.

    def count(self, reader: Reader, arn: str) -> int:
        """Return how many of the account's users, groups and roles use a policy."""
        kind, target = self._ends(arn)
        return reader.count_sources(kind, target)

    def holders(self, reader: Reader, arn: str, *, after: str = "", limit: int | None = None) -> list[str]:
        """Return the unique ids of the account's users, groups and roles that use a policy, in order."""
        kind, target = self._ends(arn)
        return [link.source for link in reader.sources(kind, target, after=after, limit=limit)]

    def _ends(self, arn: str) -> tuple[str, str]:
        return (_BY_ACCOUNT[self.kind], self._local(arn)) if arn.startswith(_AWS) else (self.kind, arn)

    def _local(self, arn: str) -> str:
        return f"{self.account}/{arn}"


def attachments(account: str) -> Use:
    """Return the attachments of managed policies in an account."""
    return Use(ATTACHED, account)


def boundaries(account: str) -> Use:
    """Return the uses of managed policies as permissions boundaries in an account."""
    return Use(BOUNDARY, account)
