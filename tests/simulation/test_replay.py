"""A document of `nvidia-smi -q -x` is replayed; any other file is refused in one sentence."""

from __future__ import annotations

import os
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import pynvml
import pytest

from agent.app import create_app
from agent.settings import Settings, SettingsError
from agent.simulation import NvmlReturn
from agent.simulation.gpu_values import GpuValues
from agent.simulation.replay import MAX_BYTES, DocumentError, read_document, replay
from agent.simulation.replay.host import ReplayedProcesses
from agent.simulation.replay.words import Section
from agent.sources.command_line import MAX_COMMAND
from tests.support.agents import agent_client

if TYPE_CHECKING:
    from agent.simulation import Simulation

DOCUMENTS = Path(__file__).parents[1] / "hardware" / "documents"
WHOLE = "<nvidia_smi_log><gpu><product_name>NVIDIA T4</product_name></gpu></nvidia_smi_log>"


def simulation_of(tmp_path: Path, gpu: str, host: str = "") -> Simulation:
    path = tmp_path / "document.xml"
    path.write_text(f"<nvidia_smi_log>{host}<gpu>{gpu}</gpu></nvidia_smi_log>")
    return replay(str(path))


# What is refused

REFUSED = {
    "empty": (b"", "holds no <nvidia_smi_log>, and not what nvidia-smi -q -x prints"),
    "no XML": (b"NVIDIA-SMI has failed", "holds no <nvidia_smi_log>, and not what nvidia-smi -q -x prints"),
    "text": (
        b"\n==============NVSMI LOG==============\n\nTimestamp : Fri",
        "holds the text form of nvidia-smi -q, and not what nvidia-smi -q -x prints",
    ),
    "cut off": (WHOLE.encode()[:-10], "is cut off: its last tag is missing"),
    "damaged": (WHOLE.replace("</gpu>", "").encode(), "is damaged (mismatched tag: line 1, column 61)"),
    "zero bytes": (
        WHOLE.replace("T4", "T\0").encode(),
        "is damaged (not well-formed (invalid token): line 1, column 43)",
    ),
    "entity": (
        b'<!DOCTYPE x [<!ENTITY a "aaaa">]>' + WHOLE.encode(),
        "declares an XML entity, which nvidia-smi never does",
    ),
    "entity in UTF-16": (
        ('<!DOCTYPE x [<!ENTITY a "aaaa">]>' + WHOLE).encode("utf-16"),
        "declares an XML entity, which nvidia-smi never does",
    ),
    "no GPU": (b"<nvidia_smi_log></nvidia_smi_log>", "has 0 GPUs; 1 to 128 can be replayed"),
    "too many GPUs": (
        b"<nvidia_smi_log>" + 129 * b"<gpu/>" + b"</nvidia_smi_log>",
        "has 129 GPUs; 1 to 128 can be replayed",
    ),
    "too large": (WHOLE.encode() + MAX_BYTES * b" ", "holds more than 8 MiB"),
}


@pytest.mark.parametrize(("content", "why"), REFUSED.values(), ids=REFUSED)
def test_a_file_that_is_no_document_is_refused_in_one_sentence(
    tmp_path: Path, content: bytes, why: str
) -> None:
    path = tmp_path / "document.xml"
    path.write_bytes(content)
    with pytest.raises(SettingsError) as refusal:
        Settings.from_mapping({"SIMULATE_GPUS": str(path)})
    accepted = (
        "a whole number from 1 to 128, 0 for the real driver, or a file with the output of nvidia-smi -q -x"
    )
    assert refusal.value.faults == (f"SIMULATE_GPUS is '{path}', which {why}; accepted: {accepted}",)


@pytest.mark.parametrize(
    ("path", "why"),
    [("none.xml", "No such file or directory"), (".", "Is a directory"), ("a\0b", "null byte")],
)
def test_a_file_that_cannot_be_read_is_refused(path: str, why: str) -> None:
    with pytest.raises(DocumentError, match=rf"cannot be read \(.*{why}\)"):
        read_document(path)


