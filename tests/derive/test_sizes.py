"""Amounts of memory: exactly the accepted forms; everything else is refused in one sentence."""

from __future__ import annotations

from itertools import product

import pytest

from agent.derive.sizes import ACCEPTED, UNITS, parse_bytes

GIB = 1024**3


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("20GiB", 20 * GIB),
        ("20000MiB", 20000 * 1024**2),
        ("20GB", 20 * 10**9),
        ("20 GB", 20 * 10**9),
        (" 20 GB ", 20 * 10**9),
        ("21474836480", 20 * GIB),
        ("21474836480B", 20 * GIB),
        ("0", 0),
        ("0TiB", 0),
        ("007MB", 7 * 10**6),
        ("1.5GiB", 3 * GIB // 2),
        ("0.1KB", 100),
        ("0.1KiB", 103),  # 102.4: rounded up, because less would not be enough
        ("0.000000001GB", 1),
        ("9223372036854775807", 9223372036854775807),
        ("9223372036854775807B", 9223372036854775807),
    ],
)
def test_a_size_is_parsed_exactly(text: str, size: int) -> None:
    assert parse_bytes(text) == size


# By the International System of Units and IEC 80000-13.
BYTES = {
    "B": 1,
    "KB": 1_000,
    "MB": 1_000_000,
    "GB": 1_000_000_000,
    "TB": 1_000_000_000_000,
    "KiB": 1_024,
    "MiB": 1_048_576,
    "GiB": 1_073_741_824,
    "TiB": 1_099_511_627_776,
}


@pytest.mark.parametrize(("unit", "blank", "number"), [*product(BYTES, ["", " "], [0, 1, 7, 4095])])
def test_every_unit_multiplies_by_its_number_of_bytes(unit: str, blank: str, number: int) -> None:
    assert parse_bytes(f"{number}{blank}{unit}") == number * BYTES[unit]


def test_there_are_no_other_units() -> None:
    assert set(UNITS) == set(BYTES)


@pytest.mark.parametrize(("binary", "decimal"), [("KiB", "KB"), ("MiB", "MB"), ("GiB", "GB"), ("TiB", "TB")])
def test_a_binary_unit_is_larger_than_the_decimal_one(binary: str, decimal: str) -> None:
    assert parse_bytes(f"1{binary}") > parse_bytes(f"1{decimal}")


INVALID = [
    *[
        "",
        " ",
        "GiB",
        "-1",
        "-1GiB",
        "+1GiB",
        "nan",
        "inf",
        "nanGB",
        "1e9",
        "1e3GB",
        "0x10",
        "1_000",
        "1,5GB",
    ],
    *["1.GB", ".5GB", "1..5GB", "1.5", "1.5B", "1 . 5GB", "1  GB", "1\tGB", "1\nGB", "1GB\n", "20 apples"],
    *["20G", "20g", "20gib", "20GIB", "20gb", "20Gb", "20GiBs", "20 Gi B", "20iB", "20kB", "20kib", "20PB"],
    *[
        "\u0662\u0660GB",
        "\u00b2GB",
        "20\u212aB",
        "20\u00a0GB",
        "20GB;rm",
        "9" * 21,
        "9" * 5000,
        "0.1234567890GB",
    ],
]


@pytest.mark.parametrize("text", INVALID, ids=lambda text: ascii(text[:20]))
def test_invalid_text_is_refused_with_the_accepted_forms(text: str) -> None:
    with pytest.raises(ValueError, match="is no amount of memory") as caught:
        parse_bytes(text)

    assert str(caught.value).endswith(f"; accepted: {ACCEPTED}")
    assert len(str(caught.value)) < 300, "a long text is not repeated as a whole"


@pytest.mark.parametrize("text", ["9223372036854775808", "9" * 20, "9999999999GiB", "8388608TiB"])
def test_an_impossibly_large_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is more memory than there can be"):
        parse_bytes(text)
