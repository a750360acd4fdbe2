"""Replaces the library that nvidia-ml-py loads, and restores it completely."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pynvml
from nvitop.api import libnvml

from agent.sources import new_process, runtime_power, slots

if TYPE_CHECKING:
    from collections.abc import Callable

# The state of both modules about their library. nvitop names its own with two underscores at module
# level, where Python does not mangle them.
_PYNVML_NAMES = ("nvmlLib", "_nvmlLib_refcount")
_NVITOP_FRESH: dict[str, object] = {"__initialized": False, "__shutting_down": False}
_NVITOP_SUFFIXES = [
    name for name in vars(libnvml) if name.startswith("__get_") and name.endswith("_version_suffix")
]


@dataclass(frozen=True)
class Before:
    """The state of pynvml, nvitop and our own count before a library was put in place."""

    pynvml: dict[str, Any]
    pointers: dict[str, Any]
    nvitop: dict[str, Any]
    unknown_functions: dict[Any, Any]
    slots: slots.Slots
    runtime_power: runtime_power.RuntimePowerSource
    count_gpus_in_new_process: Callable[[], int | None]


def install_library(
    library: object,
    its_slots: slots.Slots | None = None,
    its_power: runtime_power.RuntimePowerSource | None = None,
    its_recount: Callable[[], int | None] | None = None,
) -> Before:
    """Make nvidia-ml-py and nvitop use `library`, uninitialised, as in a new process.

    `its_slots` are those that its GPUs are plugged into, and `its_power` says whether they sleep; None: those
    of this host. `its_recount` counts its GPUs as a new process would; None: a new process does.
    """
    before = installed()
    slots.in_place = its_slots or slots.in_place
    runtime_power.in_place = its_power or runtime_power.in_place
    vars(libnvml).update(_NVITOP_FRESH | {"__flags": []})
    vars(pynvml).update(nvmlLib=library, _nvmlLib_refcount=0)
    new_process.count_gpus = its_recount or new_process.count_gpus
    forget_functions()
    return before


def installed() -> Before:
    """What is in place now, for `uninstall_library` to restore."""
    nvitop_names = ("__flags", *_NVITOP_FRESH, *_NVITOP_SUFFIXES)
    return Before(
        pynvml={name: vars(pynvml)[name] for name in _PYNVML_NAMES},
        pointers=dict(vars(pynvml)["_nvmlGetFunctionPointer_cache"]),
        nvitop={name: vars(libnvml)[name] for name in nvitop_names},
        unknown_functions=dict(libnvml.UNKNOWN_FUNCTIONS),
        slots=slots.in_place,
        runtime_power=runtime_power.in_place,
        count_gpus_in_new_process=new_process.count_gpus,
    )


def uninstall_library(before: Before) -> None:
    """Restore what `install_library` found."""
    forget_functions()
    vars(pynvml).update(before.pynvml)
    vars(pynvml)["_nvmlGetFunctionPointer_cache"].update(before.pointers)
    vars(libnvml).update(before.nvitop)
    new_process.count_gpus = before.count_gpus_in_new_process
    libnvml.UNKNOWN_FUNCTIONS.update(before.unknown_functions)
    slots.in_place = before.slots
    runtime_power.in_place = before.runtime_power


def forget_functions() -> None:
    """Make both modules look up functions and their versions again."""
    vars(pynvml)["_nvmlGetFunctionPointer_cache"].clear()
    libnvml.UNKNOWN_FUNCTIONS.clear()
    vars(libnvml).update(dict.fromkeys(_NVITOP_SUFFIXES))