def test_a_pipe_is_refused_without_waiting_for_it(tmp_path: Path) -> None:
    """A pipe can be read only once."""
    os.mkfifo(tmp_path / "pipe")
    reading, writing = os.pipe()
    try:
        for path in (tmp_path / "pipe", f"/dev/fd/{reading}", "/dev/null"):
            with pytest.raises(
                SettingsError, match="which is not a regular file, as a pipe is none; accepted: "
            ):
                Settings.from_mapping({"SIMULATE_GPUS": str(path)})
    finally:
        os.close(reading)
        os.close(writing)


def test_a_file_that_has_changed_is_refused_in_the_same_words(tmp_path: Path) -> None:
    path = tmp_path / "document.xml"
    path.write_text(WHOLE)
    settings = Settings.from_mapping({"SIMULATE_GPUS": str(path)})
    path.write_text(WHOLE[:-10])
    with pytest.raises(SettingsError, match="which is cut off: its last tag is missing; accepted: "):
        create_app(settings)


def test_a_number_is_never_read_as_a_file_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "2").write_text(WHOLE)
    monkeypatch.chdir(tmp_path)
    assert Settings.from_mapping({"SIMULATE_GPUS": "2"}).simulate_gpus == 2
    assert Settings.from_mapping({"SIMULATE_GPUS": "./2"}).simulate_gpus == "./2"


def test_a_scenario_needs_a_number_of_gpus(tmp_path: Path) -> None:
    path = tmp_path / "document.xml"
    path.write_text(WHOLE)
    with pytest.raises(SettingsError, match="together with a number in SIMULATE_GPUS"):
        Settings.from_mapping({"SIMULATE_GPUS": str(path), "SIMULATE_SCENARIO": "lost"})


# What is accepted

ACCEPTED = {
    "with its document type": b'<?xml version="1.0" encoding="UTF-16"?>\n'
    b'<!DOCTYPE nvidia_smi_log SYSTEM "nvsmi_device_v13.dtd">\n' + WHOLE.encode(),
    "from PowerShell": WHOLE.encode("utf-16"),
    "with a byte order mark": b"\xef\xbb\xbf" + WHOLE.encode(),
    "with warnings around it": b"WARNING: infoROM is corrupted\n" + WHOLE.encode() + b"\nWARNING: again\n",
    "with a name in no encoding": WHOLE.replace("</gpu>", "<x>\udcff</x></gpu>").encode(
        "utf-8", "surrogateescape"
    ),
}


@pytest.mark.parametrize("content", ACCEPTED.values(), ids=ACCEPTED)
def test_a_document_is_read_in_every_accepted_form(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "document.xml"
    path.write_bytes(content)
    (gpu,) = read_document(str(path)).sections("gpu")
    assert gpu.text("product_name") == "NVIDIA T4"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("N/A", NvmlReturn.NOT_SUPPORTED),
        ("[N/A]", NvmlReturn.NOT_SUPPORTED),
        ("", NvmlReturn.NOT_SUPPORTED),
        ("Not available in WDDM driver model", NvmlReturn.NOT_SUPPORTED),
        ("Unknown Error", NvmlReturn.UNKNOWN),
        ("ERR!", NvmlReturn.UNKNOWN),
        ("an unknown word", NvmlReturn.UNKNOWN),
        ("99999999999 C", NvmlReturn.UNKNOWN),
        ("-5 C", NvmlReturn.UNKNOWN),
        ("Insufficient Permissions", NvmlReturn.NO_PERMISSION),
        ("GPU is lost", NvmlReturn.GPU_IS_LOST),
        ("[GPU requires reset]", NvmlReturn.RESET_REQUIRED),
        ("Not Found", NvmlReturn.NOT_FOUND),
        ("Requested functionality has been deprecated", NvmlReturn.DEPRECATED),
        ("[Words of a driver to come]", NvmlReturn.UNKNOWN),
    ],
)
def test_text_instead_of_a_number_becomes_the_return_code_of_the_call(
    tmp_path: Path, text: str, code: NvmlReturn
) -> None:
    with simulation_of(tmp_path, f"<temperature><gpu_temp>{text}</gpu_temp></temperature>"):
        pynvml.nvmlInit()
        with pytest.raises(pynvml.NVMLError) as refusal:
            pynvml.nvmlDeviceGetTemperature(pynvml.nvmlDeviceGetHandleByIndex(0), 0)
    assert refusal.value.value == code


