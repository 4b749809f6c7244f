"""The pages that the listener shows, in the design of the portal.

A page is one file without scripts: its style is inline, and its Content-Security-Policy allows that style by hash and
nothing else. Texts are ours; nothing of a request is shown.
"""

import hashlib
from base64 import b64encode

_STYLE = """\
:root{color-scheme:light dark;--page:#f5f6f8;--card:#fff;--ink:#14202b;--soft:#51606e;--line:#d8dee5;--accent:#0b6b74}
@media(prefers-color-scheme:dark){:root{--page:#0e1419;--card:#161e25;--ink:#e6ecf1;--soft:#a3b1bd;--line:#2a3640;\
--accent:#4fc3cd}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);font:1rem/1.55 system-ui,-apple-system,"Segoe UI",Roboto,\
"Helvetica Neue",Arial,sans-serif;-webkit-text-size-adjust:100%}
header,main{max-width:52rem;margin:0 auto;padding:1.1rem 1.25rem}
header{display:flex;align-items:center;gap:.6rem;font-weight:650;font-size:1.1rem;letter-spacing:-.01em}
section{text-align:center;max-width:30rem;margin:12vh auto 0;padding:2.25rem 1.5rem;background:var(--card);\
border:1px solid var(--line);border-radius:.9rem}
h1{font-size:clamp(1.5rem,1.2rem + 1.4vw,2rem);line-height:1.2;letter-spacing:-.02em;margin:.75rem 0 .25rem}
p{margin:.6rem 0}
section svg{fill:none;stroke:var(--accent);stroke-width:3;stroke-linecap:round;stroke-linejoin:round}
.no svg{stroke:var(--soft)}"""
_PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="robots" content="noindex">
<title>{title} · Daypass</title>
<link rel="icon" href="data:,">
<style>{style}</style>
</head>
<body>
<header>{logo} Daypass</header>
<main>
<section class="{kind}">
<svg viewBox="0 0 48 48" width="48" height="48" aria-hidden="true"><circle cx="24" cy="24" r="22"/>{sign}</svg>
<h1>{title}</h1>
<p>{text}</p>
</section>
</main>
</body>
</html>
"""
_LOGO = (
    '<svg class="logo" viewBox="0 0 32 32" width="28" height="28" aria-hidden="true">'
    '<rect x="2" y="6" width="28" height="20" rx="5" fill="#0b6b74"/>'
    '<path d="M20 6v3m0 3v3m0 3v3m0 3v2" stroke="#fff" stroke-width="2" stroke-linecap="round"/>'
    '<circle cx="11" cy="16" r="4.2" fill="#ffd166"/></svg>'
)
_YES = ("yes", '<path d="M14 25l7 7 13-15"/>')
_NO = ("no", '<path d="M17 17l14 14m0-14L17 31"/>')

_HASH = b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_POLICY = (
    f"default-src 'none'; style-src 'sha256-{_HASH}'; img-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
HEADERS = (
    ("Content-Type", "text/html; charset=utf-8"),
    ("Cache-Control", "no-store"),
    ("Content-Security-Policy", _POLICY),
    ("Referrer-Policy", "no-referrer"),
    ("X-Content-Type-Options", "nosniff"),
    ("Connection", "close"),
)


def page(title: str, text: str, *, good: bool = False) -> bytes:
    """Return a page. Its title and its sentence must be our own texts."""
    kind, sign = _YES if good else _NO
    return _PAGE.format(style=_STYLE, logo=_LOGO, title=title, text=text, kind=kind, sign=sign).encode()
