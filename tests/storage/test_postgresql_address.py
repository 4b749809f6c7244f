"""The URLs of PostgreSQL databases: libpq's forms are read as libpq reads them, and every other one is refused."""

import os
import socket
from contextlib import suppress
from functools import partial

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.storage.conftest import HandClock

from daypass.storage.open import open_store
from daypass.storage.postgresql_address import parse_postgresql
from daypass.storage.refusals import StoreOpenError

SECRET = "s3cr-et"


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://u:p@a:1,b:2/db?target_session_attrs=read-write",
        "postgresql://u@a,b/db?port=1,2",
        "postgresql://a:1,b/db",
        "postgresql://[::1]:5433,[2001:db8::2]/db",
        "postgresql://%2Frun%2Fpostgresql/db",
        "postgresql:///db?host=/run/postgresql",
        "postgresql:///db",
        "postgres://h/db",
        "postgresql://?service=daypass",
        "postgresql://h/?dbname=db&user=u&password=p%40q",
        "postgresql://u%40x:p%2Fq%3A@h/d%20b?application_name=a%26b",
        "postgresql://u:@h/db",
        "postgresql://h/db?hostaddr=127.0.0.1&connect_timeout=7&sslmode=verify-full&sslrootcert=/ca.pem",
        "postgresql://h/db?options=-c%20statement_timeout%3D3s",
    ],
)
def test_a_url_is_read_as_libpq_reads_it(text: str) -> None:
    """PostgreSQL, "Connection URIs" (34.1.1.2)."""
    expected = psycopg.conninfo.conninfo_to_dict(text)
    assert parse_postgresql(text).parameters == {name: str(value) for name, value in expected.items() if value != ""}


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("postgresql://u@/db?host=a:5432&host=b:5433&target_session_attrs=read-write", "a,b", "5432,5433"),
        ("postgresql://u@/db?host=a&host=b", "a,b", None),
        ("postgresql://u:p/w?x@h:5/db", "h", "5"),
    ],
)
def test_older_forms_are_still_read(text: str, host: str, port: str | None) -> None:
    """Version 0.1.0 took them, and libpq does not."""
    found = parse_postgresql(text).parameters
    assert (found["host"], found.get("port"), found["dbname"]) == (host, port, "db")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (f"postgresql://u:{SECRET}@x@h/db", "%40"),
        (f"postgresql://u:{SECRET}%zz@h/db", "%25"),
        (f"postgresql://u:{SECRET}@h:port/db", "HOST:PORT"),
        (f"postgresql://u:{SECRET}@h:0/db", "1 to 65535"),
        (f"postgresql://u:{SECRET}@h:65536/db", "1 to 65535"),
        (f"postgresql://u:{SECRET}@a,b/db?port=1,2,3", "numbers of hosts and ports"),
        (f"postgresql://u:{SECRET}@h/db?prepare_threshold=0", "prepare_threshold"),
        (f"postgresql://u:{SECRET}@h/db?replication=database", "replication"),
        (f"postgresql://u:{SECRET}@h/db?autocommit=true", "autocommit"),
        (f"postgresql://u:{SECRET}@h/db?client_encoding=latin1", "client_encoding"),
        (f"postgresql://u:{SECRET}@h/db?connect_timeout=0", "connect_timeout"),
        (f"postgresql://u:{SECRET}@h/db?connect_timeout=soon", "connect_timeout"),
        (f"postgresql://u:{SECRET}@h/db?target_session_attrs=standby", "target_session_attrs"),
        (f"postgresql://u:{SECRET}@h/db?{SECRET}", "has no value"),
        (f"postgresql://u:{SECRET}@h/db?{SECRET}=1", "unknown name"),
        (f"postgresql://u:{SECRET}@[::1/db", "ADDRESS"),
        (f"postgresql://u:{SECRET}@h", "database"),
        (f"postgresql:u:{SECRET}@h", "begin"),
        (f"postgresql://u:{SECRET}%00@h/db", "NUL"),
        (f"postgresql://u:{SECRET}%FF@h/db", "UTF-8"),
        (f"postgresql://u:{SECRET}\udcff@h/db", "UTF-8"),
    ],
)
def test_a_url_that_cannot_be_used_is_refused_with_its_reason(text: str, reason: str) -> None:
    """The message never contains the password."""
    with pytest.raises(StoreOpenError, match="Its form is postgresql://") as refused:
        parse_postgresql(text)
    assert reason in str(refused.value)
    assert SECRET not in str(refused.value)


_WORDS = st.sampled_from(
    [
        "",
        "a",
        "db",
        "%2Ftmp",
        "%",
        "%00",
        "@",
        ":",
        "[::1]",
        "[",
        ",",
        "1",
        "99999",
        "\udcff",
        "é",
        "#",
        "?",
        "&",
        "=",
        " ",
    ]
)
_NAMES = st.sampled_from(
    """
    host hostaddr port dbname user connect_timeout sslmode sslrootcert target_session_attrs keepalives service options
    channel_binding gssencmode load_balance_hosts require_auth passfile sslnegotiation prepare_threshold context
    row_factory application_name min_protocol_version ssl_min_protocol_version requirepeer sslcert tcp_user_timeout
    """.split()  # noqa: SIM905 - one word a name
)
_VALUES = st.sampled_from(
    ["", "x", "0", "-1", "1,2", "disable", "require", "any", "127.0.0.1", "/nowhere", "%20", "a=b", "ü", "2147483648"]
)
_HOSTS = st.sampled_from(
    ["", "127.0.0.1:1", "[::1]:1", "127.0.0.1:1,127.0.0.1:1", "127.0.0.1:1,", "%2Fnowhere", "@abstract"]
)


@st.composite
def _urls(draw: st.DrawFn) -> str:
    user = draw(st.sampled_from(["", "u@", f"u:{SECRET}@", f"u:{SECRET}@x@", f":{SECRET}@"]))
    hosts = draw(
        st.sampled_from(["", "127.0.0.1:1", "[::1]:1", "127.0.0.1:1,127.0.0.1:1", "127.0.0.1:1,", "%2Fnowhere"])
    )
    path = draw(st.sampled_from(["", "/", "/db", "/d%20b"]))
    query = draw(st.lists(st.tuples(_NAMES, _VALUES), max_size=3))
    junk = draw(st.one_of(st.just(""), _WORDS))
    place = draw(st.integers(0, 3))
    parts = ["postgresql://", user, hosts, path]
    parts.insert(place + 1, junk)
    return "".join(parts) + ("?" + "&".join(f"{name}={value}" for name, value in query) if query else "")


@given(url=_urls())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_url_is_unexpected(url: str, clock: HandClock) -> None:
    """The operator gets a reason: StoreOpenError is exit code 6, and another exception would be a traceback."""
    with pytest.raises(StoreOpenError) as refused:
        open_store(url, clock=clock)
    assert SECRET not in str(refused.value)


@given(text=st.text())
def test_no_text_is_unexpected(text: str) -> None:
    """The text after the scheme is a database, or is refused."""
    for url in (f"postgresql:{text}", f"postgres://{text}", f"postgresql://h/db?{text}"):
        with suppress(StoreOpenError):
            assert parse_postgresql(url).parameters["dbname"]


@pytest.fixture(autouse=True)
def _no_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide the variables of libpq, and resolve no name: a URL without a host leads to a port without a server."""
    for name in [name for name in os.environ if name.startswith("PG")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PGPORT", "1")
    resolve = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", partial(resolve, flags=socket.AI_NUMERICHOST))
