"""Strings that a database cannot store or index, in each parameter.

They must be refused, and must never cause a server error.
"""

import http.client
import json
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from urllib.parse import quote

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from tests.documents import allow, document
from tests.http.raw import FORM

from daypass.errors import Fault
from daypass.storage.storable_text import require_storable
from daypass.testing.plugin import ClientFactory, client_factory
from daypass.testing.server import RunningServer, running_server
from daypass.wire.catalog import Catalog
from daypass.wire.form import read_form
from daypass.wire.model import SERVICES, Shape, load_service

ACCOUNT = "123456789012"
POLICY = document(allow("s3:Get*"))
TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": {"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "sts:AssumeRole"},
    }
)
# By the name of the member. Values for other members are generated from their shapes.
GOOD: Mapping[str, str] = {
    "AssumeRolePolicyDocument": TRUST,
    "CallerArn": f"arn:aws:iam::{ACCOUNT}:user/alice",
    "GroupName": "group",
    "InstanceProfileName": "profile",
    "NotificationChannel": "https://hooks.example/",
    "OpenIDConnectProviderArn": f"arn:aws:iam::{ACCOUNT}:oidc-provider/issuer.example",
    "Path": "/a/",
    "PathPrefix": "/",
    "NewPath": "/a/",
    "Policy": POLICY,
    "PolicyArn": f"arn:aws:iam::{ACCOUNT}:policy/policy",
    "PolicyDocument": POLICY,
    "PolicyInputList": POLICY,
    "PolicySourceArn": f"arn:aws:iam::{ACCOUNT}:user/alice",
    "PolicyTemplateArn": f"arn:aws:iam::{ACCOUNT}:policy/policy",
    "RoleArn": f"arn:aws:iam::{ACCOUNT}:role/role",
    "RoleName": "role",
    "Url": "https://issuer.example",
    "UserName": "alice",
}
HOSTILE: Mapping[str, bytes] = {
    "1,000 letters": b"a" * 1_000,
    "an ARN of 1,000 letters": f"arn:aws:iam::{ACCOUNT}:role/".encode() + b"a" * 970,
    "128 of four bytes": quote("\U0001f600" * 128).encode(),
    "NUL": b"ab%00cdefgh",
    "half a surrogate pair": b"ab%ED%A0%80cdefgh",
    "nothing": b"",
}


@dataclass(frozen=True)
class Leaf:
    """One scalar in an operation's input.

    `name` is its name in the form. `required` says whether it and all structures around it are required.
    """

    name: str
    shape: Shape
    required: bool
    top: str


def leaves(shapes: Mapping[str, Shape], shape_name: str, at: Leaf) -> Iterator[Leaf]:
    """Yield every scalar of a shape."""
    shape = shapes[shape_name]
    if shape.type == "structure":
        for member, ref in shape.members.items():
            name = ref.location_name or member
            required = at.required and member in shape.required
            inner = Leaf(f"{at.name}.{name}" if at.name else name, shape, required, at.top or name)
            yield from leaves(shapes, ref.shape, inner)
    elif shape.type == "list" and shape.member:
        element = "" if shape.flattened else f".{shape.member.location_name or 'member'}"
        yield from leaves(shapes, shape.member.shape, Leaf(f"{at.name}{element}.1", shape, at.required, at.top))
    elif shape.type == "map" and shape.key and shape.value:
        for ref, part in ((shape.key, "key"), (shape.value, "value")):
            yield from leaves(shapes, ref.shape, Leaf(f"{at.name}.entry.1.{part}", shape, at.required, at.top))
    else:
        yield Leaf(at.name, shape, at.required, at.top)


def good(leaf: Leaf) -> str:
    """Return a valid value for a scalar."""
    named = [part for part in leaf.name.split(".") if part != "member" and not part.isdigit()][-1]
    if named in GOOD:
        return GOOD[named]
    if leaf.shape.type == "string":
        return leaf.shape.enum[0] if leaf.shape.enum else "a" * max(leaf.shape.min or 0, 6)
    others = {"boolean": "false", "timestamp": "2030-01-01T00:00:00Z", "blob": "YWJj"}
    return others.get(leaf.shape.type, str(leaf.shape.min or 1))


