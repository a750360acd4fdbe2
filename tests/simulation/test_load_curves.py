"""Values change as on a real host, are consistent, and depend only on the clock."""

from __future__ import annotations

import itertools
from types import SimpleNamespace

import pytest
from nvitop import Device, libnvml

from agent.simulation import MODELS, ClocksEventReason, FieldId, Simulation
from agent.simulation.load_curves import workload

MOMENTS = [second * 7.3 for second in range(100)]


def test_the_same_clock_gives_the_same_values() -> None:
    at = SimpleNamespace(seconds=0.0)
    one, other = (Simulation(8, models=list(MODELS), clock=lambda: at.seconds) for _ in range(2))
    for at.seconds in MOMENTS:
        assert [gpu.values for gpu in one.gpus] == [gpu.values for gpu in other.gpus]


def test_only_time_since_the_start_matters() -> None:
    early, late = SimpleNamespace(seconds=0.0), SimpleNamespace(seconds=500.0)
    one, other = Simulation(4, clock=lambda: early.seconds), Simulation(4, clock=lambda: late.seconds)
    early.seconds += 64.0
    late.seconds += 64.0

    assert [gpu.values for gpu in one.gpus] == [gpu.values for gpu in other.gpus]


def test_of_four_gpus_two_are_busy_one_is_moderate_and_one_is_idle() -> None:
    at = SimpleNamespace(seconds=0.0)
    simulation = Simulation(4, clock=lambda: at.seconds)
    means = [0.0] * 4
    for at.seconds in MOMENTS:
        for gpu in simulation.gpus:
            means[gpu.index] += (gpu.values.gpu_utilization or 0) / len(MOMENTS)

    assert means[0] > 85
    assert means[1] > 85
    assert 20 < means[2] < 60
    assert means[3] == 0


@pytest.mark.parametrize("model", MODELS)
def test_the_values_of_a_gpu_are_consistent_at_every_moment(model: str) -> None:
    at = SimpleNamespace(seconds=0.0)
    simulation = Simulation(4, models=[model], clock=lambda: at.seconds)
    kind = MODELS[model]
    for at.seconds, gpu in itertools.product(MOMENTS, simulation.gpus):
        now = gpu.values
        reasons = now.clocks_event_reasons
        assert now.gpu_utilization is not None
        assert now.graphics_clock is not None
        assert now.max_graphics_clock is not None
        assert now.power_usage is not None
        assert now.temperature is not None
        assert reasons is not None
        if now.memory_total is not None:
            parts = (now.memory_used, now.memory_free, now.memory_reserved)
            assert all(part is not None and part >= 0 for part in parts)
            assert sum(part or 0 for part in parts) == now.memory_total
        assert 0 <= now.gpu_utilization <= 100
        assert kind.idle_power_watts * 1000 <= now.power_usage <= kind.full_power_watts * 1000
        assert kind.idle_celsius <= now.temperature <= kind.full_celsius
        assert now.graphics_clock <= now.max_graphics_clock
        assert bool(reasons & ClocksEventReason.GPU_IDLE) == (now.gpu_utilization < 2)
        if reasons & ClocksEventReason.GPU_IDLE:
            assert now.graphics_clock < now.max_graphics_clock / 2
        if reasons & ClocksEventReason.SW_POWER_CAP:
            assert now.power_usage > 0.95 * (now.power_limit or 0)
            assert now.graphics_clock < now.max_graphics_clock
        if reasons & ClocksEventReason.SW_THERMAL_SLOWDOWN:
            assert now.temperature >= kind.slowdown_celsius


def test_every_reason_for_slow_clocks_occurs() -> None:
    at = SimpleNamespace(seconds=0.0)
    simulation = Simulation(4, models=["rtx4090"], clock=lambda: at.seconds)
    seen = 0
    for at.seconds, gpu in itertools.product(MOMENTS, simulation.gpus):
        seen |= gpu.values.clocks_event_reasons or 0

    # the other reasons are settings of an administrator, or faults of the hardware around the GPU
    assert seen == (
        ClocksEventReason.GPU_IDLE | ClocksEventReason.SW_POWER_CAP | ClocksEventReason.SW_THERMAL_SLOWDOWN
    )


def test_temperature_follows_power_with_a_lag() -> None:
    at = SimpleNamespace(seconds=0.0)
    gpu = Simulation(1, clock=lambda: at.seconds).gpus[0]
    at.seconds = 83.0  # before the checkpoint at the end of the epoch
    before = gpu.values
    at.seconds = 84.5  # just within it
    within = gpu.values
    at.seconds = 91.0  # the heat sink has cooled meanwhile, the next epoch has begun
    after = gpu.values

    assert (within.power_usage or 0) < (before.power_usage or 0) / 3
    assert abs((within.temperature or 0) - (before.temperature or 0)) <= 2
    assert (after.temperature or 0) < (before.temperature or 0)
    assert (after.power_usage or 0) > 2 * (within.power_usage or 0)


def test_the_fan_follows_the_temperature() -> None:
    at = SimpleNamespace(seconds=0.0)
    simulation = Simulation(4, models=["rtx4090"], clock=lambda: at.seconds)
    pairs = set()
    for at.seconds, gpu in itertools.product(MOMENTS, simulation.gpus):
        pairs.add((gpu.values.temperature or 0, gpu.values.fan_speed or 0))
    speeds = [speed for _, speed in sorted(pairs)]

    assert speeds == sorted(speeds)
    assert speeds[0] == 0
    assert speeds[-1] > 80


