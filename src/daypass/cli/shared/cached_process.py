"""The document of `daypass credential-process`.

It does not import click: see entry.py.
"""

import json

from daypass.cli.shared.selection import Selection, select
from daypass.client.credentials import process_form
from daypass.client.sessions.get_credentials import find_cached


def document_of(selection: Selection) -> str:
    """Return the selected credentials as a credential process prints them."""
    return json.dumps(process_form(selection.get_credentials().credentials))


def find_cached_document(profile: str) -> str | None:
    """Return the document for a profile, or None if it is not cached.

    Only files are read: no other program or server is called, and no file is changed.
    """
    selection = select("role", {"profile": profile, "endpoint_url": "", "region": ""})
    found = find_cached(selection.request, selection.client_context)
    return None if found is None else json.dumps(process_form(found.credentials))
