"""Missing rights of the agent, and secrets that other users can read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agent.check.rights import (
    is_readable_by_all,
    open_access,
    process_rights,
    secrets_at_risk,
    tokens_like_comments,
)
from agent.settings import Settings
from agent.settings.environment import Given, Origin
from agent.sources.pid_namespace import INITIAL

if TYPE_CHECKING:
    from pathlib import Path


def proc(root: Path, *, namespace: str = INITIAL, first: bool = True) -> str:
    """A /proc with the first process, unless it is hidden."""
    (root / "self/ns").mkdir(parents=True)
    (root / "self/ns/pid").symlink_to(namespace)
    if first:
        (root / "1").mkdir()
        (root / "1/stat").write_text("1 (init) S 0 1 1 0 -1 0 0 0 0 0 1 1 0 0 20 0 1 0 5 0 0\n")
    return str(root)


@pytest.mark.parametrize(
    ("namespace", "first", "simulated", "names"),
    [
        pytest.param(INITIAL, True, False, [], id="all processes are visible"),
        pytest.param(INITIAL, False, False, ["proc_hidden"], id="hidepid"),
        pytest.param("pid:[4026532281]", True, False, ["pid_namespace"], id="a container"),
        pytest.param("pid:[4026532281]", False, True, [], id="a simulation, which has its own processes"),
    ],
)
def test_processes_that_the_agent_cannot_see_are_reported(
    tmp_path: Path, namespace: str, first: bool, simulated: bool, names: list[str]
) -> None:
    root = proc(tmp_path, namespace=namespace, first=first)
    found = list(process_rights(simulated=simulated, proc_root=root))
    assert [problem.name for problem in found] == names
    assert all(problem.level == "wrong" for problem in found)


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A file in a folder that every user may enter, as are all above it."""
    folder = tmp_path
    while folder != folder.parent and folder.stat().st_uid == tmp_path.stat().st_uid:
        if not folder.stat().st_mode & 0o001:
            folder.chmod(folder.stat().st_mode | 0o001)
        folder = folder.parent
    path = tmp_path / "inner" / "secret"
    path.parent.mkdir(mode=0o755)
    path.write_text("hunter2\n")
    path.chmod(0o644)
    if not is_readable_by_all(str(path)):
        pytest.skip("the temporary folder is closed to others")
    return path


def test_a_file_is_readable_by_all_only_if_all_may_enter_every_folder_above_it(secret: Path) -> None:
    secret.parent.chmod(0o750)
    assert not is_readable_by_all(str(secret))
    secret.parent.chmod(0o711)
    assert is_readable_by_all(str(secret))
    secret.chmod(0o640)
    assert not is_readable_by_all(str(secret))
    assert not is_readable_by_all(str(secret.with_name("missing")))


def test_a_symbolic_link_is_judged_by_its_target(secret: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(secret)
    assert is_readable_by_all(str(link))
    secret.chmod(0o600)
    assert not is_readable_by_all(str(link))


@pytest.mark.parametrize(("in_container", "level"), [(False, "wrong"), (True, "note")])
def test_a_token_file_that_all_users_can_read_is_reported(
    secret: Path, in_container: bool, level: str
) -> None:
    found = list(secrets_at_risk(Settings(token_file=str(secret)), {}, None, in_container=in_container))
    assert [(problem.name, problem.level) for problem in found] == [("token_file_readable", level)]
    assert "hunter" not in repr(found)
    secret.chmod(0o600)
    assert not list(secrets_at_risk(Settings(token_file=str(secret)), {}, None, in_container=in_container))


def test_a_token_that_looks_like_a_comment_is_a_note(secret: Path) -> None:
    assert not list(tokens_like_comments(Settings()))
    assert not list(tokens_like_comments(Settings(token_file=str(secret))))
    secret.write_text("hunter2\n# hunter3\n")
    found = list(tokens_like_comments(Settings(token_file=str(secret))))
    assert [(note.name, note.level) for note in found] == [("token_file_comment", "note")]
    assert "line 2" in found[0].what
    assert "hunter" not in repr(found)
    secret.unlink()
    assert not list(tokens_like_comments(Settings(token_file=str(secret))))


@pytest.mark.parametrize(
    ("name", "origin", "is_reported"),
    [
        pytest.param("API_KEYS", Origin.ENV_FILE, True, id="a secret"),
        pytest.param("PORT", Origin.ENV_FILE, False, id="no secret"),
        pytest.param("HOME_OF_MINE", Origin.ENV_FILE, False, id="no setting"),
        pytest.param("API_KEYS", Origin.ENVIRONMENT, False, id="not from the env file"),
    ],
)
def test_an_env_file_that_all_users_can_read_is_reported_if_it_has_a_secret(
    secret: Path, name: str, origin: Origin, is_reported: bool
) -> None:
    found = secrets_at_risk(Settings(), {name: Given("hunter2", origin)}, str(secret), in_container=False)
    assert [problem.name for problem in found] == ["env_file_readable"] * is_reported


def test_an_agent_without_a_token_is_a_note() -> None:
    assert [(note.name, note.level) for note in open_access(Settings())] == [("no_token", "note")]
    assert not list(open_access(Settings(token="x")))  # noqa: S106  made up
    assert not list(open_access(Settings(token_file="/x")))  # noqa: S106  a path
