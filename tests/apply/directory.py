"""A store in memory, with `daypass apply` and `daypass export` in the process."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from daypass.apply.apply import ApplyResult, Manner, Tools, apply_file
from daypass.apply.file.desired import read_desired
from daypass.apply.file.file_parser import read_text
from daypass.apply.file.state import Thing
from daypass.apply.plan.export_text import yaml_pieces
from daypass.apply.store.exported_store import ExportedStore
from daypass.apply.store.store_state import read_present
from daypass.audit.event import AuditRecord
from daypass.cli.shared.apply_context import tools_with
from daypass.config import Config
from daypass.operations.settings import Quotas
from daypass.storage.master_key import MasterKeySource
from daypass.storage.views import OpenedStore
from daypass.testing.clock import MovableClock
from daypass.wiring_store import open_everything

ACCOUNT = "123456789012"


class Given:
    """Secrets by name."""

    def __init__(self, secrets: Mapping[str, str]) -> None:
        self._secrets = secrets

    def find(self, name: str) -> str | None:
        """Return a secret, or None."""
        return self._secrets.get(name)


class Events:
    """A sink that keeps audit events."""

    def __init__(self) -> None:
        self.all: list[AuditRecord] = []

    def __call__(self, record: AuditRecord, /) -> None:
        """Keep an event."""
        self.all.append(record)

    def close(self) -> None:
        """Keep the events."""


def opened() -> OpenedStore:
    """Return an empty store."""
    return open_everything(Config(store="memory:"), MasterKeySource(), clock=MovableClock())


@dataclass
class Directory:
    """One store, and files applied to it."""

    there: OpenedStore = field(default_factory=opened)
    secrets: Mapping[str, str] = field(default_factory=dict)
    quotas: Quotas = field(default_factory=Quotas)
    events: Events = field(default_factory=Events)

    @property
    def tools(self) -> Tools:
        """Return the tools of one command."""
        return tools_with(self.there, self.quotas, self.events, command="test", secrets=Given(self.secrets))

    def apply(self, text: str, *, prune: bool = False, is_trial: bool = False) -> ApplyResult:
        """Apply a file."""
        desired = read_desired(read_text(text.encode()), Given(self.secrets))
        return apply_file(desired, self.tools, Manner(prune=prune, is_trial=is_trial))

    def export(self, *, with_keys: bool = False) -> str:
        """Return the file that describes the store."""
        with self.there.store.read() as reader:
            exported = ExportedStore(reader, self.there.vault, with_keys=with_keys)
            return "".join(yaml_pieces(exported.head(), exported.accounts()))

    def thing(self, kind: str, name: str, account: str = ACCOUNT) -> Thing | None:
        """Return an entity of the store, or None."""
        with self.there.store.read() as reader:
            return read_present(reader, [account], self.there.vault).get((account, kind, name.lower()))

    def call(self, action: str, account: str = ACCOUNT, **params: Any) -> dict[str, Any]:
        """Call an action like a client of the API, as the account's root user."""
        from daypass.apply.file.nodes import FilePosition
        from daypass.apply.store.api import Api

        tools = self.tools
        with self.there.store.write() as writer:
            api = Api(tools.catalog, tools.registry, tools.open_context(writer), tools.source)
            return api.call(account, action, params, FilePosition())

    def revision(self) -> int:
        """Return the revision of the store."""
        return self.there.store.revision()


def one_account(**sections: Any) -> str:
    """Return a file with one account that has these sections."""
    import json

    return json.dumps({"version": 1, "accounts": {ACCOUNT: sections}})


def allow(*actions: str) -> dict[str, Any]:
    """Return a policy that allows actions on all resources."""
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": list(actions), "Resource": "*"}]}


def trust(**principal: Any) -> dict[str, Any]:
    """Return a trust policy for a principal."""
    return {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}],
    }
