"""The queries of the panels with values for their variables, and their results by promtool."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import yaml

from tests.prometheus.engine import promtool
from tests.support.agents import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FOLDER = ROOT / "deploy" / "grafana" / "dashboards"
# The values that Grafana inserts when "All" is chosen; a name stands before its own beginning.
VARIABLES = {
    "cluster": ".*",
    "job": ".*",
    "instance": ".*",
    "gpu": ".*",
    "user": ".*",
    "__rate_interval": "10s",
    "__interval": "5s",
    "__range_s": "60",
    "__range": "1m",
}


def load(name: str) -> dict[str, Any]:
    """A dashboard."""
    content: dict[str, Any] = json.loads((FOLDER / name).read_text())
    return content


def filled(expression: str, **values: str) -> str:
    """A query with values for its variables."""
    for variable, value in (VARIABLES | values).items():
        expression = expression.replace(f"${variable}", value)
    return expression


def query_of(name: str, title: str, **values: str) -> str:
    """The one query of a panel."""
    ((target,),) = (panel["targets"] for panel in load(name)["panels"] if panel["title"] == title)
    return filled(target["expr"], **values)


def assert_results(
    folder: Path, query: str, series: Mapping[str, str], *, at: str, results: Mapping[str, float]
) -> None:
    """The query has these results, by their labels, for series that are scraped every 15 seconds."""
    test = {
        "interval": "15s",
        "input_series": [{"series": one, "values": values} for one, values in series.items()],
        "promql_expr_test": [
            {
                "expr": query,
                "eval_time": at,
                "exp_samples": [{"labels": labels, "value": value} for labels, value in results.items()],
            }
        ],
    }
    file = folder / "tests.yml"
    file.write_text(yaml.safe_dump({"rule_files": [], "evaluation_interval": "15s", "tests": [test]}))
    assert "SUCCESS" in promtool("test", "rules", str(file))
