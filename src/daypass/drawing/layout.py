"""Lay out a layered graph: a principal is left of the roles it can assume.

Owns the layout, in four steps after Sugiyama:
1. Choose layers by the longest chain; arrows against the flow are temporarily reversed.
2. Order each layer by the average position of the neighbours.
3. Choose positions that keep the order and are near the neighbours.
4. Route long arrows: they get an invisible box in each layer that they cross, so that they run between boxes and not
  under them.
"""

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple


class Bend(NamedTuple):
    """The invisible box of a long arrow in a layer that it crosses."""

    source: str
    target: str
    layer: int


Arrow = tuple[str, str]
Name = str | Bend
Link = tuple[Name, Name]

BOX_WIDTH, BOX_HEIGHT = 232.0, 48.0
LAYER_GAP, BOX_GAP, LANE = 150.0, 20.0, 14.0
_SWEEPS = 12


@dataclass(frozen=True, slots=True)
class Box:
    """The upper left corner of a box."""

    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Layout:
    """Boxes by name, and the points of each arrow from source to target."""

    boxes: Mapping[str, Box]
    paths: Mapping[Arrow, tuple[tuple[float, float], ...]]
    width: float
    height: float


def lay_out(names: Sequence[str], arrows: Sequence[Arrow], *, leftmost: AbstractSet[str] = frozenset()) -> Layout:
    """Return the positions of boxes and arrows.

    Names and arrows are unique; an arrow to itself gets no path. `leftmost`, the first layer, has no incoming arrows.
    """
    turned = _against_the_flow(names, arrows)
    forward = [(b, a) if (a, b) in turned else (a, b) for a, b in arrows if a != b]
    forward = list(dict.fromkeys(forward))
    layer_of = _layers(names, forward, leftmost)
    chains = {arrow: _chain(arrow, layer_of) for arrow in forward}
    links = [pair for chain in chains.values() for pair in pairwise(chain)]
    bends = {bend: bend.layer for chain in chains.values() for bend in chain if isinstance(bend, Bend)}
    everything: dict[Name, int] = dict([*layer_of.items(), *bends.items()])
    layers = _ordered(everything, links)
    centre = _places(layers, links)
    boxes = {name: Box(layer_of[name] * (BOX_WIDTH + LAYER_GAP), centre[name] - BOX_HEIGHT / 2) for name in names}
    ports = _ports(chains, centre)
    paths: dict[Arrow, tuple[tuple[float, float], ...]] = {}
    for a, b in arrows:
        if a != b:
            arrow = (b, a) if (a, b) in turned else (a, b)
            points = _points(chains[arrow], arrow, layer_of, centre, ports)
            paths[a, b] = points if arrow == (a, b) else points[::-1]
    width = (max(layer_of.values(), default=0) + 1) * (BOX_WIDTH + LAYER_GAP) - LAYER_GAP
    return Layout(boxes, paths, width, max((box.y for box in boxes.values()), default=0.0) + BOX_HEIGHT)


def _against_the_flow(names: Sequence[str], arrows: Iterable[Arrow]) -> set[Arrow]:
    """Return the arrows that close a cycle.

    Without recursion, because chains of roles may be long.
    """
    following: dict[str, list[str]] = {name: [] for name in names}
    entered = dict.fromkeys(names, 0)
    for a, b in arrows:
        if a != b:
            following[a].append(b)
            entered[b] += 1
    turned: set[Arrow] = set()
    state: dict[str, int] = {}
    # Names without incoming arrows are first, so that the flow begins there.
    for start in sorted(names, key=lambda name: entered[name] > 0):
        if start in state:
            continue
        state[start] = 1
        stack = [(start, iter(following[start]))]
        while stack:
            name, rest = stack[-1]
            step = next(rest, None)
            if step is None:
                state[name] = 2
                stack.pop()
            elif state.get(step) == 1:
                turned.add((name, step))
            elif step not in state:
                state[step] = 1
                stack.append((step, iter(following[step])))
    return turned


def _layers(names: Sequence[str], forward: Sequence[Arrow], leftmost: AbstractSet[str]) -> dict[str, int]:
    """Return the length of the longest chain that ends at each name."""
    layer = dict.fromkeys(names, 0)
    waiting = dict.fromkeys(names, 0)
    following: dict[str, list[str]] = {name: [] for name in names}
    for a, b in forward:
        waiting[b] += 1
        following[a].append(b)
    ready = [name for name in names if not waiting[name]]
    while ready:
        name = ready.pop()
        for step in following[name]:
            layer[step] = max(layer[step], layer[name] + 1)
            waiting[step] -= 1
            if not waiting[step]:
                ready.append(step)
    # A chain starts directly before its first name, not far left.
    entered = {b for _, b in forward}
    for name in names:
        if name not in entered and name not in leftmost and following[name]:
            layer[name] = min(layer[step] for step in following[name]) - 1
    return layer


def _chain(arrow: Arrow, layer_of: Mapping[str, int]) -> list[Name]:
    a, b = arrow
    return [a, *(Bend(a, b, layer) for layer in range(layer_of[a] + 1, layer_of[b])), b]


