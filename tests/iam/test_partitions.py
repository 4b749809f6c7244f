"""ARNs of other partitions, and documents with leading white space, are refused when they are given.

The tables come from the service model: a new member of an action is tested too.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from tests.documents import document, trust, trusting
from tests.refusals import refused

from daypass.errors import MalformedPolicyDocument, ValidationError
from daypass.operations.iam.policies.policy_documents import check_inline, check_managed, check_trust
from daypass.operations.sts.session_policies import read_session_policies
from daypass.wire.model import Shape, load_service
from daypass.wire.operation import OperationModel

MODEL = load_service("iam")
ROLE = "arn:aws:iam::123456789012:role/r"
GOOD = {"arnType": "arn:aws:iam::123456789012:policy/p", "policyDocumentType": "{}", "policyVersionIdType": "v1"}
FOREIGN = "Invalid ARN partition"
LEGACY = "The policy failed legacy parsing"
LEADING = "JSON strings must not have leading spaces"
WHITE_SPACE = [" ", "\n", "\t", "\r", "\n    "]

Path = tuple[str | int, ...]


def members(name: str, kind: str) -> Iterator[Path]:
    """Yield the path of each member of a type in an input shape."""
    shape = MODEL.shapes[name]
    if name == kind:
        yield ()
    for member, ref in shape.members.items():
        yield from ((member, *rest) for rest in members(ref.shape, kind))
    if shape.type == "list" and shape.member:
        yield from ((1, *rest) for rest in members(shape.member.shape, kind))


def table(kind: str) -> list[tuple[str, Path]]:
    """Return each action with each of its members of a type."""
    inputs = ((name, operation.input.shape) for name, operation in MODEL.operations.items() if operation.input)
    return [(name, path) for name, shape in inputs for path in members(shape, kind)]


def plain(shape: Shape, name: str) -> str:
    """Return a valid scalar of a shape."""
    if shape.enum:
        return shape.enum[0]
    if shape.type == "integer":
        return str(shape.min or 1)
    others = {"boolean": "false", "timestamp": "2030-01-01T00:00:00Z", "blob": "YWJj", "string": "123456"}
    return GOOD.get(name) or others[shape.type].ljust(shape.min or 0, "a")


def form(name: str, path: Path, text: str, prefix: str = "") -> dict[str, str]:
    """Return the parameters of a request with `text` at `path`, and valid values for all required members."""
    shape = MODEL.shapes[name]
    if shape.type == "structure":
        chosen = {path[0]} if path else set()
        return {
            key: value
            for member, ref in shape.members.items()
            if member in shape.required or member in chosen
            for key, value in form(
                ref.shape, path[1:] if member in chosen else ("-",), text, f"{prefix}.{member}".lstrip(".")
            ).items()
        }
    if shape.type == "list" and shape.member:
        return form(shape.member.shape, path[1:] if path and path[0] == 1 else ("-",), text, f"{prefix}.member.1")
    return {prefix: text if not path else plain(shape, name)}


ARNS = table("arnType")
BAD_ARNS = [
    *((f"arn:{partition}:iam::123456789012:policy/p", FOREIGN) for partition in ("aws-cn", "aws-us-gov", "aws-eusc")),
    ("arn:awss:iam::aws:policy/AmazonS3FullAccess", FOREIGN),
    ("arn:aws-iso-b:s3:us-east-1::bucket/x", FOREIGN),
    *(
        (arn, f"ARN {arn} is not valid.")
        for arn in (
            "arn:aws:iam:us-east-1:123456789012:policy/p",
            "arn:aws:sts::123456789012:assumed-role/r/s",
            "arn:aws:s3:::a-bucket-of-mine",
            "arn:aws:iam::123456789012:policy/p ",
            "arn:aws:iam::123456789012:policy/p\n",
            " arn:aws:iam::123456789012:policy/p",
        )
    ),
]


def test_the_model_has_the_arns_of_this_table() -> None:
    """Else the next test would pass for a model that names its ARNs otherwise."""
    assert len(ARNS) >= 45
    assert ("SimulatePrincipalPolicy", ("PolicyExclusionList", 1, "PolicyArn")) in ARNS


@pytest.mark.parametrize(
    ("action", "path"), ARNS, ids=lambda value: value if isinstance(value, str) else ".".join(map(str, value))
)
def test_every_arn_parameter_is_of_iam_and_of_this_partition(action: str, path: Path) -> None:
    """AWS's words for another partition; a region, another service and blanks around an ARN are refused too."""
    operation = MODEL.operations[action]
    assert operation.input is not None
    model = OperationModel("iam", MODEL, operation)
    model.parse(form(operation.input.shape, path, GOOD["arnType"]))
    for arn, words in BAD_ARNS:
        with pytest.raises(ValidationError) as refusal:
            model.parse(form(operation.input.shape, path, arn))
        assert refusal.value.message == words


