"""Invalid parameters are refused with AWS's messages."""

import pytest
from tests.growth import least_seconds

from daypass.errors import Fault, MalformedInput, ValidationError
from daypass.wire.catalog import Catalog
from daypass.wire.constraints import MAX_REPORT

STS, IAM = "2011-06-15", "2010-05-08"
STS_ACTIONS = {"AssumeRole", "AssumeRoot", "AssumeRoleWithWebIdentity", "GetWebIdentityToken"}
ROLE = {"RoleArn": "arn:aws:iam::123456789012:role/demo", "RoleSessionName": "me"}
NAME = r"[\w+=,.@-]*"
TAG_KEY, TAG_VALUE = r"[\p{L}\p{Z}\p{N}_.:/=+\-@]+", r"[\p{L}\p{Z}\p{N}_.:/=+\-@]*"


def refusal(catalog: Catalog, action: str, params: dict[str, str]) -> Fault:
    """Return the Fault that parsing raises."""
    version = STS if action in STS_ACTIONS else IAM
    with pytest.raises(Fault) as refused:
        catalog.find(action, version).parse(params)
    return refused.value


def failure(value: str, path: str, words: str) -> str:
    """Return AWS's message for one violation."""
    return f"Value {value} at '{path}' failed to satisfy constraint: {words}"


CASES = [
    (
        "AssumeRole",
        ROLE | {"RoleSessionName": "a b"},
        failure("'a b'", "roleSessionName", f"Member must satisfy regular expression pattern: {NAME}"),
    ),
    (
        "AssumeRole",
        ROLE | {"RoleSessionName": "x" * 65},
        failure(f"'{'x' * 65}'", "roleSessionName", "Member must have length less than or equal to 64"),
    ),
    (
        "AssumeRole",
        ROLE | {"RoleSessionName": "x"},
        failure("'x'", "roleSessionName", "Member must have length greater than or equal to 2"),
    ),
    (
        "AssumeRole",
        {"RoleArn": ROLE["RoleArn"]},
        failure("null", "roleSessionName", "Member must not be null"),
    ),
    (
        "AssumeRole",
        ROLE | {"DurationSeconds": "0"},
        failure("'0'", "durationSeconds", "Member must have value greater than or equal to 900"),
    ),
    (
        "AssumeRole",
        ROLE | {"DurationSeconds": "-1"},
        failure("'-1'", "durationSeconds", "Member must have value greater than or equal to 900"),
    ),
    (
        "AssumeRole",
        ROLE | {"DurationSeconds": "43201"},
        failure("'43201'", "durationSeconds", "Member must have value less than or equal to 43200"),
    ),
    (
        "AssumeRoot",
        {"TargetPrincipal": "123456789012", "TaskPolicyArn.arn": "a" * 20, "DurationSeconds": "901"},
        failure("'901'", "durationSeconds", "Member must have value less than or equal to 900"),
    ),
    (
        "AssumeRoot",
        {"TargetPrincipal": "123456789012"},
        failure("null", "taskPolicyArn", "Member must not be null"),
    ),
    (
        "AssumeRole",
        ROLE | {"Tags.member.1.Key": "a*", "Tags.member.1.Value": "v"},
        failure("'a*'", "tags.1.member.key", f"Member must satisfy regular expression pattern: {TAG_KEY}"),
    ),
    (
        "CreateUser",
        {"UserName": "u", "Tags.member.2.Key": "b", "Tags.member.2.Value": "&", "Tags.member.1.Key": "a"}
        | {"Tags.member.1.Value": ""},
        failure("'&'", "tags.2.member.value", f"Member must satisfy regular expression pattern: {TAG_VALUE}"),
    ),
    (
        "AssumeRole",
        ROLE | {"Tags.member.1.Key": "a"},
        failure("null", "tags.1.member.value", "Member must not be null"),
    ),
    (
        "UpdateAccessKey",
        {"AccessKeyId": "A" * 20, "Status": "Off"},
        failure("'Off'", "status", "Member must satisfy enum value set: [Active, Inactive, Expired]"),
    ),
    (
        "UntagRole",
        {"RoleName": "r", "TagKeys.member.1": "ok", "TagKeys.member.2": "*"},
        failure(
            "'[ok, *]'",
            "tagKeys",
            "Member must satisfy constraint: [Member must have length less than or equal to 128, "
            "Member must have length greater than or equal to 1, "
            f"Member must satisfy regular expression pattern: {TAG_KEY}]",
        ),
    ),
    (
        "GetWebIdentityToken",
        {"Audience": "", "SigningAlgorithm": "RS256"},
        failure("'[]'", "audience", "Member must have length greater than or equal to 1"),
    ),
    # AWS does not repeat values that its model marks as sensitive.
    (
        "AssumeRoleWithWebIdentity",
        ROLE | {"WebIdentityToken": "abc"},
        (
            "Value at 'webIdentityToken' failed to satisfy constraint: "
            "Member must have length greater than or equal to 4"
        ),
    ),
    (
        "GetSAMLProvider",
        {},
        failure("null", "sAMLProviderArn", "Member must not be null"),
    ),
]


