"""The service models of botocore as typed values, without documentation.

Owns the layout of botocore's `service-2.json`, and where AWS differs from its own model. request_shapes.py and
response_shapes.py implement the shapes on the wire. botocore's session code is never imported: its data files load in a
fraction of the time.
"""

import gzip
from collections.abc import Mapping
from importlib.resources import files

from msgspec import Struct, field, json, structs


class Ref(Struct, frozen=True):
    """A reference to a shape.

    A structure's member, a list's element, and a map's key or value refer to shapes.
    """

    shape: str
    location_name: str | None = field(name="locationName", default=None)
    flattened: bool = False
    location: str | None = None


class OutputRef(Struct, frozen=True):
    """The shape of a response, and the element that wraps it."""

    shape: str
    wrapper: str = field(name="resultWrapper", default="")


class ErrorTrait(Struct, frozen=True):
    """The status of an error, which a few errors of the models lack."""

    status: int = field(name="httpStatusCode", default=400)


class Shape(Struct, frozen=True):
    """One type of the API with its constraints.

    `payload` is the member that is the whole body of a request or response, if any.
    """

    type: str
    members: dict[str, Ref] = field(default_factory=dict)
    required: frozenset[str] = frozenset()
    member: Ref | None = None
    key: Ref | None = None
    value: Ref | None = None
    flattened: bool = False
    min: int | None = None
    max: int | None = None
    pattern: str | None = None
    enum: tuple[str, ...] = ()
    sensitive: bool = False
    union: bool = False
    payload: str | None = None
    error: ErrorTrait | None = None


class HttpTrait(Struct, frozen=True):
    """The method and the path of an operation.

    The path of some operations has a query, which distinguishes them.
    """

    method: str = "POST"
    uri: str = field(name="requestUri", default="/")


class OperationShape(Struct, frozen=True):
    """One action: its input, its output, and whether it must be signed."""

    name: str
    input: Ref | None = None
    output: OutputRef | None = None
    authtype: str = "v4"
    http: HttpTrait = HttpTrait()
    errors: tuple[Ref, ...] = ()


class Metadata(Struct, frozen=True):
    """The metadata of a service."""

    version: str = field(name="apiVersion")
    namespace: str = field(name="xmlNamespace", default="")


class ServiceModel(Struct, frozen=True):
    """A whole service."""

    metadata: Metadata
    operations: dict[str, OperationShape]
    shapes: dict[str, Shape]


# The version directory of each service's model in botocore's data.
SERVICES: Mapping[str, str] = {"sts": "2011-06-15", "iam": "2010-05-08"}

# The services with JSON bodies, compiled by rest_json.py.
JSON_SERVICES: Mapping[str, str] = {"sso-oidc": "2019-06-10", "sso": "2019-06-10", "signin": "2023-01-01"}

# Observed behaviour of AWS that differs from its model: (service, shape) -> the fields that differ.
OBSERVED: Mapping[tuple[str, str], Mapping[str, int]] = {
    ("sts", "sourceIdentityType"): {"max": 256},
    # Without a maximum in the model; a device's ARN is a serial number, of at most 256 characters.
    ("iam", "virtualMFADeviceName"): {"max": 226},
}

# Deliberate differences of Daypass: (service, shape) -> the fields that differ.
OURS: Mapping[tuple[str, str], Mapping[str, str]] = {
    # Notifications go to https URLs here, to topics on AWS. All topic names remain valid.
    ("iam", "notificationChannelType"): {"pattern": r"^([a-zA-Z0-9:_.-]+|https://[!-~]+)$"},
}

_CONTEXT_TYPES = ("string", "numeric", "boolean", "ip", "binary", "date")

# The values that operations distinguish: (service, shape) -> the enumeration. A newer model's value is refused until it
# is added here, because an operation would treat it as another one.
VALUES: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("iam", "AttachmentType"): ("user", "group", "role"),
    ("iam", "ContextKeyTypeEnum"): tuple(name for one in _CONTEXT_TYPES for name in (one, f"{one}List")),
    ("iam", "EntityType"): ("User", "Role", "Group", "LocalManagedPolicy", "AWSManagedPolicy"),
    ("iam", "PolicyIdentifierPolicyType"): (
        "inline",
        "aws-managed",
        "user-managed",
        "permission-boundary",
        "scp",
        "rcp",
    ),
    ("iam", "PolicyParameterTypeEnum"): ("string", "stringList"),
    ("iam", "PolicyUsageType"): ("PermissionsPolicy", "PermissionsBoundary"),
    ("iam", "assertionEncryptionModeType"): ("Required", "Allowed"),
    ("iam", "assignmentStatusType"): ("Assigned", "Unassigned", "Any"),
    ("iam", "globalEndpointTokenVersion"): ("v1Token", "v2Token"),
    ("iam", "policyScopeType"): ("All", "AWS", "Local"),
    ("iam", "statusType"): ("Active", "Inactive", "Expired"),
    ("sts", "webIdentityTokenSubjectModeType"): ("AWSIdentity", "OriginIdentity"),
}

# Observed behaviour of AWS for one member: (service, structure, member) -> its real shape.
OBSERVED_MEMBERS: Mapping[tuple[str, str, str], str] = {
    # The packed size limits its length, as for AssumeRole.
    ("sts", "AssumeRoleWithWebIdentityRequest", "Policy"): "unrestrictedSessionPolicyDocumentType",
}

# These responses print times with milliseconds; all others print whole seconds.
MILLISECONDS = frozenset({("sts", "GetWebIdentityToken")})


def load_service(service: str) -> ServiceModel:
    """Read the model of a service, and apply the tables above."""
    version = SERVICES.get(service) or JSON_SERVICES[service]
    path = files("botocore") / "data" / service / version / "service-2.json.gz"
    return read_service(service, gzip.decompress(path.read_bytes()))


def read_service(service: str, text: bytes) -> ServiceModel:
    """Return a model from its JSON, and apply the tables above."""
    model = json.decode(text, type=ServiceModel)
    for (owner, name), values in VALUES.items():
        if owner == service and name in model.shapes:
            model.shapes[name] = structs.replace(model.shapes[name], enum=values)
    for (owner, name), differences in (*OBSERVED.items(), *OURS.items()):
        if owner == service:
            model.shapes[name] = structs.replace(model.shapes[name], **differences)
    for (owner, structure, member), shape in OBSERVED_MEMBERS.items():
        if owner == service:
            model.shapes[structure].members[member] = Ref(shape)
    return model
