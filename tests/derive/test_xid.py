"""The catalogue of XIDs, compared with NVIDIA's documentation; the numbers are repeated here on purpose.

https://docs.nvidia.com/deploy/xid-errors/analyzing-xid-catalog.html: its columns "Description", "Applies to",
"Immediate Action" and "Investigatory Action", for Ampere and newer.
"""

from __future__ import annotations

import re

import pytest

from agent.derive.xid import ABOUT_MEMORY, OF_OUR_OWN, Remedy, blame, look_up, remedy
from agent.derive.xid_catalogue import CATALOGUE, OLDER, PRODUCTS
from agent.readings import Belonging, Blamed, XidCount

HOPPER, VOLTA, TURING, AMPERE = (9, 0), (7, 0), (7, 5), (8, 0)

# NVIDIA's immediate action -> its codes.
IMMEDIATE = {
    "RESTART_APP": [
        *(
            8,
            11,
            13,
            25,
            31,
            32,
            39,
            40,
            41,
            60,
            68,
            69,
            70,
            71,
            72,
            75,
            76,
            77,
            80,
            82,
            83,
            84,
            85,
            86,
            88,
            89,
        ),
        *(94, *range(96, 106), *range(126, 136), 139),
    ],
    "RESET_GPU": [46, 62, 64, 95, 109, 110, 119, 120, 136, 140, 143, 155, 156, 158],
    "WORKFLOW_XID_45": [45],
    "WORKFLOW_XID_48": [48],
    "WORKFLOW_NVLINK_ERR": [74],
    "WORKFLOW_NVLINK5_ERR": [*range(144, 151)],
    "RESTART_VM": [151],
    "RESTART_BM": [79],
    "CHECK_MECHANICALS": [54],
    "CHECK_UVM": [159],
    "UPDATE_SWFW": [78],
    "CONTACT_SUPPORT": [142],
    "XID_154": [154],
    "IGNORE": [
        *(14, 37, 38, 43, 44, 63, 66, 67, 92, 93, 106, 107, 108, 121, 137, 141, 152, 153, 157, 160, 161)
    ],
    None: [*range(162, 173)],
}
# NVIDIA's investigatory action -> its codes.
INVESTIGATORY = {
    "CHECK_APP/CUDA": [11, 25, 32, 37, 69, 80],
    "WORKFLOW_XID_13": [13],
    "WORKFLOW_XID_31": [31],
    "WORKFLOW_XID_45": [45],
    "WORKFLOW_XID_48": [48],
    "WORKFLOW_NVLINK5_ERR": [*range(144, 151)],
    "INVESTIGATE_SW": [60, 66, 110, 119, 120, 160, 161],
    "INVESTIGATE_SW_USER": [155],
    "INVESTIGATE_LINK_SI": [136],
    "IGNORE": [63, 106, 107, 156],
    "IGNORE (sympathetic)": [94, 95],
    "SYMPATHETIC_REPORT_SOLO": [159],
    "UPDATE_SWFW": [78],
    "XID_137_FLOW": [108, 137],
    None: [142, 154, *range(162, 173)],
}  # all other codes: CONTACT_SUPPORT
# NVIDIA's columns "Applies to" -> the codes that apply to these products only.
PRODUCTS_OF = {
    ("A100",): [93],
    ("A100", "H100"): [74, 80],
    ("A100", "H100", "B100"): [54],
    ("H100",): [136],
    ("H100", "B100", "GB200"): [*range(96, 106), 110, 141, 143, 151, 156, 157, 167, 169],
    ("B100", "GB200"): [*range(126, 136), 139, *range(144, 151), 155, *range(159, 167), 170],
    ("GB200",): [121, 142],
    (): [152, 153],
}  # all other codes apply to all products


def test_each_code_has_the_immediate_action_that_nvidia_names() -> None:
    assert {code: row.immediate for code, row in CATALOGUE.items()} == {
        code: action for action, codes in IMMEDIATE.items() for code in codes
    }


def test_each_code_has_the_investigatory_action_that_nvidia_names() -> None:
    named = {code: action for action, codes in INVESTIGATORY.items() for code in codes}

    for code, row in CATALOGUE.items():
        assert row.investigatory == named.get(code, "CONTACT_SUPPORT"), code


def test_each_code_is_listed_for_the_products_that_nvidia_names() -> None:
    named = {code: products for products, codes in PRODUCTS_OF.items() for code in codes}

    for code, row in CATALOGUE.items():
        assert row.listed_for == set(named.get(code, PRODUCTS)), code


