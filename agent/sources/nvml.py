"""The driver through nvitop's NVML layer: calls of NVML functions, and the lifecycle of the library.

`nvitop.libnvml` is used rather than `nvitop.Device`: it keeps nvitop's choice of struct and function versions
for every driver generation, and avoids what a sampler must not have: values cached for ever after a failed
first call, errors turned into "N/A", host memory instead of GPU memory.
"""

from __future__ import annotations

import atexit
import logging
from functools import cache
from threading import get_ident
from typing import TYPE_CHECKING, Any

import pynvml
from nvitop import libnvml

from agent.readings import DriverReading, SourceError
from agent.readings.troubles import driver_trouble, gpu_trouble
from agent.sources.return_codes import FATAL, symbol_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.readings import GpuReading

# nvitop logs CRITICAL at every attempt to find a driver, and ERROR for every missing function. Both are
# results here, and the collector logs them once per change of state.
logging.getLogger("nvitop").setLevel(logging.CRITICAL + 1)
logging.getLogger(libnvml.__name__).setLevel(logging.CRITICAL + 1)

# NVML's marker for no value (nvml.h: NVML_VALUE_NOT_AVAILABLE is -1), read as unsigned.
NOT_AVAILABLE = frozenset({0xFFFF_FFFF, 0xFFFF_FFFF_FFFF_FFFF})

# By thread: each thread writes only its own number, so no lock is needed.
_calls: dict[int, int] = {}


def query_or_none(function: str | Callable[..., Any], *arguments: Any) -> Any:
    """Call an NVML function that is not about one GPU; None if the driver reports no value.

    Raises `pynvml.NVMLError` only for errors of the whole driver (`FATAL`). For a GPU, use its GpuHandle.
    """
    try:
        return query(function, *arguments)
    except FATAL:
        raise
    except pynvml.NVMLError:
        return None


def query(function: str | Callable[..., Any], *arguments: Any) -> Any:
    """Call an NVML function; None if it succeeds with NVML's marker for no value.

    Raises `pynvml.NVMLError` for everything else: not supported, missing, lost, no permission ...
    """
    thread = get_ident()
    _calls[thread] = _calls.get(thread, 0) + 1
    call = _function(function) if isinstance(function, str) else function
    _begin()
    try:
        value = call(*arguments)
    except UnicodeDecodeError as error:
        raise pynvml.NVMLError_Unknown from error
    kind = value.__class__
    if kind is int:
        return None if value in NOT_AVAILABLE else value
    if kind is bytes:
        return value.decode("utf-8", errors="replace")
    if kind is list or kind is tuple:
        return [_or_none(entry) for entry in value]
    return value


_begin = libnvml._lazy_init  # noqa: SLF001  (nvmlInit unless it was called: nothing public does only that)


@cache
def _function(name: str) -> Callable[..., Any]:
    """The function of nvitop, or else of nvidia-ml-py.

    Called as it is: `libnvml.nvmlQuery` takes two locks around each call for nvitop's exit hook, which we do
    not need (see `abandon`), and costs more than most calls.
    """
    try:
        function: Callable[..., Any] = getattr(libnvml, name)
    except AttributeError as error:
        raise pynvml.NVMLError_FunctionNotFound from error
    return function


def _or_none(value: Any) -> Any:
    return None if isinstance(value, int) and value in NOT_AVAILABLE else value


def call_c_function(symbol: str, *arguments: Any) -> None:
    """Call a function of nvml.h for which pynvml has no wrapper, or one that is too narrow.

    `arguments` as in C. Raises `pynvml.NVMLError`, so that `query` and `query_or_none` take a caller of it.
    """
    function = pynvml._nvmlGetFunctionPointer(symbol)  # noqa: SLF001  (nothing public gives the C function)
    code = function(*arguments)
    if code != pynvml.NVML_SUCCESS:
        raise pynvml.NVMLError(code)


