"""The summary of a trust graph as SVG.

Boxes are accounts, and arrows have numbers. The picture says that it is a summary, and how a part is drawn. It has the
style and the layout of trust_svg.py.
"""

from collections.abc import Iterator

from daypass.authorize.trust_summary import Summary, SummaryBox
from daypass.drawing.layout import BOX_HEIGHT, BOX_WIDTH, Box, Layout, lay_out
from daypass.drawing.trust_svg import MARGIN, STYLE, TOP, escape, line_and_tip

_LEAST_WIDTH = 900.0
_COUNT_STYLE = ".count{fill:var(--ink,#1f2937);font-size:11px}"  # the colour of .label means a condition


def draw_summary(summary: Summary, *, heading: bool) -> str:
    """Return the picture, with a heading and a background for its own file."""
    named = {box.id for box in summary.boxes}
    entered = {target for _, target in summary.arrows}
    layout = lay_out([box.id for box in summary.boxes], list(summary.arrows), leftmost=named - entered)
    top = TOP if heading else 26.0
    width, height = max(layout.width + 2 * MARGIN, _LEAST_WIDTH), layout.height + top + MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}"',
        f'width="{width:.0f}" height="{height:.0f}" role="img" aria-labelledby="graph-title graph-desc">',
        '<title id="graph-title">Who can assume which role: a summary</title>',
        f'<desc id="graph-desc">{escape(describe_summary(summary))}</desc>',
        f"<style>{STYLE}{_COUNT_STYLE}</style>",
    ]
    if heading:
        parts.append(f'<rect class="page" width="{width:.0f}" height="{height:.0f}"/>')
        parts.append(f'<text class="head" x="{MARGIN:.0f}" y="30">Who can assume which role: a summary</text>')
        parts.append(f'<text class="legend" x="{MARGIN:.0f}" y="54">{escape(_numbers(summary))}</text>')
        parts.append(f'<text class="legend" x="{MARGIN:.0f}" y="72">{escape(summary.hint)}</text>')
    parts.append(f'<g transform="translate({MARGIN:.0f} {top:.0f})">')
    parts += _arrows(summary, layout)
    parts += [_box(box, layout.boxes[box.id]) for box in summary.boxes]
    parts.append("</g></svg>")
    return "\n".join(parts) + "\n"


def describe_summary(summary: Summary) -> str:
    """Return a description of the picture, and the way to a part of it."""
    return f"The graph is too large for one picture. {_numbers(summary)} {summary.hint}"


def _numbers(summary: Summary) -> str:
    return f"Each number counts {summary.counted}."


def _arrows(summary: Summary, layout: Layout) -> Iterator[str]:
    for (source, target), number in sorted(summary.arrows.items()):
        run = layout.paths.get((source, target))
        line, tip = line_and_tip(run, layout.boxes[source])
        x, y = (layout.boxes[source].x + BOX_WIDTH, layout.boxes[source].y - 6) if run is None else run[-1]
        yield (
            f'<g class="edge" data-from="{escape(source)}" data-to="{escape(target)}" tabindex="0" role="img">'
            f"<title>{escape(f'{source} → {target}: {number:,}')}</title>"
            f'<path class="wide" d="{line}"/><path class="arrow" d="{line}"/><path class="tip" d="{tip}"/>'
            f'<text class="label count" x="{x - 14:.0f}" y="{y - 6:.0f}" text-anchor="end">{number:,}</text></g>'
        )


def _box(box: SummaryBox, place: Box) -> str:
    return (
        f'<g class="node" data-node="{escape(box.id)}" tabindex="0" role="img" '
        f'transform="translate({place.x:.1f} {place.y:.1f})"><title>{escape(f"{box.name}: {box.note}")}</title>'
        f'<rect class="box" width="{BOX_WIDTH:.0f}" height="{BOX_HEIGHT:.0f}" rx="5"/>'
        f'<text class="name" x="14" y="21">{escape(box.name[:30])}</text>'
        f'<text class="kind" x="14" y="37">{escape(box.note)}</text></g>'
    )
