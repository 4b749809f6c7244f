"""A call by its template has the answer and the audit event of the whole way, before and after each change.

Both ways get the same time and the same random bytes, so that their answers are equal to the last byte. The whole way
belongs to a server that has just started: it remembers no request and no cached value.
"""

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from hashlib import shake_128
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest
from bench.signed import Signer
from tests.documents import allow, deny, document, trusting

from daypass.audit.event import AuditRecord
from daypass.audit.lines import to_line
from daypass.audit.required import RequiredLog
from daypass.audit.response_elements import encode_answer
from daypass.audit.sinks import open_sink
from daypass.authenticate.caller import Caller
from daypass.authenticate.keychain import Keychain
from daypass.authorize.call_templates import MOST_TEMPLATES, CallTemplate, CallTemplates
from daypass.bootstrap import NewAccountRequest, create_account
from daypass.config import Config
from daypass.directory.organization import organization_changes as changes
from daypass.directory.revocations import revoke_key
from daypass.directory.store import Views, WouldBlockError
from daypass.directory.stored_sealing_keys import load_sealing_ring, save_sealing_ring
from daypass.http.plain_calls import read_plain_call
from daypass.mint.sealing_keys import rotate
from daypass.operations.parsed_requests import ParsedRequest
from daypass.operations.registry import full_registry
from daypass.operations.settings import ServiceSettings
from daypass.pipeline import Pipeline
from daypass.regions import is_region_name
from daypass.storage.cache import StoreCache
from daypass.storage.master_key import MasterKeySource
from daypass.storage.views import BlockingView, NonBlockingView
from daypass.testing.clock import MovableClock
from daypass.wire.catalog import Catalog
from daypass.wire.http import HttpRequest, HttpResponse
from daypass.wiring import HOME_REGION, make_issuer_keys
from daypass.wiring_store import open_everything

_MANAGER, _ACCOUNT = "111122223333", "777788889999"
_CATALOG, _REGISTRY = Catalog.load(), full_registry()
_VERSIONS = {"sts": "2011-06-15", "iam": "2010-05-08"}


@dataclass(frozen=True)
class Key:
    """An access key, long-term or temporary."""

    key_id: str
    secret: str
    token: str = ""


class Dice:
    """Random bytes, which are the same for each call that is compared."""

    def __init__(self) -> None:
        self._drawn: int | None = None

    def start(self) -> None:
        """Return fixed bytes from now on, from the beginning."""
        self._drawn = 0

    def stop(self) -> None:
        """Return random bytes from now on."""
        self._drawn = None

    def __call__(self, count: int, /) -> bytes:
        """Return the next bytes."""
        if self._drawn is None:
            return os.urandom(count)
        self._drawn += 1
        return shake_128(self._drawn.to_bytes(4)).digest(count)


class CountedTemplates(CallTemplates):
    """Counts the calls that found a template with answers."""

    used = 0

    def find(self, known: ParsedRequest, caller: Caller, views: Views, generation: int | None) -> CallTemplate | None:
        """Return the template of a call, or None."""
        found = super().find(known, caller, views, generation)
        self.used += found is not None and found.answers is not None
        return found


