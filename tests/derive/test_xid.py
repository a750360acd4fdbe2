"""The catalogue of XIDs, against what NVIDIA publishes; the numbers stand here once more, on purpose.

https://docs.nvidia.com/deploy/xid-errors/analyzing-xid-catalog.html: its columns "Mnemonic" and "Immediate
Action", for Ampere and newer.
"""

from __future__ import annotations

import pytest

from agent.derive.xid import CATALOGUE, Remedy, look_up

# NVIDIA's immediate action -> the codes that it stands beside.
ACTIONS = {
    "RESTART_APP": [8, 11, 13, 31, 32, 60, *range(68, 73), 77, 82, 83, 84, 86, 88, 89, 94, 96, 97, 126],
    "RESET_GPU": [46, 62, 95, 109, 110, 119, 120, 136, 140, 143, 155, 158],
    "WORKFLOW_XID_48": [48],
    "WORKFLOW_NVLINK_ERR": [74],
    "WORKFLOW_NVLINK5_ERR": [*range(144, 151)],
    "RESTART_VM": [151],
    "RESTART_BM": [79],
    "CHECK_MECHANICALS": [54],
    "IGNORE": [37, 63, 92, 121],
}
REMEDIES = {
    "RESTART_APP": Remedy.APPLICATION,
    "RESET_GPU": Remedy.RESET,
    "WORKFLOW_XID_48": Remedy.RESET,  # alone; with 63 or 64, those say what became of the memory
    "WORKFLOW_NVLINK_ERR": Remedy.RESET,
    "WORKFLOW_NVLINK5_ERR": Remedy.RESET,
    "RESTART_VM": Remedy.RESET,
    "RESTART_BM": Remedy.REPLACE,  # a reboot first
    "CHECK_MECHANICALS": Remedy.REPLACE,
    "IGNORE": Remedy.NONE,
}
# What is judged otherwise than that column says, or stands only in NVIDIA's list for older GPUs.
OF_OUR_OWN = {
    Remedy.NONE: [56, 154, 156],
    Remedy.APPLICATION: [43, 45, 65, 66, 67, 73, 118, 137],
    Remedy.RESET: [16, 38, 44, 57, 58, 61, 78, 80, 81, 122, 123, 141],
    Remedy.REPLACE: [64],
}


def test_each_code_has_the_remedy_that_nvidia_names() -> None:
    expected = {code: REMEDIES[action] for action, codes in ACTIONS.items() for code in codes}
    expected |= {code: remedy for remedy, codes in OF_OUR_OWN.items() for code in codes}

    assert {code: entry.remedy for code, entry in CATALOGUE.items()} == expected, (
        "CATALOGUE (agent/derive/xid.py) and ACTIONS or OF_OUR_OWN (tests/derive/test_xid.py) differ"
    )


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (13, "graphics engine exception"),
        (31, "page fault"),
        (43, "stopped processing"),
        (45, "preemptive cleanup"),
        (48, "double-bit ecc"),
        (54, "auxiliary power"),
        (61, "micro-controller breakpoint"),
        (62, "micro-controller halt"),
        (63, "row remapped"),
        (64, "row remapping failed"),
        (68, "video decoder"),
        (69, "graphics engine class"),
        (70, "copy engine 3"),
        (71, "copy engine 4"),
        (72, "copy engine 5"),
        (74, "nvlink"),
        (78, "vgpu start"),
        (79, "fallen off the bus"),
        (82, "jpeg"),
        (86, "optical flow"),
        (92, "single-bit ecc"),
        (94, "contained memory"),
        (95, "uncontained memory"),
        (109, "context switch timeout"),
        (110, "security fault"),
        (119, "gsp"),
        (120, "gsp"),
        (121, "c2c"),
        (136, "link training failed"),
        (137, "privilege"),
        (140, "ecc"),
        (143, "initialised"),
        (149, "nvlink: network port interrupt"),
        (151, "key rotation"),
        (154, "recovery"),
        (158, "fatal timeout"),
    ],
)
def test_a_code_means_what_nvidia_says(code: int, words: str) -> None:
    assert words in look_up(code).meaning.lower()


@pytest.mark.parametrize("code", [0, 1, 12, 14, 47, 93, 111, 153, 9999])
def test_a_code_that_is_not_in_the_catalogue_is_unknown_and_not_harmless(code: int) -> None:
    assert code not in CATALOGUE
    assert look_up(code).remedy is Remedy.UNKNOWN
    assert look_up(code).meaning