@pytest.mark.parametrize(
    ("word", "action"),
    [
        ("None", 0),
        ("Drain and Reset", 4),
        ("Bus Reset", 6),
        ("An action of a later driver", 255),
        ("N/A", NvmlReturn.NOT_SUPPORTED),
        ("Unknown Error", NvmlReturn.UNKNOWN),
    ],
)
def test_any_other_recovery_action_than_none_is_an_action(tmp_path: Path, word: str, action: int) -> None:
    (gpu,) = simulation_of(tmp_path, f"<gpu_recovery_action>{word}</gpu_recovery_action>").gpus

    assert gpu.error_counters.recovery_action == action


@pytest.mark.parametrize(
    ("reset", "drain", "action"),
    [
        ("No", "No", 0),
        ("No", "N/A", 0),
        ("Yes", "No", 1),
        ("Yes", "Yes", 1),
        ("No", "Yes", 4),
        ("N/A", "Yes", 4),
        ("N/A", "N/A", NvmlReturn.NOT_SUPPORTED),
        ("Unknown Error", "No", NvmlReturn.UNKNOWN),
        ("No", "Unknown Error", NvmlReturn.UNKNOWN),
    ],
)
def test_before_r570_a_document_has_two_recovery_actions(
    tmp_path: Path, reset: str, drain: str, action: int
) -> None:
    status = (
        f"<gpu_reset_status><reset_required>{reset}</reset_required>"
        f"<drain_and_reset_recommended>{drain}</drain_and_reset_recommended></gpu_reset_status>"
    )
    (gpu,) = simulation_of(tmp_path, status).gpus

    assert gpu.error_counters.recovery_action == action


def test_a_missing_tag_is_a_missing_function(tmp_path: Path) -> None:
    with simulation_of(tmp_path, "<product_name>NVIDIA T4</product_name>"):
        pynvml.nvmlInit()
        handle = pynvml.nvmlDeviceGetHandleByIndex(0)
        assert pynvml.nvmlDeviceGetName(handle) == "NVIDIA T4"
        for function in (
            pynvml.nvmlDeviceGetSerial,
            pynvml.nvmlDeviceGetFanSpeed,
            pynvml.nvmlDeviceGetMemoryInfo,
        ):
            with pytest.raises(pynvml.NVMLError_FunctionNotFound):
                function(handle)


def test_text_instead_of_a_section_applies_to_all_its_values() -> None:
    gpu = Section(ElementTree.fromstring("<gpu><remapped_rows>Unknown Error</remapped_rows></gpu>"))  # noqa: S314
    assert gpu.number("remapped_rows/remapped_row_corr") is NvmlReturn.UNKNOWN
    assert gpu.number("retired_pages/pending") is NvmlReturn.FUNCTION_NOT_FOUND


def test_a_remark_after_a_version_is_not_part_of_it(tmp_path: Path) -> None:
    host = "<driver_version>610.57.04 [Deprecated; use KMD Version instead]</driver_version>"
    assert simulation_of(tmp_path, "", host).driver_version == "610.57.04"


