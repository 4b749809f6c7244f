"""The two most important actions, from bytes to bytes."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from msgspec import json
from tests.wire.requests import post

from daypass.wire.catalog import Catalog
from daypass.wire.decode import decode

STS = "2011-06-15"
ASSUMED = {
    "Credentials": {
        "AccessKeyId": "ASIAXXXXXXXXXXXXXXXX",
        "SecretAccessKey": "secret/+",
        "SessionToken": "token==",
        "Expiration": datetime(2011, 7, 11, 21, 55, 29, 900, timezone(timedelta(hours=2))),
    },
    "AssumedRoleUser": {"AssumedRoleId": "AROAX:me", "Arn": "arn:aws:sts::123456789012:assumed-role/r/me"},
    "SourceIdentity": None,
}


def test_get_caller_identity_is_answered(catalog: Catalog) -> None:
    """The response equals AWS's, element by element."""
    call = decode(post(f"Action=GetCallerIdentity&Version={STS}"), catalog)
    assert call.model.parse(call.form_params) == {}
    result = {"UserId": "AIDA", "Account": "123456789012", "Arn": "arn:aws:iam::123456789012:user/a&b"}
    assert call.model.render(result, "id-1").decode() == (
        '<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>'
        "<UserId>AIDA</UserId><Account>123456789012</Account><Arn>arn:aws:iam::123456789012:user/a&amp;b</Arn>"
        "</GetCallerIdentityResult><ResponseMetadata><RequestId>id-1</RequestId></ResponseMetadata>"
        "</GetCallerIdentityResponse>"
    )


def test_assume_role_is_parsed_and_answered(catalog: Catalog) -> None:
    """Parameters are typed, times are printed in UTC, and None is omitted."""
    call = decode(
        post(
            f"Action=AssumeRole&Version={STS}&RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fr"
            "&RoleSessionName=me&DurationSeconds=0900&Tags.member.1.Key=k&Tags.member.1.Value=v+w"
            "&PolicyArns.member.1.arn=arn%3Aaws%3Aiam%3A%3Aaws%3Apolicy%2Fx&TransitiveTagKeys.member.1=k"
        ),
        catalog,
    )
    assert call.model.parse(call.form_params) == {
        "RoleArn": "arn:aws:iam::123456789012:role/r",
        "RoleSessionName": "me",
        "DurationSeconds": 900,
        "Tags": [{"Key": "k", "Value": "v w"}],
        "PolicyArns": [{"arn": "arn:aws:iam::aws:policy/x"}],
        "TransitiveTagKeys": ["k"],
    }
    rendered = call.model.render(ASSUMED, "id").decode()
    assert "<Expiration>2011-07-11T19:55:29Z</Expiration>" in rendered
    assert "SourceIdentity" not in rendered


def test_json_answers_are_awss(catalog: Catalog) -> None:
    """The JSON has the same elements.

    Expiration is a number, and strings contain no markup characters.
    """
    operation = catalog.find("AssumeRole", STS)
    result = ASSUMED | {"SourceIdentity": "<a>&"}
    encoded = operation.render_json(result, "id")
    assert not set(encoded) & set(b"<>&")
    response = json.decode(encoded)["AssumeRoleResponse"]
    assert response["ResponseMetadata"] == {"RequestId": "id"}
    assert response["AssumeRoleResult"]["SourceIdentity"] == "<a>&"
    assert response["AssumeRoleResult"]["Credentials"]["Expiration"] == 1310414129


def test_web_identity_tokens_expire_to_the_millisecond(catalog: Catalog) -> None:
    """AWS prints milliseconds only for this action of STS."""
    operation = catalog.find("GetWebIdentityToken", STS)
    result = {"WebIdentityToken": "t", "Expiration": datetime(2030, 1, 2, 3, 4, 5, 678_901, UTC)}
    assert b"<Expiration>2030-01-02T03:04:05.678Z</Expiration>" in operation.render(result, "id")
    assert b'"Expiration":1893553445.678' in operation.render_json(result, "id")


@pytest.mark.parametrize(
    ("action", "version", "result"),
    [
        ("GetCallerIdentity", STS, {"Account": "1", "Accunt": "1"}),
        ("GetCallerIdentity", STS, {"Account": 1}),
        ("DeleteUser", "2010-05-08", {"x": 1}),
        ("GetSessionToken", STS, {"Credentials": {"Expiration": datetime(2030, 1, 1)}}),  # noqa: DTZ001 - the point
        ("ListUsers", "2010-05-08", {"IsTruncated": "false"}),
    ],
)
def test_a_result_that_does_not_fit_is_a_bug(
    catalog: Catalog, action: str, version: str, result: dict[str, object]
) -> None:
    """An unknown member, a wrong type and a time without a zone are errors."""
    with pytest.raises((ValueError, TypeError, AttributeError, KeyError)):
        catalog.find(action, version).render(result, "id")


def test_an_action_without_a_result_still_has_its_request_id(catalog: Catalog) -> None:
    """IAM's deletions return only metadata."""
    operation = catalog.find("DeleteUser", "2010-05-08")
    assert operation.render({}, "id").decode() == (
        '<DeleteUserResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/">'
        "<ResponseMetadata><RequestId>id</RequestId></ResponseMetadata></DeleteUserResponse>"
    )
    assert json.decode(operation.render_json({}, "id")) == {
        "DeleteUserResponse": {"ResponseMetadata": {"RequestId": "id"}}
    }


def test_two_actions_take_no_signature(catalog: Catalog) -> None:
    """Two actions have an assertion or a token; all others are signed."""
    unsigned = {
        action
        for action in (
            "AssumeRole",
            "AssumeRoleWithSAML",
            "AssumeRoleWithWebIdentity",
            "GetDelegatedAccessToken",
        )
        if not catalog.find(action, STS).signed
    }
    assert unsigned == {"AssumeRoleWithSAML", "AssumeRoleWithWebIdentity"}
