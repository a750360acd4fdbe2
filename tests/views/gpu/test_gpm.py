"""GPM in `/gpu`: it takes precedence over the coarser rates."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.support.readings import with_values
from tests.views.gpu.test_gpu import shown
from tests.views.samples import HEALTHY, READING


@pytest.mark.parametrize(
    ("values", "sm_percent", "bandwidth"),
    [
        pytest.param({"gpm_supported": False}, 5, 2.0, id="no GPM: the coarser rates"),
        pytest.param(
            {"gpm_supported": True, "gpm_sm_activity_percent": 44.5, "gpm_dram_activity_percent": 15.25},
            45,
            15.3,
            id="GPM",
        ),
        pytest.param(
            {"gpm_supported": True}, None, None, id="GPM without a value: the coarser rates do not replace it"
        ),
        pytest.param(
            {"gpm_supported": True, "gpm_sm_activity_percent": 0.0, "gpm_dram_activity_percent": 0.0},
            0,
            0.0,
            id="GPM at zero",
        ),
    ],
)
def test_gpm_values_replace_the_coarser_rates(
    values: dict[str, Any], sm_percent: int | None, bandwidth: float | None
) -> None:
    gpu = shown(replace(HEALTHY, reading=with_values(READING, **values)))

    assert gpu["utilization"]["sm_percent"] == sm_percent
    assert gpu["memory"]["bandwidth_utilization_percent"] == bandwidth
    assert (gpu["utilization"]["gpu_percent"], gpu["utilization"]["memory_percent"]) == (5, 2)
