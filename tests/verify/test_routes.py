"""The route table: each request has one meaning, or no route."""

import pytest

from daypass.verify import Route, RouteTable, VerifyError
from daypass.verify.services.routes import decode_path

_ARN = "arn:aws:inventory:us-east-1:111122223333:"
_CALLER = "444455556666"
TABLE = RouteTable(
    [
        Route("GET", "/", "inventory:GetIndex", _ARN + "index"),
        Route("GET", "/items/", "inventory:ListItems", _ARN + "list"),
        Route("GET", "/items/{item}", "inventory:GetItem", _ARN + "item/{item}"),
        Route("GET", "/items/all", "inventory:ListItems", _ARN + "list"),
        Route("GET", "/items/{item}/parts/{part}", "inventory:GetPart", _ARN + "item/{item}/{part}"),
        Route("GET", "/files/{key+}", "inventory:GetFile", _ARN + "file/{key}"),
        Route("GET", "/files/public/{name}", "inventory:GetPublic", _ARN + "public/{name}"),
        Route("GET", "/items/{item}", "admin:GetItem", _ARN + "admin/{item}", host="admin.example"),
        Route("GET", "/mine/{item}", "inventory:GetItem", "arn:aws:inventory:us-east-1:{caller}:item/{item}"),
    ]
)


def _find(method: str, path: str, host: str = "a.example") -> tuple[str, str] | None:
    found = TABLE.find(method, host, path.encode(), caller_account=_CALLER)
    return None if found is None else (found.action, found.resource)


@pytest.mark.parametrize(
    ("path", "action", "resource"),
    [
        ("/", "GetIndex", "index"),
        ("/items/", "ListItems", "list"),
        ("/items/42", "GetItem", "item/42"),
        ("/items/all", "ListItems", "list"),
        ("/items/%61ll", "ListItems", "list"),
        ("/items/a%20b", "GetItem", "item/a b"),
        ("/items/a:b*?%3F", "GetItem", "item/a:b*??"),
        ("/items/%C3%A9", "GetItem", "item/é"),
        ("/items/42%3Bx", "GetItem", "item/42;x"),
        ("/items/42/parts/7", "GetPart", "item/42/7"),
        ("/files/a/b/c", "GetFile", "file/a/b/c"),
        ("/files/public/a", "GetPublic", "public/a"),
        ("/files/public/a/b", "GetFile", "file/public/a/b"),
    ],
)
def test_a_path_has_one_route(path: str, action: str, resource: str) -> None:
    """A literal segment comes before a variable, and variables are decoded."""
    assert _find("GET", path) == (f"inventory:{action}", _ARN + resource)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/"),
        ("HEAD", "/"),
        ("GET", "/items"),
        ("GET", "/ITEMS/42"),
        ("GET", "/items/42/"),
        ("GET", "/items/42/parts"),
        ("GET", "/items/42/parts/"),
        ("GET", "/files/"),
        ("GET", "/files"),
        ("GET", "/x"),
    ],
)
def test_everything_else_has_no_route(method: str, path: str) -> None:
    """A HEAD request needs a route of its own, and letters and slashes are compared exactly."""
    assert _find(method, path) is None


@pytest.mark.parametrize("host", ["admin.example", "ADMIN.example:8080"])
def test_a_host_may_have_its_own_routes(host: str) -> None:
    """They come before those of every host."""
    assert _find("GET", "/items/42", host) == ("admin:GetItem", _ARN + "admin/42")


def test_a_host_may_need_routes_of_its_own() -> None:
    """With `needs_host`, the routes of every host do not count."""
    admin = "admin.example"
    found = TABLE.find("GET", admin, b"/items/42", caller_account=_CALLER, needs_host=True)
    assert found is not None
    assert TABLE.find("GET", admin, b"/files/a", caller_account=_CALLER) is not None
    assert TABLE.find("GET", admin, b"/files/a", caller_account=_CALLER, needs_host=True) is None


def test_a_service_of_every_account_has_resources_of_the_caller() -> None:
    """The account is the caller's, and never a part of the path."""
    found = ("inventory:GetItem", f"arn:aws:inventory:us-east-1:{_CALLER}:item/111122223333:x")
    assert _find("GET", "/mine/111122223333:x") == found


@pytest.mark.parametrize(
    "path",
    [
        "//", "/a//b", "/a/./b", "/a/../b", "/..", "/%2e%2e/b", "/a/%2E", "/a%2Fb", "/a%2fb", "/a%5Cb", "/a\\b",
        "/a%00b",
        "/a;b", "/a;b/c", "/;/a",
        "/a%0Ab", "/a%7F", "/a%C2%85", "/%FF", "/%C3", "/a//", "/%C0%AF",
    ],
)  # fmt: skip
def test_an_ambiguous_path_is_refused(path: str) -> None:
    """Frameworks decode, fold or cut these in different ways."""
    with pytest.raises(VerifyError):
        decode_path(path.encode())


@pytest.mark.parametrize(
    "route",
    [
        Route("get", "/", "a:B", _ARN + "x"),
        Route("GET", "items", "a:B", _ARN + "x"),
        Route("GET", "/", "a:*", _ARN + "x"),
        Route("GET", "/", "B", _ARN + "x"),
        Route("GET", "/", "a:B", "*"),
        Route("GET", "/", "a:B", "arn:aws:inventory:::x"),
        Route("GET", "/{a}", "a:B", "arn:aws:inventory:us-east-1:{a}:x"),
        Route("GET", "/{a}", "a:B", "arn:aws:inventory:{a}:111122223333:x"),
        Route("GET", "/{a}", "a:B", _ARN + "{b}"),
        Route("GET", "/{a}", "a:B", _ARN + "{caller}"),
        Route("GET", "/{a+}", "a:B", _ARN + "{a+}"),
        Route("GET", "/{a}/{a}", "a:B", _ARN + "x"),
        Route("GET", "/{a+}/b", "a:B", _ARN + "x"),
        Route("GET", "/x{a}", "a:B", _ARN + "x"),
        Route("GET", "/{a", "a:B", _ARN + "x"),
        Route("GET", "/", "a:B", _ARN + "x", host="A.example"),
    ],
)
def test_a_route_that_is_not_valid_is_an_error(route: Route) -> None:
    """At start, and not at the first request."""
    with pytest.raises(ValueError, match=r"\w"):
        RouteTable([route])


def test_two_routes_for_the_same_requests_are_an_error() -> None:
    """Their order would decide about permissions."""
    with pytest.raises(ValueError, match=r"the same requests"):
        RouteTable([Route("GET", "/{a}", "a:B", _ARN + "x"), Route("GET", "/{b}", "a:C", _ARN + "y")])
