"""A credential never reaches the log, and a full log pipe never blocks the agent."""

from __future__ import annotations

import io
import logging
import os
import re
import select
import sys
import threading
import warnings
from contextlib import contextmanager, redirect_stderr, suppress
from typing import TYPE_CHECKING

import pytest

from agent.server import log_writer
from agent.server.log_writer import LogWriter
from agent.server.logs import (
    LOGGERS,
    RedactCredentials,
    configure_logging,
    dropped_lines,
    redacted,
    write_error,
)
from agent.server.plain_text import PlainFormatter, plain
from tests.support.agents import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_WAITING = 2000  # lines; beyond these, or beyond these bytes, lines are dropped
MAX_WAITING_BYTES = 1024 * 1024


@pytest.mark.parametrize(
    ("target", "logged"),
    [
        pytest.param("/gpu/stream?api_key=hunter2", "/gpu/stream?api_key=***", id="alone"),
        pytest.param(
            "/gpu/stream?interval=1&api_key=hunter2&idx=0",
            "/gpu/stream?interval=1&api_key=***&idx=0",
            id="between",
        ),
        pytest.param("/s?api_key=hunter2&api_key=hunter3", "/s?api_key=***&api_key=***", id="repeated"),
        pytest.param("/s?api_key=hun%26ter2", "/s?api_key=***", id="encoded ampersand in the value"),
        pytest.param("/s?api_key=hunter2=&a=b", "/s?api_key=***&a=b", id="equals sign in the value"),
        pytest.param("/s?api%5Fkey=hunter2", "/s?api_key=***", id="encoded name"),
        pytest.param("/s?%61%70%69_%6b%65%79=hunter2", "/s?api_key=***", id="name encoded letter by letter"),
        pytest.param("/s?api%255Fkey=hunter2", "/s?api_key=***", id="name encoded twice"),
        pytest.param("/s?api_key%3Dhunter2", "/s?api_key=***", id="encoded equals sign"),
        pytest.param("/s%3Fapi_key%3Dhunter2", "/s?api_key=***", id="question mark taken for path"),
        pytest.param(
            "/s?x=1%26api_key=hunter2", "/s?x=1%26api_key=***", id="encoded ampersand before the name"
        ),
        pytest.param("/s?API_KEY=hunter2", "/s?API_KEY=***", id="capitals"),
        pytest.param("/s?X-API-Key=hunter2", "/s?X-API-Key=***", id="the header's name"),
        pytest.param("/s?x=1&token=hunter2", "/s?x=1&token=***", id="a name without a beginning"),
        pytest.param("/s?token=hunter2", "/s?token=***", id="a token, which no query should hold"),
        pytest.param(
            "/s?a=%" + "25" * 4000 + "&b=1", "***&b=1", id="encoded so often that decoding takes long"
        ),
        pytest.param("/s?api_key=hunter2\n", "/s?api_key=***", id="newline"),
        pytest.param("/s?a%0Ab_key=hunter2", "/s?a%0Ab_key=***", id="encoded newline stays encoded"),
        pytest.param("/status?idx=0,1&process=C", "/status?idx=0,1&process=C", id="nothing to hide"),
        pytest.param("/free?exclude_users=a%20b", "/free?exclude_users=a%20b", id="nothing to hide, encoded"),
    ],
)
def test_a_credential_in_a_request_is_masked_however_it_is_written(target: str, logged: str) -> None:
    assert logged == redacted(target)


@pytest.mark.parametrize(("layers", "logged"), [(16, "/s?a=%"), (17, "***")])
def test_a_parameter_is_decoded_at_most_sixteen_times(layers: int, logged: str) -> None:
    assert redacted("/s?a=%" + "25" * (layers - 1) + "41").startswith(logged)


# Configuration


@pytest.fixture
def loggers() -> Iterator[dict[str, logging.Logger]]:
    """The loggers that are configured, without handlers and filters. They are restored afterwards."""
    found = {name: logging.getLogger(name) for name in LOGGERS}
    before = {name: (one.handlers[:], one.filters[:], one.level) for name, one in found.items()}
    for one in found.values():
        one.handlers[:], one.filters[:] = [], []
    yield found
    for name, one in found.items():
        one.handlers[:], one.filters[:] = before[name][:2]
        one.setLevel(before[name][2])
    logging.captureWarnings(False)


