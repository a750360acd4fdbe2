"""The manifests of deploy/kubernetes, and the one among them that is made from another file.

`python -m tests.kubernetes.manifests` writes prometheusrule.yaml again.
"""

from __future__ import annotations

from typing import Any

import yaml

from tests.support.agents import ROOT

FOLDER = ROOT / "deploy" / "kubernetes"
RULES = [ROOT / "deploy" / "prometheus" / name for name in ("recording.yml", "alerts.yml")]
HEAD = """\
# For the Prometheus operator: deploy/prometheus/recording.yml and alerts.yml as one object. Not made by hand:
# see CONTRIBUTING.md. For Prometheus 2.42 and newer, and an operator of 2023 (0.66) and newer. Where its
# Prometheus selects rules by labels, add those, for example release: NAME.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: nvidia-smi-web-agent
  namespace: nvidia-smi-web-agent
spec:
  groups:
"""


def manifest(name: str) -> dict[str, Any]:
    """The one object of a file."""
    loaded: dict[str, Any] = yaml.safe_load((FOLDER / f"{name}.yaml").read_text())
    return loaded


def daemonset_with_state() -> dict[str, Any]:
    """The DaemonSet with the parts for STATE_DIR, which are comments below a line with a certain end."""
    lines, is_part = list[str](), False
    for line in (FOLDER / "daemonset.yaml").read_text().splitlines():
        is_comment = line.lstrip().startswith("# ")
        lines.append(line.replace("# ", "", 1) if is_part and is_comment else line)
        is_part = is_comment and (is_part or line.endswith("see docs/kubernetes.md:"))
    loaded: dict[str, Any] = yaml.safe_load("\n".join(lines))
    return loaded


def prometheus_rule() -> str:
    """The text of prometheusrule.yaml: the groups of the rule files, with their comments."""
    groups = (file.read_text().partition("\ngroups:\n")[2] for file in RULES)
    lines = "".join(groups).splitlines()
    return HEAD + "".join(f"  {line}\n" if line else "\n" for line in lines)


if __name__ == "__main__":
    (FOLDER / "prometheusrule.yaml").write_text(prometheus_rule())