# A member of an NVML struct, by its name. pynvml's structs run a Python function for each that is read.
member: Callable[[Any, str], Any] = object.__getattribute__


def number(struct: Any, field: str) -> int | None:
    """A whole number from an NVML struct; None if it has no such field, or no value in it."""
    try:
        value = member(struct, field)
    except AttributeError:
        return None
    if value is None or (whole := int(value)) in NOT_AVAILABLE:
        return None
    return whole


def flag(number: int | None) -> bool | None:
    """A boolean from NVML."""
    return None if number is None else bool(number)


class DriverSource:
    """The driver as a whole: initializes NVML, counts the GPUs, and releases NVML. One thread owns it."""

    def __init__(
        self, pci_bus_ids: Callable[[], tuple[str, ...]] = tuple, *, in_container: bool = False
    ) -> None:
        """`pci_bus_ids`: those of all NVIDIA GPUs, also of those that NVML cannot read."""
        self._pci_bus_ids = pci_bus_ids
        self._in_container = in_container
        self._reading: DriverReading | None = None

    @property
    def calls(self) -> int:
        """NVML functions called so far, by every source of this process."""
        return sum(tuple(_calls.values()))

    def read(self) -> DriverReading:
        """NVML: nvmlDeviceGetCount_v2 each time; the rest once per contact. Raises SourceError."""
        try:
            count = self._count()
            if self._reading is None or self._reading.gpu_count != count:
                self._reading = DriverReading(
                    gpu_count=count,
                    driver_version=query_or_none("nvmlSystemGetDriverVersion"),
                    cuda_version=_cuda_version(query_or_none("nvmlSystemGetCudaDriverVersion")),
                    nvml_version=query_or_none("nvmlSystemGetNVMLVersion"),
                    pci_bus_ids=self._pci_bus_ids(),
                )
        except FATAL as error:
            self._reading = None
            raise self._refusal(error) from error
        except pynvml.NVMLError as error:
            if self._reading is None:
                raise self._refusal(error) from error
            # A passing error of one call does not remove the GPUs.
        return self._reading

    def release(self) -> None:
        """NVML: nvmlShutdown, so that a GPU reset, a MIG change or a driver upgrade finds no open handle."""
        self._reading = None
        try:
            libnvml.nvmlShutdown()
        except pynvml.NVMLError as error:
            logging.getLogger(__name__).debug("nvmlShutdown: %s", error)

    def _refusal(self, error: pynvml.NVMLError) -> SourceError:
        trouble = driver_trouble(symbol_of(error.value), str(error), in_container=self._in_container)
        return SourceError(trouble.sentence, code=error.value)

    def _count(self) -> int:
        try:
            count = query("nvmlDeviceGetCount")
        except pynvml.NVMLError_Uninitialized:
            # NVML was shut down without nvitop, which still considers it initialised: only the raw call
            # repairs that.
            pynvml.nvmlInit()
            self._reading = None  # it may be another driver by now
            count = query("nvmlDeviceGetCount")
        if count is None:  # unknown is not 0
            raise pynvml.NVMLError_NotSupported
        return int(count)


def unreadable_gpu(
    error: pynvml.NVMLError, *, in_container: bool, lasting: GpuReading | None = None
) -> SourceError:
    """The SourceError for an error of the GPU as a whole; `lasting` stays known."""
    trouble = gpu_trouble(symbol_of(error.value), str(error), in_container=in_container)
    return SourceError(trouble.what, todo=trouble.todo, code=error.value, lasting=lasting)


def abandon() -> None:
    """Leave a hung driver call behind at exit; nvitop's exit hook would wait 120 s for it."""
    atexit.unregister(libnvml._atexit_shutdown)  # noqa: SLF001  (nvitop offers no other way)


def _cuda_version(number: int | None) -> str | None:
    return None if number is None else f"{number // 1000}.{number % 1000 // 10}"
