"""The service models that botocore ships, as typed values without their documentation.

Owns the layout of botocore's `service-2.json` and the few places where AWS is known to differ from its own
model. What the shapes mean on the wire is reading.py's and writing.py's work. botocore's own session
machinery is never imported: its data files are all that is needed, and they load in a fraction of the time.
"""

import gzip
from collections.abc import Mapping
from importlib.resources import files

from msgspec import Struct, field, json, structs


class Ref(Struct, frozen=True):
    """A use of a shape: by a structure's member, a list's element, a map's key or value."""

    shape: str
    location_name: str | None = field(name="locationName", default=None)
    flattened: bool = False


class OutputRef(Struct, frozen=True):
    """The shape of an answer, and the element that wraps it."""

    shape: str
    wrapper: str = field(name="resultWrapper", default="")


class Shape(Struct, frozen=True):
    """One type of the API with its constraints."""

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


class OperationShape(Struct, frozen=True):
    """One action: what it takes, what it answers, whether it must be signed."""

    name: str
    input: Ref | None = None
    output: OutputRef | None = None
    authtype: str = "v4"


class Metadata(Struct, frozen=True):
    """What a service says of itself."""

    version: str = field(name="apiVersion")
    namespace: str = field(name="xmlNamespace")


class ServiceModel(Struct, frozen=True):
    """A whole service."""

    metadata: Metadata
    operations: dict[str, OperationShape]
    shapes: dict[str, Shape]


# The places of each service's model in botocore's data folder.
SERVICES: Mapping[str, str] = {"sts": "2011-06-15", "iam": "2010-05-08"}

# What AWS was observed to do where its model says otherwise: (service, shape) -> the fields that differ.
OBSERVED: Mapping[tuple[str, str], Mapping[str, int]] = {
    ("sts", "sourceIdentityType"): {"max": 256},
    # The model names no length. A device's ARN is a serial number, of which the model takes 256 characters.
    ("iam", "virtualMFADeviceName"): {"max": 226},
}

# What we do otherwise on purpose: (service, shape) -> the fields that differ.
OURS: Mapping[tuple[str, str], Mapping[str, str]] = {
    # Notices go to https URLs here, where AWS publishes them to topics. No topic's name is lost by it.
    ("iam", "notificationChannelType"): {"pattern": r"^([a-zA-Z0-9:_.-]+|https://[!-~]+)$"},
}

_CONTEXT_TYPES = ("string", "numeric", "boolean", "ip", "binary", "date")

# The values that operations tell apart: (service, shape) -> the enumeration. A value that a newer model adds is refused
# until somebody adds it here, since an operation that does not know it would take it for another.
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
}

# What AWS was observed to do for one member: (service, structure, member) -> the shape it really has.
OBSERVED_MEMBERS: Mapping[tuple[str, str, str], str] = {
    # Its length is a matter of the packed size, as AssumeRole's is, and not of validation.
    ("sts", "AssumeRoleWithWebIdentityRequest", "Policy"): "unrestrictedSessionPolicyDocumentType",
}

# These answers print their times with milliseconds; all others print whole seconds.
MILLISECONDS = frozenset({("sts", "GetWebIdentityToken")})


def load_service(service: str) -> ServiceModel:
    """Read the model of one of SERVICES, with what was OBSERVED put in."""
    path = files("botocore") / "data" / service / SERVICES[service] / "service-2.json.gz"
    return read_service(service, gzip.decompress(path.read_bytes()))


def read_service(service: str, text: bytes) -> ServiceModel:
    """Return a model from its JSON, with what was OBSERVED put in."""
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
