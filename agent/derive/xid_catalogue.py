"""NVIDIA's catalogue of XID errors, without the codes that it calls unused.

Source: https://docs.nvidia.com/deploy/xid-errors/analyzing-xid-catalog.html, its columns "Applies to",
"Immediate Action" and "Investigatory Action"; the meanings are in our words.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping


class Action(StrEnum):
    """An action that NVIDIA's catalogue names and explains."""

    IGNORE = "IGNORE"
    RESTART_APP = "RESTART_APP"
    RESET_GPU = "RESET_GPU"
    RESTART_VM = "RESTART_VM"
    RESTART_BM = "RESTART_BM"  # reboot the host
    CHECK_MECHANICALS = "CHECK_MECHANICALS"  # cables, seating
    CHECK_UVM = "CHECK_UVM"  # reset the GPU if unified memory is in use
    UPDATE_SWFW = "UPDATE_SWFW"  # driver, or vGPU software
    CONTACT_SUPPORT = "CONTACT_SUPPORT"
    XID_154 = "XID_154"  # what the driver asks for
    WORKFLOW_XID_13 = "WORKFLOW_XID_13"  # the program's fault, or the GPU's if it is always the same part
    WORKFLOW_XID_31 = "WORKFLOW_XID_31"  # the program's fault, or the GPU's if it is always the same GPU
    WORKFLOW_XID_45 = "WORKFLOW_XID_45"  # alone: restart the fabric manager; else follow the other XID
    WORKFLOW_XID_48 = "WORKFLOW_XID_48"  # reset the GPU; by 63 and 64, see whether it has to be replaced
    WORKFLOW_NVLINK_ERR = "WORKFLOW_NVLINK_ERR"  # by the registers in the kernel log
    WORKFLOW_NVLINK5_ERR = "WORKFLOW_NVLINK5_ERR"  # by the registers in the kernel log
    CHECK_APP = "CHECK_APP/CUDA"
    INVESTIGATE_SW = "INVESTIGATE_SW"
    INVESTIGATE_SW_USER = "INVESTIGATE_SW_USER"  # if nobody has done it on purpose
    INVESTIGATE_LINK_SI = "INVESTIGATE_LINK_SI"  # signal integrity
    SYMPATHETIC = "IGNORE (sympathetic)"  # follow the other XID that it comes with
    SYMPATHETIC_SOLO = "SYMPATHETIC_REPORT_SOLO"  # likewise; report it if it comes alone
    XID_137_FLOW = "XID_137_FLOW"  # most likely a fault of the program


_DO = Action
PRODUCTS = ("A100", "H100", "B100", "GB200")  # each stands for its generation
_A100, _H100, _B100, _GB200 = (frozenset({product}) for product in PRODUCTS)
_BLACKWELL = _B100 | _GB200
_HOPPER_ON = _H100 | _BLACKWELL
_ALL = _A100 | _HOPPER_ON


class Xid(NamedTuple):
    """A row of the catalogue."""

    meaning: str
    immediate: Action | None  # to bring the GPU back into service; None: no action is named
    investigatory: Action | None  # if it comes back, or was not expected; None: no action is named
    listed_for: frozenset[str] = _ALL  # among PRODUCTS