@pytest.mark.parametrize(("action", "params", "message"), CASES)
def test_one_failure(catalog: Catalog, action: str, params: dict[str, str], message: str) -> None:
    """The message of each constraint names the member as AWS does."""
    fault = refusal(catalog, action, params)
    assert isinstance(fault, ValidationError)
    assert fault.message == f"1 validation error detected: {message}"


def test_all_failures_are_told_at_once(catalog: Catalog) -> None:
    """One response reports all violations."""
    fault = refusal(catalog, "AssumeRole", {"RoleSessionName": "?"})
    assert fault.message == "3 validation errors detected: " + "; ".join(
        [
            failure("null", "roleArn", "Member must not be null"),
            failure("'?'", "roleSessionName", "Member must have length greater than or equal to 2"),
            failure("'?'", "roleSessionName", f"Member must satisfy regular expression pattern: {NAME}"),
        ]
    )


def test_too_many_tags(catalog: Catalog) -> None:
    """The list itself has a limit of fifty."""
    params = ROLE | {f"Tags.member.{n}.{part}": f"{n}" for n in range(1, 52) for part in ("Key", "Value")}
    message = refusal(catalog, "AssumeRole", params).message
    assert message.startswith("1 validation error detected: Value '[{Key=1, Value=1}, {Key=2, Value=2}, ")
    assert message.endswith("at 'tags' failed to satisfy constraint: Member must have length less than or equal to 50")


@pytest.mark.parametrize("text", ["900", "0900", "+900", "000000000000900"])
def test_integers_that_are_read(catalog: Catalog, text: str) -> None:
    """A sign and leading zeros are allowed."""
    assert catalog.find("AssumeRole", STS).parse(ROLE | {"DurationSeconds": text})["DurationSeconds"] == 900


@pytest.mark.parametrize(
    "text",
    [
        " 900 ",
        "\t900\n",
        "900\n",
        "900.0",
        "9e2",
        "2147483648",
        "-2147483649",
        "",
        "+",
        "0x384",
        "٩٠٠",
        "9_00",
        "9" * 5000,
    ],
)
def test_integers_that_cannot_be_read(catalog: Catalog, text: str) -> None:
    """AWS answers MalformedInput without a message."""
    fault = refusal(catalog, "AssumeRole", ROLE | {"DurationSeconds": text})
    assert isinstance(fault, MalformedInput)
    assert fault.message == ""


@pytest.mark.parametrize(
    "params",
    [
        {"Tags.member.x.Key": "k"},
        {"Tags.member.0.Key": "k"},
        {"Tags.member.01.Key": "k"},
        {"Tags.member.1": "k"},
        {"Tags.1.Key": "k"},
        {"Tags": "k"},
        {"TransitiveTagKeys.member.1.x": "k"},
        {"PolicyArns.1.arn": "arn:aws:iam::aws:policy/ReadOnlyAccess"},
        {"PolicyArns.member.1.arn.x": "k", "PolicyArns.member.2": "k"},
    ],
)
def test_lists_that_cannot_be_read_are_not_ignored(catalog: Catalog, params: dict[str, str]) -> None:
    """An ignored session policy or tag would widen the session."""
    assert isinstance(refusal(catalog, "AssumeRole", ROLE | params), MalformedInput)


def test_structures_that_cannot_be_read_are_not_ignored(catalog: Catalog) -> None:
    """A structure that is sent as a string is refused too."""
    params = {"TargetPrincipal": "123456789012", "TaskPolicyArn": "arn:aws:iam::aws:policy/x"}
    assert isinstance(refusal(catalog, "AssumeRoot", params), MalformedInput)


def test_a_union_has_exactly_one_member(catalog: Catalog) -> None:
    """With two members, the intended one is unknown."""
    params = {"PolicySourceArn": "a" * 20, "ActionNames.member.1": "s3:Get"}
    params |= {"PolicyExclusionList.member.1.PolicyType": "inline"}
    assert len(catalog.find("SimulatePrincipalPolicy", IAM).parse(params)) == 3
    params |= {"PolicyExclusionList.member.1.PolicyArn": "a" * 20}
    assert isinstance(refusal(catalog, "SimulatePrincipalPolicy", params), MalformedInput)