class World:
    """One store, a server that remembers, and one that has just started for each call."""

    settings = ServiceSettings(public_url="https://sts.example.org")

    def __init__(self) -> None:
        self.clock, self.dice, self.lines = MovableClock(), Dice(), list[bytes]()
        self.clock.freeze(datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC))
        opened = open_everything(Config(store="memory:"), MasterKeySource(), clock=self.clock)
        self.there = replace(opened, entropy=self.dice)
        self.templates = CountedTemplates(encode_answer)
        self._made = self.server(self.templates)
        self.manager = self._make_account(_MANAGER, "management")
        self.root = self._make_account(_ACCOUNT, "member")
        self._calls = 0

    def _make_account(self, account: str, standing: Any) -> Key:
        request = NewAccountRequest(account=account, standing=standing)
        with self.there.store.write() as writer:
            made = create_account(writer, request, now=self.clock.now(), entropy=os.urandom, vault=self.there.vault)
        return Key(made.access_key_id, made.secret_access_key)

    def server(
        self, templates: CallTemplates, required_log: RequiredLog | None = None
    ) -> tuple[Pipeline, NonBlockingView, NonBlockingView]:
        """Return the pipeline of a server, and the views of its event loop and its worker threads."""
        there, keychain = self.there, Keychain(self.there.vault)
        cache = StoreCache(there.store, monotonic=lambda: 0.0)
        keys = make_issuer_keys(Config(host="127.0.0.1", port=7878), there.clock)
        settings = self.settings
        pipeline = Pipeline(
            catalog=_CATALOG,
            registry=_REGISTRY,
            keychain=keychain,
            is_region=is_region_name,
            home_region=HOME_REGION,
            now=there.clock.now,
            record=self.record,
            report_bug=_fail,
            templates=templates,
            required_log=required_log,
        )
        return (
            pipeline,
            NonBlockingView(there, cache.cached_only, keychain, settings, keys, lambda _: True),
            BlockingView(there, cache.loading, keychain, settings, keys, lambda _: True),
        )

    def record(self, record: AuditRecord) -> None:
        """Keep the line of an event."""
        self.lines.append(to_line(record, "event"))

    def request(self, key: Key, parameters: Mapping[str, str], service: str = "sts", peer: str = "192.0.2.1") -> Any:
        """Return a signed request as the connection reads it."""
        signer = Signer(key_id=key.key_id, secret=key.secret, token=key.token, port=80, service=service)
        signed = signer.sign(
            {**parameters, "Version": _VERSIONS[service]}, now=self.clock.now().timestamp(), call_id="1"
        )
        read = read_plain_call(signed)
        assert read is not None
        return HttpRequest("POST", b"/", b"", read[0], read[2], peer, secure=False, by_name=read[1])

    def fast(self, request: HttpRequest) -> tuple[HttpResponse, bytes]:
        """Return the answer and the event of the server that remembers."""
        return self.answer(self._made, request)

    def whole(self, request: HttpRequest) -> tuple[HttpResponse, bytes]:
        """Return those of a server that has just started."""
        return self.answer(self.server(CallTemplates(encode_answer)), request)

    def answer(
        self, server: tuple[Pipeline, NonBlockingView, NonBlockingView], request: HttpRequest
    ) -> tuple[HttpResponse, bytes]:
        """Return the answer and the event of a server, which tries the event loop first."""
        pipeline, nonblocking, blocking = server
        try:
            self.dice.start()
            answer = pipeline.answer(request, "request", nonblocking)
        except WouldBlockError:
            self.dice.start()
            answer = pipeline.answer(request, "request", blocking)
        finally:
            self.dice.stop()
        return answer, self.lines.pop()

    def compare(self, key: Key, form: Mapping[str, str], *, peer: str = "192.0.2.1", times: int = 1) -> int:
        """Compare the ways of some calls with new names. Return the number of calls that used a template."""
        before = self.templates.used
        for _ in range(times):
            self._calls += 1
            request = self.request(key, {**form, "RoleSessionName": f"session-{self._calls}"}, peer=peer)
            assert self.fast(request) == self.whole(request)
        return self.templates.used - before

    def iam(self, action: str, key: Key | None = None, /, **parameters: str) -> bytes:
        """Make a call of IAM that succeeds."""
        pipeline, _, blocking = self._made
        request = self.request(key or self.root, {"Action": action, **parameters}, "iam")
        answer = pipeline.answer(request, "request", blocking)
        assert answer.status == 200, answer.body
        return answer.body

    def write(self, change: Callable[[Any], object]) -> None:
        """Change the store."""
        with self.there.store.write() as writer:
            change(writer)

    def new_user(self, name: str, owner: Key | None = None) -> Key:
        """Create a user who may do everything, and return its key."""
        self.iam("CreateUser", owner, UserName=name)
        self.iam("PutUserPolicy", owner, UserName=name, PolicyName="own", PolicyDocument=document(allow("*")))
        return key_of(self.iam("CreateAccessKey", owner, UserName=name))


def key_of(body: bytes) -> Key:
    """Return the key of an answer in XML."""
    found = [body.partition(f"<{name}>".encode())[2].partition(b"</")[0].decode() for name in _NAMES]
    return Key(*found)


_NAMES = ("AccessKeyId", "SecretAccessKey", "SessionToken")