@pytest.mark.parametrize(
    ("level", "of_uvicorn"), [("debug", logging.INFO), ("info", logging.ERROR), ("error", logging.ERROR)]
)
def test_each_logger_has_its_level(
    loggers: dict[str, logging.Logger], level: str, of_uvicorn: int, capfd: pytest.CaptureFixture[str]
) -> None:
    configure_logging(level)

    assert loggers[""].level == getattr(logging, level.upper())
    assert loggers["uvicorn.error"].level == of_uvicorn
    assert loggers["uvicorn.access"].level == logging.INFO
    assert capfd.readouterr() == ("", "")


def test_each_line_has_its_level(
    loggers: dict[str, logging.Logger], capfd: pytest.CaptureFixture[str]
) -> None:
    loggers[""].handlers.clear()  # those of pytest too, which would be enough
    configure_logging("info")
    logging.getLogger("agent.part").error("failed")
    for handler in loggers[""].handlers:
        handler.close()
    assert re.fullmatch(r"[0-9-]+ [0-9:,]+ ERROR failed\n", capfd.readouterr().err)


def test_the_text_of_an_error_is_written_unchanged(capfd: pytest.CaptureFixture[str]) -> None:
    written: list[str] = []

    def is_written() -> bool:
        written.append(capfd.readouterr().err)
        return "".join(written) == "PORT is 'abc'\n  accepted: 1 to 65535\n"

    write_error("PORT is 'abc'\n  accepted: 1 to 65535")
    wait_until(is_written, "a thread has written it")


def test_an_error_for_a_stderr_that_is_no_file_has_no_priority() -> None:
    with redirect_stderr(io.StringIO()) as stand_in:
        write_error("PORT is 'abc'")
    assert stand_in.getvalue() == "PORT is 'abc'\n"


@pytest.mark.usefixtures("loggers")
def test_a_warning_of_python_is_a_line_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    configure_logging("info")
    warnings.showwarning("it is old", DeprecationWarning, "a.py", 7)

    (record,) = caplog.records
    assert (record.levelname, "a.py:7: DeprecationWarning: it is old" in record.getMessage()) == (
        "WARNING",
        True,
    )


def test_repeated_configuration_adds_one_filter_and_keeps_other_filters(
    loggers: dict[str, logging.Logger],
) -> None:
    other = logging.Filter()
    loggers["uvicorn.access"].addFilter(other)
    for _ in range(2):
        configure_logging("info")

    assert [type(known) for known in loggers["uvicorn.access"].filters] == [logging.Filter, RedactCredentials]


def test_a_handler_that_never_blocks_has_level_format_and_filters_of_the_replaced_one(
    loggers: dict[str, logging.Logger],
) -> None:
    before, file, theirs = logging.StreamHandler(sys.stderr), logging.NullHandler(), logging.Filter("x")
    before.setLevel(logging.ERROR)
    before.setFormatter(logging.Formatter("%(message)s!"))
    before.addFilter(theirs)
    loggers["uvicorn"].handlers[:] = [before, file]
    configure_logging("info")

    writer, other = loggers["uvicorn"].handlers
    assert isinstance(writer, LogWriter)
    assert (writer.level, writer.formatter, writer.filters) == (logging.ERROR, before.formatter, [theirs])
    assert other is file
    assert dropped_lines() == 0
    writer.close()
    writer.emit(logging.makeLogRecord({"msg": "too late"}))
    assert dropped_lines() == 1


def test_the_filter_masks_credentials_in_uvicorn_s_access_log_only() -> None:
    arguments = ("127.0.0.1:4711", "GET", "/gpu/stream?api_key=hunter2", "1.1", 200)
    record = logging.LogRecord(
        "uvicorn.access", logging.INFO, "", 0, '%s - "%s %s HTTP/%s" %d', arguments, None
    )
    assert RedactCredentials().filter(record)
    assert record.getMessage() == '127.0.0.1:4711 - "GET /gpu/stream?api_key=*** HTTP/1.1" 200'


