"""Every return code of NVML, for the driver and for a GPU: one sentence, and what to do about it."""

from __future__ import annotations

import pynvml
import pytest

from agent.readings import SourceError
from agent.simulation import Simulation
from agent.sources.gpu import GpuSource
from agent.sources.nvml import DriverSource

CODES = {name: value for name, value in vars(pynvml).items() if name.startswith("NVML_ERROR_")}
# nvitop translates a missing function to a function that is not supported.
ALIKE = {pynvml.NVML_ERROR_FUNCTION_NOT_FOUND: pynvml.NVML_ERROR_NOT_SUPPORTED}
# Only these codes of the memory function make the whole GPU unreadable.
OF_THE_WHOLE_GPU = {
    pynvml.NVML_ERROR_UNINITIALIZED,
    pynvml.NVML_ERROR_INVALID_ARGUMENT,
    pynvml.NVML_ERROR_DRIVER_NOT_LOADED,
    pynvml.NVML_ERROR_LIBRARY_NOT_FOUND,
    pynvml.NVML_ERROR_GPU_IS_LOST,
    pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH,
    pynvml.NVML_ERROR_GPU_NOT_FOUND,
}
HANDLE, MEMORY = "nvmlDeviceGetHandleByIndex_v2", "nvmlDeviceGetMemoryInfo_v2"

RESEAT = {"GPU_IS_LOST"}  # the only codes for which the hardware may be at fault
REPLACE = {"GPU_IS_LOST", "CORRUPTED_INFOROM"}
RECREATE = {"NO_PERMISSION", "OPERATING_SYSTEM", "LIB_RM_VERSION_MISMATCH", "GPU_NOT_FOUND", "UNKNOWN"}
RESET = {"CORRUPTED_INFOROM", "GPU_IS_LOST", "RESET_REQUIRED", "TIMEOUT", "INVALID_STATE", "UNKNOWN"}


def refusal_of_driver(code: int, symbol: str = "nvmlInitWithFlags", *, in_container: bool = False) -> str:
    """The sentence with what to do, as in every answer."""
    with Simulation(1) as simulation:
        simulation.fail(symbol, code)
        with pytest.raises(SourceError) as caught:
            DriverSource(in_container=in_container).read()
    assert caught.value.code in {code, ALIKE.get(code)}
    assert caught.value.todo is None
    return str(caught.value)


def refusal_of_gpu(code: int, symbol: str = HANDLE, *, in_container: bool = False) -> tuple[str, str]:
    """The error, as in every answer, and what to do, as in its finding."""
    with Simulation(1) as simulation:
        simulation.gpus[0].fail(symbol, code)
        with pytest.raises(SourceError) as caught:
            GpuSource(0, in_container=in_container).read()
    assert caught.value.code in {code, ALIKE.get(code)}
    assert caught.value.todo is not None
    return str(caught.value), caught.value.todo


def assert_plain(sentence: str) -> None:
    assert sentence[:1].isupper()
    assert "{" not in sentence
    assert ". " not in sentence
    assert not sentence.endswith(".")


@pytest.mark.parametrize(
    ("code", "symbol"),
    [
        pytest.param(code, symbol, id=f"{name.removeprefix('NVML_ERROR_')}-{symbol}")
        for name, code in CODES.items()
        for symbol in ("nvmlInitWithFlags", "nvmlDeviceGetCount_v2")
        # There NVML is initialised again: see test_nvml.py.
        if (code, symbol) != (pynvml.NVML_ERROR_UNINITIALIZED, "nvmlDeviceGetCount_v2")
    ],
)
def test_every_refusal_of_the_driver_is_one_sentence_with_what_to_do(code: int, symbol: str) -> None:
    sentence = refusal_of_driver(code, symbol)

    assert_plain(sentence)
    if code not in ALIKE:  # codes of nvmlInit are not translated
        assert sentence == refusal_of_driver(code), "the same whichever function reports it"
    what, _, todo = sentence.partition("; ")
    assert "NVIDIA" in what or "GPU" in what
    assert todo