@pytest.mark.parametrize("text", ["True", "1", "yes", ""])
def test_booleans_are_true_or_false(catalog: Catalog, text: str) -> None:
    """Other spellings of a boolean are refused, because they are ambiguous."""
    params = {"PolicyArn": "a" * 20, "PolicyDocument": "{}", "SetAsDefault": text}
    assert isinstance(refusal(catalog, "CreatePolicyVersion", params), MalformedInput)


def test_unknown_parameters_are_ignored(catalog: Catalog) -> None:
    """The parser ignores unknown parameters, at any depth."""
    extra = {"Foo": "1", "Foo.member.1": "2", "Tags.member.1.Key" + ".x" * 100: "3", "RoleArn.x": "4"}
    assert catalog.find("AssumeRole", STS).parse(ROLE | extra) == ROLE


def test_sparse_lists_close_up(catalog: Catalog) -> None:
    """Indexes order the elements by number; gaps and huge indexes are free."""
    params = ROLE | {"TransitiveTagKeys.member.999999999": "c", "TransitiveTagKeys.member.9": "a"}
    params |= {"TransitiveTagKeys.member.10": "b"}
    assert catalog.find("AssumeRole", STS).parse(params)["TransitiveTagKeys"] == ["a", "b", "c"]


def test_an_empty_list_is_a_list(catalog: Catalog) -> None:
    """SDKs send `Tags=` for an empty list."""
    assert catalog.find("AssumeRole", STS).parse(ROLE | {"Tags": ""})["Tags"] == []


def test_lengths_are_counted_in_code_points(catalog: Catalog) -> None:
    """A tag of 256 astral letters is as long as one of 256 Latin letters."""
    value = "\U0001d4b3" * 256
    params = ROLE | {"Tags.member.1.Key": "k", "Tags.member.1.Value": value}
    assert catalog.find("AssumeRole", STS).parse(params)["Tags"] == [{"Key": "k", "Value": value}]
    params["Tags.member.1.Value"] += "x"
    assert "less than or equal to 256" in refusal(catalog, "AssumeRole", params).message


@pytest.mark.parametrize(
    ("action", "params"),
    [
        ("AssumeRole", ROLE | {"SourceIdentity": "s" * 256}),
        ("AssumeRole", ROLE | {"Policy": "{" + " " * 1_000_000 + "}"}),
        ("AssumeRoleWithWebIdentity", ROLE | {"WebIdentityToken": "x" * 20_000, "Policy": " " * 5_000}),
        ("AssumeRoot", {"TargetPrincipal": "1" * 12, "TaskPolicyArn.arn": "a" * 20, "DurationSeconds": "0"}),
    ],
)
def test_where_aws_is_laxer_than_expected(catalog: Catalog, action: str, params: dict[str, str]) -> None:
    """AWS accepts more than its model allows.

    Source identities of 256 characters, session policies of any length and root sessions of zero seconds are valid.
    """
    catalog.find(action, STS).parse(params)


def test_a_source_identity_of_257(catalog: Catalog) -> None:
    """One character beyond the observed limit is refused with that limit."""
    fault = refusal(catalog, "AssumeRole", ROLE | {"SourceIdentity": "s" * 257})
    assert fault.message.endswith("Member must have length less than or equal to 256")


def test_hostile_values_make_small_answers_in_little_time(catalog: Catalog) -> None:
    """Hostile values cause small responses in little time.

    A long value is cut, many violations are counted but not all repeated, and no pattern takes long.
    """
    long = refusal(catalog, "AssumeRole", ROLE | {"RoleSessionName": "?" * 9_000_000})
    assert len(long.message) < 3_000
    many = {f"Tags.member.{n}.Key": "?" * 2_000 for n in range(1, 2_000)}

    def refuse() -> None:
        fault = refusal(catalog, "AssumeRole", ROLE | many)
        assert fault.message.startswith("5998 validation errors detected: ")
        assert len(fault.message) < MAX_REPORT + 5_000
        for path in ("/" * 500 + "?", "/a" * 4_000 + "?", "/" * 9_000_000):
            refusal(catalog, "CreatePolicy", {"PolicyName": "p", "PolicyDocument": "{}", "Path": path})
        refusal(catalog, "CreateAccountAlias", {"AccountAlias": "a-" * 4_000 + "?"})

    assert least_seconds(refuse, 2) < 2