def test_a_name_may_hold_brackets() -> None:
    gpu = Section(ElementTree.fromstring("<gpu><name>a [b]</name><other>[b]</other></gpu>"))  # noqa: S314
    assert (gpu.text("name"), gpu.text("other")) == ("a [b]", NvmlReturn.UNKNOWN)


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        (("1", "2"), 3),
        (("1", "N/A"), 1),
        (("1", None), 1),
        (("3", "Not Supported"), 3),
        (("1", "Unknown Error"), NvmlReturn.UNKNOWN),
        (("GPU is lost", "2"), NvmlReturn.GPU_IS_LOST),
        (("N/A", "[no such words]"), NvmlReturn.UNKNOWN),
        (("N/A", "N/A"), NvmlReturn.NOT_SUPPORTED),
        ((None, None), NvmlReturn.FUNCTION_NOT_FOUND),
    ],
)
def test_a_sum_is_unknown_if_a_part_failed(
    tmp_path: Path, parts: tuple[str | None, str | None], expected: int
) -> None:
    tags = zip(("sram_correctable", "dram_correctable"), parts, strict=True)
    reported = "".join(f"<{tag}>{text}</{tag}>" for tag, text in tags if text is not None)
    simulation = simulation_of(tmp_path, f"<ecc_errors><volatile>{reported}</volatile></ecc_errors>")
    assert simulation.gpus[0].error_counters.corrected_volatile is expected


def test_a_failed_total_is_not_calculated_from_its_parts(tmp_path: Path) -> None:
    reported = "<single_bit><total>Unknown Error</total></single_bit><sram_correctable>1</sram_correctable>"
    simulation = simulation_of(tmp_path, f"<ecc_errors><volatile>{reported}</volatile></ecc_errors>")
    assert simulation.gpus[0].error_counters.corrected_volatile is NvmlReturn.UNKNOWN


@pytest.mark.parametrize("path", sorted(DOCUMENTS.glob("*.xml")), ids=lambda path: path.stem)
def test_no_value_of_a_replayed_gpu_changes(path: Path) -> None:
    time = [0.0]
    simulation = replay(str(path), clock=lambda: time[0])
    before = [gpu.values for gpu in simulation.gpus]
    time[0] = 1234.5
    assert [gpu.values for gpu in simulation.gpus] == before
    made_up = [
        field.name
        for field in fields(GpuValues)
        for gpu in simulation.gpus
        if field.name not in gpu._fixed  # noqa: SLF001  (other values change, or come from a model)
    ]
    assert not made_up


# Processes

PROCESS = (
    "<processes><process_info><pid>{pid}</pid><type>C</type><process_name>{name}</process_name>"
    "<used_memory>1 MiB</used_memory></process_info></processes>"
)


@pytest.mark.anyio
async def test_a_pid_that_also_exists_on_this_host_is_not_looked_up(tmp_path: Path) -> None:
    path = tmp_path / "document.xml"
    process = PROCESS.format(pid=os.getpid(), name="/opt/app/server --port 1")
    path.write_text(f"<nvidia_smi_log><gpu>{process}</gpu></nvidia_smi_log>")
    async with agent_client(SIMULATE_GPUS=str(path)) as client:
        (row,) = (await client.get("/processes")).json()["data"]["processes"]
        host = (await client.get("/gpu")).json()["system_info"]
    reported = {
        "pid": os.getpid(),
        "name": "server",
        "command": "/opt/app/server --port 1",
        "gpu_memory_mb": 1.0,
    }
    assert {name: row[name] for name in reported} == reported
    for name in ("username", "uid", "cpu_percent", "host_memory_mb", "running_seconds", "container_id"):
        assert row[name] is None, name
    assert host["memory"]["top_processes"] == []


