"""The bucket operations that the gateway answers itself."""

import json
from xml.etree import ElementTree as ET

import pytest
from tests.documents import allow, deny, document
from tests.gateway.buckets.bucket_store import NAMESPACE, OFF, OTHER, OWNER, BucketStore

from daypass.directory.entities.bucket_entities import PublicAccessBlock
from daypass.gateway.buckets.buckets import canonical_id
from daypass.verify.s3.errors import S3Error

BUCKET, OBJECTS = "arn:aws:s3:::data", "arn:aws:s3:::data/*"
PUBLIC = document(allow("s3:GetObject", OBJECTS, Principal="*"))
ROLE = f"arn:aws:iam::{OWNER}:role/reader"
TRUST = '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"sts:AssumeRole"}}'


@pytest.fixture
def store() -> BucketStore:
    """Return a store with the bucket `data`."""
    made = BucketStore()
    made.add("data", block=PublicAccessBlock())
    return made


def refused(store: BucketStore, operation: str, account: str = OWNER, **more: object) -> S3Error:
    """Return the refusal of an operation on the bucket `data`."""
    with pytest.raises(S3Error) as caught:
        store.perform(operation, "data", account, **more)  # type: ignore[arg-type] # bodies and headers
    return caught.value


def root(body: bytes) -> ET.Element:
    """Return the root element of an answer."""
    return ET.fromstring(body)  # noqa: S314 - our own answer


def new_role(store: BucketStore, name: str = "reader", account: str = OWNER) -> None:
    """Create a role."""
    roles = f"    roles:\n      {name}:\n        trust: '{TRUST}'\n"
    store.directory.apply(f"version: 1\nname: {name}{account}\naccounts:\n  '{account}':\n{roles}")


def test_a_bucket_policy_is_stored_shown_and_deleted(store: BucketStore) -> None:
    """GetBucketPolicy returns the text of PutBucketPolicy."""
    new_role(store)
    text = document(allow("s3:GetObject", OBJECTS, Principal={"AWS": ROLE}))
    assert store.perform("PutBucketPolicy", "data", body=text.encode()).status == 204
    shown = store.perform("GetBucketPolicy", "data")
    assert (shown.status, dict(shown.headers)[b"content-type"]) == (200, b"application/json")
    assert json.loads(shown.body) == json.loads(text)
    assert store.perform("DeleteBucketPolicy", "data").status == 204
    assert refused(store, "GetBucketPolicy").code == "NoSuchBucketPolicy"
    assert store.perform("DeleteBucketPolicy", "data").status == 204


def test_a_policy_names_the_role_itself_not_its_name(store: BucketStore) -> None:
    """A role that is deleted and created again is another principal, and is shown as its old unique id."""
    new_role(store)
    store.put_policy("data", document(allow("s3:GetObject", OBJECTS, Principal={"AWS": ROLE})))
    stored = store.get("data").stored
    assert stored is not None
    assert "AROA" in stored.policy
    store.directory.apply(f"version: 1\nname: reader{OWNER}\naccounts:\n  '{OWNER}': {{}}\n")
    new_role(store)
    assert b"AROA" in store.perform("GetBucketPolicy", "data").body


@pytest.mark.parametrize("account", [OTHER, ""])
@pytest.mark.parametrize("operation", ["GetBucketPolicy", "PutBucketPolicy", "DeleteBucketPolicy"])
def test_only_callers_of_the_owners_account_handle_its_policy(store: BucketStore, operation: str, account: str) -> None:
    """S3 answers 405 to others, even if the bucket policy allows them the action."""
    error = refused(store, operation, account, body=PUBLIC.encode())
    assert (error.code, error.status) == ("MethodNotAllowed", 405)


NOT_JSON = "Policies must be valid JSON and the first byte must be '{'"
NO_PRINCIPAL = "Invalid principal in policy"
MISSING = f"arn:aws:iam::{OWNER}:role/missing"


