"""The routes of a service of one's own: from path to permission.

Owns the templates and their order: a literal segment comes before a variable, and a route with a host before one
without. A request without a route is refused. The path must have one meaning for every framework behind the table, so
an encoded slash, a backslash, a semicolon, an empty segment, a dot segment, a control character and invalid UTF-8 are
refused too. Servers of Java read `/items/42;x` as `/items/42`; an encoded semicolon is data for all of them.
"""

import re
from collections.abc import Iterable
from urllib.parse import unquote_to_bytes

import msgspec

from daypass.arn import Arn, is_account_id
from daypass.verify.refusals import VerifyError, VerifyReason

_VARIABLE = re.compile(r"\{([a-z][a-z0-9_]*)(\+?)\}")
_BRACES = re.compile(r"[{}]")
_ACTION = re.compile(r"[a-z0-9-]+:[A-Za-z][A-Za-z0-9]*")
_METHOD = re.compile(r"[A-Z][A-Z-]*")
_HIDDEN_SLASH = re.compile(rb"%2f|%5c|\\", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_CALLER = "{caller}"
_LITERAL, _ONE, _REST = 0, 1, 2


class Route(msgspec.Struct, frozen=True):
    """One route.

    - `path` is a template: `/items/{item}`. A variable is a whole segment; `{key+}` at the end is one or more segments.
    - `action` is the action of policies: `inventory:GetItem`.
    - `resource` is an ARN. Its last part may contain the variables of the path. Its account owns the resource: callers
      of other accounts are refused. For a service that every account has for itself, write `{caller}` as the account.
    - `host`, if given, is the lower-case host that the request must name, without a port.
    """

    method: str
    path: str
    action: str
    resource: str
    host: str = ""


class RouteMatch(msgspec.Struct, frozen=True):
    """The permission that a request needs: an action on a resource."""

    action: str
    resource: str
    variables: dict[str, str]


class _CompiledRoute(msgspec.Struct, frozen=True):
    route: Route
    segments: tuple[tuple[int, str], ...]

    @property
    def order(self) -> tuple[bool, tuple[int, ...], int]:
        return not self.route.host, tuple(kind for kind, _ in self.segments), -len(self.segments)

    @property
    def shape(self) -> tuple[object, ...]:
        """Return the key of the requests that the route matches."""
        names = tuple((kind, name if kind == _LITERAL else "") for kind, name in self.segments)
        return self.route.method, self.route.host, names


class RouteTable:
    """The routes of a service.

    Raises ValueError if a route is not valid, or if two match the same requests.

    >>> from daypass.verify import Route, RouteTable
    >>> item = "arn:aws:inventory:us-east-1:111122223333:item/{item}"
    >>> routes = RouteTable([Route("GET", "/items/{item}", "inventory:GetItem", item)])
    >>> routes.find("GET", "inventory.example", b"/items/42", caller_account="111122223333").resource
    'arn:aws:inventory:us-east-1:111122223333:item/42'
    >>> routes.find("DELETE", "inventory.example", b"/items/42", caller_account="111122223333")
    """

    def __init__(self, routes: Iterable[Route]) -> None:
        compiled = [_compile(route) for route in routes]
        shapes = [one.shape for one in compiled]
        for one in compiled:
            if shapes.count(one.shape) > 1:
                raise ValueError(f"two routes match the same requests: {one.route.method} {one.route.path}")
        self._routes = sorted(compiled, key=lambda one: one.order)

    def find(
        self, method: str, host: str, path: bytes, *, caller_account: str, needs_host: bool = False
    ) -> RouteMatch | None:
        """Return the permission of a request, or None if it has no route.

        `path` is the path as sent, `host` the value of the Host header, `caller_account` the account of the caller.
        With `needs_host`, routes without a host do not count. Raises VerifyError if the path is ambiguous.
        """
        sent = tuple(decode_path(path).split("/"))
        name = host.lower().rpartition(":")[0] if re.search(r":\d+$", host) else host.lower()
        for one in self._routes:
            if one.route.method != method or one.route.host not in ((name,) if needs_host else ("", name)):
                continue
            variables = _match(one.segments, sent)
            if variables is not None:
                return RouteMatch(one.route.action, _fill(one.route.resource, variables, caller_account), variables)
        return None


def _fill(resource: str, variables: dict[str, str], caller_account: str) -> str:
    head, account, tail = _split(resource)
    filled = _VARIABLE.sub(lambda found: variables[found[1]], tail)
    return f"{head}:{caller_account if account == _CALLER else account}:{filled}"


def _split(resource: str) -> tuple[str, str, str]:
    """Return the parts of an ARN before, of, and behind its account."""
    parts = resource.split(":", 5)
    return ":".join(parts[:4]), parts[4], parts[5]


def decode_path(raw: bytes) -> str:
    """Return the decoded path.

    Raises VerifyError if it could have two meanings.
    """
    if _HIDDEN_SLASH.search(raw):
        raise VerifyError(VerifyReason.TARGET, "The path must not contain an encoded slash or a backslash.")
    if b";" in raw:
        raise VerifyError(VerifyReason.TARGET, "A semicolon in the path must be encoded as %3B.")
    try:
        path = unquote_to_bytes(raw).decode("utf-8")
    except UnicodeDecodeError as error:
        raise VerifyError(VerifyReason.TARGET, "The path must be UTF-8.") from error
    segments = path.split("/")[1:]
    if "" in segments[:-1] or "." in segments or ".." in segments or _CONTROL.search(path):
        raise VerifyError(
            VerifyReason.TARGET, "The path must not contain empty segments, dot segments or control characters."
        )
    return path


def _match(segments: tuple[tuple[int, str], ...], sent: tuple[str, ...]) -> dict[str, str] | None:
    variables: dict[str, str] = {}
    for at, (kind, name) in enumerate(segments):
        if kind == _REST:
            rest = "/".join(sent[at:])
            return {**variables, name: rest} if rest else None
        if at >= len(sent) or (kind == _LITERAL and sent[at] != name) or (kind == _ONE and not sent[at]):
            return None
        if kind == _ONE:
            variables[name] = sent[at]
    return variables if len(sent) == len(segments) else None


def _compile(route: Route) -> _CompiledRoute:
    if not _METHOD.fullmatch(route.method):
        raise ValueError(f"the method of a route is in capital letters: {route.method!r}")
    if not route.path.startswith("/") or route.host != route.host.lower():
        raise ValueError(f"a path begins with a slash, and a host is in lower case: {route.host}{route.path}")
    if not _ACTION.fullmatch(route.action):
        raise ValueError(f"an action is service:Name, without wildcards: {route.action!r}")
    segments = tuple(_segment(text) for text in route.path.split("/"))
    names = [name for kind, name in segments if kind != _LITERAL]
    if len(set(names)) != len(names) or any(kind == _REST for kind, _ in segments[:-1]):
        raise ValueError(f"a variable occurs once, and {{name+}} at the end: {route.path!r}")
    _check_resource(route, set(names))
    return _CompiledRoute(route, segments)


def _segment(text: str) -> tuple[int, str]:
    found = _VARIABLE.fullmatch(text)
    if found is not None:
        return (_REST if found[2] else _ONE), found[1]
    if _BRACES.search(text):
        raise ValueError(f"a variable is a whole segment: {text!r}")
    return _LITERAL, text


def _check_resource(route: Route, names: set[str]) -> None:
    if Arn.find(route.resource) is None:
        raise ValueError(f"a resource is an ARN: {route.resource!r}")
    head, account, tail = _split(route.resource)
    # Without an account, the administrators of every account would have permissions for the resource.
    if account != _CALLER and not is_account_id(account):
        raise ValueError(f"the ARN of a resource contains its account, or {_CALLER}: {route.resource!r}")
    # A value may contain colons: in the first parts, it could name another account.
    if _BRACES.search(head):
        raise ValueError(f"only the last part of an ARN may contain variables: {route.resource!r}")
    used = {found[1] for found in _VARIABLE.finditer(tail) if not found[2]}
    if not used <= names or _BRACES.search(_VARIABLE.sub("", tail)) or "+}" in tail:
        raise ValueError(f"a resource may contain the variables of its path as {{name}}: {route.resource!r}")
