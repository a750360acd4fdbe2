"""Settings are frozen, strict and documented. A fault has the variable, its value and the accepted values."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest

from agent.settings import Settings, SettingsError, documented, scenarios

ROOT = Path(__file__).parents[2]


def faults(**environ: str) -> tuple[str, ...]:
    """The faults for which this environment is refused. The test fails if it is accepted."""
    with pytest.raises(SettingsError) as refused:
        Settings.from_mapping(environ)
    return refused.value.faults


def test_an_empty_environment_gives_the_documented_defaults() -> None:
    settings = Settings.from_mapping({})
    assert settings == Settings()
    assert (settings.port, settings.url_prefix, settings.tokens, settings.api_keys) == (8000, "", (), ())
    assert (settings.default_stream_interval, settings.sample_interval, settings.history_interval) == (
        2,
        1,
        10,
    )


def test_every_documented_default_is_itself_accepted() -> None:
    assert Settings() == Settings.from_mapping({row.name: row.default for row in documented()})


def test_an_empty_variable_means_the_default_and_an_unknown_one_is_ignored() -> None:
    everything_empty = {row.name: "" for row in documented()}
    assert Settings() == Settings.from_mapping(
        {**everything_empty, "NVIDIA_VISIBLE_DEVICES": "0", "PORTS": "x"}
    )


def test_settings_are_immutable() -> None:
    with pytest.raises(FrozenInstanceError):
        Settings().port = 1  # type: ignore[misc]  # the assignment must fail


@pytest.mark.parametrize("name", ["URL_PREFIX", "ROOT_PATH"])
@pytest.mark.parametrize(
    ("written", "normalised"),
    [
        pytest.param("server2", "/server2", id="bare"),
        pytest.param("/server2", "/server2", id="leading slash"),
        pytest.param("/server2/", "/server2", id="both slashes"),
        pytest.param("lab/rack-1/gpu_0.~a", "/lab/rack-1/gpu_0.~a", id="several segments"),
        pytest.param("..a/.b", "/..a/.b", id="dots inside a segment"),
        pytest.param("/", "", id="only a slash"),
    ],
)
def test_slashes_around_a_prefix_do_not_matter(name: str, written: str, normalised: str) -> None:
    settings = Settings.from_mapping({name: written})
    assert getattr(settings, name.lower()) == normalised


@pytest.mark.parametrize(
    "written",
    [
        pytest.param("a b", id="blank"),
        pytest.param(" a", id="blank before"),
        pytest.param("a//b", id="empty segment"),
        pytest.param("//a", id="two leading slashes"),
        pytest.param("a//", id="two trailing slashes"),
        pytest.param("//", id="only slashes"),
        pytest.param("a/../b", id="dot dot"),
        pytest.param("./a", id="dot"),
        pytest.param("a?b", id="query"),
        pytest.param("a%20b", id="percent"),
        pytest.param("serveur-é", id="not ascii"),
        pytest.param("a\n", id="newline"),
        pytest.param("{x}", id="template"),
    ],
)
def test_a_prefix_that_is_not_a_clean_path_is_refused(written: str) -> None:
    (fault,) = faults(URL_PREFIX=written)
    assert fault.startswith(f"URL_PREFIX is {written!r}; accepted: segments of")


REFUSED = {
    "PORT": ["abc", "0", "65536", "-1", "8000 ", "8e3", "1_0", "8000.0", "٨٠٨٠", "9" * 5000],
    "DEFAULT_STREAM_INTERVAL": ["0.4", "61", "nan", "inf", "-inf", "1e1", "1_0", "2s", "."],
    "SAMPLE_INTERVAL": ["0", "60.1", "NaN"],
    "SAMPLE_TIMEOUT": ["0.49", "infinity"],
    "HISTORY_INTERVAL": ["0.5", "3601", "-0.0", "off"],
    "STREAM_HEARTBEAT": ["0", "301"],
    "MAX_STREAMS": ["0", "100001", "many"],
    "SIMULATE_GPUS": ["129", "1000", "٨"],
    "IDLE_HOLDER_MINUTES": ["0", "0.9", "1440.1", "nan", "15m"],
    "ACTIVE_GPU_PERCENT": ["101"],
    "ACTIVE_POWER_WATTS": ["-1", "10001", "nan"],
    "ACTIVE_MEMORY_PERCENT": ["inf"],
    "ACTIVE_CLOCK_PERCENT": ["30%"],
    "ACTIVE_TEMPERATURE_CELSIUS": ["151"],
    "HIDE_COMMAND_ARGS": ["2", "maybe", " true"],
    "ACCESS_LOG": ["y"],
    "LOG_LEVEL": ["loud"],
    "HOST": ["a b", "http://x", "host:80", "[::1", "::g", "-x", "a..b", "a" * 64],
    "ALLOWED_HOSTS": [
        *[",", "a:80", "*", "*.", "a.*.b", "http://a", "*.*.a", "*.10.0.0.1", "*.[::1]", "*.::1"],
        *[
            "a..b",
            "*.a..b",
            ".a",
            "a.",
            "*.a:80",
            "[::1]:80",
            "10.0.0.256",
            "[fe80::1%eth0]",
            "a b",
            "u@a",
            "a/b",
        ],
    ],
    "FORWARDED_ALLOW_IPS": [
        *[",", "*,127.0.0.1", "10.0.0.1/8", "10.0.0.0/33", "proxy.example.org", "10.0.0", "10.0.0.1:80"],
        *["[::1]", "::1%lo", "unix:", "1", "**"],
    ],
    "FLEET": [
        *[",", "server1", "=/server1", "a=", "a=/", "a=/b,", "a=/../b", "a=/b?c", "a=//evil.example/b"],
        *["a=https://evil.example", "a=/b,a=/c", "a=/b,c=/b/", "a\x01=/b"],
    ],
    "NOT_OFFERED": [
        *[",", "a", "-1", "1.0", "1_0", "GPU-", "GPU-1", "MIG-00000000-0000-0000-0000-000000000000"],
        *["0 1", "all", "٨", "9" * 11],
    ],
    "CORS_ORIGINS": [
        *[",", "null", "a.b", "ftp://a", "https://", "https://a/", "https://a?b", "https://a#b"],
        *["https://u@a", "https://a:99999", "https://*.a", "https://a b", "https://[::1"],
    ],
}


@pytest.mark.parametrize(
    ("name", "written"),
    [
        pytest.param(name, written, id=f"{name}={written[:16]}")
        for name, values in REFUSED.items()
        for written in values
    ],
)
def test_a_value_out_of_range_is_refused_with_what_is_accepted(name: str, written: str) -> None:
    (row,) = (row for row in documented() if row.name == name)
    assert faults(**{name: written}) == (f"{name} is {written!r}; accepted: {row.accepted}",)


@pytest.mark.parametrize(
    ("name", "written", "value"),
    [
        ("PORT", "65535", 65535),
        ("HISTORY_INTERVAL", "0", 0.0),
        ("SIMULATE_GPUS", "0", 0),
        ("SIMULATE_GPUS", "128", 128),
        ("DEFAULT_STREAM_INTERVAL", ".5", 0.5),
        ("DEFAULT_STREAM_INTERVAL", "60.", 60.0),
        ("LOG_LEVEL", "WARNING", "warning"),
        ("HIDE_COMMAND_ARGS", "Yes", True),
        ("ACCESS_LOG", "off", False),
        ("HOST", "LocalHost", "localhost"),
        ("HOST", "::1", "::1"),
        ("HOST", "[::1]", "::1"),
        ("ALLOWED_HOSTS", "GPU1.example.org, *.lab.example.org,,10.0.0.1,::1", (
            "gpu1.example.org", "*.lab.example.org", "10.0.0.1", "[::1]")),
        ("CORS_ORIGINS", "https://A.example.org:443, http://[::1]:3000,http://b:80", (
            "https://a.example.org", "http://[::1]:3000", "http://b")),
        ("CORS_ORIGINS", "*", ("*",)),
        ("ALLOWED_HOSTS", "*.LAB.example.org,4711", ("*.lab.example.org", "4711")),
        ("FORWARDED_ALLOW_IPS", "*", ("*",)),
        ("FORWARDED_ALLOW_IPS", "10.0.0.0/8, 192.0.2.7,2001:DB8:0::/32,::1/128,", (
            "10.0.0.0/8", "192.0.2.7", "2001:db8::/32", "::1")),
        ("NOT_OFFERED", "07, gpu-0123ABCD-0000-1111-2222-0123456789AB,7", (
            "7", "GPU-0123abcd-0000-1111-2222-0123456789ab")),
        ("FLEET", "server1=/server1, Büro 2 = b/2/", (("server1", "/server1"), ("Büro 2", "/b/2"))),
    ],
)  # fmt: skip  # one value a line
def test_a_value_is_converted_to_the_type_of_its_setting(name: str, written: str, value: object) -> None:
    assert value == getattr(Settings.from_mapping({name: written}), name.lower())


def test_all_faults_are_reported_at_once() -> None:
    reported = faults(
        PORT="abc", URL_PREFIX="a b", API_KEYS=",", SAMPLE_INTERVAL="0", SIMULATE_SCENARIO="lost"
    )
    names = [fault.split()[0] for fault in reported]
    assert names == ["PORT", "URL_PREFIX", "API_KEYS", "SAMPLE_INTERVAL", "SIMULATE_SCENARIO"]


# Credentials


def test_api_key_and_api_keys_are_one_list_without_repeats() -> None:
    settings = Settings.from_mapping({"API_KEY": "one", "API_KEYS": " two ,one,, three"})
    assert settings.api_keys == ("one", "two", "three")
    assert Settings(api_key="one").api_keys == ("one",)


@pytest.mark.parametrize("written", [",", " ", " , ,", ",,"])
def test_api_keys_without_any_key_are_refused(written: str) -> None:
    assert faults(API_KEYS=written)[0].startswith("API_KEYS is ***; accepted: one or more keys")


@pytest.mark.parametrize("name", ["TOKEN", "TOKENS", "METRICS_TOKEN", "API_KEY", "API_KEYS"])
@pytest.mark.parametrize(
    "secret",
    [
        pytest.param("hunter2\t3", id="control character"),
        pytest.param("hunter2\n3", id="newline"),
        pytest.param("hunter2 €", id="not latin-1"),
        pytest.param("hunter2\udcff", id="undecodable byte"),
        pytest.param("hunter2\x80", id="latin-1 control character"),
    ],
)
def test_a_secret_that_no_header_can_carry_is_refused_without_being_shown(name: str, secret: str) -> None:
    reported = faults(**{name: secret})
    assert reported[0].startswith(f"{name} is ***; accepted: ")
    assert "hunter2" not in "".join(reported)


@pytest.mark.parametrize("written", [" hunter2", "hunter2 ", "hunter2\r"])
def test_a_token_with_a_blank_at_its_end_is_refused(written: str) -> None:
    assert faults(TOKEN=written) == (
        "TOKEN is ***; accepted: printable latin-1 without blanks at either end",
    )


def test_a_token_may_hold_blanks_and_latin_1_inside() -> None:
    written = "käse und brot"
    assert Settings.from_mapping({"TOKEN": written}).tokens == (written,)


def test_the_values_in_force_have_the_form_of_the_environment_with_secrets_masked() -> None:
    given = {
        "FLEET": "a=/x,b=/y",
        "ALLOWED_HOSTS": "a.example.org,b.example.org",
        "HISTORY_INTERVAL": "0",
        "ACCESS_LOG": "1",
        "URL_PREFIX": "lab/",
        **dict.fromkeys(("TOKEN", "METRICS_TOKEN", "API_KEY"), "hunter2"),
    }
    given["METRICS_TOKEN"] = "hunter3"  # noqa: S105  made up
    shown = Settings.from_mapping(given).in_force()
    assert list(shown) == [row.name for row in documented()]
    assert (shown["FLEET"], shown["ALLOWED_HOSTS"]) == ("a=/x,b=/y", "a.example.org,b.example.org")
    assert (shown["HISTORY_INTERVAL"], shown["ACCESS_LOG"], shown["URL_PREFIX"]) == ("0", "true", "/lab")
    assert (shown["TOKEN"], shown["METRICS_TOKEN"], shown["API_KEY"]) == ("***", "***", "***")
    assert "hunter" not in str(shown)
    assert Settings().in_force() == {row.name: row.default for row in documented()}


def test_no_secret_is_in_the_settings_representation() -> None:
    names = ("TOKEN", "TOKENS", "METRICS_TOKEN", "API_KEY", "API_KEYS")
    settings = Settings.from_mapping({name: f"hunter{number}" for number, name in enumerate(names)})
    assert "hunter" not in repr(settings)
    assert "hunter" not in str(settings)
    assert "token=***, " in repr(settings)
    assert "port=8000" in repr(settings)


def test_token_tokens_and_token_file_can_be_used_together(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("four\n")
    environ = {"TOKEN": "one", "TOKENS": " two ,one,, three", "TOKEN_FILE": str(path)}
    settings = Settings.from_mapping(environ)
    assert settings.tokens == ("one", "two", "three")
    assert settings.token_file == str(path)
    assert settings.requires_token
    assert Settings.from_mapping({"TOKEN_FILE": str(path)}).requires_token


@pytest.mark.parametrize("written", [",", " ", " , ,", ",,"])
def test_tokens_without_any_token_are_refused(written: str) -> None:
    assert faults(TOKENS=written)[0].startswith("TOKENS is ***; accepted: one or more tokens")


def test_a_metrics_token_alone_is_refused_because_it_would_restrict_nothing() -> None:
    why = "which restricts nothing while no other token is set"
    accepted = "a token that differs from TOKEN, TOKENS and TOKEN_FILE, one of which is set"
    assert faults(METRICS_TOKEN="hunter2") == (f"METRICS_TOKEN is ***, {why}; accepted: {accepted}",)  # noqa: S106  made up


@pytest.mark.parametrize("name", ["TOKEN", "TOKENS", "TOKEN_FILE"])
def test_a_metrics_token_that_is_also_a_token_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "token").write_text("hunter2\nhunter3")
    value = {"TOKEN": "hunter3", "TOKENS": "hunter2, hunter3", "TOKEN_FILE": str(tmp_path / "token")}[name]
    (fault,) = faults(METRICS_TOKEN="hunter3", **{name: value})  # noqa: S106  made up
    assert fault.startswith("METRICS_TOKEN is ***, which is one of the tokens that open everything; accepted")
    assert Settings.from_mapping({"METRICS_TOKEN": "hunter4", name: value}).metrics_token == "hunter4"  # noqa: S105  made up


@pytest.mark.parametrize("name", ["API_KEY", "API_KEYS"])
def test_a_metrics_token_that_is_also_an_api_key_is_refused(name: str) -> None:
    value = {"API_KEY": "hunter3", "API_KEYS": "hunter2, hunter3"}[name]
    (fault,) = faults(TOKEN="hunter1", METRICS_TOKEN="hunter3", **{name: value})  # noqa: S106  made up
    assert fault.startswith("METRICS_TOKEN is ***, which is one of the keys that open the stream; accepted")


def test_a_token_file_that_cannot_be_read_is_refused_with_the_reason(tmp_path: Path) -> None:
    missing = str(tmp_path / "none")
    why = "which cannot be read (No such file or directory)"
    accepted = "accepted: a readable file with one token on each line, each as TOKEN"
    assert faults(TOKEN_FILE=missing) == (f"TOKEN_FILE is {missing!r}, {why}; {accepted}",)


NEEDS_A_NUMBER = (
    "which has no effect without a number of simulated GPUs;"
    " accepted: a scenario together with a number in SIMULATE_GPUS, not with a file"
)


def test_a_scenario_for_a_replayed_file_is_refused_and_no_other_scenario_is_proposed() -> None:
    document = str(ROOT / "tests" / "hardware" / "documents" / "kepler_driver_352.xml")
    (fault,) = faults(SIMULATE_SCENARIO="lost", SIMULATE_GPUS=document)
    assert fault == f"SIMULATE_SCENARIO is 'lost', {NEEDS_A_NUMBER}"


@pytest.mark.parametrize("gpus", [None, "", "0"])
def test_a_scenario_without_simulated_gpus_is_refused(gpus: str | None) -> None:
    environ = {"SIMULATE_SCENARIO": "lost"} | ({} if gpus is None else {"SIMULATE_GPUS": gpus})
    (fault,) = faults(**environ)
    assert fault == f"SIMULATE_SCENARIO is 'lost', {NEEDS_A_NUMBER}"
    assert (
        Settings.from_mapping({"SIMULATE_SCENARIO": "lost", "SIMULATE_GPUS": "1"}).simulate_scenario == "lost"
    )


def test_an_unknown_scenario_is_refused_with_the_names_of_all_scenarios() -> None:
    (fault,) = faults(SIMULATE_SCENARIO="nope", SIMULATE_GPUS="2")
    names = ", ".join(scenarios())
    assert fault == f"SIMULATE_SCENARIO is 'nope'; accepted: {names}, together with a number in SIMULATE_GPUS"


# Documents


def test_the_example_env_file_has_every_setting_with_help_range_and_default() -> None:
    example = (ROOT / ".env.example").read_text()
    assert documented()
    for row in documented():
        entry = f"# {row.help}\n# Accepted: {row.accepted}.\n# {row.name}={row.default}\n"
        assert entry in example, f".env.example needs this entry:\n{entry}"


def test_the_example_env_file_changes_nothing_until_edited() -> None:
    lines = (ROOT / ".env.example").read_text().splitlines()
    assert not [line for line in lines if line and not line.startswith("#")]


def test_every_setting_has_one_line_of_help() -> None:
    assert documented()
    for row in documented():
        assert row.help.endswith(".")
        assert not row.accepted.endswith("."), "the help adds a full stop"
        assert "\n" not in row.help + row.accepted