@pytest.mark.parametrize(
    ("text", "logged"),
    [
        pytest.param("a\nb\r\x1b[31m\x00\x7f", "a\\nb\\r\\x1b[31m\\x00\\x7f", id="C0 and DEL"),
        pytest.param("\x85\x9b31m", "\\x85\\x9b31m", id="C1"),
        pytest.param("a\u2028b\u2029", "a\\u2028b\\u2029", id="line separators"),
        pytest.param("\u202egpu\u2066\u200f", "\\u202egpu\\u2066\\u200f", id="direction of writing"),
        pytest.param("\u200b\ufeff\xad", "\\u200b\\ufeff\\xad", id="invisible characters"),
        pytest.param("\udc85", "\\udc85", id="half a surrogate pair"),
        pytest.param("Büro 2 — 日本", "Büro 2 — 日本", id="text"),
    ],
)
def test_a_record_is_one_line_of_visible_characters(text: str, logged: str) -> None:
    record = logging.LogRecord("agent", logging.INFO, "", 0, "%s", (text,), None)
    assert logged == PlainFormatter("%(message)s").format(record)
    assert logged == plain(text)


def test_a_traceback_keeps_its_lines_but_no_control_character() -> None:
    try:
        int("a\x9bb\nc")
    except ValueError:
        record = logging.LogRecord("agent", logging.ERROR, "", 0, "failed", (), sys.exc_info())
    lines = PlainFormatter("%(message)s").format(record).split("\n")
    assert lines[0] == "failed"
    assert lines[-1] == "ValueError: invalid literal for int() with base 10: 'a\\x9bb\\nc'"


def test_the_filter_removes_control_characters_from_uvicorn_s_access_log() -> None:
    arguments = ("evil\x9b31m:0", "GET", "/", "1.1", 200)
    record = logging.LogRecord("uvicorn.access", logging.INFO, "", 0, "%s %s %s %s %d", arguments, None)
    assert RedactCredentials().filter(record)
    assert record.getMessage() == "evil\\x9b31m:0 GET / 1.1 200"


# A pipe and its reader

REPORT_OF_LOSS = re.compile("([0-9]+) log lines were dropped because nobody read them")
LINE = "line %04d " + "-" * 100


class Reader(threading.Thread):
    """Reads all lines of a pipe to its end."""

    def __init__(self, descriptor: int) -> None:
        super().__init__(daemon=True)  # so that it does not outlive a failing test
        self.lines: list[str] = []
        self._descriptor = descriptor

    def run(self) -> None:
        rest = b""
        while part := os.read(
            self._descriptor, 1000
        ):  # small parts, so that a writer often waits within a line
            *lines, rest = (rest + part).split(b"\n")
            self.lines.extend(line.decode() for line in lines)
        os.close(self._descriptor)


class Pipe:
    """A pipe to which the agent's logger writes. The reader reads only after its start."""

    def __init__(self) -> None:
        self.read_end, self.write_end = os.pipe()
        self.reader = Reader(self.read_end)
        self.writer = LogWriter(self.write_end)
        self.logger = logging.getLogger("agent")

    def fill(self) -> int:
        """Log more than fits into pipe and queue, and return the number of lines."""
        number, before = 0, self.writer.dropped
        while self.writer.dropped == before or number % 100:
            self.logger.info(LINE, number)
            number += 1
            assert number < 10 * MAX_WAITING, "it never drops a line"
            if (
                number == MAX_WAITING // 2
            ):  # more than fits into the pipe: the thread takes no more lines from here on
                wait_until(lambda: not select.select([], [self.write_end], [], 0)[1], "the pipe is full")
        return number

    def end(self) -> list[str]:
        """The lines that the reader has read."""
        self.writer.close()
        os.close(self.write_end)
        self.reader.join(10)
        return self.reader.lines


@pytest.fixture
def pipe(caplog: pytest.LogCaptureFixture) -> Iterator[Pipe]:
    pipe = Pipe()
    pipe.logger.addHandler(pipe.writer)
    with caplog.at_level(logging.INFO, "agent"):
        yield pipe
    pipe.logger.removeHandler(pipe.writer)
    pipe.writer.close()


def test_unread_lines_are_dropped_and_their_number_is_logged_once_there_is_a_reader(pipe: Pipe) -> None:
    logged = pipe.fill()
    dropped = pipe.writer.dropped
    assert os.get_blocking(pipe.write_end), "the pipe is unchanged for other processes"
    pipe.reader.start()
    wait_until(lambda: any(map(REPORT_OF_LOSS.fullmatch, pipe.reader.lines)), "the loss is logged")
    *lines, report = pipe.end()
    assert REPORT_OF_LOSS.fullmatch(report).groups() == (str(dropped),)  # type: ignore[union-attr]  # waited for
    assert lines == [LINE % number for number in range(logged - dropped)], (
        "the first lines, complete and in order"
    )


