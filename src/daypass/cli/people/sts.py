"""`daypass sts OPERATION`: call any operation of STS.

Owns parsing the parameters of the AWS CLI by botocore's service model: `--role-arn X`, lists as several words,
structures as JSON or as Key=…,Value=…, `file://` and `fileb://`. output.py prints the response.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import click

from daypass.cli.shared.output import output_option, query_option, show
from daypass.cli.shared.selection import means_of, select
from daypass.cli.shared.session_options import CODE, HOW, PLACE
from daypass.cli.shared.session_options import options as with_options
from daypass.client.credential_request import CredentialRequest
from daypass.client.credentials import Credentials
from daypass.client.problems import BadUsageError
from daypass.client.sessions.client_context import ClientContext
from daypass.client.sessions.get_credentials import get_credentials, with_endpoint
from daypass.client.text_format import printable


@click.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": True})
@click.argument("operation")
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="[--PARAMETER VALUE]...")
@with_options(PLACE, CODE, HOW)
@click.option("--cli-input-json", default="", metavar="JSON", help="All parameters as one JSON object, or file://PATH.")
@output_option
@query_option
def command(
    *, operation: str, words: tuple[str, ...], cli_input_json: str, output: str, query: str, **given: Any
) -> None:
    """Call an OPERATION of STS, such as assume-role.

    The parameters are the same as in the AWS CLI.
    """
    from daypass.client.sessions.sts_call import CallSigner, call, connect

    name, shape, signed = _find_operation(operation)
    parameters = _parameters(shape, words, cli_input_json)
    signer, endpoint_url, region = CallSigner(unsigned=True), given["endpoint_url"], given["region"]
    if signed:
        selection = select("role", dict(given))
        request = with_endpoint(selection.request, selection.client_context)
        endpoint_url, region = request.endpoint_url, request.region
        signer = CallSigner(credentials=_keys(request, selection.client_context))
    else:
        client_context = means_of({})
        request = with_endpoint(CredentialRequest("keys", given["profile"], endpoint_url, region), client_context)
        endpoint_url, region = request.endpoint_url, request.region
    show(call(connect("sts", signer, endpoint_url=endpoint_url, region=region), name, parameters), output, query)


def _keys(request: CredentialRequest, client_context: ClientContext) -> Credentials:
    return get_credentials(request, client_context).credentials


def _find_operation(operation: str) -> tuple[str, Any, bool]:
    """Return an operation's name in AWS, its parameters' shape, and whether it is signed."""
    from botocore import UNSIGNED, xform_name

    from daypass.client.sessions.sts_call import open_session

    model = open_session().get_service_model("sts")
    names = {xform_name(name, "-"): name for name in model.operation_names}
    if operation not in names:
        raise BadUsageError(f"STS has no operation {operation!r}. Use one of {', '.join(sorted(names))}.")
    found = model.operation_model(names[operation])
    return names[operation], found.input_shape, found.auth_type not in {"none", UNSIGNED}


def _parameters(shape: Any, words: Sequence[str], document: str) -> dict[str, Any]:
    from botocore import xform_name

    members = {xform_name(name, "-"): (name, member) for name, member in shape.members.items()} if shape else {}
    found: dict[str, Any] = _read_json(_from_file(document), "--cli-input-json") if document else {}
    for option, values in _grouped(words):
        negated = option.startswith("no-") and option.removeprefix("no-") in members
        name, member = members.get(option.removeprefix("no-") if negated else option, ("", None))
        if member is None:
            known = ", ".join(f"--{each}" for each in members) or "none"
            raise BadUsageError(f"Parameter --{printable(option)} does not exist. Use one of: {known}.")
        if member.type_name == "boolean" and not values:
            found[name] = not negated
            continue
        if not values:
            raise BadUsageError(f"--{option} needs a value.")
        found[name] = _read(member, values, option)
    return found


def _grouped(words: Sequence[str]) -> list[tuple[str, list[str]]]:
    groups: list[tuple[str, list[str]]] = []
    for word in words:
        if word.startswith("--") and len(word) > 2:  # noqa: PLR2004 - more than the dashes
            option, sign, value = word[2:].partition("=")
            groups.append((option, [value] if sign else []))
        elif groups:
            groups[-1][1].append(word)
        else:
            raise BadUsageError(f"{printable(word)!r} does not follow a --parameter.")
    return groups


def _read(member: Any, values: Sequence[str], option: str) -> Any:
    values = [_from_file(value) for value in values]
    if member.type_name == "list":
        if values[0].lstrip().startswith("["):
            return _read_json(" ".join(values), option)
        if member.member.type_name != "structure":
            return [_read_scalar(member.member, value, option) for value in values]
        return [_read_structure(member.member, value, option) for value in values]
    if len(values) > 1:
        raise BadUsageError(f"--{option} takes one value. Put it in quotation marks.")
    if member.type_name == "structure":
        return _read_structure(member, values[0], option)
    return _read_scalar(member, values[0], option)


def _read_structure(shape: Any, value: str, option: str) -> dict[str, Any]:
    if value.lstrip().startswith("{"):
        return dict(_read_json(value, option))
    found: dict[str, Any] = {}
    for part in value.split(","):
        key, sign, text = part.partition("=")
        if not sign or key not in shape.members:
            known = "=…,".join(shape.members) + "=…"
            raise BadUsageError(f"--{option} takes {known} or JSON, not {printable(value)!r}.")
        found[key] = _read_scalar(shape.members[key], text, option)
    return found


def _whole(text: str) -> int:
    if not text.removeprefix("-").isdigit():
        raise ValueError(text)
    return int(text)


def _truth(text: str) -> bool:
    return {"true": True, "false": False}[text.lower()]


_SCALARS: Mapping[str, Callable[[str], Any]] = MappingProxyType(
    {"integer": _whole, "long": _whole, "boolean": _truth, "string": str}
)


def _read_scalar(shape: Any, value: str, option: str) -> Any:
    try:
        return _SCALARS.get(shape.type_name, str)(value)
    except (ValueError, KeyError) as error:
        raise BadUsageError(f"--{option} takes a value of type {shape.type_name}, not {printable(value)!r}.") from error


def _read_json(text: str, option: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadUsageError(f"{option} is not valid JSON: {printable(error)}.") from error


def _from_file(value: str) -> str:
    for prefix in ("file://", "fileb://"):
        if value.startswith(prefix):
            try:
                return Path(value.removeprefix(prefix)).expanduser().read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                why = getattr(error, "strerror", "it is not UTF-8 text")
                raise BadUsageError(f"{value} cannot be read: {why}.") from error
    return value
