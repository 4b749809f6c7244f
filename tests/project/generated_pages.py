"""Write every generated page of the documentation.

Owns the list of pages. `.venv/bin/python -m tests.project.generated_pages` writes them all.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

from tests.project import actions_page, api_page, commands_page, errors_page, settings_page

PAGES: Mapping[Path, Callable[[], str]] = {
    actions_page.PAGE: actions_page.page,
    api_page.TESTING_PAGE: api_page.testing_page,
    api_page.VERIFY_PAGE: api_page.verify_page,
    commands_page.PAGE: commands_page.page,
    errors_page.PAGE: errors_page.page,
    settings_page.PAGE: settings_page.page,
}

if __name__ == "__main__":
    for path, page in PAGES.items():
        path.write_text(page(), encoding="utf-8")
