"""CreateBucket and DeleteBucket: a name belongs to one account, whatever fails."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from tests.gateway.buckets.bucket_store import NAMESPACE, NOW, OTHER, OWNER, BucketStore

from daypass.directory.entities.bucket_entities import PublicAccessBlock
from daypass.gateway.buckets.bucket_writer import StoreBucketWriter
from daypass.gateway.buckets.buckets import BucketMap, BucketMapping
from daypass.verify.s3.errors import S3Error

EUROPE = "eu-west-1"


@pytest.fixture
def store() -> BucketStore:
    """Return a store without buckets."""
    return BucketStore()


def code(store: BucketStore, operation: str, name: str, account: str = OWNER, **more: object) -> str:
    """Return the code of a refusal."""
    with pytest.raises(S3Error) as caught:
        store.perform(operation, name, account, **more)  # type: ignore[arg-type] # bodies and headers
    return caught.value.code


def create(store: BucketStore, name: str, account: str = OWNER) -> None:
    """Create a bucket."""
    answer = store.perform("CreateBucket", name, account, region=EUROPE)
    assert (answer.status, dict(answer.headers)) == (200, {b"location": f"/{name}".encode()})


def test_a_new_bucket_belongs_to_the_account_that_created_it(store: BucketStore) -> None:
    """It blocks public access, as on AWS."""
    create(store, "data")
    bucket = store.get("data")
    assert (bucket.account, bucket.backend, bucket.region, bucket.created) == (OWNER, "main", EUROPE, NOW)
    assert bucket.public_access_block == PublicAccessBlock()
    assert store.backend.buckets == {"data": []}


def test_a_name_is_unique_among_all_accounts(store: BucketStore) -> None:
    """The owner learns that the bucket is its own, in us-east-1 by a success, as on AWS."""
    create(store, "data")
    assert code(store, "CreateBucket", "data", OTHER, region=EUROPE) == "BucketAlreadyExists"
    assert code(store, "CreateBucket", "data", OTHER, region="us-east-1") == "BucketAlreadyExists"
    assert code(store, "CreateBucket", "data", region=EUROPE) == "BucketAlreadyOwnedByYou"
    assert store.perform("CreateBucket", "data", region="us-east-1").status == 200


def test_a_bucket_that_the_store_has_already_is_never_given_away(store: BucketStore) -> None:
    """It belongs to no account, so that it is hidden and its name is taken."""
    store.backend.buckets["old"] = ["secret"]
    assert code(store, "CreateBucket", "old", region="us-east-1") == "BucketAlreadyExists"
    assert store.find("old") is None
    assert ("main", "PUT", "old") not in store.backend.calls


@pytest.mark.parametrize(
    "name",
    ["ab", "A-b-c", "a_b", "a..b", ".abc", "abc-", "192.168.1.1", "xn--abc", "x" * 64, "abc--x-s3", "a/b", "", "abc\n"],
)
def test_the_rules_of_names_are_those_of_s3(store: BucketStore, name: str) -> None:
    """Amazon S3 User Guide, "Bucket naming rules"."""
    assert code(store, "CreateBucket", name) == "InvalidBucketName"
    assert store.backend.calls == []


@pytest.mark.parametrize("name", ["abc", "a.b.c", "111122223333", "x" * 63, "a-b", "1a.2b"])
def test_names_that_s3_accepts_are_accepted(store: BucketStore, name: str) -> None:
    """A name of twelve digits is not mixed up with an account."""
    create(store, name)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({b"x-amz-acl": b"public-read"}, "AccessControlListNotSupported"),
        ({b"x-amz-grant-read": b"id=1"}, "AccessControlListNotSupported"),
        ({b"x-amz-object-ownership": b"ObjectWriter"}, "InvalidArgument"),
        ({b"x-amz-bucket-object-lock-enabled": b"x"}, "InvalidArgument"),
    ],
)
def test_a_bucket_with_acls_cannot_be_created(store: BucketStore, headers: dict[bytes, bytes], expected: str) -> None:
    """Every bucket is BucketOwnerEnforced."""
    assert code(store, "CreateBucket", "data", headers=headers) == expected
    assert store.backend.calls == []


def location(region: str) -> bytes:
    """Return the body of CreateBucket."""
    content = f"<LocationConstraint>{region}</LocationConstraint>"
    return f'<CreateBucketConfiguration xmlns="{NAMESPACE}">{content}</CreateBucketConfiguration>'.encode()


def test_the_location_is_the_region_of_the_request(store: BucketStore) -> None:
    """Another one is refused, as at an endpoint of one region."""
    store.perform("CreateBucket", "data", region=EUROPE, body=location(EUROPE))
    store.perform("CreateBucket", "data-eu", region=EUROPE, body=location("EU"))
    refusal = code(store, "CreateBucket", "data2", region=EUROPE, body=location("us-west-2"))
    assert refusal == "IllegalLocationConstraintException"
    assert code(store, "CreateBucket", "data2", body=b"<Other/>") == "MalformedXML"


def test_the_quota_of_an_account_is_kept(store: BucketStore) -> None:
    """Other accounts have their own."""
    store.writer = StoreBucketWriter(store.transaction, PublicAccessBlock(), most_buckets=1)
    create(store, "one")
    assert code(store, "CreateBucket", "two", region=EUROPE) == "TooManyBuckets"
    create(store, "two", OTHER)


def test_a_refusal_of_the_store_frees_the_name(store: BucketStore) -> None:
    """Another account may use it then."""
    store.backend.answers["PUT"] = [400]
    assert code(store, "CreateBucket", "data", region=EUROPE) == "InvalidRequest"
    create(store, "data", OTHER)


def test_a_bucket_that_appeared_in_the_meantime_is_not_taken_over(store: BucketStore) -> None:
    """The store's conflict is an answer about a foreign bucket."""
    store.backend.answers["PUT"] = [409]
    assert code(store, "CreateBucket", "data", region=EUROPE) == "BucketAlreadyExists"
    assert store.find("data") is None


