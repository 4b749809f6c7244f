"""The kinds of links between entities, and the uses of managed policies.

Owns the names of the links in a store, and the attachment of policies. All accounts share AWS's policies, so each
attachment of one is stored a second time under its account, which neither counts nor sees those of others.
"""

from dataclasses import dataclass

from daypass.directory.store import Link, Reader, RecordMissingError, Writer

ATTACHED = "attached"
"""From a user, group or role (unique id) to a managed policy (ARN)."""

MEMBER = "member"
"""From a user (unique id) to a group (unique id)."""

BOUNDARY = "boundary"
"""From a user or role (unique id) to its permissions boundary (ARN)."""

IN_PROFILE = "in_profile"
"""From a role (unique id) to an instance profile (unique id)."""

_AWS = "arn:aws:iam::aws:"
_BY_ACCOUNT = {ATTACHED: "attached_here", BOUNDARY: "boundary_here"}


def unlink_if_present(writer: Writer, kind: str, source: str, target: str) -> None:
    """Delete a link if it exists."""
    try:
        writer.unlink(kind, source, target)
    except RecordMissingError:
        return


@dataclass(frozen=True, slots=True)
class Use:
    """A use of managed policies in one account.

    `kind` is ATTACHED or BOUNDARY.
    """

    kind: str
    account: str

    def add(self, writer: Writer, holder: str, arn: str) -> None:
        """Attach a policy to the user, group or role of this unique id.

        The operation is idempotent.
        """
        writer.link(Link(self.kind, holder, arn))
        if arn.startswith(_AWS):
            writer.link(Link(_BY_ACCOUNT[self.kind], holder, self._local(arn)))

    def remove(self, writer: Writer, holder: str, arn: str) -> None:
        """Detach a policy. Raises RecordMissingError if it is not attached."""
        writer.unlink(self.kind, holder, arn)
        if arn.startswith(_AWS):
            # It may have been attached without a count, which then needs no update.
            unlink_if_present(writer, _BY_ACCOUNT[self.kind], holder, self._local(arn))

    def count(self, reader: Reader, arn: str) -> int:
        """Return how many users, groups and roles of the account use a policy."""
        kind, target = self._ends(arn)
        return reader.count_sources(kind, target)

    def holders(self, reader: Reader, arn: str, *, after: str = "", limit: int | None = None) -> list[str]:
        """Return the unique ids of the account's entities that use a policy."""
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
    """Return the uses of managed policies as permissions boundaries."""
    return Use(BOUNDARY, account)
