"""The SAML login options that the sign-in page lists.

Owns the displayed data of a provider: the host that the browser is sent to, and a label that the operator chose, never
a name that an account chose. A provider of many accounts is listed once.

* The providers of each account are loaded separately, and only their summaries are cached. A page's cost does not
  depend on the size of the metadata, and a change does not reload other accounts' metadata.
* The list is built once after a change, not for each request.
* The operator's settings name a provider by its entity ID, which any account may register too. Providers with one
  entity ID and several addresses have rivals, and the settings do not count for them.
* If there are more providers than a page lists, accounts take turns, so that one account cannot fill the page. A link
  to a provider works even if the page does not list it.
"""

import hashlib
import re
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import chain, islice, zip_longest
from urllib.parse import urlsplit

from daypass.directory import records
from daypass.directory.entities.saml_entities import MetadataSummary, SamlProvider
from daypass.directory.identity import load_accounts_with
from daypass.directory.loader_marks import keeps_little
from daypass.directory.store import Reader, Views
from daypass.federation.saml.requests.authn_request import POST, REDIRECT
from daypass.operations.saml_summaries import find_summary

_BATCH = 5  # records in memory at the same time: each contains a whole metadata document
_MOST = 500
_LOOPBACK = {"127.0.0.1", "::1", "localhost"}
_ADDRESS = re.compile(
    r"https?://(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\])(?::[0-9]{1,5})?(?:[/?][A-Za-z0-9._~:/?\[\]@!$&'()*+,;=%-]*)?"
)


@dataclass(frozen=True, slots=True)
class SamlLoginOption:
    """One SAML login option. `post` is empty if the browser can be redirected."""

    key: str
    entity_id: str
    host: str
    redirect: str
    post: str
    accounts: tuple[str, ...]
    label: str = ""
    logo: str = ""
    order: int = 0
    has_rivals: bool = False

    @property
    def address(self) -> str:
        """The address to which the browser is sent."""
        return self.redirect or self.post

    @property
    def path(self) -> str:
        """The rest of the address: it distinguishes several providers of one host."""
        return self.address.partition("://")[2].removeprefix(self.host)


@dataclass(frozen=True, slots=True)
class RegisteredLoginOption:
    """One account's registration of a SAML provider."""

    option: SamlLoginOption
    created: datetime


@keeps_little
def load_account_options(reader: Reader, account: str) -> tuple[RegisteredLoginOption, ...]:
    """Return the SAML providers of one account that have a sign-on address."""
    providers = records.each(reader, SamlProvider, account, batch=_BATCH)
    return tuple(
        RegisteredLoginOption(option, each.created) for each in providers if (option := option_of(each)) is not None
    )


@keeps_little
def load_sign_of_change(reader: Reader) -> object:
    """Return an object that is replaced when any SAML provider changes.

    It may be created, updated or deleted, in any account.
    """
    reader.page(records.kind_name(SamlProvider), None, limit=1)
    return object()


@dataclass(frozen=True, slots=True)
class _Merged:
    """All registered providers at the time when `sign` was read."""

    sign: object
    registered: Mapping[str, Sequence[RegisteredLoginOption]]
    options: Mapping[str, SamlLoginOption]
    listed: tuple[SamlLoginOption, ...]


class SamlLoginOptions:
    """The SAML login options of all accounts, built once after each change."""

    def __init__(self) -> None:
        self._merging = threading.Lock()
        self._merged = _Merged(object(), {}, {}, ())

    def listed(self, views: Views) -> tuple[SamlLoginOption, ...]:
        """Return the login options that the sign-in page lists, sorted by host."""
        return self._fresh(views).listed

    def find(self, views: Views, key: str) -> SamlLoginOption | None:
        """Return the login option of a link, or None. The page may omit it."""
        return self._fresh(views).options.get(key)

    def _fresh(self, views: Views) -> _Merged:
        # Read the sign first: a later change then causes another merge.
        sign = views.get(load_sign_of_change)
        if self._merged.sign is sign:
            return self._merged
        with self._merging:
            if self._merged.sign is not sign:
                self._merged = _merge(sign, self._merged, views)
            return self._merged


