"""The documentation site: what Sphinx needs beside the pages.

`make docs` builds it. The pages are plain Markdown, which also reads well without the site. Owns the order of the pages
(SECTIONS) and the translation of links that leave this folder. Leaves the content of generated pages to tests/project.
"""

import posixpath
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

_DOCS = Path(__file__).parent
_ROOT = _DOCS.parent

project = "Daypass"
author = "the Daypass contributors"
copyright = author  # noqa: A001 - Sphinx's name
extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
root_doc = "index"
smartquotes = False  # they would change `--option` and quotes in the help of commands
nitpicky = True
myst_heading_anchors = 4  # links such as page.md#a-heading work, as on a plain view of the files
suppress_warnings = ["misc.highlighting_failure"]  # examples shorten values with an ellipsis, which no lexer knows

html_theme = "furo"
html_title = "Daypass"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False
html_show_search_summary = False  # summaries need a web server, and the site works from a folder too
html_theme_options = {"top_of_page_buttons": []}
templates_path: list[str] = []

# The pages below each page, in order. A page that does not exist yet is left out, and `*` lists the rest of a folder. A
# page in none of these lists is refused by the build.
SECTIONS = {
    "index": [
        "features",
        "installing",
        "getting-started",
        "people",
        "access",
        "services",
        "operating",
        "cookbook/README",
        "integrations/README",
        "integrations/index",
        "developing",
        "reference",
        "security-model",
        "compared",
        "questions",
        "project",
    ],
    "people": [
        "sign-in",
        "command-line",
        "profiles",
        "portal",
        "saml",
        "oidc",
        "oidc-clients",
        "providers/README",
        "propagation",
        "handover",
        "sign-in-security",
    ],
    "providers/README": ["providers/*"],
    "access": [
        "apply",
        "import",
        "coming-from-minio",
        "explaining-denials",
        "scoped-credentials",
        "organization",
        "delegation",
        "account-isolation",
    ],
    "services": ["gateway", "buckets", "proxies", "verify", "resource-servers"],
    "operating": [
        "systemd",
        "container",
        "kubernetes",
        "master-key",
        "postgresql",
        "behind-a-proxy",
        "restarts",
        "monitoring",
        "audit",
        "audit-sinks",
        "backup",
        "checking",
        "upgrading",
        "leaked-keys",
        "tracing",
        "ending-sessions",
        "limits",
        "performance",
        "scaling",
    ],
    "cookbook/README": [
        "cookbook/nginx",
        "cookbook/caddy",
        "cookbook/haproxy",
        "cookbook/systemd",
        "cookbook/postgresql",
        "cookbook/kubernetes",
        "cookbook/monitoring",
        "cookbook/air-gapped",
    ],
    "integrations/README": ["integrations/*"],
    "integrations/index": ["integrations/*"],
    "developing": ["testing", "testing-control"],
    "reference": [
        "commands",
        "settings",
        "errors",
        "actions",
        "inspect",
        "schemas",
        "metrics",
        "audit-fields",
        "api-verify",
        "api-testing",
        "glossary",
    ],
    "project": ["architecture", "tour", "decisions/README", "changelog", "contributing", "reporting", "releasing"],
    "decisions/README": ["decisions/*"],
}

# Pages that stand for a file at the top of the repository: the site shows the file itself.
_WHOLE_FILES = {"changelog": "CHANGELOG.md", "contributing": "CONTRIBUTING.md", "reporting": "SECURITY.md"}
_PAGES_OF_FILES = {file: page for page, file in _WHOLE_FILES.items()}
_PARTS_OF_THE_SITE = {".md", ".json", ".svg", ".png"}
_FENCE = re.compile(r"^(```+|~~~+).*?^\1[ \t]*$", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"\[((?:[^\[\]]|\[[^\[\]]*\])*)\]\(([^()\s]+)\)")


def children(page: str) -> list[str]:
    """Return the pages below a page that exist."""
    found: list[str] = []
    for name in SECTIONS.get(page, ()):
        if name.endswith("/*"):
            files = sorted((_DOCS / name).parent.glob("*.md"))
            names = [file.relative_to(_DOCS).with_suffix("").as_posix() for file in files]
            found += [each for each in names if each != page]
        elif (_DOCS / f"{name}.md").exists():
            found.append(name)
    return found


def translated(text: str, folder: str) -> str:
    """Return Markdown whose links out of docs lead to a page of the site, or are only their words.

    `folder` is the place of the file below the top of the repository, such as `docs/providers`.
    """

    def link(match: re.Match[str]) -> str:
        words, target = match.groups()
        if re.match(r"[a-z]+:|#", target):
            return match[0]
        path, _, anchor = target.partition("#")
        whole = posixpath.normpath(posixpath.join(folder, path))
        if whole in _PAGES_OF_FILES:
            return f"[{words}](/{_PAGES_OF_FILES[whole]}.md{'#' if anchor else ''}{anchor})"
        if whole.startswith("docs/") and posixpath.splitext(whole)[1] in _PARTS_OF_THE_SITE:
            place = f"/{whole.removeprefix('docs/')}"
            return f"[{words}]({place}{'#' if anchor else ''}{anchor})"
        return words

    return _outside_of_code(text, lambda prose: _LINK.sub(link, prose))


def _outside_of_code(text: str, change: Callable[[str], str]) -> str:
    parts: list[str] = []
    place = 0
    for fence in _FENCE.finditer(text):
        parts += [change(text[place : fence.start()]), fence[0]]
        place = fence.end()
    return "".join([*parts, change(text[place:])])


def read_source(app: Any, page: str, content: list[str]) -> None:  # noqa: ARG001 - Sphinx's signature
    """Replace a page that stands for a file, translate links, and add the list of pages below."""
    text, folder = content[0], posixpath.join("docs", posixpath.dirname(page)).rstrip("/")
    if page in _WHOLE_FILES:
        text, folder = (_ROOT / _WHOLE_FILES[page]).read_text(encoding="utf-8"), "."
    text = translated(text, folder)
    if below := children(page):
        listed = "\n".join(f"/{each}" for each in below)
        text += f"\n\n```{{toctree}}\n:hidden:\n:maxdepth: 2\n\n{listed}\n```\n"
    content[0] = text


exclude_patterns: list[str] = []


def setup(app: Any) -> dict[str, bool]:
    """Connect the translation to Sphinx."""
    app.connect("source-read", read_source)
    return {"parallel_read_safe": True}
