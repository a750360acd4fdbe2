"""The fans of one GPU."""

from __future__ import annotations

from agent.readings import Fan, Reason
from agent.simulation import NvmlReturn
from agent.sources.gpu.paces import SLOW_PACE
from tests.sources.one_gpu import one_gpu


def test_a_fan_speed_may_exceed_100_percent() -> None:
    with one_gpu() as one:
        one.gpu.fix(fan_speed=117)

        assert one.read().fans.speed_percent == 117


def test_the_fans_are_read_with_the_temperature_of_their_sample() -> None:
    with one_gpu("rtx4090") as one:
        one.gpu.fix(temperature=48)
        reported = [one.read().fans.gpu_celsius]
        one.gpu.fix(temperature=80)
        reported += [one.read(after=after).fans.gpu_celsius for after in (SLOW_PACE - 1, 1)]

    assert reported == [48, 48, 80]


def test_one_fan_may_stand_still() -> None:
    with one_gpu("rtx4090") as one:
        one.gpu.fix(fan_speed=40, fan_speed_rpm=1280)
        one.gpu.fans_stopped = {1}
        fans = one.read().fans

    assert fans.each == (Fan(40, 1280), Fan(40, 0))
    assert fans.speed_rpm == 1280


def test_each_fan_has_its_speed() -> None:
    with one_gpu("rtx4090") as one:
        one.gpu.fix(fan_speed=40, fan_speed_rpm=1280)
        reading = one.read()

    assert reading.fans.count == 2
    assert reading.fans.each == (Fan(40, 1280), Fan(40, 1280))


def test_the_revolutions_of_the_first_fan_are_read_by_one_call_and_have_a_reason_when_unknown() -> None:
    """Of the percentage NVML does not say that both functions mean the same fan."""
    with one_gpu("rtx4090") as one:
        one.gpu.fail("nvmlDeviceGetFanSpeedRPM", NvmlReturn.UNKNOWN)
        reading = one.read()
        calls = one.simulation.calls

    assert (calls["nvmlDeviceGetFanSpeedRPM"], calls["nvmlDeviceGetFanSpeed_v2"]) == (2, 2)
    assert reading.unknown["fans.speed_rpm"].reason is reading.unknown["fans.each"].reason is Reason.FAILED


def test_the_fan_speed_of_a_gpu_without_fans_is_read_every_five_minutes() -> None:
    """The GPU might report one all the same. After a failure the driver is asked again soon."""
    with one_gpu("h100") as one:
        one.gpu.fix(fan_speed=47)
        one.simulation.fail("nvmlDeviceGetFanSpeed", NvmlReturn.UNKNOWN, times=1)
        assert one.read().fans.speed_percent is None
        reported = [one.read(after=SLOW_PACE).fans.speed_percent for _ in range(61)]

    assert reported == [47] * 61
    assert one.simulation.calls["nvmlDeviceGetFanSpeed"] == 3