def test_of_two_accounts_at_once_one_gets_the_name(store: BucketStore) -> None:
    """The second account learns that the name is taken, in every order of the steps."""

    def attempt(place: tuple[int, str]) -> tuple[int, str]:
        number, account = place
        with suppress(S3Error):
            create(store, f"bucket-{number}", account)
            return place
        return (number, "")

    places = [(number, account) for number in range(20) for account in (OWNER, OTHER)]
    with ThreadPoolExecutor(8) as threads:
        winners = [one for one in threads.map(attempt, places) if one[1]]
    assert [number for number, _ in winners] == list(range(20))
    assert all(store.get(f"bucket-{number}").account == account for number, account in winners)


@pytest.mark.parametrize("failure", [None, 500])
def test_after_an_unknown_outcome_only_the_same_account_can_go_on(store: BucketStore, failure: int | None) -> None:
    """The bucket is hidden until then, and the account takes it over, whether the store has it or not."""
    store.backend.answers["PUT"] = [failure]
    assert code(store, "CreateBucket", "data", region=EUROPE) == "ServiceUnavailable"
    assert store.find("data") is None
    assert code(store, "CreateBucket", "data", OTHER, region=EUROPE) == "BucketAlreadyExists"
    store.backend.buckets["data"] = []
    store.backend.answers["PUT"] = [409]
    create(store, "data")
    assert store.get("data").account == OWNER


def test_a_mapped_name_is_reserved_for_its_account(store: BucketStore) -> None:
    """The new bucket goes to the backend of the mapping."""
    store.bucket_map = BucketMap((BucketMapping("team-*", OTHER, "second"),), default_backend="main")
    assert code(store, "CreateBucket", "team-a", OWNER) == "BucketAlreadyExists"
    create(store, "team-a", OTHER)
    assert store.get("team-a").backend == "second"


def test_an_existing_mapped_bucket_is_the_callers_own(store: BucketStore) -> None:
    """It is not created again."""
    store.bucket_map = BucketMap((BucketMapping("team-*", OWNER, "main"),), default_backend="main")
    store.backend.buckets["team-a"] = ["object"]
    assert code(store, "CreateBucket", "team-a", region=EUROPE) == "BucketAlreadyOwnedByYou"


def test_without_a_backend_for_it_no_bucket_is_created(store: BucketStore) -> None:
    """A gateway with several backends needs a mapping."""
    store.bucket_map = BucketMap()
    assert code(store, "CreateBucket", "data") == "InvalidRequest"


def test_an_empty_bucket_is_deleted_with_its_record(store: BucketStore) -> None:
    """The name is free for other accounts."""
    create(store, "data")
    assert store.perform("DeleteBucket", "data").status == 204
    assert store.find("data") is None
    assert store.backend.buckets == {}
    create(store, "data", OTHER)


def test_a_bucket_with_objects_or_versions_is_not_deleted(store: BucketStore) -> None:
    """The store itself would delete it with its objects."""
    create(store, "data")
    store.backend.buckets["data"] = ["object"]
    assert code(store, "DeleteBucket", "data") == "BucketNotEmpty"
    store.backend.buckets["data"], store.backend.versions["data"] = [], ["old"]
    assert code(store, "DeleteBucket", "data") == "BucketNotEmpty"
    assert store.get("data").account == OWNER
    assert ("main", "DELETE", "data") not in store.backend.calls


@pytest.mark.parametrize("status", [None, 200, 403, 500])
def test_a_bucket_is_not_deleted_if_the_store_does_not_list_it(store: BucketStore, status: int | None) -> None:
    """An empty body with status 200 is not a list."""
    create(store, "data")
    store.backend.answers["GET"] = [status]
    assert code(store, "DeleteBucket", "data") == "ServiceUnavailable"
    assert store.get("data").account == OWNER


def test_a_store_without_versions_is_believed(store: BucketStore) -> None:
    """It answers the list of versions with 501."""
    create(store, "data")
    store.backend.has_versions = False
    assert store.perform("DeleteBucket", "data").status == 204


@pytest.mark.parametrize(("status", "expected"), [(409, "BucketNotEmpty"), (500, "ServiceUnavailable")])
def test_a_failed_deletion_brings_the_bucket_back(store: BucketStore, status: int, expected: str) -> None:
    """The bucket is hidden only while the store deletes it."""
    create(store, "data")
    store.backend.answers["DELETE"] = [status]
    assert code(store, "DeleteBucket", "data") == expected
    assert store.get("data").account == OWNER


def test_a_mapped_bucket_is_deleted_without_a_trace(store: BucketStore) -> None:
    """A bucket that the store does not have is missing."""
    store.bucket_map = BucketMap((BucketMapping("team-*", OWNER, "main"),), default_backend="main")
    assert code(store, "DeleteBucket", "team-a") == "NoSuchBucket"
    store.backend.buckets["team-a"] = []
    assert store.perform("DeleteBucket", "team-a").status == 204
    assert store.backend.buckets == {}
    assert store.buckets().owner_of("team-a") is None


def test_a_record_without_a_bucket_goes_with_the_next_deletion(store: BucketStore) -> None:
    """The answer says that the bucket does not exist."""
    create(store, "data")
    store.backend.buckets.clear()
    assert code(store, "DeleteBucket", "data") == "NoSuchBucket"
    create(store, "data", OTHER)
