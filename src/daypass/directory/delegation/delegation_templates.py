"""Policy templates of delegation requests.

A template is a partner's managed policy with placeholders. Owns the substitution in the parsed document, so that a
value cannot leave its string. A list makes several strings of the one with its placeholder. Source: IAM User Guide,
"Policy templates" of IAM temporary delegation.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

from daypass.directory.entities.delegation_entities import Parameter
from daypass.errors import InvalidInput, MalformedPolicyDocument
from daypass.policy.language.document import DocumentKind, parse_document

LONGEST_POLICY = 2_048
_PLACE = re.compile(r"@\{([^{}]*)\}")


def render_template(template: str, parameters: tuple[Parameter, ...]) -> str:
    """Return the policy of a template with its parameters.

    Raises InvalidInput if the parameters do not match the template.
    """
    values = _values(parameters)
    used: set[str] = set()
    rendered = json.dumps(_fill(json.loads(template), values, used), ensure_ascii=False, separators=(",", ":"))
    unused = sorted(values.keys() - used)
    if unused:
        raise InvalidInput(f"The policy template does not use the parameter {unused[0]}.")
    if len(rendered) > LONGEST_POLICY:
        raise InvalidInput(f"The policy is {len(rendered)} characters long; {LONGEST_POLICY} is the limit.")
    try:
        parse_document(rendered, DocumentKind.IDENTITY)
    except MalformedPolicyDocument as problem:
        raise InvalidInput(f"The template and its parameters make an invalid policy: {problem.message}") from problem
    return rendered


def _values(parameters: tuple[Parameter, ...]) -> Mapping[str, Parameter]:
    values = {parameter.name: parameter for parameter in parameters}
    if len(values) != len(parameters):
        raise InvalidInput("A parameter was passed twice.")
    for parameter in parameters:
        if not parameter.values or (parameter.type == "string" and len(parameter.values) != 1):
            raise InvalidInput(f"The parameter {parameter.name} needs one value, or several as a stringList.")
    return values


def _fill(value: Any, values: Mapping[str, Parameter], used: set[str]) -> Any:
    if isinstance(value, dict):
        return {name: _fill(inner, values, used) for name, inner in value.items()}
    if isinstance(value, list):
        return [filled for inner in value for filled in _several(_fill(inner, values, used))]
    return _fill_text(value, values, used) if isinstance(value, str) else value


def _several(filled: Any) -> list[Any]:
    return filled if isinstance(filled, list) else [filled]


def _fill_text(text: str, values: Mapping[str, Parameter], used: set[str]) -> str | list[str]:
    """Return a string with its placeholders replaced.

    A list makes one string of each of its values.
    """
    places = {name: _get(name, values, used) for name in _PLACE.findall(text)}
    lists = [name for name, parameter in places.items() if parameter.type == "stringList"]
    if len(lists) > 1:
        raise InvalidInput(f"The policy template uses the lists {lists[0]} and {lists[1]} in one string.")
    chosen = {name: parameter.values[0] for name, parameter in places.items()}
    if not lists:
        return _put(text, chosen)
    return [_put(text, {**chosen, lists[0]: value}) for value in places[lists[0]].values]


def _put(text: str, chosen: Mapping[str, str]) -> str:
    # One pass: a placeholder inside a value is not replaced.
    return _PLACE.sub(lambda place: chosen[place[1]], text)


def _get(name: str, values: Mapping[str, Parameter], used: set[str]) -> Parameter:
    if name not in values:
        raise InvalidInput(f"The policy template needs the parameter {name}.")
    used.add(name)
    return values[name]