def _ordered(layer_of: Mapping[Name, int], links: Sequence[Link]) -> list[list[Name]]:
    """Return the names of each layer in an order with few crossings."""
    layers: list[list[Name]] = [[] for _ in range(max(layer_of.values(), default=-1) + 1)]
    for name, layer in layer_of.items():
        layers[layer].append(name)
    before, after = _neighbours(links)
    for sweep in range(_SWEEPS):
        neighbours, order = (before, layers) if sweep % 2 == 0 else (after, layers[::-1])
        place = {name: at for column in layers for at, name in enumerate(column)}
        for column in order:
            wish = {name: _mean([place[other] for other in neighbours.get(name, ())], place[name]) for name in column}
            column.sort(key=wish.__getitem__)
            place.update({name: at for at, name in enumerate(column)})
    return layers


def _neighbours(links: Sequence[Link]) -> tuple[dict[Name, list[Name]], dict[Name, list[Name]]]:
    before: dict[Name, list[Name]] = {}
    after: dict[Name, list[Name]] = {}
    for a, b in links:
        before.setdefault(b, []).append(a)
        after.setdefault(a, []).append(b)
    return before, after


def _places(layers: Sequence[list[Name]], links: Sequence[Link]) -> dict[Name, float]:
    """Return the vertical centre of each name."""
    before, after = _neighbours(links)
    centre: dict[Name, float] = {}
    for layer in layers:
        centre.update(zip(layer, _spread(layer, [0.0] * len(layer)), strict=True))
    for sweep in range(_SWEEPS):
        neighbours, order = (before, layers) if sweep % 2 == 0 else (after, layers[::-1])
        for layer in order:
            wishes = [_mean([centre[other] for other in neighbours.get(name, ())], centre[name]) for name in layer]
            centre.update(zip(layer, _spread(layer, wishes), strict=True))
    top = min((centre[name] - _height(name) / 2 for layer in layers for name in layer), default=0.0)
    return {name: y - top for name, y in centre.items()}


def _spread(layer: Sequence[Name], wishes: Sequence[float]) -> list[float]:
    """Return the positions nearest to the wishes that keep order and distance.

    The method is isotonic regression with pooling.
    """
    offsets, at = [], 0.0
    for index, name in enumerate(layer):
        at += 0.0 if index == 0 else (_height(layer[index - 1]) + _height(name)) / 2 + BOX_GAP
        offsets.append(at)
    pools: list[list[float]] = []  # sum of wishes, number of names
    for wish, offset in zip(wishes, offsets, strict=True):
        pools.append([wish - offset, 1.0])
        while len(pools) > 1 and pools[-2][0] / pools[-2][1] > pools[-1][0] / pools[-1][1]:
            total, count = pools.pop()
            pools[-1][0] += total
            pools[-1][1] += count
    flat = [pool[0] / pool[1] for pool in pools for _ in range(int(pool[1]))]
    return [value + offset for value, offset in zip(flat, offsets, strict=True)]


def _ports(chains: Mapping[Arrow, Sequence[Name]], centre: Mapping[Name, float]) -> dict[tuple[Name, Arrow], float]:
    """Return the end points of arrows on the sides of boxes.

    Each arrow gets its own point.
    """
    sides: dict[tuple[Name, bool], list[tuple[float, Arrow]]] = {}
    for arrow, chain in chains.items():
        sides.setdefault((chain[0], True), []).append((centre[chain[1]], arrow))
        sides.setdefault((chain[-1], False), []).append((centre[chain[-2]], arrow))
    ports: dict[tuple[Name, Arrow], float] = {}
    for (name, _), arrows in sides.items():
        arrows.sort(key=lambda one: one[0])
        step = min(10.0, (BOX_HEIGHT - 12) / max(1, len(arrows)))
        for at, (_, arrow) in enumerate(arrows):
            ports[name, arrow] = centre[name] + (at - (len(arrows) - 1) / 2) * step
    return ports


def _points(
    chain: Sequence[Name],
    arrow: Arrow,
    layer_of: Mapping[str, int],
    centre: Mapping[Name, float],
    ports: Mapping[tuple[Name, Arrow], float],
) -> tuple[tuple[float, float], ...]:
    first, last = layer_of[arrow[0]], layer_of[arrow[1]]
    left = first * (BOX_WIDTH + LAYER_GAP) + BOX_WIDTH
    points = [(left, ports[chain[0], arrow])]
    for layer, bend in enumerate(chain[1:-1], start=first + 1):
        x = layer * (BOX_WIDTH + LAYER_GAP)
        points += [(x, centre[bend]), (x + BOX_WIDTH, centre[bend])]
    points.append((last * (BOX_WIDTH + LAYER_GAP), ports[chain[-1], arrow]))
    return tuple(points)


def _height(name: Name) -> float:
    return LANE if isinstance(name, Bend) else BOX_HEIGHT


def _mean(values: Sequence[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise
