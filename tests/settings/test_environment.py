"""An argument wins over the environment, the environment over the env file, the env file over the default."""

from __future__ import annotations

import os
import resource
import threading
from functools import partial
from typing import TYPE_CHECKING

import pytest

from agent.settings import SettingsError, environment
from agent.settings.environment import Given, Origin, find_env_file, given_texts, load_settings, read_env_file

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, empty."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def file_limit(monkeypatch: pytest.MonkeyPatch) -> int:
    """The limit of open files in the test."""
    monkeypatch.setattr(environment, "raise_file_limit", lambda: 256)
    return 256


@pytest.mark.parametrize(
    ("arguments", "environ", "port"),
    [
        pytest.param({"PORT": "3"}, {"PORT": "2"}, 3, id="argument over all"),
        pytest.param({}, {"PORT": "2"}, 2, id="environment over env file"),
        pytest.param({}, {}, 1, id="env file over default"),
        pytest.param({}, {"PORT": ""}, 1, id="an empty variable hides nothing"),
        pytest.param({"PORT": ""}, {"PORT": "2"}, 2, id="an empty argument hides nothing"),
    ],
)
def test_an_argument_wins_over_the_environment_which_wins_over_the_env_file(
    directory: Path, arguments: dict[str, str], environ: dict[str, str], port: int
) -> None:
    (directory / "env").write_text("PORT=1\n")
    assert port == load_settings(environ, arguments=arguments, env_file="env").port


def test_each_value_has_the_source_that_it_comes_from(directory: Path) -> None:
    (directory / "env").write_text("PORT=1\nHOST=localhost\nTOKEN=hunter2\n")
    given, faults = given_texts({"PORT": "2", "TOKEN": ""}, arguments={"PORT": "3"}, env_file="env")
    assert given == {
        "PORT": Given("3", Origin.ARGUMENT),
        "HOST": Given("localhost", Origin.ENV_FILE),
        "TOKEN": Given("hunter2", Origin.ENV_FILE),
    }
    assert faults == []


@pytest.mark.usefixtures("directory")
def test_an_env_file_that_cannot_be_read_hides_no_other_source() -> None:
    given, (fault,) = given_texts({"PORT": "2"}, env_file="missing")
    assert given == {"PORT": Given("2", Origin.ENVIRONMENT)}
    assert fault.startswith("The env file 'missing' cannot be read")


@pytest.mark.usefixtures("directory")
def test_without_any_source_the_defaults_apply() -> None:
    assert load_settings({}).port == 8000


@pytest.mark.parametrize(
    ("there", "found"),
    [
        pytest.param(["work/.env", "agent/.env"], "work/.env", id="of the working directory"),
        pytest.param(["agent/.env"], "agent/.env", id="beside main.py"),
        pytest.param(
            ["work/.env/bin/python", "agent/.env"], "agent/.env", id="a directory is not an env file"
        ),
        pytest.param(["agent/.env/bin/python"], None, id="both are directories"),
        pytest.param([".env", "env", "agent/env"], None, id="nowhere"),
    ],
)
def test_the_first_env_file_is_found(directory: Path, there: list[str], found: str | None) -> None:
    """A directory called .env is a virtual environment."""
    for path in there:
        (directory / path).parent.mkdir(parents=True, exist_ok=True)
        (directory / path).write_text("")
    (directory / "work").mkdir(exist_ok=True)
    os.chdir(directory / "work")
    expected = None if found is None else str(directory / found)
    assert expected == find_env_file(str(directory / "agent/main.py"))


@pytest.mark.parametrize("place", ["work", "agent"])
def test_an_env_file_that_is_a_broken_link_is_refused(directory: Path, place: str) -> None:
    """Its TOKEN is missing, for example because a volume is not mounted: the agent must not start open."""
    for folder in ("work", "agent"):
        (directory / folder).mkdir()
    (directory / place / ".env").symlink_to(directory / "secrets" / "env")
    os.chdir(directory / "work")
    found = find_env_file(str(directory / "agent/main.py"))
    assert found == str(directory / place / ".env")
    with pytest.raises(SettingsError, match="cannot be read"):
        load_settings({}, env_file=found)


def test_an_env_file_may_be_a_pipe(directory: Path) -> None:
    """Password managers pass secrets this way."""
    os.mkfifo(directory / ".env")
    write = partial((directory / ".env").write_text, "TOKEN=hunter2\n")  # waits for a reader
    threading.Thread(target=write, daemon=True).start()
    found = find_env_file(str(directory / "main.py"))
    assert found == str(directory / ".env")
    assert load_settings({}, env_file=found).tokens == ("hunter2",)


def test_a_deleted_working_directory_has_no_env_file(directory: Path) -> None:
    (directory / ".env").write_text("")
    gone = directory / "gone"
    gone.mkdir()
    os.chdir(gone)
    gone.rmdir()
    assert find_env_file(str(directory / "main.py")) == str(directory / ".env")


