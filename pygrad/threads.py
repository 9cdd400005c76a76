"""The number of threads that a call may use. It never changes a bit of a result; small calls use one thread."""

import functools
import math
import operator
import os
from pathlib import Path
from typing import Any, SupportsIndex

from pygrad.config import __version__, lib

__all__ = ["get_num_threads", "register_with_threadpoolctl", "set_num_threads", "usable_cpus"]

_MOST = 1024


def get_num_threads() -> int:
    """Return the number of threads that a call may use, the calling one among them."""
    return int(lib.pg_num_threads())


def set_num_threads(threads: SupportsIndex) -> None:
    """Let each call use up to ``threads`` threads, the calling one among them, from now on.

    At import it is PYGRAD_NUM_THREADS, or else the number of CPUs that the process may use by its affinity and cgroup.

    Raises
    ------
    TypeError
        If ``threads`` is no integer.
    RuntimeError
        If it is not from 1 to 1024.
    """
    try:
        number = operator.index(threads)
    except TypeError:
        raise TypeError(f"set_num_threads: threads is a {type(threads).__name__}, expected an int") from None
    if not 1 <= number <= _MOST:
        raise RuntimeError(f"set_num_threads: threads is {number}, expected a positive integer of at most {_MOST}")
    lib.pg_set_num_threads(number)


def _cgroup_cpus(membership: Path = Path("/proc/self/cgroup"), root: Path = Path("/sys/fs/cgroup")) -> float:
    """Return how many CPUs the control groups of Linux leave the process (versions 1 and 2); infinity without any."""
    least = math.inf
    try:
        lines = membership.read_text(encoding="utf-8", errors="surrogateescape").split("\n")  # as names of files are
    except OSError:
        return least
    for line in lines:
        _, *fields = line.split(":", 2)
        if len(fields) != 2:
            continue
        controllers, group = fields
        if controllers and "cpu" not in controllers.split(","):
            continue
        top = root / controllers if controllers else root
        folder = top / group.lstrip("/")
        for place in (folder, *folder.parents):
            try:
                if controllers:
                    quota = (place / "cpu.cfs_quota_us").read_text(encoding="utf-8")
                    period = (place / "cpu.cfs_period_us").read_text(encoding="utf-8")
                else:
                    quota, period = (place / "cpu.max").read_text(encoding="utf-8").split()
                if float(quota) > 0:
                    least = min(least, float(quota) / float(period))
            except (OSError, ValueError, ZeroDivisionError):  # no such file at this level; "max"
                pass
            if place == top:
                break
    return least


def usable_cpus() -> int:
    """Return the number of CPUs that the process may use."""
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    limit = _cgroup_cpus()
    return max(1, min(cpus, _MOST, cpus if limit == math.inf else math.ceil(limit)))


def _choose() -> None:
    text = os.environ.get("PYGRAD_NUM_THREADS")
    if text is None:
        set_num_threads(usable_cpus())
        return
    try:
        if not (text.isascii() and text.isdigit()):  # int takes "4_0" and " 4 " too
            raise ValueError
        set_num_threads(int(text))
    except (ValueError, RuntimeError):
        raise ValueError(
            f"PYGRAD_NUM_THREADS={text!r}: expected a number of threads from 1 to {_MOST}; or unset PYGRAD_NUM_THREADS "
            "to have as many as the process may use"
        ) from None


_choose()


@functools.cache
def register_with_threadpoolctl() -> None:
    """Let threadpoolctl's ``threadpool_limits`` and ``threadpool_info`` know pygrad, as user API "pygrad".

    Raises
    ------
    ImportError
        If threadpoolctl is not installed.
    """
    try:
        import threadpoolctl
    except ImportError:
        raise ImportError("register_with_threadpoolctl: install it with 'pip install threadpoolctl'") from None

    class PygradController(threadpoolctl.LibController):  # type: ignore[misc]
        user_api = "pygrad"
        internal_api = "pygrad"
        filename_prefixes = ("_kernels",)
        check_symbols = ("pg_num_threads", "pg_set_num_threads")

        def get_num_threads(self) -> int:
            return get_num_threads()

        def set_num_threads(self, num_threads: Any) -> None:
            set_num_threads(num_threads)

        def get_version(self) -> str:
            return __version__

    threadpoolctl.register(PygradController)