def hostile_forms(service: str) -> Iterator[bytes]:
    """Yield a form for each operation, string parameter and hostile value.

    All other values in the form are valid.
    """
    model, version = load_service(service), SERVICES[service]
    for name, operation in model.operations.items():
        if operation.input is None:
            continue
        places = list(leaves(model.shapes, operation.input.shape, Leaf("", Shape("structure"), required=True, top="")))
        for place in places:
            if place.shape.type != "string":
                continue
            # Fill the whole structure, otherwise a missing member would be refused before the string is used.
            form = {one.name: good(one) for one in places if one.required or one.top == place.top}
            form.pop(place.name, None)
            rest = "".join(f"&{key}={quote(value, safe='')}" for key, value in form.items())
            for value in HOSTILE.values():
                yield f"Action={name}&Version={version}{rest}&{place.name}=".encode() + value


def is_refused_as_read(form: bytes, catalog: Catalog) -> bool:
    """Tell whether the server refuses a form by the model, before it runs the operation."""
    try:
        params = read_form(form)
        catalog.find(params["Action"], params["Version"]).parse(params)
    except Fault as fault:
        return fault.status < 500
    return False


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    """Run a server with the entities that the valid values name."""
    with running_server(account=ACCOUNT) as running:
        iam = client_factory(running)("iam")
        iam.create_user(UserName="alice")
        iam.create_group(GroupName="group")
        iam.create_policy(PolicyName="policy", PolicyDocument=POLICY)
        iam.create_role(RoleName="role", AssumeRolePolicyDocument=TRUST)
        iam.create_instance_profile(InstanceProfileName="profile")
        yield running


@pytest.mark.parametrize("service", sorted(SERVICES))
def test_no_string_of_any_operation_is_our_fault(server: RunningServer, service: str) -> None:
    """A string that is too long or invalid never causes a server error."""
    catalog, key = Catalog.load(), Credentials(server.root.access_key_id, server.root.secret_access_key)
    failed, sent = [], 0
    with closing(http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=60)) as connection:
        for form in hostile_forms(service):
            if is_refused_as_read(form, catalog):
                continue
            request = AWSRequest("POST", server.url + "/", data=form, headers={"Content-Type": FORM})
            SigV4Auth(key, service, "us-east-1").add_auth(request)
            connection.request("POST", "/", form, dict(request.headers.items()))
            answer = connection.getresponse()
            answer.read()
            sent += 1
            if answer.status >= 500:
                failed.append(form[:300])
    assert sent > 10
    assert failed == []


@pytest.mark.parametrize(("length", "is_taken"), [(226, True), (227, False), (1_000, False)])
def test_the_name_of_a_virtual_device_has_a_length(client: ClientFactory, length: int, *, is_taken: bool) -> None:
    """AWS accepts 226 characters: then the device's ARN has 256 characters.

    256 is the maximum length of a serial number.
    """
    iam, name = client("iam"), "d" * length
    if is_taken:
        made = iam.create_virtual_mfa_device(VirtualMFADeviceName=name)
        assert len(made["VirtualMFADevice"]["SerialNumber"]) == 256
        return
    with pytest.raises(ClientError) as caught:
        iam.create_virtual_mfa_device(VirtualMFADeviceName=name)
    error = caught.value.response["Error"]
    assert error["Code"] == "ValidationError"
    assert f"Value '{name}' at 'virtualMFADeviceName' failed to satisfy constraint: " in error["Message"]
    assert "Member must have length less than or equal to 226" in error["Message"]


def test_a_name_that_no_database_holds_is_refused_as_input() -> None:
    """The last check turns an invalid string into a ValidationError."""
    for text in ("a" * 1_001, "\0", "\ud800", "é" * 501):
        with pytest.raises(Fault) as caught:
            require_storable(text)
        assert (caught.value.code, caught.value.status) == ("ValidationError", 400)