# For Ampere and newer.
CATALOGUE: Mapping[int, Xid] = {
    8: Xid("GPU stopped processing", _DO.RESTART_APP, _DO.CONTACT_SUPPORT),
    11: Xid("Invalid or corrupted push buffer stream", _DO.RESTART_APP, _DO.CHECK_APP),
    13: Xid("Graphics engine exception", _DO.RESTART_APP, _DO.WORKFLOW_XID_13),
    14: Xid("Injected error, for tests", _DO.IGNORE, _DO.CONTACT_SUPPORT),
    25: Xid("Invalid or illegal push buffer stream", _DO.RESTART_APP, _DO.CHECK_APP),
    31: Xid("GPU memory page fault", _DO.RESTART_APP, _DO.WORKFLOW_XID_31),
    32: Xid("Invalid or corrupted push buffer stream", _DO.RESTART_APP, _DO.CHECK_APP),
    37: Xid("Driver firmware error", _DO.IGNORE, _DO.CHECK_APP),
    38: Xid("Driver firmware error", _DO.IGNORE, _DO.CONTACT_SUPPORT),
    39: Xid("Copy engine 0 exception", _DO.RESTART_APP, _DO.CONTACT_SUPPORT),
    40: Xid("Copy engine 1 exception", _DO.RESTART_APP, _DO.CONTACT_SUPPORT),
    41: Xid("Copy engine 2 exception", _DO.RESTART_APP, _DO.CONTACT_SUPPORT),
    43: Xid("GPU stopped processing", _DO.IGNORE, _DO.CONTACT_SUPPORT),
    44: Xid("Graphics engine fault during context switch", _DO.IGNORE, _DO.CONTACT_SUPPORT),
    45: Xid("Preemptive cleanup, due to previous errors", _DO.WORKFLOW_XID_45, _DO.WORKFLOW_XID_45),
    46: Xid("GPU stopped processing", _DO.RESET_GPU, _DO.CONTACT_SUPPORT),
    48: Xid("Double-bit ECC error", _DO.WORKFLOW_XID_48, _DO.WORKFLOW_XID_48),
    54: Xid(
        "Auxiliary power is not connected to the GPU board",
        _DO.CHECK_MECHANICALS,
        _DO.CONTACT_SUPPORT,
        _A100 | _H100 | _B100,
    ),
    60: Xid("Video processor exception", _DO.RESTART_APP, _DO.INVESTIGATE_SW),
    62: Xid("Internal micro-controller halt", _DO.RESET_GPU, _DO.CONTACT_SUPPORT),
    63: Xid("Page retired or row remapped", _DO.IGNORE, _DO.IGNORE),
    64: Xid("Page retirement or row remapping failed", _DO.RESET_GPU, _DO.CONTACT_SUPPORT),
    66: Xid("Illegal access by the driver", _DO.IGNORE, _DO.INVESTIGATE_SW),
    67: Xid("Illegal access by the driver", _DO.IGNORE, _DO.CONTACT_SUPPORT),
    68: Xid("Video decoder 0 exception", _DO.RESTART_APP, _DO.CONTACT_SUPPORT),
    69: Xid("Graphics engine class error", _DO.RESTART_APP, _DO.CHECK_APP),
    70: Xid("Copy engine 3: unknown error", _DO.RESTART_APP, _DO.CONTACT_SUPPORT),
    71: Xid("Copy engine 4: unknown error", _DO.RESTART_APP, _DO.CONTACT_SUPPORT),
    72: Xid("Copy engine 5: unknown error", _DO.RESTART_APP, _DO.CONTACT_SUPPORT),
    74: Xid("NVLink error", _DO.WORKFLOW_NVLINK_ERR, _DO.CONTACT_SUPPORT, _A100 | _H100),
    75: Xid("Copy engine 6: unknown error", _DO.RESTART_APP, _DO.CONTACT_SUPPORT),
    76: Xid("Copy engine 7: unknown error", _DO.RESTART_APP, _DO.CONTACT_SUPPORT),
    77: Xid("Copy engine 8: unknown error", _DO.RESTART_APP, _DO.CONTACT_SUPPORT),
    78: Xid("vGPU start error", _DO.UPDATE_SWFW, _DO.UPDATE_SWFW),
    79: Xid("GPU has fallen off the bus", _DO.RESTART_BM, _DO.CONTACT_SUPPORT),
    80: Xid("Corrupted data sent to the GPU", _DO.RESTART_APP, _DO.CHECK_APP, _A100 | _H100),
    82: Xid("JPEG decoder 0 error", _DO.RESTART_APP, _DO.CONTACT_SUPPORT),
    83: Xid("Video decoder 1 error", _DO.RESTART_APP, _DO.CONTACT_SUPPORT),
    84: Xid("Video decoder 2 error", _DO.RESTART_APP, _DO.CONTACT_SUPPORT),
    85: Xid("Copy engine 9: unknown error", _DO.RESTART_APP, _DO.CONTACT_SUPPORT),
    86: Xid("Optical flow accelerator exception", _DO.RESTART_APP, _DO.CONTACT_SUPPORT),
    88: Xid("Video decoder 3 error", _DO.RESTART_APP, _DO.CONTACT_SUPPORT),
    89: Xid("Video decoder 4 error", _DO.RESTART_APP, _DO.CONTACT_SUPPORT),
    92: Xid("High rate of single-bit ECC errors", _DO.IGNORE, _DO.CONTACT_SUPPORT),
    93: Xid("Writes to the InfoROM are above their limit", _DO.IGNORE, _DO.CONTACT_SUPPORT, _A100),
    94: Xid("Contained memory error", _DO.RESTART_APP, _DO.SYMPATHETIC),
    95: Xid("Uncontained memory error", _DO.RESET_GPU, _DO.SYMPATHETIC),
    96: Xid("Video decoder 5 error", _DO.RESTART_APP, _DO.CONTACT_SUPPORT, _HOPPER_ON),
    97: Xid("Video decoder 6 error", _DO.RESTART_APP, _DO.CONTACT_SUPPORT, _HOPPER_ON),
    98: Xid("Video decoder 7 error", _DO.RESTART_APP, _DO.CONTACT_SUPPORT, _HOPPER_ON),
    99: Xid("JPEG decoder 1 error", _DO.RESTART_APP, _DO.CONTACT_SUPPORT, _HOPPER_ON),
    100: Xid("JPEG decoder 2 error", _DO.RESTART_APP, _DO.CONTACT_SUPPORT, _HOPPER_ON),
    101: Xid("JPEG decoder 3 error", _DO.RESTART_APP, _DO.CONTACT_SUPPORT, _HOPPER_ON),
    102: Xid("JPEG decoder 4 error", _DO.RESTART_APP, _DO.CONTACT_SUPPORT, _HOPPER_ON),
    103: Xid("JPEG decoder 5 error", _DO.RESTART_APP, _DO.CONTACT_SUPPORT, _HOPPER_ON),
    104: Xid("JPEG decoder 6 error", _DO.RESTART_APP, _DO.CONTACT_SUPPORT, _HOPPER_ON),
    105: Xid("JPEG decoder 7 error", _DO.RESTART_APP, _DO.CONTACT_SUPPORT, _HOPPER_ON),
    106: Xid("Test message of the management bus", _DO.IGNORE, _DO.IGNORE),
    107: Xid("Silent test message of the management bus", _DO.IGNORE, _DO.IGNORE),
    108: Xid("NVLink: remote translation error", _DO.IGNORE, _DO.XID_137_FLOW),
    109: Xid("Context switch timeout", _DO.RESET_GPU, _DO.CONTACT_SUPPORT),
    110: Xid("Security fault", _DO.RESET_GPU, _DO.INVESTIGATE_SW, _HOPPER_ON),
    119: Xid("GPU system processor (GSP) did not answer in time", _DO.RESET_GPU, _DO.INVESTIGATE_SW),
    120: Xid("GPU system processor (GSP) error", _DO.RESET_GPU, _DO.INVESTIGATE_SW),
    121: Xid("Corrected error of the chip-to-chip link (C2C)", _DO.IGNORE, _DO.CONTACT_SUPPORT, _GB200),
    **{
        code: Xid(
            f"Copy engine {code - 116}: unknown error", _DO.RESTART_APP, _DO.CONTACT_SUPPORT, _BLACKWELL
        )
        for code in range(126, 136)
    },
    136: Xid("Link training failed", _DO.RESET_GPU, _DO.INVESTIGATE_LINK_SI, _H100),
    137: Xid("NVLink: access without privilege", _DO.IGNORE, _DO.XID_137_FLOW),
    139: Xid("Optical flow accelerator 1 error", _DO.RESTART_APP, _DO.CONTACT_SUPPORT, _BLACKWELL),
    140: Xid("Unrecovered ECC error", _DO.RESET_GPU, _DO.CONTACT_SUPPORT),
    141: Xid("CUDA fast path error", _DO.IGNORE, _DO.CONTACT_SUPPORT, _HOPPER_ON),
    142: Xid("Video encoder 3 error", _DO.CONTACT_SUPPORT, None, _GB200),
    143: Xid("GPU could not be initialised", _DO.RESET_GPU, _DO.CONTACT_SUPPORT, _HOPPER_ON),
    144: Xid("NVLink: SAW error", _DO.WORKFLOW_NVLINK5_ERR, _DO.WORKFLOW_NVLINK5_ERR, _BLACKWELL),
    145: Xid("NVLink: RLW error", _DO.WORKFLOW_NVLINK5_ERR, _DO.WORKFLOW_NVLINK5_ERR, _BLACKWELL),
    146: Xid("NVLink: TLW error", _DO.WORKFLOW_NVLINK5_ERR, _DO.WORKFLOW_NVLINK5_ERR, _BLACKWELL),
    147: Xid("NVLink: TREX error", _DO.WORKFLOW_NVLINK5_ERR, _DO.WORKFLOW_NVLINK5_ERR, _BLACKWELL),
    148: Xid("NVLink: NVLPW_CTRL error", _DO.WORKFLOW_NVLINK5_ERR, _DO.WORKFLOW_NVLINK5_ERR, _BLACKWELL),
    149: Xid("NVLink: NETIR error", _DO.WORKFLOW_NVLINK5_ERR, _DO.WORKFLOW_NVLINK5_ERR, _BLACKWELL),
    150: Xid("NVLink: MSE error", _DO.WORKFLOW_NVLINK5_ERR, _DO.WORKFLOW_NVLINK5_ERR, _BLACKWELL),
    151: Xid("Key rotation error", _DO.RESTART_VM, _DO.CONTACT_SUPPORT, _HOPPER_ON),
    152: Xid(
        "Deep learning accelerator: memory management error", _DO.IGNORE, _DO.CONTACT_SUPPORT, frozenset()
    ),
    153: Xid("Deep learning accelerator: timeout", _DO.IGNORE, _DO.CONTACT_SUPPORT, frozenset()),
    154: Xid("The recovery that the GPU needs has changed", _DO.XID_154, None),
    155: Xid("NVLink: error defined by software", _DO.RESET_GPU, _DO.INVESTIGATE_SW_USER, _BLACKWELL),
    156: Xid("A faulty resource of the GPU is retired", _DO.RESET_GPU, _DO.IGNORE, _HOPPER_ON),
    157: Xid(
        "A faulty resource of the GPU could not be retired", _DO.IGNORE, _DO.CONTACT_SUPPORT, _HOPPER_ON
    ),
    158: Xid("GPU fatal timeout", _DO.RESET_GPU, _DO.CONTACT_SUPPORT),
    159: Xid("Chip-to-chip link: error other than of data", _DO.CHECK_UVM, _DO.SYMPATHETIC_SOLO, _BLACKWELL),
    160: Xid("A channel is retired", _DO.IGNORE, _DO.INVESTIGATE_SW, _BLACKWELL),
    161: Xid("A channel could not be retired", _DO.IGNORE, _DO.INVESTIGATE_SW, _BLACKWELL),
    162: Xid("Power smoothing works again", None, None, _BLACKWELL),
    163: Xid("Power smoothing has stopped", None, None, _BLACKWELL),
    164: Xid("Power smoothing: little lifetime is left", None, None, _BLACKWELL),
    165: Xid("Power smoothing: no lifetime is left", None, None, _BLACKWELL),
    166: Xid("NVLink: traffic before encryption was set up", None, None, _BLACKWELL),
    167: Xid("PCIe fatal timeout", None, None, _HOPPER_ON),
    168: Xid("Errors in the write-protected region of memory", None, None),
    169: Xid("Internal micro-controller (SEC2) halt", None, None, _HOPPER_ON),
    170: Xid("NVLink: interrupt in confidential computing", None, None, _BLACKWELL),
    171: Xid("Uncorrectable error in DRAM", None, None),
    172: Xid("Uncorrectable error in SRAM", None, None),
}