def _fail(_: str, bug: Exception) -> None:
    raise bug


_ROLE, _USER = f"arn:aws:iam::{_ACCOUNT}:role/role", f"arn:aws:iam::{_ACCOUNT}:user/user"
_ACTIONS = ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"]
_TRUST = document(trusting({"AWS": _ACCOUNT}, _ACTIONS))
_FORM = {"Action": "AssumeRole", "RoleArn": _ROLE}


@pytest.fixture
def world() -> World:
    """Return a member account with a role that trusts it."""
    made = World()
    made.iam("CreateRole", RoleName="role", AssumeRolePolicyDocument=_TRUST, MaxSessionDuration="7200")
    return made


_WARM = 4  # calls after which a form has a template: a long one is kept from its second call on

_FORMS: Mapping[str, Mapping[str, str]] = {
    "plain": {},
    "external id": {"ExternalId": "a=b@c:/d"},
    "duration": {"DurationSeconds": "7200"},
    "tags": {
        "Tags.member.1.Key": "Team",
        "Tags.member.1.Value": "Blue + 1: /x=y@z",
        "TransitiveTagKeys.member.1": "Team",
    },
    "source identity": {"SourceIdentity": "Alice@example.com"},
    "all": {
        "ExternalId": "xy",
        "DurationSeconds": "900",
        "SourceIdentity": "Bob",
        **{f"Tags.member.{n}.Key": f"k{n}" for n in range(1, 51)},
        **{f"Tags.member.{n}.Value": "v" for n in range(1, 51)},
    },
}


@pytest.mark.parametrize("form", _FORMS.values(), ids=_FORMS)
def test_a_usual_form_has_a_template_and_the_answers_of_the_whole_way(world: World, form: Mapping[str, str]) -> None:
    """The first calls fill the caches; a long form counts from its second call."""
    key = world.new_user("user")
    world.compare(key, {**_FORM, **form}, times=_WARM)
    assert world.compare(key, {**_FORM, **form}, times=3) == 3
    assert world.fast(world.request(key, {**_FORM, **form, "RoleSessionName": "last"}))[0].status == 200


def _trust(*statements: dict[str, Any]) -> Callable[[World, Key], None]:
    return lambda world, _: void(
        world.iam("UpdateAssumeRolePolicy", RoleName="role", PolicyDocument=document(*statements))
    )


def _user_policy(*statements: dict[str, Any]) -> Callable[[World, Key], None]:
    return lambda world, _: void(
        world.iam("PutUserPolicy", UserName="user", PolicyName="own", PolicyDocument=document(*statements))
    )


def void(_: object) -> None:
    """Drop a result."""


def _set_boundary(world: World, _: Key) -> None:
    narrow = document(allow("s3:*"))
    made = world.iam("CreatePolicy", PolicyName="boundary", PolicyDocument=narrow)
    arn = made.partition(b"<Arn>")[2].partition(b"</")[0].decode()
    world.iam("PutUserPermissionsBoundary", UserName="user", PermissionsBoundary=arn)


def _control(kind: Any, *statements: dict[str, Any]) -> Callable[[World, Key], None]:
    return lambda world, _: world.write(
        lambda writer: changes.set_policy(writer, _ACCOUNT, kind, "limit", document(*statements))
    )


def _make_role_again(world: World, _: Key) -> None:
    world.iam("DeleteRole", RoleName="role")
    world.iam("CreateRole", RoleName="role", AssumeRolePolicyDocument=_TRUST)


def _delete_user(world: World, key: Key) -> None:
    world.iam("DeleteAccessKey", UserName="user", AccessKeyId=key.key_id)
    world.iam("DeleteUserPolicy", UserName="user", PolicyName="own")
    world.iam("DeleteUser", UserName="user")


def _rotate_sealing_keys(world: World, _: Key) -> None:
    there, now = world.there, int(world.clock.now().timestamp())

    def change(writer: Any) -> None:
        ring = rotate(load_sealing_ring(writer, there.vault), now=now, entropy=os.urandom, lead=0)
        save_sealing_ring(writer, ring, there.vault)

    world.write(change)