@pytest.mark.parametrize(
    ("helps", "codes"),
    [
        (Remedy.NONE, [14, 37, 38, 44, 63, 66, 67, 92, 93, 121, 141, 154, 160, 162, 163]),
        (Remedy.APPLICATION, [8, 13, 31, 43, 45, 80, 94, 126, 137]),
        (Remedy.RESET, [46, 48, 62, 64, 74, 95, 109, 119, 120, 140, 145, 151, 156, 159, 171, 172]),
        (Remedy.REPLACE, [54, 79]),
        (Remedy.UNKNOWN, [78, 142, 157, 161, 164, 165, 166, 167, 168, 169, 170]),
    ],
)
def test_each_code_has_its_remedy_on_ampere_and_newer(helps: Remedy, codes: list[int]) -> None:
    assert {code: remedy(code, look_up(code, HOPPER)) for code in codes} == dict.fromkeys(codes, helps)


@pytest.mark.parametrize("code", [38, 44, 80])
def test_an_older_gpu_or_one_of_unknown_age_has_the_graver_remedy(code: int) -> None:
    assert {remedy(code, look_up(code, age)) for age in (VOLTA, TURING, None)} == {Remedy.RESET}
    assert remedy(code, look_up(code, AMPERE)) is not Remedy.RESET


@pytest.mark.parametrize("code", [16, 57, 58, 61, 81, 122, 123])
def test_a_code_of_the_older_catalogue_alone_is_not_harmless_on_a_newer_gpu(code: int) -> None:
    assert code not in CATALOGUE
    assert remedy(code, look_up(code, HOPPER)) is Remedy.RESET


@pytest.mark.parametrize("code", OF_OUR_OWN)
def test_each_remedy_that_differs_from_nvidia_s_has_a_reason(code: int) -> None:
    helps, why = OF_OUR_OWN[code]

    assert why
    assert code in CATALOGUE
    assert remedy(code, CATALOGUE[code]) is helps


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
        (75, "copy engine 6"),
        (77, "copy engine 8"),
        (85, "copy engine 9"),
        (74, "nvlink"),
        (78, "vgpu start"),
        (79, "fallen off the bus"),
        (82, "jpeg decoder 0"),
        (86, "optical flow"),
        (92, "single-bit ecc"),
        (94, "contained memory"),
        (95, "uncontained memory"),
        (105, "jpeg decoder 7"),
        (109, "context switch timeout"),
        (110, "security fault"),
        (119, "gsp"),
        (120, "gsp"),
        (121, "c2c"),
        (126, "copy engine 10"),
        (135, "copy engine 19"),
        (136, "link training failed"),
        (137, "privilege"),
        (140, "ecc"),
        (141, "fast path"),
        (143, "initialised"),
        (149, "nvlink: netir"),
        (151, "key rotation"),
        (154, "recovery"),
        (157, "could not be retired"),
        (158, "fatal timeout"),
        (171, "dram"),
        (172, "sram"),
    ],
)
def test_each_code_has_the_meaning_that_nvidia_documents(code: int, words: str) -> None:
    assert words in look_up(code).meaning.lower()


def test_a_meaning_has_at_most_52_characters() -> None:
    """Each event of a stream repeats the meanings."""
    for row in [*CATALOGUE.values(), *OLDER.values()]:
        assert 0 < len(row.meaning) <= 52, row


@pytest.mark.parametrize("code", [0, 1, 12, 15, 47, 111, 118, 173, 9999])
def test_a_code_outside_the_catalogue_is_unknown_and_not_harmless(code: int) -> None:
    assert code not in {*CATALOGUE, *OLDER}
    assert remedy(code, look_up(code)) is Remedy.UNKNOWN
    assert look_up(code).meaning


def test_codes_about_memory_are_errors_or_retirements_of_it() -> None:
    words = re.compile(r"ECC error|ontained memory error|in DRAM|in SRAM|[Rr]etire")

    assert {code for code, row in CATALOGUE.items() if words.search(row.meaning)} == ABOUT_MEMORY


@pytest.mark.parametrize(
    ("blamed", "words"),
    [
        (None, ""),
        (Blamed(7, "train"), "train (pid 7)"),
        (Blamed(None, "train"), "train"),
        (Blamed(7, None), "pid 7"),
        (Blamed(7, "train", "alice"), "train (pid 7) of alice"),
        (Blamed(7, "train", None, Belonging()), "train (pid 7)"),
        (
            Blamed(7, "train", "alice", Belonging("0123456789abcdef")),
            "train (pid 7) of alice in 0123456789ab",
        ),
        (Blamed(7, "train", None, Belonging("0123456789ab", "box")), "train (pid 7) in box"),
        (Blamed(7, "train", None, Belonging("0123", "box", pod_name="pod-0")), "train (pid 7) in pod-0"),
    ],
)
def test_the_blamed_process_is_shown_with_user_and_container(blamed: Blamed | None, words: str) -> None:
    assert blame(XidCount(1, 0.0, blamed=blamed)) == words
