"""Every example of the documentation is executed, parsed, or listed with a reason."""

from itertools import groupby

import pytest
from tests.project.example_blocks import CHECKS, EXECUTED, ROOT, UNCHECKED, Example, examples

_BY_PAGE = {page: list(found) for page, found in groupby(examples(), key=lambda each: each.page)}


@pytest.mark.parametrize("page", sorted(_BY_PAGE))
def test_the_examples_of_a_page_are_checked(page: str) -> None:
    """Each block has a language of the tables, and its check accepts it."""
    wrong = [f"{each}: {problem}" for each in _BY_PAGE[page] if (problem := _problem(each))]
    assert wrong == []


def _problem(example: Example) -> str:
    if example.language in UNCHECKED:
        return ""
    if example.language not in CHECKS:
        return f"the language {example.language!r} has no check in example_blocks.py"
    try:
        CHECKS[example.language](example.text)
    except Exception as error:  # noqa: BLE001 - the parsers of eight languages raise their own
        return f"{type(error).__name__}: {error}"
    return ""


def test_the_tests_that_execute_pages_exist() -> None:
    """Each page of the list exists, and so does its test, which names the page or its package."""
    assert [page for page in EXECUTED if not (ROOT / page).is_file()] == []
    assert [test for test in EXECUTED.values() if not (ROOT / test).is_file()] == []