def test_a_client_gets_aws_s_words(iam: Any) -> None:
    """The entity need not exist, and its absence does not hide the mistake."""
    iam.create_role(RoleName="r", AssumeRolePolicyDocument=trust(Service="ec2.amazonaws.com"))
    there = "arn:aws-cn:iam::aws:policy/AmazonS3FullAccess"
    for role in ("r", "missing"):
        assert refused(iam.attach_role_policy, RoleName=role, PolicyArn=there) == ("ValidationError", 400, FOREIGN)
    region = "arn:aws:iam:us-east-1:aws:policy/AmazonS3FullAccess"
    refusal = refused(iam.attach_role_policy, RoleName="r", PolicyArn=region)
    assert refusal == ("ValidationError", 400, f"ARN {region} is not valid.")


def identity(resource: str, element: str = "Resource") -> str:
    """Return an identity policy on one resource."""
    return document({"Effect": "Allow", "Action": "s3:GetObject", element: resource})


def partition(name: str, rest: str) -> str:
    """Return AWS's words for a partition in a resource."""
    return f'Partition "{name}" is not valid for resource "arn:{name}:{rest}".'


PLACEHOLDERS = ("${ARN_PARTITION}", "${Partition}", "${AWS::Partition}", "${aws:Partition}", "$x", "${x}*", "aws-${x}")
RESOURCES = [
    *((f"arn:{name}:s3:::b", partition(name, "s3:::b")) for name in ("aws-cn", "aws-us-gov", "aws-eusc", "aws-iso-e")),
    *((f"arn:{name}:s3:::b", partition(name, "s3:::b")) for name in PLACEHOLDERS),
    ("arn:aws-cn", partition("aws-cn", "*:*:*:*")),
    ("arn:aws:${svc}:::b", "Resource vendor must be fully qualified and cannot contain regexes."),
    *(
        (text, f"Resource {text} can contain a policy variable only after its fifth colon.")
        for text in (
            "arn:aws:s3:${aws:RequestedRegion}::b",
            "arn:aws:sqs:*:${aws:PrincipalAccount}:queue",
            "arn:aws:iam::${aws:PrincipalAccount}:role/r",
        )
    ),
]
TAKEN = [
    "*",
    "arn:*:s3:::b",
    "arn:aws*:s3:::b",
    "arn:?ws:s3:::b/*",
    "arn:aws:s3:::${aws:username}/*",
    "arn:aws:s3:::b/${aws:PrincipalTag/a:b}",
    "arn:aws:sqs:*:*:${aws:PrincipalTag/queue}",
]


@pytest.mark.parametrize("element", ["Resource", "NotResource"])
@pytest.mark.parametrize(("resource", "words"), RESOURCES)
def test_a_resource_is_of_this_partition(element: str, resource: str, words: str) -> None:
    """A resource of another partition never matches here, so the mistake is reported when it is saved."""
    text = identity(resource, element)
    for check in (
        lambda: check_managed(text, 6_144),
        lambda: check_inline(text),
        lambda: read_session_policies(text, ()),
    ):
        with pytest.raises(MalformedPolicyDocument) as refusal:
            check()
        assert refusal.value.message == words


def test_a_client_reads_the_resource_in_the_refusal(iam: Any) -> None:
    """The same words from every action, also from a simulation."""
    text, words = identity("arn:${ARN_PARTITION}:s3:::b"), partition("${ARN_PARTITION}", "s3:::b")
    iam.create_user(UserName="u")
    refusal = ("MalformedPolicyDocument", 400, words)
    assert refused(iam.create_policy, PolicyName="p", PolicyDocument=text) == refusal
    assert refused(iam.put_user_policy, UserName="u", PolicyName="p", PolicyDocument=text) == refusal
    simulated = refused(iam.simulate_custom_policy, PolicyInputList=[text], ActionNames=["s3:GetObject"])
    assert simulated == ("InvalidInput", 400, f"PolicyInputList.1: {words}")


@pytest.mark.parametrize("resource", TAKEN)
def test_wildcards_and_late_variables_are_taken(resource: str) -> None:
    """A wildcard in place of the partition matches this one."""
    check_managed(identity(resource), 6_144)
    read_session_policies(identity(resource), ())


def test_a_session_policy_may_begin_with_white_space() -> None:
    """Programs send indented strings to STS, which is not known to refuse them."""
    for space in WHITE_SPACE:
        assert read_session_policies(space + identity("*"), ()).inline


PRINCIPALS = [
    ("AWS", "arn:aws-cn:iam::123456789012:root"),
    ("AWS", "arn:aws-us-gov:iam::123456789012:user/u"),
    ("AWS", "arn:aws-iso:sts::123456789012:assumed-role/r/s"),
    ("AWS", "arn:aws-eusc:iam::123456789012:role/path/r"),
    ("Federated", "arn:aws-us-gov:iam::123456789012:saml-provider/idp"),
    ("Federated", "arn:aws-cn:iam::123456789012:oidc-provider/idp.example.org"),
]