def _merge(sign: object, before: _Merged, views: Views) -> _Merged:
    """Return the current providers. Only changed accounts are merged again."""
    registered = _registered(views)
    accounts = registered.keys() | before.registered.keys()
    changed = [account for account in accounts if registered.get(account) is not before.registered.get(account)]
    touched = {
        each.option.key
        for account in changed
        for now in (registered, before.registered)
        for each in now.get(account, ())
    }
    every = registered.values()
    kept = {key: option for key, option in before.options.items() if key not in touched}
    options = kept | _alike(each for each in chain.from_iterable(every) if each.option.key in touched)
    keys = dict.fromkeys(each.option.key for each in _in_turns(list(every)))
    rivals = _with_rivals(options.values())
    shown = (
        replace(options[key], has_rivals=True) if options[key].entity_id in rivals else options[key]
        for key in islice(keys, _MOST)
    )
    listed = tuple(
        sorted(shown, key=lambda option: (option.order, (option.label or option.host).lower(), option.entity_id))
    )
    return _Merged(sign, registered, options, listed)


def _with_rivals(options: Iterable[SamlLoginOption]) -> set[str]:
    """Return the entity IDs that were registered with several addresses."""
    # An account could otherwise register its own address under the name that the operator gave to another provider.
    addresses: dict[str, str] = {}
    return {each.entity_id for each in options if addresses.setdefault(each.entity_id, each.address) != each.address}


def _registered(views: Views) -> dict[str, Sequence[RegisteredLoginOption]]:
    accounts = views.get(load_accounts_with, records.kind_name(SamlProvider))
    every = ((account, views.get(load_account_options, account)) for account in accounts)
    # If one turn is longer than a page, a hash decides, which tenants cannot choose.
    return dict(sorted(((account, options) for account, options in every if options), key=lambda pair: _place(pair[0])))


def _place(account: str) -> bytes:
    return hashlib.sha256(account.encode()).digest()


def _in_turns(every: Sequence[Sequence[RegisteredLoginOption]]) -> Iterator[RegisteredLoginOption]:
    """Yield the first provider of each account, then the second of each, and so on."""
    for turn in zip_longest(*every):
        yield from (each for each in turn if each is not None)


def _alike(every: Iterable[RegisteredLoginOption]) -> dict[str, SamlLoginOption]:
    """Return each provider once, with its accounts in order of registration."""
    found: dict[str, list[RegisteredLoginOption]] = {}
    for each in every:
        found.setdefault(each.option.key, []).append(each)
    return {key: _joined(sorted(alike, key=lambda each: each.created)) for key, alike in found.items()}


def _joined(alike: Sequence[RegisteredLoginOption]) -> SamlLoginOption:
    """Return one option of the same provider in several accounts."""
    accounts = dict.fromkeys(account for each in alike for account in each.option.accounts)
    shown = next((each.option for each in alike if each.option.label or each.option.logo), alike[0].option)
    return replace(shown, accounts=tuple(accounts))


def option_of(provider: SamlProvider) -> SamlLoginOption | None:
    """Return the login option of one provider, or None without an address."""
    summary = find_summary(provider)
    if summary is None:
        return None
    redirect, post = _location(summary, REDIRECT), _location(summary, POST)
    if not (redirect or post):
        return None
    name = f"{provider.entity_id}\n{redirect}\n{post}"
    key = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    host = urlsplit(redirect or post).netloc
    return SamlLoginOption(
        key,
        provider.entity_id,
        host,
        redirect,
        "" if redirect else post,
        (provider.account,),
        provider.label,
        provider.logo,
        provider.order,
    )


def _location(summary: MetadataSummary, binding: str) -> str:
    """Return the sign-on address of a provider, or "" if it is not a web address."""
    location = dict(summary.sign_on).get(binding, "")
    if not _ADDRESS.fullmatch(location):
        return ""
    try:
        parts = urlsplit(location)
    except ValueError:
        return ""
    return location if parts.scheme == "https" or parts.hostname in _LOOPBACK else ""
