"""Parse an import file into its lists.

Pure. Owns parsing: one JSON document, or several documents in sequence as separate pages print them; policy documents
as objects, as JSON or percent-encoded, as the various clients print them. Leaves the meaning of the lists to
converter.py and bucket_converter.py. Source: IAM API Reference, GetAccountAuthorizationDetails; Amazon S3 API
Reference, ListBuckets, GetBucketPolicy and GetPublicAccessBlock, of which the latter two are by bucket.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from daypass.apply.file.nodes import ApplyFileError, FilePosition
from daypass.strict_json import JsonReader, NotStrictJsonError, any_integer

MAX_BYTES = 1024 * 1024 * 1024
_LISTS = ("UserDetailList", "GroupDetailList", "RoleDetailList", "Policies")
_BUCKETS = "Buckets"
_TOP = FilePosition()
_JSON = JsonReader(max_depth=500, integer=any_integer)  # a policy that is nested too deeply fails alone


@dataclass(frozen=True, slots=True)
class Details:
    """The lists of a file, in its order and without duplicates."""

    users: list[dict[str, Any]] = field(default_factory=list)
    groups: list[dict[str, Any]] = field(default_factory=list)
    roles: list[dict[str, Any]] = field(default_factory=list)
    policies: list[dict[str, Any]] = field(default_factory=list)
    oidc_providers: list[dict[str, Any]] = field(default_factory=list)
    saml_providers: list[dict[str, Any]] = field(default_factory=list)
    buckets: list[dict[str, Any]] = field(default_factory=list)
    bucket_policies: dict[str, Any] = field(default_factory=dict)
    public_access_blocks: dict[str, Any] = field(default_factory=dict)

    @property
    def has_only_buckets(self) -> bool:
        """Return whether the file describes buckets, but no account."""
        of_accounts = (self.users, self.groups, self.roles, self.policies, self.oidc_providers, self.saml_providers)
        return not any(of_accounts) and bool(self.buckets or self.bucket_policies or self.public_access_blocks)


def read_details(content: bytes) -> Details:
    """Parse a file. Raises ApplyFileError."""
    try:
        return _read_details(content)
    except RecursionError as error:
        raise ApplyFileError(_TOP, "values are nested too deeply") from error


def _read_details(content: bytes) -> Details:
    if len(content) > MAX_BYTES:
        raise ApplyFileError(_TOP, f"the file is larger than {MAX_BYTES // 1024 // 1024} MiB")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ApplyFileError(_TOP, "the file is not UTF-8") from error
    details = Details()
    lists = _lists_of(details)
    if sum(_read_page(page, details, lists) for page in _pages(text)) == 0:
        raise ApplyFileError(
            _TOP, f"expected at least one of {', '.join(_LISTS)}: use the output of get-account-authorization-details"
        )
    for name, target in lists.items():
        target[:] = _once(target, name)
    return details


def _lists_of(details: Details) -> dict[str, list[dict[str, Any]]]:
    return {
        "UserDetailList": details.users,
        "GroupDetailList": details.groups,
        "RoleDetailList": details.roles,
        "Policies": details.policies,
        "OpenIDConnectProviders": details.oidc_providers,
        "SAMLProviders": details.saml_providers,
        _BUCKETS: details.buckets,
    }


def _read_page(page: Any, details: Details, lists: Mapping[str, list[dict[str, Any]]]) -> bool:
    """Add a page to the details. Return whether it has a known member."""
    if not isinstance(page, dict):
        raise ApplyFileError(_TOP, "a page of account details must be an object")
    is_provider = "Url" in page and "ClientIDList" in page
    if is_provider:
        details.oidc_providers.append(page)
    answers = {"BucketPolicies": details.bucket_policies, "PublicAccessBlocks": details.public_access_blocks}
    for name in page.keys() & lists.keys():
        lists[name].extend(_objects(page[name], name))
    for name in page.keys() & answers.keys():
        _take(answers[name], page[name], name)
    return is_provider or not page.keys().isdisjoint({*lists, *answers})


def read_policy(value: Any) -> Any:
    """Return a policy as plain values, or None if it cannot be parsed."""
    if isinstance(value, dict):
        return value
    if not isinstance(value, str):
        return None
    text = unquote(value) if value.lstrip()[:1] == "%" else value
    try:
        read = _JSON.read(text)
    except NotStrictJsonError:
        return None
    return read if isinstance(read, dict) else None


def _pages(text: str) -> Iterator[Any]:
    try:
        yield from _JSON.read_several(text)
    except NotStrictJsonError as error:
        words = f"the file cannot be read: {error}" + ("; it may be incomplete" if error.line else "")
        raise ApplyFileError(FilePosition("", error.line, error.column), words) from error


def _objects(value: Any, name: str) -> list[dict[str, Any]]:
    if not isinstance(value, list):
        raise ApplyFileError(FilePosition(name), "expected a list")
    for index, element in enumerate(value):
        if not isinstance(element, dict):
            raise ApplyFileError(FilePosition(f"{name}[{index}]"), "expected an object")
    return value


def _take(answers: dict[str, Any], value: Any, name: str) -> None:
    """Add the answers about buckets, each bucket once."""
    if not isinstance(value, dict):
        raise ApplyFileError(FilePosition(name), "expected an object: the answers by bucket")
    for bucket, answer in value.items():
        if bucket in answers and answers[bucket] != answer:
            raise ApplyFileError(
                FilePosition(f"{name}.{bucket}"), "the file contains this bucket twice, with different content"
            )
        answers[bucket] = answer


def _once(objects: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    """Return the objects, each ARN or bucket once.

    Overlapping pages repeat some of them.
    """
    found: dict[str, dict[str, Any]] = {}
    for index, one in enumerate(objects):
        arn = one.get("Name") if name == _BUCKETS else one.get("Arn") or one.get("Url")
        if not isinstance(arn, str):
            raise ApplyFileError(FilePosition(f"{name}[{index}]"), f"it has no {'Name' if name == _BUCKETS else 'Arn'}")
        if arn in found and found[arn] != one:
            raise ApplyFileError(
                FilePosition(f"{name}[{index}]"), f"the file contains {arn} twice, with different content"
            )
        found[arn] = one
    return list(found.values())


def text_of(one: Mapping[str, Any], name: str) -> str:
    """Return a string member, or an empty string if it is missing."""
    value = one.get(name)
    return value if isinstance(value, str) else ""


def objects_of(one: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """Return the objects in a list member; other values are omitted."""
    value = one.get(name)
    return [element for element in value if isinstance(element, dict)] if isinstance(value, list) else []