@pytest.mark.parametrize(
    ("line", "value"),
    [
        pytest.param("TOKEN=a$b${HOME}", "a$b${HOME}", id="dollars are dollars"),
        pytest.param("TOKEN='a # b'", "a # b", id="quoted"),
        pytest.param("export TOKEN=a # comment", "a", id="export and comment"),
        pytest.param("\ufeffTOKEN=a\r\n", "a", id="written by Notepad"),
        pytest.param("TOKEN", "", id="a name alone"),
    ],
)
def test_an_env_file_is_read_as_people_write_it(tmp_path: Path, line: str, value: str) -> None:
    path = tmp_path / "env"
    path.write_bytes(line.encode())
    assert read_env_file(str(path)) == {"TOKEN": value}


@pytest.mark.parametrize(
    ("content", "why"),
    [
        pytest.param(None, "cannot be read (No such file or directory)", id="missing"),
        pytest.param(b"TOKEN=\xff\xfe\x00", "is not text", id="binary"),
        pytest.param(b"PORT=1\n\x00\x00\x00\n", "cannot be understood at line 2", id="zeros"),
        pytest.param(b"PORT=1\n\nTOKEN='hunter2\n", "cannot be understood at line 3", id="unfinished quote"),
    ],
)
def test_an_unusable_env_file_is_reported_with_the_other_faults(
    directory: Path, content: bytes | None, why: str
) -> None:
    """A skipped line could be the TOKEN, and the agent would be open."""
    if content is not None:
        (directory / "env").write_bytes(content)
    with pytest.raises(SettingsError) as refused:
        load_settings({"PORT": "abc"}, env_file="env")
    file_fault, port_fault = refused.value.faults
    assert file_fault == f"The env file 'env' {why}; accepted: a readable UTF-8 file of NAME=value lines"
    assert port_fault.startswith("PORT is 'abc'")


def test_an_empty_variable_does_not_remove_the_token_of_the_env_file(directory: Path) -> None:
    (directory / "env").write_text("TOKEN=hunter2\n")
    assert load_settings({"TOKEN": ""}, env_file="env").tokens == ("hunter2",)


@pytest.mark.usefixtures("directory")
def test_every_fault_is_reported_at_once(file_limit: int) -> None:
    wrong = {"PORT": "abc", "SIMULATE_SCENARIO": "nope", "SIMULATE_GPUS": "2", "MAX_STREAMS": str(file_limit)}
    with pytest.raises(SettingsError) as refused:
        load_settings(wrong)

    reported = {fault.split(";")[0] for fault in refused.value.faults}
    assert reported == {f"MAX_STREAMS is '{file_limit}'", "PORT is 'abc'", "SIMULATE_SCENARIO is 'nope'"}


LIMIT = "files may be open (ulimit -Hn, LimitNOFILE=)"


@pytest.mark.usefixtures("directory")
@pytest.mark.parametrize(
    ("files", "streams", "sentence"),
    [
        (12, "", f"Only 12 {LIMIT}; accepted: at least 65, and 1064 for MAX_STREAMS=1000"),
        (64, "2", f"Only 64 {LIMIT}; accepted: at least 65, and 66 for MAX_STREAMS=2"),
        (65, "2", f"MAX_STREAMS is '2'; accepted: at most 1 while 65 {LIMIT}"),
    ],
)
def test_a_limit_of_files_that_is_too_low_is_reported_with_the_files_that_are_needed(
    monkeypatch: pytest.MonkeyPatch, files: int, streams: str, sentence: str
) -> None:
    monkeypatch.setattr(environment, "raise_file_limit", lambda: files)
    with pytest.raises(SettingsError) as refused:
        load_settings({"MAX_STREAMS": streams})
    assert list(refused.value.faults) == [sentence]


@pytest.mark.usefixtures("directory")
def test_one_stream_is_possible_with_65_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "raise_file_limit", lambda: 65)
    assert load_settings({"MAX_STREAMS": "1"}).max_streams == 1


@pytest.mark.usefixtures("directory")
def test_a_max_streams_that_is_not_a_number_is_only_one_fault() -> None:
    with pytest.raises(SettingsError) as refused:
        load_settings({"MAX_STREAMS": "many"})
    assert len(refused.value.faults) == 1


@pytest.mark.usefixtures("directory")
def test_the_limit_of_open_files_is_not_checked_when_max_streams_is_not_requested(file_limit: int) -> None:
    """The probe of the image may have a lower limit than the agent that it checks."""
    streams = str(file_limit + 1)
    with pytest.raises(SettingsError):
        load_settings({"PORT": "8001", "MAX_STREAMS": streams})
    assert load_settings({"PORT": "8001", "MAX_STREAMS": streams}, only=("PORT",)).port == 8001


@pytest.mark.usefixtures("directory")
def test_the_limit_of_open_files_is_raised_to_the_hard_limit() -> None:
    load_settings({})
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert soft == hard
