"""Runs tests for every kernel, dtype and instruction set, and counts what was checked."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from table import VARIANTS

import pygrad
from pygrad import config

_checked: set[str] = set()
_failed: set[str] = set()


@contextmanager
def _in_use(isa: str) -> Iterator[None]:
    if isa not in config.ISAS_USABLE:
        pytest.skip(f"the CPU or operating system lacks {isa}: its kernels cannot run here")
    before = config.isa()
    config.use_isa(isa)
    yield
    config.use_isa(before)


@pytest.fixture(params=VARIANTS, ids="-".join)
def variant(
    request: pytest.FixtureRequest, record_property: Callable[[str, object], None]
) -> Iterator[tuple[str, str, str]]:
    """An instruction set (in use during the test), a dtype and the name of a kernel."""
    isa, dtype, name = request.param
    with _in_use(isa):
        record_property("variant", f"{isa} {dtype} {name}")
        yield isa, dtype, name


@pytest.fixture(params=config.ISAS_BUILT)
def isa(request: pytest.FixtureRequest) -> Iterator[str]:
    """An instruction set, in use during the test."""
    with _in_use(request.param):
        yield request.param


@pytest.fixture
def restore_threads() -> Iterator[None]:
    """The number of threads is afterwards what it was."""
    before = pygrad.get_num_threads()
    yield
    pygrad.set_num_threads(before)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    for name, value in report.user_properties:
        if name == "variant" and report.failed:
            _failed.add(str(value))
        elif name == "variant" and report.when == "call" and report.passed:
            _checked.add(str(value))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    missing = [isa for isa in config.ISAS_BUILT if isa not in config.ISAS_USABLE]
    why = f" (this machine does not run {', '.join(missing)})" if missing else ""
    terminalreporter.write_line(f"{len(_checked - _failed)} of {len(VARIANTS)} kernels checked{why}")