def _revoke(world: World, key: Key) -> None:
    now = int(world.clock.now().timestamp())
    world.write(lambda writer: revoke_key(writer, key.key_id, before=now + 10, now=now))


# What is changed, the change, and the status of the calls after it.
_CHANGES: Mapping[str, tuple[Callable[[World, Key], None], int]] = {
    "nothing": (lambda *_: None, 200),
    "trust policy without the action": (_trust(trusting({"AWS": _ACCOUNT}, "sts:TagSession")), 403),
    "trust policy of another account": (_trust(trusting({"AWS": _MANAGER}, _ACTIONS)), 403),
    "trust policy that denies": (
        _trust(trusting({"AWS": _ACCOUNT}, _ACTIONS), {"Effect": "Deny", "Action": "sts:*", "Principal": {"AWS": "*"}}),
        403,
    ),
    "trust policy with a condition that fails": (
        _trust(trusting({"AWS": _ACCOUNT}, _ACTIONS, Condition={"StringEquals": {"sts:ExternalId": "other"}})),
        403,
    ),
    "trust policy with a condition on the name": (
        _trust(trusting({"AWS": _ACCOUNT}, _ACTIONS, Condition={"StringLike": {"sts:RoleSessionName": "session-*"}})),
        200,
    ),
    "trust policy with a condition on another name": (
        _trust(trusting({"AWS": _ACCOUNT}, _ACTIONS, Condition={"StringLike": {"sts:RoleSessionName": "job-*"}})),
        403,
    ),
    "trust policy with a condition on the time": (
        _trust(
            trusting(
                {"AWS": _ACCOUNT}, _ACTIONS, Condition={"DateLessThan": {"aws:CurrentTime": "2026-01-01T00:00:00Z"}}
            )
        ),
        403,
    ),
    "session duration": (
        lambda world, _: void(world.iam("UpdateRole", RoleName="role", MaxSessionDuration="3600")),
        400,
    ),
    "tags of the role": (
        lambda world, _: void(
            world.iam("TagRole", RoleName="role", **{"Tags.member.1.Key": "a", "Tags.member.1.Value": "b"})
        ),
        200,
    ),
    "role deleted": (lambda world, _: void(world.iam("DeleteRole", RoleName="role")), 403),
    "role made again": (_make_role_again, 400),
    "policy of the user that denies": (_user_policy(allow("*"), deny("sts:AssumeRole")), 403),
    "policy of the user without the action": (_user_policy(allow("s3:*")), 403),
    "boundary of the user": (_set_boundary, 403),
    "service control policy": (_control("service", deny("sts:AssumeRole")), 403),
    "resource control policy": (
        _control("resource", {**deny("sts:AssumeRole"), "Principal": "*"}),
        403,
    ),
    "key deactivated": (
        lambda world, key: void(
            world.iam("UpdateAccessKey", UserName="user", AccessKeyId=key.key_id, Status="Inactive")
        ),
        403,
    ),
    "key and user deleted": (_delete_user, 403),
    "sessions of the key revoked": (_revoke, 200),
    "sealing keys rotated": (_rotate_sealing_keys, 200),
    "time": (lambda world, _: world.clock.move(timedelta(hours=3)), 200),
}


@pytest.mark.parametrize("change", _CHANGES)
def test_a_change_counts_for_the_next_call(world: World, change: str) -> None:
    """Neither a refusal nor an answer is that of an earlier state."""
    key, form = world.new_user("user"), {**_FORM, "DurationSeconds": "7200", "SourceIdentity": "Alice"}
    world.compare(key, form, times=_WARM)
    assert world.compare(key, form) == 1
    apply, status = _CHANGES[change]
    apply(world, key)
    assert world.fast(world.request(key, {**form, "RoleSessionName": "session-after"}))[0].status == status
    world.compare(key, form, times=3)


@pytest.mark.parametrize("change", ["trust policy that denies", "role deleted", "boundary of the user"])
def test_a_change_and_its_reversal_count(world: World, change: str) -> None:
    """A template of the first state may not come back either."""
    key = world.new_user("user")
    world.compare(key, _FORM, times=_WARM)
    _CHANGES[change][0](world, key)
    world.compare(key, _FORM, times=2)
    if change == "role deleted":
        world.iam("CreateRole", RoleName="role", AssumeRolePolicyDocument=_TRUST, Path="/other/")
    elif change == "boundary of the user":
        world.iam("DeleteUserPermissionsBoundary", UserName="user")
    else:
        world.iam("UpdateAssumeRolePolicy", RoleName="role", PolicyDocument=_TRUST)
    world.compare(key, _FORM, times=_WARM)
    world.compare(key, _FORM, times=2)