def test_the_number_of_dropped_lines_is_also_logged_at_the_end(pipe: Pipe) -> None:
    logged = pipe.fill()
    dropped = pipe.writer.dropped
    pipe.writer.acquire()  # like `logging.shutdown`
    try:
        closing = threading.Thread(target=pipe.writer.close)
        closing.start()
        pipe.reader.start()
        wait_until(lambda: len(pipe.reader.lines) > logged - dropped, "the loss is logged")
    finally:
        pipe.writer.release()
    closing.join()
    assert pipe.end()[-1] == f"{dropped} log lines were dropped because nobody read them"


def test_unread_lines_are_limited_by_their_total_bytes_too(pipe: Pipe) -> None:
    pipe.logger.propagate = False  # otherwise pytest would keep all lines
    try:
        for _ in range(20):
            pipe.logger.info("-" * (MAX_WAITING_BYTES // 10))
    finally:
        pipe.logger.propagate = True
    assert 9 <= 20 - pipe.writer.dropped <= 11, "nine lines wait, and the thread has one or two"


def test_lines_that_were_read_leave_room_for_others(pipe: Pipe) -> None:
    pipe.reader.start()
    lines: list[str] = []
    for letter in "abc":
        lines.append(letter * (MAX_WAITING_BYTES // 2))
        pipe.writer.emit(logging.makeLogRecord({"msg": lines[-1]}))
        wait_until(lambda: pipe.writer.dropped or pipe.reader.lines == lines, "it is read")
    assert pipe.writer.dropped == 0


def test_a_handler_whose_stream_is_not_a_file_is_not_replaced(loggers: dict[str, logging.Logger]) -> None:
    with redirect_stderr(io.StringIO()):
        handler = logging.StreamHandler(sys.stderr)
        loggers["uvicorn"].handlers[:] = [handler]
        configure_logging("info")

    assert loggers["uvicorn"].handlers == [handler]


class Idle(LogWriter):
    """A writer that never writes the waiting lines."""

    def _is_working(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("size", "lines"),
    [pytest.param(1, 2000, id="2,000 lines"), pytest.param(65_536, 16, id="a MiB of them")],
)
def test_at_most_2000_lines_or_1_mib_wait(size: int, lines: int) -> None:
    writer = Idle(1)
    assert writer.dropped == 0
    for _ in range(lines):
        writer.emit(logging.makeLogRecord({"msg": "-" * (size - 1)}))
    assert writer.dropped == 0
    writer.emit(logging.makeLogRecord({"msg": ""}))
    assert writer.dropped == 1
    writer.close()


def test_a_forked_worker_can_log_even_if_the_queue_of_its_parent_is_full(pipe: Pipe) -> None:
    pipe.fill()
    dropped = pipe.writer.dropped
    child = os.fork()
    if child == 0:
        pipe.writer.emit(logging.makeLogRecord({"msg": "from the child"}))
        os._exit(pipe.writer.dropped - dropped)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_lines_of_two_writers_on_the_same_pipe_are_not_mixed(pipe: Pipe) -> None:
    other = LogWriter(pipe.write_end)
    for number in range(MAX_WAITING // 2):
        pipe.logger.info(LINE, number)
        other.emit(logging.makeLogRecord({"msg": "-" * 100}))
    pipe.reader.start()
    wait_until(lambda: len(pipe.reader.lines) == MAX_WAITING, "every line has arrived")
    other.close()
    lines = pipe.end()
    assert [line for line in lines if line[0] == "l"] == [LINE % number for number in range(MAX_WAITING // 2)]
    assert [line for line in lines if line[0] != "l"] == ["-" * 100] * (MAX_WAITING // 2)


def test_waiting_lines_are_written_together_up_to_the_atomic_size_of_a_pipe() -> None:
    """Beyond that, lines of others could come in between."""
    read_end, write_end = os.pipe2(os.O_DIRECT)  # each write is read by itself
    os.set_blocking(write_end, False)
    with suppress(BlockingIOError):
        while os.write(write_end, b"-"):
            pass
    os.set_blocking(write_end, True)
    writer = LogWriter(write_end)
    for size in (select.PIPE_BUF - 1, *[64] * (select.PIPE_BUF // 64), 64):
        writer.emit(logging.makeLogRecord({"msg": "x" * (size - 1)}))
    while (written := os.read(read_end, 65_536)) == b"-":
        pass
    sizes = [len(written), *(len(os.read(read_end, 65_536)) for _ in range(2))]
    writer.close()
    for end in (read_end, write_end):
        os.close(end)
    assert sizes == [select.PIPE_BUF - 1, select.PIPE_BUF, 64]


@contextmanager
def no_thread_can_start() -> Iterator[None]:
    before = threading.stack_size(1 << 47)  # more memory than there are addresses
    try:
        yield
    finally:
        threading.stack_size(before)


def test_a_line_is_dropped_and_counted_when_no_thread_can_start(pipe: Pipe) -> None:
    with no_thread_can_start():
        pipe.logger.info("dropped")
    assert pipe.writer.dropped == 1
    pipe.logger.info("written")
    pipe.reader.start()
    assert pipe.end()[0] == "written"


def test_a_new_thread_reports_the_lines_dropped_since_its_start(pipe: Pipe) -> None:
    with no_thread_can_start():
        pipe.logger.info("dropped before")
    pipe.fill()
    dropped = pipe.writer.dropped - 1
    pipe.reader.start()
    wait_until(lambda: any(map(REPORT_OF_LOSS.fullmatch, pipe.reader.lines)), "the loss is logged")
    assert pipe.end()[-1].startswith(f"{dropped} log lines were dropped")


def test_a_record_that_cannot_be_formatted_is_a_line_of_the_log(pipe: Pipe) -> None:
    pipe.reader.start()
    pipe.writer.emit(logging.makeLogRecord({"msg": "%d", "args": ("not a number",), "pathname": "x.py"}))
    lines = pipe.end()
    assert lines[0] == "The log record of x.py, line 0, cannot be formatted"
    assert lines[-1] == "TypeError: %d format: a real number is required, not str"


def test_the_end_waits_at_most_0_2_seconds_for_the_last_lines() -> None:
    assert log_writer.FLUSH_TIMEOUT == 0.2


def test_the_end_does_not_wait_for_a_reader_that_never_reads(pipe: Pipe) -> None:
    pipe.fill()
    closing = threading.Thread(target=pipe.writer.close, daemon=True)
    closing.start()
    closing.join(5)
    assert not closing.is_alive()
    pipe.logger.info("too late, but it does not wait")


def test_the_last_lines_before_the_end_are_written(pipe: Pipe) -> None:
    pipe.reader.start()
    lines = [LINE % number for number in range(100)]
    for line in lines:
        pipe.logger.info(line)
    assert pipe.end() == lines


def test_a_closed_writer_leaves_no_thread(pipe: Pipe) -> None:
    pipe.reader.start()
    pipe.logger.info("a line")
    (thread,) = [each for each in threading.enumerate() if each.name == f"log{pipe.write_end}"]
    assert thread.daemon, "one that waits for a reader keeps nobody from the end"
    pipe.writer.close()
    thread.join(5)
    assert not thread.is_alive()
    pipe.writer.emit(logging.makeLogRecord({"msg": "too late"}))
    assert pipe.writer.dropped == 1
    assert pipe.end() == ["a line"]


def test_lines_of_many_threads_are_not_mixed(pipe: Pipe) -> None:
    pipe.reader.start()

    def log(name: str) -> None:
        for number in range(200):
            pipe.logger.info("%s %d", name, number)

    threads = [threading.Thread(target=log, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = pipe.end()
    for name in "abcd":
        assert [line for line in lines if line[0] == name] == [f"{name} {number}" for number in range(200)]


def test_a_line_has_its_arguments_at_the_time_of_logging(pipe: Pipe) -> None:
    names = ["GPU 0"]
    pipe.logger.info("lost: %s", names)
    names.append("GPU 1")
    pipe.reader.start()
    assert pipe.end() == ["lost: ['GPU 0']"]


def test_every_line_is_written_to_a_pipe_that_others_made_non_blocking(pipe: Pipe) -> None:
    os.set_blocking(pipe.write_end, False)
    for number in range(MAX_WAITING // 2):
        pipe.logger.info(LINE, number)
    pipe.reader.start()
    wait_until(lambda: len(pipe.reader.lines) == MAX_WAITING // 2, "every line has arrived")
    assert pipe.end()[-1] == LINE % (MAX_WAITING // 2 - 1)
    assert not pipe.writer.dropped


def test_lines_for_a_reader_that_has_left_are_dropped_and_counted(pipe: Pipe) -> None:
    os.close(pipe.read_end)
    pipe.logger.info("to nobody")
    wait_until(lambda: pipe.writer.dropped == 1, "the line is counted")
    os.close(pipe.write_end)
