"""Execute a plan inside one transaction.

Owns the order: an entity that others refer to is created first and deleted last.

- Policies come first, then groups and users, then roles, then buckets, whose policies name these, then attachments
and other parts.
- Users and roles are deleted before any trust policy is written, so that a new trust policy cannot name a deleted one.
- Groups and policies are deleted last.

"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial

from daypass.apply.file.desired import Desired, NewAccount
from daypass.apply.file.nodes import ApplyFileError, FilePosition
from daypass.apply.file.secret_names import Secrets
from daypass.apply.file.state import ATTRIBUTES, Key, Thing, document_text
from daypass.apply.plan.differences import ApplyPlan, Change, Difference, Verb
from daypass.apply.store.access_keys import require_secret
from daypass.apply.store.api import Api
from daypass.apply.store.order import NOBODY, ordered
from daypass.apply.store.organization import organize, rename_account
from daypass.apply.store.steps import BORN_WITH, CHANGE, CREATE, DELETE, PARTS, Subject
from daypass.apply.store.store_state import ENTITIES
from daypass.bootstrap import AccountCreationError, NewAccountRequest, RootKey, create_account
from daypass.directory import records
from daypass.directory.unresolved_principals import store_unresolved
from daypass.mint.secret import Secret

Progress = Callable[[int, int], None]
"""Called after each completed change, with the completed and the total number."""

Refused = Callable[[Thing, ApplyFileError], None]
"""Called with each refused change, if the other changes continue."""

_ORGANIZED = ("unit", "account")
_DENY_ALL = "arn:aws:iam::aws:policy/AWSDenyAll"


@dataclass(slots=True)
class PlanExecutor:
    """Execute a plan.

    Without `refused`, the first refusal ends the execution.
    """

    api: Api
    secrets: Secrets
    progress: Progress = lambda _done, _total: None
    refused: Refused | None = None
    _failed: set[Key] = field(default_factory=set)
    _done: int = 0
    _total: int = 0

    def execute(self, plan: ApplyPlan, desired: Desired) -> list[RootKey]:
        """Execute the plan and return the root keys of new accounts.

        Raises ApplyFileError. The caller rolls back.
        """
        self._total = 2 * len(plan.changes)
        keys = [self._account(thing, desired.new_accounts) for thing in _new_accounts(plan, desired)]
        self._organize(plan)
        # A file may give a client another name: its issuer and client id must be free before.
        self._delete(plan, "oidcClient")
        for kind in ("policy", "group", "user", "oidcProvider", "samlProvider", "oidcClient"):
            for change in plan.of(Verb.CREATE, kind):
                self._create(change.thing)
            for change in plan.of(Verb.CHANGE, kind):
                self._values(change)
        self._delete(plan, "user", "role")
        self._make_roles(plan)
        self._make_buckets(plan)
        for change in (*plan.of(Verb.CHANGE), *plan.of(Verb.CREATE)):
            if change.thing.kind not in _ORGANIZED:
                self._parts(change)
        self._delete(plan, "oidcProvider", "samlProvider", "group", "policy")
        # The deepest units first.
        for change in sorted(plan.of(Verb.DELETE, "unit"), key=lambda one: -one.thing.name.count("/")):
            organize(change, self.api)
        return keys

    def _try(self, thing: Thing, act: Callable[[], object]) -> bool:
        try:
            act()
        except ApplyFileError as mistake:
            if self.refused is None:
                raise
            self.refused(thing, mistake)
            return False
        return True

    def _step(self) -> None:
        self._done += 1
        self.progress(self._done, self._total)

    def _create(self, thing: Thing, subject: Subject | None = None) -> None:
        if not self._try(thing, lambda: CREATE[thing.kind](subject or self._subject(thing))):
            self._failed.add(thing.key)
            self._discard(thing)
        self._step()

    def _discard(self, thing: Thing) -> None:
        """Delete a partly created entity.

        An action may refuse it after storing it.
        """
        records.delete_if_present(self.api.ctx.writer, ENTITIES[thing.kind], thing.account, thing.name)

    def _account(self, thing: Thing, wanted: Mapping[str, NewAccount]) -> RootKey:
        new = wanted[thing.account]
        new_account = NewAccountRequest(
            account=thing.account,
            name=thing.value("name"),
            access_key_id=new.root_key_id,
            secret_access_key=self._root_secret(new, thing.place),
            standing=new.standing or None,  # type: ignore[arg-type] # the schema allows no other
        )
        ctx = self.api.ctx
        try:
            key = create_account(ctx.writer, new_account, now=ctx.now, entropy=ctx.entropy, vault=ctx.vault)
        except AccountCreationError as error:
            raise ApplyFileError(thing.place, str(error), refused=True) from error
        self.api.note(thing.account, "CreateAccount", {"AccountName": thing.value("name")})
        return key

    def _root_secret(self, new: NewAccount, place: FilePosition) -> str:
        if not new.root_secret:
            return ""
        found = self.secrets.find(new.root_secret)
        given = None if found is None else Secret(found)
        return require_secret(given, new.root_secret, place.below("rootAccessKey")).text

    def _organize(self, plan: ApplyPlan) -> None:
        """Create units from the top, then move accounts, then attach control policies."""
        for change in plan.of(Verb.CHANGE, "account"):
            self._try(change.thing, partial(release_alias, change, self.api))
        for kind in _ORGANIZED:
            changes = [
                change for change in plan.changes if change.thing.kind == kind and change.verb is not Verb.DELETE
            ]
            for change in sorted(changes, key=lambda one: (one.thing.name.count("/"), one.thing.name)):
                if change.verb is Verb.CHANGE:
                    rename_account(change, self.api)
                self._try(change.thing, partial(set_account, change, self.api))
                self._try(change.thing, partial(organize, change, self.api))
                self._step()

    def _make_roles(self, plan: ApplyPlan) -> None:
        late: list[Thing] = []
        for role, must_wait in ordered(change.thing for change in plan.of(Verb.CREATE, "role")):
            subject = self._subject(role)
            if must_wait:
                late.append(role)
                subject = replace(subject, trust=document_text(NOBODY))
            self._create(role, subject)
        for role in late:
            self._try(role, partial(CHANGE["trust"], self._subject(role), None))
        for change in plan.of(Verb.CHANGE, "role"):
            self._values(change)

    def _make_buckets(self, plan: ApplyPlan) -> None:
        """Remove buckets before adding others: a file may give one to another account."""
        self._delete(plan, "bucket")
        for change in plan.of(Verb.CREATE, "bucket"):
            self._create(change.thing)
        for change in plan.of(Verb.CHANGE, "bucket"):
            self._values(change)

    def _values(self, change: Change) -> None:
        subject = self._subject(change.thing, change.before)
        for difference in change.differences:
            if not ATTRIBUTES[change.thing.kind][difference.attribute].has_parts:
                self._try(change.thing, partial(CHANGE[difference.attribute], subject, difference.after))
        self._step()

    def _parts(self, change: Change) -> None:
        thing = change.thing
        if thing.key in self._failed:
            return
        subject = self._subject(thing, change.before)
        for difference in _parts_of(change):
            if difference.is_gone:
                self._try(thing, partial(PARTS[difference.attribute].remove, subject, difference))
        for difference in _parts_of(change):
            is_born = change.verb is Verb.CREATE and difference.attribute in BORN_WITH
            if is_born or difference.is_gone:
                continue
            is_put = self._try(thing, partial(PARTS[difference.attribute].put, subject, difference))
            if not is_put and difference.attribute in {"inline", "policies", "groups"}:
                # The refused policy may have contained a Deny.
                self._try(thing, partial(subject.call, "Attach{}Policy", PolicyArn=_DENY_ALL))
        self._step()

    def _delete(self, plan: ApplyPlan, *kinds: str) -> None:
        for kind in kinds:
            for change in plan.of(Verb.DELETE, kind):
                DELETE[kind](self._subject(change.thing))
                self._step()

    def _subject(self, thing: Thing, before: Thing | None = None) -> Subject:
        if before is not None and "path" in before.attributes and "path" not in thing.attributes:
            # If the file omits the path of a policy, the stored path stays.
            thing = replace(thing, attributes={**thing.attributes, "path": before.value("path")})
        return Subject(thing, self.api, self._trust(thing))

    def _trust(self, thing: Thing) -> str:
        trust = thing.attributes.get({"role": "trust", "bucket": "policy"}.get(thing.kind, ""))
        if trust is None:
            return ""
        if thing.unresolved:
            trust = store_unresolved(self.api.ctx.writer, trust, thing.unresolved)
        return document_text(trust)


def _new_accounts(plan: ApplyPlan, desired: Desired) -> list[Thing]:
    """Return the accounts to create, the management account first.

    The others join its organization.
    """
    made = [change.thing for change in plan.of(Verb.CREATE, "account")]
    return sorted(made, key=lambda thing: desired.new_accounts[thing.account].standing != "management")


def _parts_of(change: Change) -> Iterator[Difference]:
    attributes = ATTRIBUTES[change.thing.kind]
    return (difference for difference in change.differences if attributes[difference.attribute].has_parts)


def release_alias(change: Change, api: Api) -> None:
    """Remove an alias that the file changes or omits.

    This comes before any account gets an alias, so that two can swap theirs.
    """
    for difference in change.parts("alias"):
        if difference.before:
            _call(change, api, "alias", "DeleteAccountAlias", AccountAlias=difference.before)


def set_account(change: Change, api: Api) -> None:
    """Apply the changes of an account's alias and password policy.

    Raises ApplyFileError.
    """
    thing = change.thing
    for difference in change.parts("alias"):
        if difference.after:
            _call(change, api, "alias", "CreateAccountAlias", AccountAlias=difference.after)
    for difference in change.parts("passwordPolicy"):
        if difference.after is None:
            _call(change, api, "passwordPolicy", "DeleteAccountPasswordPolicy")
        else:
            params = {name[0].upper() + name[1:]: value for name, value in difference.after.items()}
            api.call(thing.account, "UpdateAccountPasswordPolicy", params, thing.place_of("passwordPolicy"))


def _call(change: Change, api: Api, attribute: str, action: str, **params: str) -> None:
    api.call(change.thing.account, action, params, change.thing.place_of(attribute))