@pytest.mark.parametrize(("kind", "name"), PRINCIPALS)
def test_a_trusted_principal_is_of_this_partition(kind: str, name: str) -> None:
    """AWS's words, whether the principal stands alone or in a list."""
    for given in (name, ["123456789012" if kind == "AWS" else "accounts.example.org", name]):
        text = document(trusting({kind: given}, "sts:*" if kind == "AWS" else "sts:AssumeRoleWithSAML"))
        with pytest.raises(MalformedPolicyDocument) as refusal:
            check_trust(text)
        assert refusal.value.message == f'Invalid principal in policy: "{kind.upper()}":"{name}"'


def test_a_client_reads_the_principal_in_the_refusal(iam: Any) -> None:
    """CreateRole and UpdateAssumeRolePolicy refuse it alike."""
    refusal = ("MalformedPolicyDocument", 400, 'Invalid principal in policy: "AWS":"arn:aws-cn:iam::123456789012:root"')
    iam.create_role(RoleName="r", AssumeRolePolicyDocument=TRUST)
    text = trust(AWS="arn:aws-cn:iam::123456789012:root")
    assert refused(iam.create_role, RoleName="s", AssumeRolePolicyDocument=text) == refusal
    assert refused(iam.update_assume_role_policy, RoleName="r", PolicyDocument=text) == refusal


# Each action with a member of type policyDocumentType: the other members of a request, and AWS's words.
POLICY = identity("*")
TRUST = trust(Service="ec2.amazonaws.com")
NAMED = {"PolicyName": "new"}
DOCUMENTS: Mapping[tuple[str, Path], tuple[dict[str, Any], str, str]] = {
    ("CreatePolicy", ("PolicyDocument",)): (NAMED, POLICY, LEGACY),
    ("CreatePolicyVersion", ("PolicyDocument",)): ({"PolicyArn": "?"}, POLICY, LEGACY),
    ("CreateRole", ("AssumeRolePolicyDocument",)): ({"RoleName": "new"}, TRUST, LEADING),
    ("GetContextKeysForCustomPolicy", ("PolicyInputList", 1)): ({}, POLICY, LEGACY),
    ("GetContextKeysForPrincipalPolicy", ("PolicyInputList", 1)): ({"PolicySourceArn": "?"}, POLICY, LEGACY),
    ("PutGroupPolicy", ("PolicyDocument",)): ({"GroupName": "g", **NAMED}, POLICY, LEGACY),
    ("PutRolePolicy", ("PolicyDocument",)): ({"RoleName": "r", **NAMED}, POLICY, LEGACY),
    ("PutUserPolicy", ("PolicyDocument",)): ({"UserName": "u", **NAMED}, POLICY, LEGACY),
    ("SimulateCustomPolicy", ("PolicyInputList", 1)): ({"ActionNames": ["s3:GetObject"]}, POLICY, LEGACY),
    ("SimulatePrincipalPolicy", ("PolicyInputList", 1)): (
        {"PolicySourceArn": "?", "ActionNames": ["s3:GetObject"]},
        POLICY,
        LEGACY,
    ),
    ("UpdateAssumeRolePolicy", ("PolicyDocument",)): ({"RoleName": "r"}, TRUST, LEADING),
}
# Members beside PolicyInputList, which the same function reads.
ALIKE = {"PermissionsBoundaryPolicyInputList", "OrderedOrganizationPolicyInputList", "ResourcePolicy"}


def test_every_document_of_the_model_is_in_the_table() -> None:
    """A new action with a policy document needs a row."""
    found = {(action, path) for action, path in table("policyDocumentType") if path[0] not in ALIKE}
    assert found == DOCUMENTS.keys()


@pytest.mark.parametrize(("action", "path"), DOCUMENTS)
def test_a_document_does_not_begin_with_white_space(iam: Any, action: str, path: Path) -> None:
    """Each kind of white space is refused in AWS's words for the kind of document; at the end it is accepted."""
    iam.create_user(UserName="u")
    iam.create_group(GroupName="g")
    iam.create_role(RoleName="r", AssumeRolePolicyDocument=TRUST)
    arn = iam.create_policy(PolicyName="p", PolicyDocument=POLICY)["Policy"]["Arn"]
    others, text, words = DOCUMENTS[action, path]
    given = {**others}
    if "PolicyArn" in given:
        given["PolicyArn"] = arn
    if "PolicySourceArn" in given:
        given["PolicySourceArn"] = arn.replace("policy/p", "user/u")
    call = getattr(iam, "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in action).lstrip("_"))
    for space in WHITE_SPACE:
        value = [space + text] if 1 in path else space + text
        refusal = refused(call, **given, **{str(path[0]): value})
        expected = ("InvalidInput", f"PolicyInputList.1: {words}") if 1 in path else ("MalformedPolicyDocument", words)
        assert (refusal.code, refusal.words) == expected
    indented = json.dumps(json.loads(text), indent=4) + "\n \t\r\n"
    call(**given, **{str(path[0]): [indented] if 1 in path else indented})