def reading(resource: str = OBJECTS, action: str = "s3:GetObject", **principal: object) -> str:
    """Return a policy with one Allow statement."""
    return document(allow(action, resource, **(principal or {"Principal": "*"})))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", NOT_JSON),
        ("[]", NOT_JSON),
        ("{", NOT_JSON),
        (reading("arn:aws:s3:::other/*"), "Policy has invalid resource"),
        (reading("arn:aws:s3:::dat/*"), "Policy has invalid resource"),
        (reading("*"), "Policy has invalid resource"),
        (reading("arn:aws:s3:::${aws:username}/*"), "Policy has invalid resource"),
        (reading(action="sts:AssumeRole"), "Policy has invalid action"),
        (reading(BUCKET), "Action does not apply to any resource(s) in statement"),
        (reading(action="s3:ListBucket"), "Action does not apply to any resource(s) in statement"),
        (document(allow("s3:GetObject", OBJECTS)), "Missing required field Principal"),
        (document({"Effect": "Allow", "Principal": "*", "Resource": BUCKET}), "Missing required field Action"),
        (document({"Effect": "Allow", "Principal": "*", "Action": "s3:*"}), "Missing required field Resource"),
        (reading(NotPrincipal="*"), "Allow with NotPrincipal is not allowed."),
        (reading(Principal={"AWS": MISSING}), NO_PRINCIPAL),
        (document(deny("s3:*", OBJECTS, NotPrincipal={"AWS": MISSING})), NO_PRINCIPAL),
        (reading(Principal={"AWS": "arn:aws:iam::1:x"}), NO_PRINCIPAL),
        (reading(Principal={"AWS": f"arn:aws-cn:iam::{OWNER}:root"}), NO_PRINCIPAL),
        (reading(Principal={"CanonicalUser": "a" * 64}), NO_PRINCIPAL),
        (document(deny("s3:*", OBJECTS, NotPrincipal={"Federated": "accounts.google.com"})), NO_PRINCIPAL),
        (reading(OBJECTS + "x" * 20_480), "Policy exceeds the maximum allowed document size."),
    ],
)
def test_a_malformed_policy_is_refused_in_the_words_of_s3(store: BucketStore, text: str, message: str) -> None:
    """The code is MalformedPolicy, and the old policy stays."""
    error = refused(store, "PutBucketPolicy", body=text.encode())
    assert (error.code, error.status, error.message) == ("MalformedPolicy", 400, message)
    assert store.get("data").policy is None


@pytest.mark.parametrize("resource", ["arn:aws:s3:::data", "arn:aws:s3:::*", "arn:aws:s3:::d?ta/*", "arn:aws:s3:::*/*"])
def test_a_pattern_that_matches_the_bucket_is_a_valid_resource(store: BucketStore, resource: str) -> None:
    """The policy applies to this bucket alone, whatever else its patterns match."""
    store.put_policy("data", document(allow("s3:*", resource, Principal={"AWS": OTHER})))
    assert store.get("data").policy is not None


def test_a_missing_principal_of_another_account_is_not_disclosed(store: BucketStore) -> None:
    """Existing and missing roles of another account get the same answer."""
    new_role(store, "there", OTHER)
    for name in ("there", "missing"):
        text = document(allow("s3:GetObject", OBJECTS, Principal={"AWS": f"arn:aws:iam::{OTHER}:role/{name}"}))
        store.put_policy("data", text)
        assert json.loads(store.perform("GetBucketPolicy", "data").body) == json.loads(text)


@pytest.mark.parametrize("value", [b"true", b"false", b"TRUE"])
def test_a_policy_may_deny_its_author(store: BucketStore, value: bytes) -> None:
    """The header is accepted; without it S3 stores such a policy too."""
    text = document(deny("s3:*", [BUCKET, OBJECTS], Principal="*"))
    header = {b"x-amz-confirm-remove-self-bucket-access": value}
    assert store.perform("PutBucketPolicy", "data", body=text.encode(), headers=header).status == 204
    assert (
        refused(store, "PutBucketPolicy", body=b"{", headers={next(iter(header)): b"maybe"}).code == "InvalidArgument"
    )


