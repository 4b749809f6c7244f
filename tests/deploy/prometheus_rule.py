"""Write the alerts of packaging/monitoring as a resource of the Prometheus operator.

`.venv/bin/python -m tests.deploy.prometheus_rule` writes it.
"""

from pathlib import Path

_PACKAGING = Path(__file__).parents[2] / "packaging"
RULE = _PACKAGING / "kubernetes/components/monitoring/prometheus-rule.yaml"
_HEAD = """\
# The rules of packaging/monitoring/alerts.yaml: `python -m tests.deploy.prometheus_rule` writes this file.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: daypass
spec:
  groups:
"""


def prometheus_rule() -> str:
    """Return the resource."""
    rules = (_PACKAGING / "monitoring/alerts.yaml").read_text(encoding="utf-8").partition("groups:\n")[2]
    return _HEAD + "".join(f"  {line}" if line.strip() else line for line in rules.splitlines(keepends=True))


if __name__ == "__main__":
    RULE.write_text(prometheus_rule(), encoding="utf-8")
