"""The fans of one GPU."""

from __future__ import annotations

from agent.readings import Fan
from tests.sources.one_gpu import one_gpu


def test_a_fan_may_exceed_100_percent() -> None:
    with one_gpu() as one:
        one.gpu.fix(fan_speed=117)

        assert one.read().fans.speed_percent == 117


def test_each_fan_has_its_speed() -> None:
    with one_gpu("rtx4090") as one:
        one.gpu.fix(fan_speed=40, fan_speed_rpm=1280)
        reading = one.read()

    assert reading.fans.count == 2
    assert reading.fans.each == (Fan(40, 1280), Fan(40, 1280))