def test_a_public_policy_is_refused_while_the_bucket_blocks_it(store: BucketStore) -> None:
    """BlockPublicPolicy is on for a new bucket, as on AWS since 2023."""
    error = refused(store, "PutBucketPolicy", body=PUBLIC.encode())
    assert error.code == "AccessDenied"
    assert "PutPublicAccessBlock" in error.message
    store.perform("DeletePublicAccessBlock", "data")
    assert store.put_policy("data", PUBLIC).is_public


def test_the_status_of_a_policy_says_whether_it_is_public(store: BucketStore) -> None:
    """A bucket without a policy has no status."""
    assert refused(store, "GetBucketPolicyStatus").code == "NoSuchBucketPolicy"
    store.put_policy("data", document(allow("s3:GetObject", OBJECTS, Principal={"AWS": OTHER})))
    assert root(store.perform("GetBucketPolicyStatus", "data").body).findtext(f"{{{NAMESPACE}}}IsPublic") == "false"
    store.perform("DeletePublicAccessBlock", "data")
    store.put_policy("data", PUBLIC)
    assert root(store.perform("GetBucketPolicyStatus", "data").body).findtext(f"{{{NAMESPACE}}}IsPublic") == "true"


def block_xml(**settings: str) -> bytes:
    """Return the body of PutPublicAccessBlock."""
    content = "".join(f"<{name}>{value}</{name}>" for name, value in settings.items())
    return f'<PublicAccessBlockConfiguration xmlns="{NAMESPACE}">{content}</PublicAccessBlockConfiguration>'.encode()


def test_the_public_access_block_is_stored_and_deleted(store: BucketStore) -> None:
    """A setting that the request omits is off; after the deletion there is no configuration."""
    assert store.get("data").public_access_block == PublicAccessBlock()
    assert store.perform("PutPublicAccessBlock", "data", body=block_xml(BlockPublicPolicy="true")).status == 200
    answer = root(store.perform("GetPublicAccessBlock", "data").body)
    assert {one.tag.rpartition("}")[2]: one.text for one in answer} == {
        "BlockPublicAcls": "false",
        "IgnorePublicAcls": "false",
        "BlockPublicPolicy": "true",
        "RestrictPublicBuckets": "false",
    }
    assert store.perform("DeletePublicAccessBlock", "data").status == 204
    assert refused(store, "GetPublicAccessBlock").code == "NoSuchPublicAccessBlockConfiguration"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<PublicAccessBlock/>",
        block_xml(BlockPublicPolicy="yes"),
        block_xml(Unknown="true"),
        block_xml(BlockPublicAcls="true").replace(b"</Pub", b"<BlockPublicAcls>false</BlockPublicAcls></Pub"),
        b'<!DOCTYPE x [<!ENTITY a "true">]>' + block_xml(BlockPublicAcls="&a;"),
        b"<PublicAccessBlockConfiguration xmlns='urn:x'/>",
        b"<PublicAccessBlockConfiguration x='y'/>",
        block_xml(BlockPublicAcls="true") + b"x",
        b"<a>" * 5_000,
    ],
)
def test_a_body_that_s3_does_not_define_is_malformed(store: BucketStore, body: bytes) -> None:
    """Nothing is stored: document types, unknown and repeated elements are refused."""
    assert refused(store, "PutPublicAccessBlock", body=body).code == "MalformedXML"
    assert store.get("data").public_access_block == PublicAccessBlock()


def ownership(value: str) -> bytes:
    """Return the body of PutBucketOwnershipControls."""
    rule = f"<Rule><ObjectOwnership>{value}</ObjectOwnership></Rule>"
    return f'<OwnershipControls xmlns="{NAMESPACE}">{rule}</OwnershipControls>'.encode()