@pytest.mark.parametrize(
    ("name", "hidden", "expected"),
    [
        ("/opt/app/server --key=abc", False, ("server", "/opt/app/server --key=abc")),
        ("/opt/app/server --key=abc", True, ("server", "/opt/app/server")),
        (r"C:\Windows\explorer.exe", False, ("explorer.exe", r"C:\Windows\explorer.exe")),
        (
            r"C:\Program Files\App\x.exe",
            False,
            ("x.exe", r"C:\Program Files\App\x.exe"),
        ),
        (r"C:\Program Files\App\X.EXE -k abc", True, ("X.EXE", r"C:\Program Files\App\X.EXE")),
        (r"\\server\a b\x.exe", True, ("x.exe", r"\\server\a b\x.exe")),
        (r"C:\App\x --key=abc", True, ("x", r"C:\App\x")),
        (r"C:\App\x --key=abc.exe", True, ("x", r"C:\App\x")),
        ("wine a.exe b c.exe", True, ("wine", "wine")),
        (None, True, (None, None)),
    ],
)
def test_a_process_has_the_name_and_command_of_the_document(name: Any, hidden: bool, expected: Any) -> None:
    reading = ReplayedProcesses({7: name}, hide_command_args=hidden).read(frozenset({7}))
    process = reading.gpu_processes[7]
    assert (process.name, process.command) == expected


def instances(*ids: tuple[object, object]) -> str:
    return "".join(
        f"<mig_device><index>{index}</index><gpu_instance_id>{gpu}</gpu_instance_id>"
        f"<compute_instance_id>{compute}</compute_instance_id></mig_device>"
        for index, (gpu, compute) in enumerate(ids)
    )


@pytest.mark.parametrize(
    ("ids", "mig_index"),
    [((3, 3), 1), ((0, 0), None), (("N/A", "N/A"), None), (("N/A", 3), None), (("Unknown Error", 3), None)],
)
def test_a_process_is_on_an_instance_only_where_that_is_reported(
    tmp_path: Path, ids: tuple[object, object], mig_index: int | None
) -> None:
    on = f"<gpu_instance_id>{ids[0]}</gpu_instance_id><compute_instance_id>{ids[1]}</compute_instance_id>"
    process = PROCESS.format(pid=7, name="a").replace("<pid>", f"{on}<pid>")
    reported = f"<mig_devices>{instances(('N/A', 'N/A'), (3, 3))}</mig_devices>{process}"
    (gpu,) = simulation_of(tmp_path, reported).gpus
    assert [one.mig_index for one in gpu.processes] == [mig_index]


def test_unreported_ids_of_an_instance_are_not_supported(tmp_path: Path) -> None:
    mig = "<mig_mode><current_mig>Enabled</current_mig><pending_mig>Enabled</pending_mig></mig_mode>"
    with simulation_of(tmp_path, f"{mig}<mig_devices>{instances(('N/A', 2))}</mig_devices>"):
        pynvml.nvmlInit()
        instance = pynvml.nvmlDeviceGetMigDeviceHandleByIndex(pynvml.nvmlDeviceGetHandleByIndex(0), 0)
        assert pynvml.nvmlDeviceGetComputeInstanceId(instance) == 2
        with pytest.raises(pynvml.NVMLError_NotSupported):
            pynvml.nvmlDeviceGetGpuInstanceId(instance)


@pytest.mark.anyio
@pytest.mark.parametrize("pid", ["N/A", "[Unknown Error]", "Insufficient Permissions"])
async def test_a_list_with_a_process_without_a_pid_is_unknown(tmp_path: Path, pid: str) -> None:
    path = tmp_path / "document.xml"
    processes = PROCESS.format(pid=7, name="a") + PROCESS.format(pid=pid, name="b")
    processes = processes.replace("</processes><processes>", "")
    path.write_text(f"<nvidia_smi_log><gpu>{processes}</gpu></nvidia_smi_log>")
    async with agent_client(SIMULATE_GPUS=str(path)) as client:
        data = (await client.get("/processes")).json()["data"]
    assert (data["processes"], data["unknown_idx"]) == ([], [0])


def test_name_and_command_are_cut_like_those_of_processes_of_this_host() -> None:
    reported = 300 * "ä" + " " + 5000 * "x"
    reading = ReplayedProcesses({7: reported}, hide_command_args=False).read(frozenset({7}))
    process = reading.gpu_processes[7]
    assert process.name == 127 * "ä", "at most 255 bytes, in whole characters"
    assert process.command == reported[: MAX_COMMAND - 1] + "…"