@pytest.mark.parametrize("index", range(4))
def test_counters_are_the_integral_of_the_load(index: int) -> None:
    work, step = workload(index), 0.001
    for start in (0.0, 81.0, 150.0):
        sampled = sum(work.load(start + number * step) for number in range(20_000)) * step
        assert work.integral(start + 20) - work.integral(start) == pytest.approx(sampled, rel=1e-3, abs=1e-3)


def test_cumulative_counters_never_go_back() -> None:
    at = SimpleNamespace(seconds=0.0)
    gpu = Simulation(1, clock=lambda: at.seconds).gpus[0]
    readings = []
    for number, at.seconds in enumerate(MOMENTS):
        if number == 30:
            gpu.fix(pcie_tx=5, power_usage=90_000)
        if number == 60:
            gpu.unfix()
        readings.append((gpu.pcie_tx_bytes.read(), gpu.pcie_rx_bytes.read(), gpu.energy_mj.read()))

    for earlier, later in itertools.pairwise(readings):
        assert all(before < after for before, after in zip(earlier, later, strict=True))


def test_a_fixed_rate_is_the_rate_of_its_counter() -> None:
    at = SimpleNamespace(seconds=0.0)
    with Simulation(1, clock=lambda: at.seconds) as simulation:
        simulation.gpus[0].fix(pcie_tx=100, pcie_rx=200, power_usage=50_000)
        device = Device(0)
        fields = [FieldId.PCIE_COUNT_TX_BYTES, FieldId.PCIE_COUNT_RX_BYTES]
        before = [value for value, _ in libnvml.nvmlQueryFieldValues(device.handle, fields)]
        energy = device.total_energy_consumption()
        at.seconds = 10.0
        after = [value for value, _ in libnvml.nvmlQueryFieldValues(device.handle, fields)]

        assert [later - earlier for earlier, later in zip(before, after, strict=True)] == [
            1_024_000,
            2_048_000,
        ]
        assert device.total_energy_consumption() - energy == 500_000


def test_fixed_values_are_held_exactly_until_unfixed() -> None:
    at = SimpleNamespace(seconds=0.0)
    with Simulation(1, clock=lambda: at.seconds) as simulation:
        gpu = simulation.gpus[0]
        gpu.fix(temperature=91, name="Tesla T0", fan_speed=None)
        for at.seconds in MOMENTS[:3]:
            assert (Device(0).temperature(), Device(0).name()) == (91, "Tesla T0")

        gpu.unfix("temperature")

        assert Device(0).temperature() != 91
        assert Device(0).name() == "Tesla T0"


def test_memory_still_adds_up_when_it_is_fixed() -> None:
    with Simulation(1) as simulation:
        simulation.gpus[0].fix(memory_total=16 * 2**30, memory_reserved=2**29)
        memory = Device(0).memory_info()

        assert memory.used + memory.free + memory.reserved == memory.total == 16 * 2**30


def test_an_unknown_value_is_refused_with_the_accepted_ones() -> None:
    with pytest.raises(ValueError, match=r"temprature: no such GPU value; accepted are .*temperature"):
        Simulation(1).gpus[0].fix(temprature=3)


@pytest.mark.parametrize("load", [0.2, 0.3, 0.45, 0.93, 0.956, 0.98, 1.0])
@pytest.mark.parametrize("index", range(4))
def test_the_time_above_a_load_agrees_with_the_load_curve(index: int, load: float) -> None:
    work, step = workload(index), 0.02
    moments = [number * step for number in range(15_000)]

    above = sum(work.load(moment + step / 2) > load for moment in moments) * step

    counted = work.seconds_above(load, len(moments) * step) - work.seconds_above(load, 0.0)
    assert counted == pytest.approx(above, abs=3)
    times = [work.seconds_above(load, moment) for moment in moments[::100]]
    assert times == sorted(times), "a counter never goes back"


def test_the_time_of_each_slowdown_is_counted() -> None:
    at = SimpleNamespace(seconds=0.0)
    simulation = Simulation(4, models=["h100", "rtx4090"], clock=lambda: at.seconds)
    start = [gpu.values for gpu in simulation.gpus]
    at.seconds = 600.0
    end = [gpu.values for gpu in simulation.gpus]

    def grown(index: int, name: str) -> float:
        grown_by: float = (getattr(end[index], name) - getattr(start[index], name)) / 1e9
        return grown_by

    assert 50 < grown(0, "slowed_by_power_cap") < 600
    assert grown(0, "slowed_by_software_thermal") == 0, "the GPU never gets that hot"
    assert 300 < grown(1, "slowed_by_software_thermal") == grown(1, "slowed_by_thermal") < 600
    assert grown(3, "slowed_by_power_cap") == 0, "the GPU is idle"


def test_the_temperature_margin_follows_the_temperature() -> None:
    simulation = Simulation(2, models=["h100", "a100"])
    hopper, ampere = simulation.gpus
    for gpu in simulation.gpus:
        gpu.fix(temperature=90)

    assert hopper.values.temperature_margin == -3
    assert ampere.values.temperature_margin is None
    hopper.fix(temperature_margin=5)
    assert hopper.values.temperature_margin == 5