def test_every_bucket_is_owned_by_its_account_alone(store: BucketStore) -> None:
    """ACLs are off and stay off."""
    assert b"<ObjectOwnership>BucketOwnerEnforced<" in store.perform("GetBucketOwnershipControls", "data").body
    assert store.perform("PutBucketOwnershipControls", "data", body=ownership("BucketOwnerEnforced")).status == 200
    for value, code in (("ObjectWriter", "InvalidArgument"), ("Else", "MalformedXML")):
        assert refused(store, "PutBucketOwnershipControls", body=ownership(value)).code == code
    assert refused(store, "DeleteBucketOwnershipControls").code == "MethodNotAllowed"
    assert refused(store, "PutBucketAcl").code == "AccessControlListNotSupported"
    acl = store.perform("GetBucketAcl", "data").body.decode()
    assert store.perform("PutBucketAcl", "data", body=acl.encode()).status == 200
    for name in (b"bucket-owner-full-control", b"private"):
        assert store.perform("PutBucketAcl", "data", headers={b"x-amz-acl": name}).status == 200
    assert (
        refused(store, "PutBucketAcl", headers={b"x-amz-acl": b"public-read"}).code == "AccessControlListNotSupported"
    )
    assert acl.count(f"<ID>{canonical_id(OWNER)}</ID>") == 2
    assert "<Permission>FULL_CONTROL</Permission>" in acl


OWN = f"<ID>{canonical_id(OWNER)}</ID>"


@pytest.mark.parametrize(
    ("owner", "grants", "code"),
    [
        (OWN, [(f"<ID>{canonical_id(OTHER)}</ID>", "FULL_CONTROL")], "AccessControlListNotSupported"),
        (f"<ID>{canonical_id(OTHER)}</ID>", [(OWN, "FULL_CONTROL")], "AccessControlListNotSupported"),
        (OWN, [(OWN, "READ")], "AccessControlListNotSupported"),
        (OWN, [(OWN, "FULL_CONTROL"), (OWN, "READ")], "AccessControlListNotSupported"),
        (
            OWN,
            [("<URI>http://acs.amazonaws.com/groups/global/AllUsers</URI>", "READ")],
            "AccessControlListNotSupported",
        ),
        (OWN, [(OWN + "<EmailAddress>a@example.com</EmailAddress>", "FULL_CONTROL")], "AccessControlListNotSupported"),
        (OWN, [], "AccessControlListNotSupported"),
        (OWN, [(OWN + OWN, "FULL_CONTROL")], "MalformedXML"),
        (OWN, [(OWN + "<x/>", "FULL_CONTROL")], "MalformedXML"),
    ],
)
def test_any_other_acl_is_refused(store: BucketStore, owner: str, grants: list[tuple[str, str]], code: str) -> None:
    """Only the ACL that grants everything to the owner has no effect."""
    listed = "".join(
        f"<Grant><Grantee>{one}</Grantee><Permission>{permission}</Permission></Grant>" for one, permission in grants
    )
    inner = f"<Owner>{owner}</Owner><AccessControlList>{listed}</AccessControlList>"
    body = f'<AccessControlPolicy xmlns="{NAMESPACE}">{inner}</AccessControlPolicy>'.encode()
    assert refused(store, "PutBucketAcl", body=body).code == code
    full = {b"x-amz-acl": b"bucket-owner-full-control"}
    own = store.perform("GetBucketAcl", "data").body
    assert refused(store, "PutBucketAcl", body=own, headers=full).code == "AccessControlListNotSupported"


def test_the_location_is_empty_for_the_first_region(store: BucketStore) -> None:
    """A bucket has the region of its creation; a mapped one has the region of each request."""
    assert root(store.perform("GetBucketLocation", "data").body).text is None
    assert root(store.perform("GetBucketLocation", "data", region="eu-west-1").body).text == "eu-west-1"
    store.perform("CreateBucket", "made-in-ireland", region="eu-west-1")
    assert root(store.perform("GetBucketLocation", "made-in-ireland").body).text == "eu-west-1"


def test_a_change_finds_out_that_the_owner_changed(store: BucketStore) -> None:
    """The bucket of a request may come from a cache."""
    seen = store.get("data")
    store.perform("DeleteBucket", "data")
    store.add("data", OTHER, block=OFF)
    with pytest.raises(S3Error) as caught:
        store.writer.put_policy(seen, PUBLIC, now=store.directory.there.clock.now())
    assert caught.value.code == "OperationAborted"
    assert store.get("data").policy is None