# For Volta and older, and what the catalogue above has no longer. NVIDIA's list of these has causes instead
# of actions; the actions here are chosen by the causes.
OLDER: Mapping[int, Xid] = {
    16: Xid("Display engine hung", _DO.RESET_GPU, None, frozenset()),
    38: Xid("Driver firmware error", _DO.RESET_GPU, None, frozenset()),
    44: Xid("Graphics engine fault during context switch", _DO.RESET_GPU, None, frozenset()),
    56: Xid("Display engine error", _DO.IGNORE, None, frozenset()),
    57: Xid("Error programming the video memory interface", _DO.RESET_GPU, None, frozenset()),
    58: Xid("Unstable video memory interface", _DO.RESET_GPU, None, frozenset()),
    61: Xid("Internal micro-controller breakpoint", _DO.RESET_GPU, None, frozenset()),
    65: Xid("Video encoder 1 exception", _DO.RESTART_APP, None, frozenset()),
    73: Xid("Video encoder 2 error", _DO.RESTART_APP, None, frozenset()),
    80: Xid("Corrupted data sent to the GPU", _DO.RESET_GPU, None, frozenset()),
    81: Xid("VGA subsystem error", _DO.RESET_GPU, None, frozenset()),
    122: Xid("Power management unit could not be read", _DO.RESET_GPU, None, frozenset()),
    123: Xid("Power management unit could not be written", _DO.RESET_GPU, None, frozenset()),
}
