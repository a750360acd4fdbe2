"""The driver as a whole: calls, failures, and renewed contact."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
from dataclasses import replace
from typing import Any

import pynvml
import pytest
from nvitop import libnvml

from agent.readings import DriverReading, SourceError
from agent.simulation import NvmlReturn, Simulation
from agent.sources.nvml import DriverSource, call_c_function, flag, number, query, query_or_none

CURRENT = DriverReading(
    gpu_count=2, driver_version="580.95.05", cuda_version="13.0", nvml_version="13.580.95.05"
)
COUNT = "nvmlDeviceGetCount_v2"
POWER = "nvmlDeviceGetPowerUsage"


def read_power(query: Any) -> Any:
    """Milliwatts of the first GPU, by `query_or_none` or by `query`."""
    return query(POWER, query("nvmlDeviceGetHandleByIndex", 0))


@pytest.mark.parametrize("query", [query_or_none, query])
@pytest.mark.parametrize(
    "milliwatts",
    [
        pytest.param(185_200, id="a number"),
        pytest.param(0, id="zero is a value"),
    ],
)
def test_a_value_is_returned_unchanged(query: Any, milliwatts: int) -> None:
    with Simulation(1) as simulation:
        simulation.gpus[0].fix(power_usage=milliwatts)

        assert read_power(query) == milliwatts


@pytest.mark.parametrize("query", [query_or_none, query])
def test_nvml_s_number_for_no_value_is_none(query: Any) -> None:
    with Simulation(1) as simulation:
        simulation.gpus[0].fix(power_usage=2**32 - 1)

        assert read_power(query) is None


@pytest.mark.parametrize("answer", [[7, 2**32 - 1, 0], (7, 2**64 - 1, 0)], ids=["a list", "a tuple"])
def test_each_number_of_a_list_is_a_value_or_none(answer: Any) -> None:
    with Simulation(1):
        assert query(lambda: answer) == [7, None, 0]


def test_invalid_utf_8_in_a_text_is_replaced() -> None:
    with Simulation(1):
        assert query(lambda: b"a\xffb") == "a\N{REPLACEMENT CHARACTER}b"


@pytest.mark.parametrize(("answer", "expected"), [(None, None), (0, False), (1, True)])
def test_a_flag_is_true_false_or_unknown(answer: int | None, expected: bool | None) -> None:
    assert flag(answer) is expected


def test_an_error_code_of_a_function_without_a_wrapper_is_raised() -> None:
    with Simulation(1):
        query("nvmlDeviceGetCount")
        call_c_function("nvmlShutdown")
        with pytest.raises(pynvml.NVMLError_Uninitialized):
            call_c_function("nvmlShutdown")


@pytest.mark.parametrize("name", ["nvitop", libnvml.__name__])
def test_nvitop_logs_nothing_at_all(name: str) -> None:
    assert not logging.getLogger(name).isEnabledFor(logging.CRITICAL)


def test_every_call_of_every_thread_is_counted_successful_or_not() -> None:
    driver = DriverSource()
    with Simulation(1) as simulation:
        read_power(query)
        before = driver.calls
        simulation.gpus[0].fail(POWER, NvmlReturn.UNKNOWN)
        other = threading.Thread(target=read_power, args=[query_or_none])
        other.start()
        other.join()
        read_power(query_or_none)

    assert driver.calls == before + 4  # the handle and the power, twice


def test_a_missing_function_is_none_to_query_or_none_and_raised_by_query() -> None:
    with Simulation(1) as simulation:
        simulation.remove_function(POWER)

        assert read_power(query_or_none) is None
        with pytest.raises(pynvml.NVMLError_FunctionNotFound):
            read_power(query)


PASSING = [
    NvmlReturn.NOT_SUPPORTED,
    NvmlReturn.NO_PERMISSION,
    NvmlReturn.TIMEOUT,
    NvmlReturn.NOT_FOUND,
    NvmlReturn.UNKNOWN,
    pynvml.NVML_ERROR_RESET_REQUIRED,
]
OF_THE_WHOLE_GPU = [NvmlReturn.GPU_IS_LOST, NvmlReturn.UNINITIALIZED]


@pytest.mark.parametrize("code", PASSING)
def test_a_fault_of_one_function_is_none_to_query_or_none_and_raised_by_query(code: NvmlReturn) -> None:
    with Simulation(1) as simulation:
        simulation.gpus[0].fail(POWER, code)

        assert read_power(query_or_none) is None
        with pytest.raises(pynvml.NVMLError) as caught:
            read_power(query)
        assert caught.value.value == code


@pytest.mark.parametrize("query", [query_or_none, query])
@pytest.mark.parametrize("code", OF_THE_WHOLE_GPU, ids=["lost", "uninitialized"])
def test_a_fault_of_the_whole_gpu_is_raised_by_both(query: Any, code: int) -> None:
    with Simulation(1) as simulation:
        simulation.gpus[0].fail(POWER, code)

        with pytest.raises(pynvml.NVMLError) as caught:
            read_power(query)
        assert caught.value.value == code


class Struct:
    """An NVML struct with one member."""

    def __init__(self, used: int | None) -> None:
        self.used = used


@pytest.mark.parametrize(
    ("struct", "expected"),
    [
        pytest.param(Struct(0), 0, id="none in use"),
        pytest.param(Struct(24 * 2**30), 24 * 2**30, id="24 GiB"),
        pytest.param(Struct(2**64 - 2), 2**64 - 2, id="any other number: its range is checked later"),
        pytest.param(Struct(2**64 - 1), None, id="NVML's number for no value, in 64 bits"),
        pytest.param(Struct(2**32 - 1), None, id="NVML's number for no value, in 32 bits"),
        pytest.param(Struct(None), None, id="nvitop's word for no value"),
        pytest.param(None, None, id="no struct"),
    ],
)
def test_a_number_of_a_struct_is_unknown_where_nvml_reports_no_value(
    struct: Struct | None, expected: int | None
) -> None:
    assert number(struct, "used") == expected


def test_the_driver_reports_its_versions_and_its_gpus() -> None:
    with Simulation(2):
        assert DriverSource().read() == CURRENT


@pytest.mark.parametrize(
    ("number", "text"),
    [(12020, "12.2"), (13000, "13.0"), (11080, "11.8"), (12100, "12.10"), (10010, "10.1")],
)
def test_the_cuda_version_is_major_and_minor(number: int, text: str) -> None:
    with Simulation(1) as simulation:
        simulation.cuda_version = number

        assert DriverSource().read().cuda_version == text


@pytest.mark.parametrize(
    ("symbol", "unknown"),
    [
        ("nvmlSystemGetDriverVersion", "driver_version"),
        ("nvmlSystemGetCudaDriverVersion", "cuda_version"),
        ("nvmlSystemGetNVMLVersion", "nvml_version"),
    ],
)
def test_an_unreported_version_is_unknown_and_hides_nothing_else(symbol: str, unknown: str) -> None:
    with Simulation(2) as simulation:
        simulation.fail(symbol, NvmlReturn.UNKNOWN)
        reading = DriverSource().read()

    lacking: Any = {unknown: None}
    assert reading == replace(CURRENT, **lacking)


def test_the_versions_are_read_once_and_the_count_each_time() -> None:
    with Simulation(2) as simulation:
        source = DriverSource()
        for _ in range(3):
            source.read()

        assert dict(simulation.calls) == {
            "nvmlInitWithFlags": 1,
            COUNT: 3,
            "nvmlSystemGetDriverVersion": 1,
            "nvmlSystemGetCudaDriverVersion": 1,
            "nvmlSystemGetNVMLVersion": 1,
        }


SENTENCES = {
    "absent": "No NVIDIA driver: the NVML library (libnvidia-ml.so.1) was not found; install the driver, or"
    " give the container the NVIDIA runtime (--gpus all)",
    "not_loaded": "The NVIDIA driver is installed but not loaded; load it with: modprobe nvidia",
    "mismatched": "The NVIDIA kernel module and the NVML library have different versions; after a driver"
    " upgrade reload the module, or reboot",
}


@pytest.mark.parametrize("kind", SENTENCES)
def test_a_missing_driver_is_one_sentence_with_what_to_do_until_it_is_restored(kind: Any) -> None:
    with Simulation(2) as simulation:
        simulation.remove_driver(kind)
        source = DriverSource()
        for _ in range(2):
            with pytest.raises(SourceError) as caught:
                source.read()
            assert str(caught.value) == SENTENCES[kind]

        simulation.restore_driver()

        assert source.read() == CURRENT


@pytest.mark.parametrize("kind", SENTENCES)
def test_a_driver_that_goes_away_is_an_error_and_is_found_again(kind: Any) -> None:
    with Simulation(2) as simulation:
        source = DriverSource()
        source.read()
        simulation.remove_driver(kind)

        with pytest.raises(SourceError) as caught:
            source.read()
        assert str(caught.value) == SENTENCES[kind]

        simulation.restore_driver()
        simulation.set_driver_generation("r535")

        assert source.read().driver_version == "535.183.01"


def test_a_driver_that_goes_away_between_two_calls_is_an_error_too() -> None:
    with Simulation(2) as simulation:
        simulation.fail("nvmlSystemGetDriverVersion", NvmlReturn.DRIVER_NOT_LOADED)

        with pytest.raises(SourceError) as caught:
            DriverSource().read()
        assert str(caught.value) == SENTENCES["not_loaded"]


def test_another_refusal_of_the_driver_is_quoted() -> None:
    with Simulation(2) as simulation:
        simulation.fail(COUNT, NvmlReturn.NOT_FOUND)

        with pytest.raises(SourceError, match=r"^The NVIDIA driver does not answer: Not Found; "):
            DriverSource().read()


@pytest.mark.parametrize("times", [1, 5])
def test_a_gpu_count_that_fails_later_leaves_the_last_count(times: int) -> None:
    with Simulation(2) as simulation:
        source = DriverSource()
        source.read()
        simulation.fail(COUNT, NvmlReturn.UNKNOWN, times=times)

        assert [source.read() for _ in range(times + 1)] == [CURRENT] * (times + 1)


def test_a_gpu_count_that_fails_at_first_contact_is_an_error_and_not_zero() -> None:
    with Simulation(2) as simulation:
        simulation.fail(COUNT, NvmlReturn.UNKNOWN, times=1)
        source = DriverSource()

        with pytest.raises(SourceError, match=r"^The NVIDIA driver does not answer: Unknown Error; "):
            source.read()
        assert source.read() == CURRENT


def test_a_driver_that_cannot_count_is_an_error_and_not_zero_gpus() -> None:
    with Simulation(2) as simulation:
        simulation.remove_function(COUNT)

        with pytest.raises(SourceError, match="does not report how many GPUs there are: Function Not Found"):
            DriverSource().read()


def test_an_added_gpu_is_counted_after_a_new_contact() -> None:
    with Simulation(3) as simulation:
        source = DriverSource()
        simulation.gpus[2].vanish()
        assert source.read().gpu_count == 2

        simulation.gpus[2].appear()
        assert source.read().gpu_count == 2, "NVML keeps the count of its start"
        source.release()

        assert source.read().gpu_count == 3


@pytest.mark.parametrize("beneath", ["shutdown_nvml", "reload_driver"])
def test_nvml_is_started_again_after_something_else_has_ended_it(beneath: str) -> None:
    with Simulation(2) as simulation:
        source = DriverSource()
        source.read()
        getattr(simulation, beneath)()

        assert source.read() == CURRENT
        assert read_power(query) > 0


def test_release_shuts_nvml_down_until_the_next_read() -> None:
    with Simulation(2) as simulation:
        source = DriverSource()
        source.read()
        source.release()

        with pytest.raises(pynvml.NVMLError_Uninitialized):
            pynvml.nvmlDeviceGetCount()
        assert simulation.calls["nvmlShutdown"] == 1
        assert source.read() == CURRENT


@pytest.mark.parametrize("beneath", ["shutdown_nvml", "reload_driver"])
def test_release_succeeds_if_nvml_has_ended_already(beneath: str) -> None:
    with Simulation(2) as simulation:
        source = DriverSource()
        source.read()
        getattr(simulation, beneath)()
        source.release()

        assert source.read() == CURRENT


def test_release_without_any_driver_is_no_fault() -> None:
    with Simulation(1) as simulation:
        simulation.remove_driver("absent")

        DriverSource().release()

        assert simulation.calls["nvmlDeviceGetCount_v2"] == 0


def test_nvitop_logs_neither_a_missing_driver_nor_a_missing_function(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with Simulation(1) as simulation:
        simulation.remove_driver("absent")
        with pytest.raises(pynvml.NVMLError_LibraryNotFound):
            libnvml.nvmlQuery("nvmlDeviceGetCount")
        simulation.restore_driver()
        simulation.remove_function(POWER)
        libnvml.nvmlQuery(POWER, query("nvmlDeviceGetHandleByIndex", 0))

    assert caplog.records == []


HUNG_AT_EXIT = """
import threading
from agent.simulation import Simulation
from agent.sources.nvml import DriverSource, abandon

simulation = Simulation(1).install()
source = DriverSource()
source.read()
simulation.hang("nvmlDeviceGetCount_v2")
threading.Thread(target=source.read, daemon=True).start()
assert simulation.wait_until_blocked()
abandon()
"""


def test_an_abandoned_hung_call_does_not_delay_the_exit() -> None:
    command = [sys.executable, "-c", HUNG_AT_EXIT]

    subprocess.run(command, check=True, timeout=30)  # noqa: S603  (ours; nvitop alone would wait 120 s)
