"""The files of packaging/monitoring name metrics and labels that exist, and the alerts are raised as they say."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from daypass.metrics.gateway_table import GATEWAY_METRICS
from daypass.metrics.table import METRICS

FOLDER = Path(__file__).parents[2] / "packaging" / "monitoring"
_NAME = re.compile(r"\b((?:daypass|process)_[a-z_]+)(?:\{([^}]*)\})?")
_GROUPED = re.compile(r"\bby \(([^)]*)\)")
_ROWS = {**METRICS, **GATEWAY_METRICS}
_OWN = {"job", "instance", "le"}  # of Prometheus itself


def _alerts() -> list[dict[str, Any]]:
    document = yaml.safe_load((FOLDER / "alerts.yaml").read_text(encoding="utf-8"))
    return [rule for group in document["groups"] for rule in group["rules"]]


def _dashboard() -> dict[str, Any]:
    document: dict[str, Any] = json.loads((FOLDER / "grafana-dashboard.json").read_text(encoding="utf-8"))
    return document


def _expressions() -> Iterator[str]:
    for rule in _alerts():
        yield rule["expr"]
    for panel in _dashboard()["panels"]:
        for target in panel.get("targets", ()):
            yield target["expr"]
    for variable in _dashboard()["templating"]["list"]:
        yield variable["query"]


def _labels_of(expression: str) -> tuple[set[str], set[str]]:
    """Return the metrics of an expression, and the labels that it uses."""
    metrics, labels = set[str](), set[str]()
    for name, matchers in _NAME.findall(expression):
        metrics.add(name if name in _ROWS else re.sub(r"_(bucket|count|sum)$", "", name))
        labels |= set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", matchers))
    for names in _GROUPED.findall(expression):
        labels |= {each.strip() for each in names.split(",")}
    return metrics, labels


@pytest.mark.parametrize("expression", sorted(set(_expressions())))
def test_every_metric_and_label_exists(expression: str) -> None:
    """A typing error in a dashboard is an empty panel, and one in an alert is silence."""
    metrics, labels = _labels_of(expression)
    unknown = metrics - set(_ROWS)
    assert not unknown - ({"datasource"} if expression == "prometheus" else set())
    known = {label for name in metrics for label in _ROWS[name].labels}
    assert labels <= known | _OWN


def test_legends_name_labels_that_the_query_keeps() -> None:
    """A label that a sum drops would be an empty word in the legend."""
    for panel in _dashboard()["panels"]:
        for target in panel.get("targets", ()):
            named = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
            kept = {each.strip() for names in _GROUPED.findall(target["expr"]) for each in names.split(",")}
            assert named <= kept or not re.match(r"(sum|count|min|max|histogram)", target["expr"]), panel["title"]


def test_a_dashboard_has_room_for_its_panels() -> None:
    """Panels have their own numbers, and do not overlap."""
    panels = _dashboard()["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken = set[tuple[int, int]]()
    for panel in panels:
        place = panel["gridPos"]
        cells = {(place["x"] + right, place["y"] + down) for right in range(place["w"]) for down in range(place["h"])}
        assert not cells & taken
        taken |= cells
        assert place["x"] + place["w"] <= 24


def test_every_alert_says_what_to_do() -> None:
    """A message at night has a summary, a next step and a severity, and docs/monitoring.md has a row for it."""
    page = (FOLDER.parents[1] / "docs" / "monitoring.md").read_text(encoding="utf-8")
    for rule in _alerts():
        assert rule["labels"]["severity"] in {"critical", "warning"}
        assert {"summary", "description"} == set(rule["annotations"])
        assert f"| `{rule['alert']}` |" in page
    assert set(re.findall(r"\| `(Daypass\w+)` \|", page)) == {rule["alert"] for rule in _alerts()}


def test_every_alert_is_raised_in_a_test() -> None:
    """Each alert has a case of promtool in which it comes."""
    tests = yaml.safe_load((FOLDER / "alerts_test.yaml").read_text(encoding="utf-8"))["tests"]
    raised = {each["alertname"] for case in tests for each in case["alert_rule_test"] if each["exp_alerts"]}
    assert raised == {rule["alert"] for rule in _alerts()}


@pytest.mark.component("promtool")
@pytest.mark.parametrize("words", [("check", "rules", "alerts.yaml"), ("test", "rules", "alerts_test.yaml")])
def test_the_rules_are_valid_and_fire(words: tuple[str, ...]) -> None:
    """Prometheus's own tool reads the rules, and raises each tested alert at its time and not earlier."""
    done = subprocess.run(["promtool", *words], cwd=FOLDER, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
