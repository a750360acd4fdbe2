"""Process lists: merged and exact, whatever the driver refuses or changes meanwhile."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from agent.readings import GpuProcess, ProcessType, Reason
from agent.simulation import NvmlReturn, SimulatedProcess
from agent.simulation.processes import BEYOND_ANY_PID
from agent.sources.return_codes import reason_of
from tests.sources.one_gpu import OneGpu, one_gpu

if TYPE_CHECKING:
    from collections.abc import Iterator

COMPUTE, GRAPHICS, BOTH = ProcessType.COMPUTE, ProcessType.GRAPHICS, ProcessType.BOTH
GIB = 2**30
UTILIZATION = "nvmlDeviceGetProcessUtilization"
UTILIZATION_R550 = "nvmlDeviceGetProcessesUtilizationInfo"
COMPUTE_LIST = "nvmlDeviceGetComputeRunningProcesses_v3"
GRAPHICS_LIST = "nvmlDeviceGetGraphicsRunningProcesses_v3"
MPS_LIST = "nvmlDeviceGetMPSComputeRunningProcesses_v3"
REFUSALS = [
    NvmlReturn.NOT_SUPPORTED,
    NvmlReturn.NO_PERMISSION,
    NvmlReturn.UNKNOWN,
    NvmlReturn.TIMEOUT,
    NvmlReturn.INVALID_ARGUMENT,
]


@pytest.fixture
def one() -> Iterator[OneGpu]:
    """A GPU at rest, without processes."""
    with one_gpu() as one:
        one.gpu.fix(gpu_utilization=0)
        one.gpu.processes = []
        yield one


@pytest.mark.parametrize(
    ("running", "expected"),
    [
        pytest.param([], (), id="none"),
        pytest.param(
            [SimulatedProcess(7, "C", GIB, sm_utilization=40)],
            (GpuProcess(7, COMPUTE, GIB, 40, 0, 0, 0),),
            id="C",
        ),
        pytest.param([SimulatedProcess(7, "G", GIB)], (GpuProcess(7, GRAPHICS, GIB, 0, 0, 0, 0),), id="G"),
        pytest.param(
            [SimulatedProcess(7, "C+G", GIB, sm_utilization=1)],
            (GpuProcess(7, BOTH, GIB, 1, 0, 0, 0),),
            id="C+G: its memory, the same on both lists, counts once",
        ),
        pytest.param(
            [
                SimulatedProcess(30, "G", 3),
                SimulatedProcess(10, "C+G", 1, sm_utilization=10),
                SimulatedProcess(20, "C", 2, sm_utilization=20),
            ],
            (
                GpuProcess(10, BOTH, 1, 10, 0, 0, 0),
                GpuProcess(20, COMPUTE, 2, 20, 0, 0, 0),
                GpuProcess(30, GRAPHICS, 3, 0, 0, 0, 0),
            ),
            id="all kinds, by pid",
        ),
        pytest.param(
            [SimulatedProcess(7, "C", None), SimulatedProcess(8, "C+G", None)],
            (GpuProcess(7, COMPUTE, None, 0, 0, 0, 0), GpuProcess(8, BOTH, None, 0, 0, 0, 0)),
            id="memory not reported",
        ),
        pytest.param(
            [SimulatedProcess(7, "C", 2**63)],
            (GpuProcess(7, COMPUTE, None, 0, 0, 0, 0),),
            id="impossible memory",
        ),
        pytest.param(
            [SimulatedProcess(7, "C", 0)], (GpuProcess(7, COMPUTE, 0, 0, 0, 0, 0),), id="zero is a value"
        ),
        pytest.param(
            [
                SimulatedProcess(7, sm_utilization=100),
                SimulatedProcess(8, "C", 0, 101, 2**31, 3, 200),
            ],
            (GpuProcess(7, COMPUTE, 0, 100, 0, 0, 0), GpuProcess(8, COMPUTE, 0, None, None, 3, None)),
            id="above 100 is unknown",
        ),
        pytest.param(
            [SimulatedProcess(7, "C", 0, 1, 22, 3, 30), SimulatedProcess(8, decoder_utilization=30)],
            (GpuProcess(7, COMPUTE, 0, 1, 22, 3, 30), GpuProcess(8, COMPUTE, 0, 0, 0, 0, 30)),
            id="busy elsewhere than on the SMs",
        ),
        pytest.param(
            [SimulatedProcess(pid, "C", pid) for pid in range(1, 129)],
            tuple(GpuProcess(pid, COMPUTE, pid, 0, 0, 0, 0) for pid in range(1, 129)),
            id="128 processes",
        ),
    ],
)
def test_processes_are_reported_exactly(
    one: OneGpu, running: list[SimulatedProcess], expected: tuple[GpuProcess, ...]
) -> None:
    one.gpu.processes = running

    assert one.read().processes == expected


@pytest.mark.parametrize("generation", ["current", "r535", "r470", "r418"])
def test_every_driver_generation_lists_the_same_processes(one: OneGpu, generation: str) -> None:
    one.simulation.set_driver_generation(generation)
    one.gpu.processes = [SimulatedProcess(7, "C+G", GIB, sm_utilization=40), SimulatedProcess(8, "C", None)]

    assert one.read().processes == (
        GpuProcess(7, BOTH, GIB, 40, 0, 0, 0),
        GpuProcess(8, COMPUTE, None, 0, 0, 0, 0),
    )


CLIENT = GpuProcess(7, COMPUTE, GIB, 40, 0, 0, 0, mps=True)


@pytest.mark.parametrize("generation", ["current", "r535", "r470"])
@pytest.mark.parametrize(
    ("lists", "expected"),
    [
        pytest.param("M", CLIENT, id="on the MPS list alone"),
        pytest.param("C+M", CLIENT, id="on the compute list too"),
        pytest.param("G+M", replace(CLIENT, type=BOTH), id="on the graphics list too"),
    ],
)
def test_an_mps_client_is_listed_once_as_a_compute_process(
    one: OneGpu, lists: Any, expected: GpuProcess, generation: str
) -> None:
    one.simulation.set_driver_generation(generation)
    server, client = SimulatedProcess(5, "C", 30), SimulatedProcess(7, lists, GIB, sm_utilization=40)
    one.gpu.processes = [server, client]

    assert one.read().processes == (GpuProcess(5, COMPUTE, 30, 0, 0, 0, 0), expected)


@pytest.mark.parametrize("code", REFUSALS, ids=lambda code: code.name)
def test_only_a_gpu_without_an_mps_list_has_no_clients_of_mps(one: OneGpu, code: NvmlReturn) -> None:
    """With any other refusal there may be some."""
    one.gpu.processes = [SimulatedProcess(5, "C", 30), SimulatedProcess(7, "M")]
    one.gpu.fail(MPS_LIST, code)

    reading = one.read()

    assert reading.processes == (GpuProcess(5, COMPUTE, 30, 0, 0, 0, 0),)
    has_none = code in (NvmlReturn.NOT_SUPPORTED, NvmlReturn.INVALID_ARGUMENT)
    assert reading.knows_all_processes is has_none


def test_mps_clients_are_known_where_the_compute_list_is_refused(one: OneGpu) -> None:
    one.gpu.processes = [SimulatedProcess(5, "C", 30), SimulatedProcess(7, "M", GIB, sm_utilization=40)]
    one.gpu.fail(COMPUTE_LIST, NvmlReturn.NO_PERMISSION)

    reading = one.read()

    assert reading.processes == (CLIENT,)
    assert not reading.knows_all_processes


def test_a_gpu_without_mps_is_asked_for_its_clients_every_five_minutes(one: OneGpu) -> None:
    one.gpu.fail(MPS_LIST, NvmlReturn.NOT_SUPPORTED)
    one.read()
    calls_before = one.simulation.calls[MPS_LIST]
    for _ in range(100):
        one.read(after=2)

    assert one.simulation.calls[MPS_LIST] == calls_before
    one.gpu.heal()
    one.gpu.processes = [SimulatedProcess(7, "M", GIB, sm_utilization=40)]
    assert one.read(after=300).processes == (CLIENT,)


def test_an_mps_list_that_fails_once_is_read_again_with_the_next_list(one: OneGpu) -> None:
    one.gpu.processes = [SimulatedProcess(7, "M", GIB, sm_utilization=40)]
    one.gpu.fail(MPS_LIST, NvmlReturn.UNKNOWN)
    failed = one.read()
    assert (failed.processes, failed.knows_all_processes) == ((), False)
    one.gpu.heal()

    assert one.read(after=2).processes == (CLIENT,)


def test_without_processes_no_utilization_is_read(one: OneGpu) -> None:
    for _ in range(20):
        one.read(after=1)

    assert one.simulation.calls[UTILIZATION] == 0
    assert one.simulation.calls[COMPUTE_LIST] == one.simulation.calls[GRAPHICS_LIST] == 10


def test_an_idle_process_has_a_utilization_of_zero(one: OneGpu) -> None:
    one.gpu.processes = [SimulatedProcess(7, "C", GIB)]

    assert one.read().processes == (GpuProcess(7, COMPUTE, GIB, 0, 0, 0, 0),)


@pytest.mark.parametrize("code", REFUSALS, ids=lambda code: code.name)
def test_an_unreported_utilization_is_unknown_and_not_idle(one: OneGpu, code: NvmlReturn) -> None:
    one.gpu.processes = [SimulatedProcess(7, "C", GIB, sm_utilization=40)]
    one.gpu.fail(UTILIZATION, code)
    one.gpu.fail(UTILIZATION_R550, code)

    assert one.read().processes == (GpuProcess(7, COMPUTE, GIB),)


def test_utilization_is_unknown_where_its_functions_are_missing(one: OneGpu) -> None:
    one.gpu.processes = [SimulatedProcess(7, "C", GIB, sm_utilization=40)]
    one.simulation.remove_function(UTILIZATION)
    one.simulation.remove_function(UTILIZATION_R550)

    assert one.read().processes == (GpuProcess(7, COMPUTE, GIB),)


@pytest.mark.parametrize("code", REFUSALS, ids=lambda code: code.name)
def test_the_newer_function_reports_utilization_where_the_older_one_is_refused(
    one: OneGpu, code: NvmlReturn
) -> None:
    one.gpu.fail(UTILIZATION, code)
    one.gpu.processes = [SimulatedProcess(7, "C", GIB, 40, 22, 3, 4), SimulatedProcess(8, "C", GIB)]

    assert one.read().processes == (
        GpuProcess(7, COMPUTE, GIB, 40, 22, 3, 4),
        GpuProcess(8, COMPUTE, GIB, 0, 0, 0, 0),
    )
    one.gpu.processes = [SimulatedProcess(7, "C", GIB)]
    assert one.read(after=2).processes == (GpuProcess(7, COMPUTE, GIB, 0, 0, 0, 0),)


def test_the_newer_function_is_not_called_where_the_older_one_answers(one: OneGpu) -> None:
    one.gpu.processes = [SimulatedProcess(7, sm_utilization=40)]
    one.read()

    assert one.simulation.calls[UTILIZATION_R550] == 0


def test_before_r550_an_unsupported_utilization_is_unknown(one: OneGpu) -> None:
    one.simulation.set_driver_generation("r535")
    one.gpu.unsupport(UTILIZATION)
    one.gpu.processes = [SimulatedProcess(7, "C", GIB, sm_utilization=40)]

    assert one.read().processes == (GpuProcess(7, COMPUTE, GIB),)


@pytest.mark.parametrize("code", REFUSALS, ids=lambda code: code.name)
@pytest.mark.parametrize(
    ("refused", "running", "expected"),
    [
        pytest.param(
            [COMPUTE_LIST, GRAPHICS_LIST], [SimulatedProcess(7, "C+G")], None, id="both lists: unknown"
        ),
        pytest.param([COMPUTE_LIST], [SimulatedProcess(7, "C")], None, id="compute, no graphics: unknown"),
        pytest.param(
            [COMPUTE_LIST],
            [SimulatedProcess(7, "C"), SimulatedProcess(8, "G")],
            (GpuProcess(8, GRAPHICS, 0, 0, 0, 0, 0),),
            id="compute: what is known",
        ),
        pytest.param(
            [GRAPHICS_LIST],
            [SimulatedProcess(7, "C"), SimulatedProcess(8, "G")],
            (GpuProcess(7, COMPUTE, 0, 0, 0, 0, 0),),
            id="graphics: what is known",
        ),
        pytest.param([GRAPHICS_LIST], [], (), id="graphics, no compute: none"),
    ],
)
def test_a_refused_list_is_never_taken_for_an_empty_one(
    one: OneGpu,
    refused: list[str],
    running: list[SimulatedProcess],
    expected: tuple[GpuProcess, ...] | None,
    code: NvmlReturn,
) -> None:
    one.gpu.processes = running
    for symbol in refused:
        one.gpu.fail(symbol, code)

    assert one.read().processes == expected


def test_a_process_that_ends_between_the_two_calls_is_left_out(one: OneGpu) -> None:
    one.gpu.processes = [SimulatedProcess(7, "C", GIB), SimulatedProcess(8, "C", GIB)]
    one.gpu.churn = lambda processes: processes[:1]

    assert one.read().processes == (GpuProcess(7, COMPUTE, GIB, 0, 0, 0, 0),)


def test_a_process_that_starts_between_the_two_calls_is_listed(one: OneGpu) -> None:
    one.gpu.processes = [SimulatedProcess(7, "C", GIB)]
    one.gpu.churn = lambda processes: [*processes, SimulatedProcess(8, "C", GIB)]

    assert one.read().processes == (
        GpuProcess(7, COMPUTE, GIB, 0, 0, 0, 0),
        GpuProcess(8, COMPUTE, GIB, 0, 0, 0, 0),
    )


@pytest.mark.parametrize(
    ("at_fill", "calls", "listed"),
    [
        pytest.param([100, 3], 4, 3, id="grew once: asked again"),
        pytest.param([100, 100, 3], 6, 3, id="grew twice: asked again"),
        pytest.param([100, 100, 100], 6, None, id="grew three times: unknown"),
    ],
)
def test_a_list_that_outgrows_its_array_is_read_again(
    one: OneGpu, at_fill: list[int], calls: int, listed: int | None
) -> None:
    sizes = iter(at_fill)
    one.gpu.processes = [SimulatedProcess(7)]
    one.gpu.churn = lambda _: [SimulatedProcess(pid) for pid in range(1, 1 + next(sizes, 3))]

    processes = one.read().processes

    assert (None if processes is None else len(processes)) == listed
    assert one.simulation.calls[COMPUTE_LIST] == calls


@pytest.mark.parametrize(
    ("fills", "reported"),
    [
        pytest.param([1, 100, 100], 40, id="grew once: asked again"),
        pytest.param([1, *range(2, 100)], None, id="grows each time: unknown"),
    ],
)
def test_a_utilization_list_that_outgrows_its_array_is_read_again(
    one: OneGpu, fills: list[int], reported: int | None
) -> None:
    one.gpu.processes = [SimulatedProcess(7, "C", GIB, sm_utilization=40)]
    sizes = iter(fills)
    one.gpu.churn = lambda processes: processes * next(sizes)

    (process,) = one.read().processes or ()

    assert process.sm_utilization_percent == reported


def test_utilization_of_a_known_size_takes_one_call(one: OneGpu) -> None:
    one.gpu.processes = [SimulatedProcess(pid, "C", GIB, sm_utilization=40) for pid in (7, 8)]
    one.read()
    before = one.simulation.calls[UTILIZATION]

    assert [process.sm_utilization_percent for process in one.read(after=2).processes or ()] == [40, 40]
    assert one.simulation.calls[UTILIZATION] == before + 1


def test_constant_process_churn_does_not_fail_a_sample(one: OneGpu) -> None:
    one.gpu.processes = [SimulatedProcess(7, "C", GIB, sm_utilization=40), SimulatedProcess(8, "C+G", GIB)]
    one.gpu.churn = True
    pids = set()
    for _ in range(30):
        reading = one.read(after=2)
        assert reading.thermal.gpu_celsius is not None
        pids |= {process.pid for process in reading.processes or ()}

    assert {pid for pid in pids if pid < BEYOND_ANY_PID} == {7, 8}


def utilization(one: OneGpu, after: float) -> int | None:
    """The SM utilization of the only process."""
    (process,) = one.read(after=after).processes or ()
    return process.sm_utilization_percent


def test_utilization_is_reported_while_a_process_works_and_0_once_it_rests(one: OneGpu) -> None:
    one.gpu.processes = [SimulatedProcess(7, sm_utilization=40)]
    assert [utilization(one, after) for after in (0, 2, 2)] == [40, 40, 40]

    one.gpu.processes = [SimulatedProcess(7)]

    assert utilization(one, 2) == 0


@pytest.mark.parametrize(
    ("sm", "after"),
    [(40, 10), (0, 2), (0, 3600)],
    ids=["since the list before", "before it", "after a long pause"],
)
def test_a_burst_of_work_six_seconds_ago_is_seen_by_the_next_list_only(
    one: OneGpu, sm: int, after: float
) -> None:
    """While nobody watches, lists are ten seconds apart; a process that works now and then is not idle."""
    one.gpu.processes = [SimulatedProcess(7)]
    utilization(one, 0)
    one.gpu.processes = [SimulatedProcess(7, sm_utilization=40, worked_ago=6)]

    assert utilization(one, after) == sm


@pytest.mark.parametrize("seconds", [-3600.0, 3600.0], ids=["back", "forward"])
def test_a_changed_wall_clock_does_not_make_a_busy_process_idle(one: OneGpu, seconds: float) -> None:
    one.gpu.processes = [SimulatedProcess(7, sm_utilization=40)]
    utilization(one, 0)

    one.clock.wall_offset += seconds

    assert [utilization(one, 2) for _ in range(5)] == [40] * 5


def test_after_a_long_pause_only_present_work_counts(one: OneGpu) -> None:
    one.gpu.processes = [SimulatedProcess(7, sm_utilization=40)]
    utilization(one, 0)

    assert utilization(one, 3600) == 40


@pytest.mark.parametrize("newest_first", [True, False])
def test_the_newest_of_several_utilization_samples_counts(one: OneGpu, newest_first: bool) -> None:
    """The driver reports each process several times since the last list, in no guaranteed order."""
    newest = SimulatedProcess(7, "C", GIB, 40, 30, 20, 10, worked_ago=0)
    older = SimulatedProcess(7, "C", GIB, 90, 91, 92, 93, worked_ago=1)
    oldest = SimulatedProcess(7, "C", GIB, 1, 2, 3, 4, worked_ago=3)
    one.gpu.processes = [newest, older, oldest] if newest_first else [oldest, newest, older]

    assert one.read().processes == (GpuProcess(7, COMPUTE, GIB, 40, 30, 20, 10),)


# An unreported utilization is not an idle process

BUSY = [SimulatedProcess(7, "C", GIB, 90, 50, 0, 0), SimulatedProcess(8, "C", GIB)]
BUSY_REPORTED = (GpuProcess(7, COMPUTE, GIB, 90, 50, 0, 0), GpuProcess(8, COMPUTE, GIB, 0, 0, 0, 0))
UNREPORTED = (GpuProcess(7, COMPUTE, GIB), GpuProcess(8, COMPUTE, GIB))
AT_REST = (GpuProcess(7, COMPUTE, GIB, 0, 0, 0, 0), GpuProcess(8, COMPUTE, GIB, 0, 0, 0, 0))


def test_the_newer_function_reports_utilization_where_the_older_one_never_finds_any(one: OneGpu) -> None:
    one.gpu.fail(UTILIZATION, NvmlReturn.NOT_FOUND)
    one.gpu.fix(gpu_utilization=90)
    one.gpu.processes = BUSY

    assert [one.read(after=2).processes for _ in range(3)] == [BUSY_REPORTED] * 3


@pytest.mark.parametrize(
    ("gpu_percent", "processes"),
    [(0, AT_REST), (4, AT_REST), (5, UNREPORTED), (100, UNREPORTED), (None, UNREPORTED)],
    ids=["idle", "almost idle", "busy", "very busy", "unknown"],
)
def test_without_reported_utilization_processes_are_idle_only_if_the_gpu_is(
    one: OneGpu, gpu_percent: int | None, processes: tuple[GpuProcess, ...]
) -> None:
    one.gpu.fail(UTILIZATION, NvmlReturn.NOT_FOUND)
    one.gpu.fail(UTILIZATION_R550, NvmlReturn.NOT_FOUND)
    one.gpu.fix(gpu_utilization=gpu_percent)
    one.gpu.processes = BUSY

    assert one.read().processes == processes


@pytest.mark.parametrize(
    ("gpu_percent", "client", "told"),
    [
        pytest.param(90, 0, [90, None, None], id="the server works for its clients"),
        pytest.param(90, 20, [90, 20, 0], id="a client has work of its own"),
        pytest.param(0, 0, [90, 0, 0], id="the GPU is idle"),
    ],
)
def test_clients_of_mps_are_not_idle_while_their_server_may_work_for_them(
    one: OneGpu, gpu_percent: int, client: int, told: list[int | None]
) -> None:
    one.gpu.fix(gpu_utilization=gpu_percent)
    one.gpu.processes = [
        SimulatedProcess(7, "C", GIB, 90),
        SimulatedProcess(8, "C+M", GIB, client),
        SimulatedProcess(9, "M", GIB),
    ]

    assert [process.sm_utilization_percent for process in one.read().processes or ()] == told


@pytest.mark.parametrize(
    "sampled",
    [
        pytest.param([SimulatedProcess(99, sm_utilization=90)], id="of a process that is not listed"),
        pytest.param([SimulatedProcess(7, sm_utilization=101)], id="garbage and zeros"),
    ],
)
def test_samples_without_work_of_a_listed_process_leave_utilization_unknown(
    one: OneGpu, sampled: list[SimulatedProcess]
) -> None:
    fills = iter([BUSY])  # the list of processes; then the samples of both functions
    one.gpu.processes = BUSY
    one.gpu.churn = lambda _: next(fills, sampled)
    one.gpu.fix(gpu_utilization=90)

    assert one.read().processes == UNREPORTED


def test_the_highest_gpu_utilization_since_the_last_list_decides(one: OneGpu) -> None:
    one.gpu.fail(UTILIZATION, NvmlReturn.NOT_FOUND)
    one.gpu.fail(UTILIZATION_R550, NvmlReturn.NOT_FOUND)
    one.gpu.processes = BUSY
    reported = []
    for percent in (0, 90, 0, 0, 0):
        one.gpu.fix(gpu_utilization=percent)
        reported.append(one.read(after=1).processes)

    assert reported == [AT_REST, AT_REST, UNREPORTED, UNREPORTED, AT_REST]


def test_the_newer_function_is_not_called_for_a_gpu_at_rest(one: OneGpu) -> None:
    one.gpu.fail(UTILIZATION, NvmlReturn.NOT_FOUND)
    one.gpu.processes = BUSY
    one.read()

    assert one.simulation.calls[UTILIZATION_R550] == 0


@pytest.mark.parametrize("code", REFUSALS, ids=lambda code: code.name)
@pytest.mark.parametrize("refused", [COMPUTE_LIST, GRAPHICS_LIST], ids=["compute", "graphics"])
def test_without_one_list_the_other_is_partial_if_there_may_be_more_processes(
    one: OneGpu, refused: str, code: NvmlReturn
) -> None:
    """Not every GPU has the list of graphics processes; a list that is not reported may have some."""
    one.gpu.processes = [SimulatedProcess(7, "C"), SimulatedProcess(8, "G")]
    one.gpu.fail(refused, code)
    reading = one.read()
    partial = refused == COMPUTE_LIST or reason_of(code) is not Reason.NOT_SUPPORTED

    assert (len(reading.processes or ()), reading.process_list_is_partial) == (1, partial)
    assert ("processes" in reading.unknown) is partial
    assert reading.knows_all_processes is not partial


def test_processes_are_read_every_two_seconds(one: OneGpu) -> None:
    one.read(after=1)
    one.gpu.processes = [SimulatedProcess(7)]

    assert [bool(one.read(after=1).processes) for _ in range(2)] == [False, True]