@pytest.mark.parametrize(
    ("code", "symbol"),
    [
        pytest.param(code, symbol, id=f"{name.removeprefix('NVML_ERROR_')}-{symbol}")
        for name, code in CODES.items()
        for symbol in (HANDLE, MEMORY)
        if symbol == HANDLE or code in OF_THE_WHOLE_GPU
    ],
)
def test_every_refusal_of_a_gpu_is_one_sentence_and_what_to_do(code: int, symbol: str) -> None:
    what, todo = refusal_of_gpu(code, symbol)

    assert_plain(what)
    assert ";" not in what, "what to do is not part of the error"
    assert todo[:1].islower()
    assert_plain(todo[:1].upper() + todo[1:])
    assert (what, todo) == refusal_of_gpu(code)


@pytest.mark.parametrize("contained", [False, True], ids=["on the host", "in a container"])
@pytest.mark.parametrize("name", [name.removeprefix("NVML_ERROR_") for name in CODES])
def test_a_remedy_is_named_only_where_it_may_help(name: str, contained: bool) -> None:
    code = CODES[f"NVML_ERROR_{name}"]
    of_driver = refusal_of_driver(code, in_container=contained)
    for advice in (of_driver, refusal_of_gpu(code, in_container=contained)[1]):
        assert ("reseat" in advice) == (name in RESEAT)
        assert ("replace" in advice) == (name in REPLACE)
        assert ("recreate the container" in advice) == (contained and name in RECREATE)
        assert ("reset" in advice.replace("a reset, a change", "")) == (
            name in RESET and not (contained and name == "UNKNOWN")
        )


# By the name of the return code and whether the agent runs in a container.
OF_DRIVER = {
    ("NO_PERMISSION", False): "No permission to use the NVIDIA driver; let the agent's user open"
    " /dev/nvidiactl, /dev/nvidia0, /dev/nvidia1 and so on",
    ("NO_PERMISSION", True): "No permission to use the NVIDIA driver; give the container the GPUs"
    " (--gpus all); if it had them before, recreate the container",
    (
        "UNKNOWN",
        False,
    ): "The NVIDIA driver does not answer: Unknown Error; look for XID errors in dmesg; if it"
    " persists, reset the GPU when its work is done, or reboot",
    ("UNKNOWN", True): "The NVIDIA driver does not answer: Unknown Error; the container may have lost its"
    " device files, as after systemctl daemon-reload on the host: recreate the container; if that does not"
    " help, look for XID errors in dmesg",
    (
        "LIB_RM_VERSION_MISMATCH",
        True,
    ): "The NVIDIA kernel module and the NVML library have different versions;"
    " after a driver upgrade reload the module, or reboot the host; then recreate the container, which has"
    " the old library",
}


@pytest.mark.parametrize(("name", "contained"), OF_DRIVER)
def test_what_to_do_about_the_driver_depends_on_where_the_agent_runs(name: str, contained: bool) -> None:
    code = CODES[f"NVML_ERROR_{name}"]

    assert refusal_of_driver(code, in_container=contained) == OF_DRIVER[name, contained]


@pytest.mark.parametrize(
    ("code", "what", "todo"),
    [
        (
            pynvml.NVML_ERROR_NO_PERMISSION,
            "No permission to read the GPU",
            "let the agent's user open /dev/nvidiactl, /dev/nvidia0, /dev/nvidia1 and so on",
        ),
        (
            pynvml.NVML_ERROR_INSUFFICIENT_POWER,
            "The GPU lacks external power: a power cable is missing or loose",
            "switch the host off and connect the power cables of the GPU",
        ),
        (
            pynvml.NVML_ERROR_RESET_REQUIRED,
            "The GPU requires a reset",
            "stop what runs on it and reset it: nvidia-smi --gpu-reset",
        ),
        (
            pynvml.NVML_ERROR_GPU_IS_LOST,
            "The GPU is lost: it fell off the bus, or the driver cannot reach it",
            "look for its XID in dmesg; reset it or reboot, and reseat or replace it if it comes back",
        ),
        (
            pynvml.NVML_ERROR_UNKNOWN,
            "The driver refuses to read the GPU: Unknown Error",
            "look for XID errors in dmesg; if it persists, reset the GPU when its work is done, or reboot",
        ),
        (
            4242,
            "The driver refuses to read the GPU: Unknown Error",
            "look for XID errors in dmesg; if it persists, reset the GPU when its work is done, or reboot",
        ),
    ],
    ids=["no permission", "no power", "reset required", "lost", "unknown error", "of a newer NVML"],
)
def test_what_to_do_about_a_gpu_depends_on_the_cause(code: int, what: str, todo: str) -> None:
    assert refusal_of_gpu(code) == (what, todo)