def test_each_call_is_decided_with_its_own_address_and_name(world: World) -> None:
    """A template has no decision."""
    conditions = {"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}, "StringLike": {"sts:RoleSessionName": "session-*"}}
    _trust(trusting({"AWS": _ACCOUNT}, _ACTIONS, Condition=conditions))(world, world.root)
    key = world.new_user("user")
    world.compare(key, _FORM, times=_WARM)
    assert world.compare(key, _FORM) == 1
    world.compare(key, _FORM, peer="198.51.100.1")
    for name, status in (("session-x", 200), ("job-x", 403)):
        request = world.request(key, {**_FORM, "RoleSessionName": name})
        assert world.fast(request)[0].status == status
        assert world.fast(request) == world.whole(request)


def test_each_caller_has_templates_of_its_own(world: World) -> None:
    """Their forms are equal."""
    keys = [world.new_user(name) for name in ("user", "second")]
    for key in keys:
        world.compare(key, _FORM, times=_WARM)
    _user_policy(deny("sts:AssumeRole"))(world, keys[0])
    for key in keys * 2:
        world.compare(key, _FORM, times=2)


def _tagged(*values: str) -> dict[str, str]:
    form = dict(_FORM)
    for number, value in enumerate(values, 1):
        form |= {f"Tags.member.{number}.Key": f"Key{number}", f"Tags.member.{number}.Value": value}
    return form


def test_each_call_is_decided_with_its_own_tags(world: World) -> None:
    """A template belongs to the values of the tags, too, and is made when they come again."""
    conditions = {"StringEquals": {"aws:RequestTag/Key1": ["blue", "green"], "aws:RequestTag/Key2": "x"}}
    _trust(trusting({"AWS": _ACCOUNT}, _ACTIONS, Condition=conditions))(world, world.root)
    key, forms = world.new_user("user"), [_tagged(one, "x", "some more") for one in ("blue", "red", "green", "x")]
    for _ in range(_WARM + 1):
        for form in forms:
            world.compare(key, form)
    statuses = [world.fast(world.request(key, {**form, "RoleSessionName": "name"}))[0].status for form in forms]
    assert statuses == [200, 403, 200, 403]
    assert [world.compare(key, form) for form in forms] == [1, 0, 1, 0]
    assert [world.compare(key, _tagged("blue", "x", f"job-{number}")) for number in range(_WARM + 2)] == [0] * (
        _WARM + 2
    )
    world.compare(key, _tagged("x", "blue", "some more"), times=2)
    world.compare(key, _tagged("blue", "y" * 200, "some more"), times=2)


_WITHOUT: Mapping[str, Mapping[str, str]] = {
    "inline policy": {"Policy": document(allow("s3:GetObject"))},
    "managed policy": {"PolicyArns.member.1.arn": "arn:aws:iam::aws:policy/ReadOnlyAccess"},
    "length of the token": {"MinimumSessionTokenSize": "900"},
    "a serial number without a code": {"SerialNumber": f"arn:aws:iam::{_ACCOUNT}:mfa/user"},
    "a code": {"SerialNumber": f"arn:aws:iam::{_ACCOUNT}:mfa/user", "TokenCode": "123456"},
    "too long a duration": {"DurationSeconds": "7201"},
    "a role that does not exist": {"RoleArn": _ROLE + "s"},
}


@pytest.mark.parametrize("form", _WITHOUT.values(), ids=_WITHOUT)
def test_a_form_with_more_checks_goes_the_whole_way(world: World, form: Mapping[str, str]) -> None:
    """A refused form does, too."""
    key = world.new_user("user")
    assert world.compare(key, {**_FORM, **form}, times=_WARM + 2) == 0


def test_a_session_goes_the_whole_way(world: World) -> None:
    """Its condition keys change with time, and the chain of its keys with each session."""
    key = world.new_user("user")
    of_user = key_of(world.fast(world.request(key, {"Action": "GetSessionToken"}))[0].body)
    of_role = key_of(world.fast(world.request(key, {**_FORM, "RoleSessionName": "first"}))[0].body)
    for session in (of_user, of_role):
        assert world.compare(session, _FORM, times=_WARM + 2) == 0
    assert world.compare(world.root, _FORM, times=_WARM) == 0


def test_json_goes_the_whole_way(world: World) -> None:
    """The template of an answer is XML."""
    key = world.new_user("user")
    for number in range(_WARM + 2):
        request = world.request(key, {**_FORM, "RoleSessionName": f"json-{number}"})
        headers = (*request.headers, (b"accept", b"application/json"))
        request = msgspec.structs.replace(request, headers=headers, by_name=dict(headers))
        assert world.fast(request) == world.whole(request)
    assert world.templates.used == 0


def test_the_memory_of_templates_is_bounded() -> None:
    """Forms and callers come without end."""
    templates = CallTemplates(encode_answer)
    for number in range(MOST_TEMPLATES + 10):
        templates._short.put((number, number), None)  # type: ignore[arg-type]
    assert len(templates._short) == MOST_TEMPLATES


def test_a_caller_gets_a_template_when_it_comes_again(world: World) -> None:
    """With more callers than places, each would otherwise pay for templates that are dropped before their use."""
    key, second = world.new_user("user"), world.new_user("second")
    for form in (_FORM, {"Action": "GetCallerIdentity"}):
        for _ in range(_WARM):
            world.fast(world.request(key, {**form, "RoleSessionName": "name"} if form is _FORM else form))
    kept = (world.templates._short, world.templates._of_callers)
    assert [len(each) for each in kept] == [1, 1]
    for places in ([1, 1], [1, 2], [2, 2]):  # the first call of AssumeRole loads values on a worker thread
        world.fast(world.request(second, {**_FORM, "RoleSessionName": "name"}))
        world.fast(world.request(second, {"Action": "GetCallerIdentity"}))
        assert [len(each) for each in kept] == places


def test_the_memory_keeps_no_long_policies(world: World) -> None:
    """They may leave the cache, whose size is bounded in bytes."""
    key = world.new_user("user")
    for number in range(5):
        text = document(allow([f"s3:{action:040}*" for action in range(100)]))
        made = world.iam("CreatePolicy", PolicyName=f"long-{number}", PolicyDocument=text)
        arn = made.partition(b"<Arn>")[2].partition(b"</")[0].decode()
        world.iam("AttachUserPolicy", UserName="user", PolicyArn=arn)
    world.compare(key, _FORM, times=_WARM + 1)
    request = world.request(key, {"Action": "GetCallerIdentity"})
    for _ in range(_WARM + 1):
        assert world.fast(request) == world.whole(request)
    assert [len(world.templates._short), len(world.templates._of_callers)] == [0, 0]


def test_a_form_without_a_template_keeps_no_values(world: World) -> None:
    """It is only remembered that the form has none."""
    key = world.new_user("user")
    assert world.compare(key, {**_FORM, **_WITHOUT["length of the token"]}, times=_WARM + 1) == 0
    [kept] = world.templates._short._values.values()
    assert (kept.derived_from, kept.checks, kept.role, kept.answers) == ((), (), None, None)


def test_a_change_of_other_values_keeps_a_template(world: World) -> None:
    """Its values are compared again, and are the present ones."""
    key = world.new_user("user")
    world.compare(key, _FORM, times=_WARM)
    world.new_user("other")
    world.iam("UpdateUser", UserName="other", NewPath="/moved/")
    world.compare(key, _FORM)  # the cache notices the changes
    kept = dict(world.templates._short._values)
    assert world.compare(key, _FORM, times=2) == 2
    assert dict(world.templates._short._values) == kept


def test_a_required_log_has_each_event_before_its_answer(world: World, tmp_path: Path) -> None:
    """The whole way writes it."""
    key, log = world.new_user("user"), tmp_path / "audit.jsonl"
    sink, templates = open_sink(str(log)), CountedTemplates(encode_answer)
    server = world.server(templates, RequiredLog(sink, world.record))
    for number in range(1, _WARM + 3):
        world.answer(server, world.request(key, {**_FORM, "RoleSessionName": f"session-{number}"}))
        assert log.read_bytes().count(b"\n") == number
    sink.close()
    assert templates.used == 0


def _rename_user(world: World, _: Key) -> None:
    world.iam("UpdateUser", UserName="user", NewUserName="renamed", NewPath="/path/")


@pytest.mark.parametrize(
    ("change", "status"),
    [(_rename_user, 200), (_CHANGES["key deactivated"][0], 403), (_CHANGES["key and user deleted"][0], 403)],
    ids=["user renamed", "key deactivated", "key and user deleted"],
)
def test_get_caller_identity_names_the_present_caller(
    world: World, change: Callable[[World, Key], None], status: int
) -> None:
    """Its answer is kept for a caller with a long-term key."""
    key, form = world.new_user("user"), {"Action": "GetCallerIdentity"}
    request = world.request(key, form)
    for _ in range(_WARM):
        assert world.fast(request) == world.whole(request)
    assert len(world.templates._of_callers) == 1
    change(world, key)
    for _ in range(_WARM):
        assert world.fast(request) == world.whole(request)
        assert world.fast(request)[0].status == status


def test_get_caller_identity_differs_by_caller_and_format(world: World) -> None:
    """Their forms are equal. A session is another object for each request, and is never kept."""
    key, form = world.new_user("user"), {"Action": "GetCallerIdentity"}
    session = key_of(world.fast(world.request(key, {"Action": "GetSessionToken"}))[0].body)
    json = (b"accept", b"application/json")
    for _ in range(_WARM):
        for caller in (key, session, world.root, world.new_user(f"user-{len(world.templates._of_callers)}-{_}")):
            request = world.request(caller, form)
            assert world.fast(request) == world.whole(request)
            headers = (*request.headers, json)
            request = msgspec.structs.replace(request, headers=headers, by_name=dict(headers))
            assert world.fast(request) == world.whole(request)
    assert {kept.caller.session for kept in world.templates._of_callers._values.values()} == {None}
    assert {kept.known.call.wants_json for kept in world.templates._of_callers._values.values()} == {False}


# The reversal of a change, so that calls are allowed again.
_REVERSALS: tuple[Callable[[World, Key], None], ...] = (
    _trust(trusting({"AWS": [_ACCOUNT, _MANAGER]}, _ACTIONS)),
    _user_policy(allow("*")),
    _control("service", allow("*")),
    _control("resource", {**allow("*"), "Principal": "*"}),
    lambda world, key: void(world.iam("UpdateAccessKey", UserName="user", AccessKeyId=key.key_id, Status="Active")),
    lambda world, _: void(world.iam("DeleteUserPermissionsBoundary", UserName="user")),
    lambda world, _: void(world.iam("CreateRole", RoleName="role", AssumeRolePolicyDocument=_TRUST)),
    lambda world, _: void(world.iam("UpdateRole", RoleName="role", MaxSessionDuration="7200")),
)


@pytest.mark.parametrize("seed", [0, *[pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 8)]])
def test_any_order_of_calls_and_changes_has_the_answers_of_the_whole_way(world: World, seed: int) -> None:
    """Callers of two accounts, several forms and addresses. A change that is not possible now is left out."""
    choose = Random(seed)  # noqa: S311 - a test that repeats itself
    keys = [world.new_user("user"), world.new_user("second"), world.new_user("far", world.manager)]
    _REVERSALS[0](world, keys[0])
    forms = [_FORM, _tagged("blue", "x"), {**_FORM, "SourceIdentity": "Alice"}, {**_FORM, "DurationSeconds": "7200"}]
    apply = [change for name, (change, _) in _CHANGES.items() if name != "key and user deleted"]
    used = 0
    for _ in range(10):
        for _ in range(3):
            peer, times = choose.choice(["192.0.2.1", "198.51.100.1"]), choose.randint(1, 2 * _WARM)
            used += world.compare(choose.choice(keys), choose.choice(forms), peer=peer, times=times)
        for change in (choose.choice(apply), *choose.sample(_REVERSALS, 6)):
            with suppress(AssertionError):
                change(world, keys[0])
    assert used
