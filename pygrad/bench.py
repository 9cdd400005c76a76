"""The microbenchmark: ``pygrad bench``.

The limits of the machine are measured first, with the instruction set and the threads of the run: multiply-adds in
registers, memory read, memory copied, and a call that computes nothing. Then each function, at each shape, runs
in turn with its peers (A B C A B C ...), and every result is compared with `pygrad.reference` before and after. A ratio
is the median over the rounds of a peer's time over pygrad's in the same round.
"""

import argparse
import fnmatch
import gc
import itertools
import json
import math
import os
import platform
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from pygrad import bench_peers, config
from pygrad.bench_cases import Case, Truth, WrongResultError, cases_of_shape, check, default_cases, expected
from pygrad.bench_peers import Array, Peer, arrays_of
from pygrad.config import ffi, lib
from pygrad.threads import get_num_threads, set_num_threads, usable_cpus

FEWEST_ROUNDS, MOST_ROUNDS = 5, 99


class BadArgumentError(ValueError):
    """An option that makes no sense; the message is one line."""


# What the machine can do


@dataclass(frozen=True)
class Limits:
    """What the machine reached at best, in units a second; and, in seconds, what a call costs that computes nothing."""

    threads: int
    flop: float
    read: float
    copied: float
    """Bytes read and written."""
    call: float
    """The least that Python needs for a result in an array of its own: that array, its address, and a C call."""

    def about(self, other: "Limits") -> bool:
        """Whether these and others differ by no more than a tenth."""
        pairs = ((self.flop, other.flop), (self.read, other.read), (self.copied, other.copied))
        return all(abs(a - b) <= 0.1 * max(a, b) for a, b in pairs)


def _speed(threads: int, work: Callable[[int], float], tries: int) -> float:
    """Return the best of several tries to have all threads do ``work``, which returns the units done."""
    barrier = threading.Barrier(threads)

    def timed(thread: int) -> tuple[float, float, float]:
        barrier.wait()
        start = time.perf_counter()
        done = work(thread)
        return start, time.perf_counter(), done

    best = 0.0
    with ThreadPoolExecutor(threads) as pool:
        for _ in range(tries):
            starts, ends, done = zip(*pool.map(timed, range(threads)), strict=True)
            best = max(best, sum(done) / (max(ends) - min(starts)))
    return best


def measure_limits(threads: int, dtype: np.dtype[Any], cache: int, *, quick: bool = False) -> Limits:
    """Measure the instruction set in use, with ``threads`` threads at once; ``cache`` is the size of the last cache."""
    suffix, real = ("f32", "float[]") if dtype == np.float32 else ("f64", "double[]")
    muladd, copy, read = (getattr(lib, f"pg_probe_{what}_{suffix}") for what in ("muladd", "copy", "read"))
    tries = 10 if quick else 30
    rounds, took = 1000, 0.0
    while took < 0.01:
        rounds *= 2
        start = time.perf_counter()
        muladd(rounds)
        took = time.perf_counter() - start
    flop = _speed(threads, lambda _: float(muladd(rounds)), tries)

    each = min(max(4 * cache, 2**27), memory_available() // 8) // threads // dtype.itemsize
    arrays = [(np.ones(each, dtype), np.ones(each, dtype)) for _ in range(threads)]
    pointers = [tuple(ffi.from_buffer(real, array) for array in pair) for pair in arrays]

    def copying(thread: int) -> float:
        copy(each, *pointers[thread])
        return 2.0 * each * dtype.itemsize

    def reading(thread: int) -> float:
        read(each, pointers[thread][0])
        return float(each * dtype.itemsize)

    copied, being_read = _speed(threads, copying, tries), _speed(threads, reading, tries)

    def calling() -> None:
        read(0, ffi.from_buffer(real, np.empty(1, dtype)))

    return Limits(threads, flop, being_read, copied, min(_sample(calling, 1000) for _ in range(tries)))


def floor(case: Case, itemsize: int, limits: Limits, cache: int) -> tuple[float, str]:
    """Return the least time that the machine allows, and what sets it.

    That is "flop" or "memory", whichever takes longer; data that fit into the last-level cache need not come from
    memory. It is "call" where that takes less time than a call, and "cache" where no arithmetic is counted and data
    need not come from memory: the limit is then not known.
    """
    moved = case.bytes_moved(itemsize)
    arithmetic = case.flop / limits.flop
    memory = max(case.read * itemsize / limits.read, moved / max(limits.copied, limits.read))
    if max(arithmetic, memory if moved > cache or case.flop == 0 else 0.0) < limits.call:
        return limits.call, "call"
    if moved > cache and memory > arithmetic:
        return memory, "memory"
    return (arithmetic, "flop") if case.flop else (0.0, "cache")


# Time


@dataclass(frozen=True)
class Ratio:
    """A peer's time over pygrad's: the median of the rounds, and the distance of their quartiles."""

    value: float
    spread: float

    @property
    def noisy(self) -> bool:
        """Whether the rounds differ among themselves by more than the two libraries do."""
        return self.spread > abs(self.value - 1)


@dataclass(frozen=True)
class Result:
    """The times of one case: for pygrad and each peer, the seconds per call in each round."""

    case: Case
    rounds: Mapping[str, Sequence[float]]
    floor: float
    bound: str
    """What sets the floor; see `floor`."""

    @property
    def seconds(self) -> float:
        """The median time of pygrad."""
        return float(np.median(self.rounds["pygrad"]))

    def ratio(self, peer: str) -> Ratio:
        """Return the time of ``peer`` over pygrad's."""
        low, middle, high = np.quantile(np.divide(self.rounds[peer], self.rounds["pygrad"]), (0.25, 0.5, 0.75))
        return Ratio(float(middle), float(high - low))


def _settle() -> None:
    """Wait until the threads of whoever ran before are idle: those of OpenBLAS spin for 0.1 s, of OpenMP for 5 ms."""
    for _ in range(100):
        before = time.process_time()
        time.sleep(0.005)
        if time.process_time() - before < 0.0005:
            break


def _sample(call: Callable[[], Any], number: int) -> float:
    """Return the seconds that one of ``number`` calls takes."""
    repeat = itertools.repeat(None, number)
    start = time.perf_counter()
    for _ in repeat:
        call()
    return (time.perf_counter() - start) / number


def measure(
    calls: Mapping[str, Callable[[], Any]], seconds: float, sample: float, tell: Callable[[str], None]
) -> dict[str, list[float]]:
    """Time calls in turn, for about ``seconds`` in all, each for about ``sample`` seconds a round."""
    numbers = {}
    for name, call in calls.items():
        _settle()
        numbers[name] = 1
        while numbers[name] < 1_000_000 and (took := _sample(call, numbers[name]) * numbers[name]) < sample:
            numbers[name] = math.ceil(numbers[name] * min(10.0, 1.2 * sample / max(took, 1e-9)))
    rounds: dict[str, list[float]] = {name: [] for name in calls}
    enabled = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        end = time.perf_counter() + seconds
        for number in range(1, MOST_ROUNDS + 1):
            tell(f"round {number}")
            for name, call in calls.items():
                _settle()
                if numbers[name] > 1:  # wakes threads and fills caches
                    _sample(call, numbers[name] // 10 + 1)
                rounds[name].append(_sample(call, numbers[name]))
            if number >= FEWEST_ROUNDS and time.perf_counter() > end:
                break
    finally:
        if enabled:
            gc.enable()
    return rounds


# The machine and the run


def memory_available() -> int:
    """Return the bytes of memory that this process may still use, as far as the system tells."""
    available = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        text = Path("/proc/meminfo").read_text(encoding="ascii")
        available = min(available, int(re.findall(r"MemAvailable: *(\d+) kB", text)[0]) * 1024)
        limit = int(Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii"))
        used = int(Path("/sys/fs/cgroup/memory.current").read_text(encoding="ascii"))
        available = max(1, min(available, limit - used))
    except (OSError, ValueError, IndexError):  # another system, or no limit
        pass
    return available


def last_cache() -> int:
    """Return the bytes of the last-level cache; 32 MiB where the system does not tell."""
    sizes = []
    for file in Path("/sys/devices/system/cpu/cpu0/cache").glob("index*/size"):
        match = re.fullmatch(r"(\d+)([KM])", file.read_text(encoding="ascii").strip())
        if match:
            sizes.append(int(match[1]) * {"K": 2**10, "M": 2**20}[match[2]])
    return max(sizes, default=2**25)


def cpu_name() -> str:
    """Return the model of the CPU, as far as the system tells."""
    try:
        if sys.platform == "darwin":
            command = ["sysctl", "-n", "machdep.cpu.brand_string"]
            return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
        return str(re.findall(r"^model name\s*: (.*)$", text, flags=re.MULTILINE)[0])
    except (OSError, IndexError, subprocess.CalledProcessError):
        return platform.processor() or platform.machine()


@dataclass
class Run:
    """A run of the benchmark: what was measured, on what, and how."""

    dtype: np.dtype[Any]
    threads: int
    quick: bool
    cpu: str
    cpus: int
    cache: int
    peers: list[Peer]
    missing: list[str]
    notes: list[str]
    limits: Limits
    one_thread: Limits
    limits_at_end: Limits | None = None
    interrupted: bool = False
    results: list[Result] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """Return everything, for programs."""
        return {
            "config": {**config.config(), "threads": self.threads},
            "dtype": self.dtype.name,
            "threads": self.threads,
            "quick": self.quick,
            "interrupted": self.interrupted,
            "machine": {"cpu": self.cpu, "usable_cpus": self.cpus, "last_level_cache": self.cache},
            "platform": platform.platform(),
            "peers": {peer.name: peer.version for peer in self.peers},
            "not_installed": self.missing,
            "notes": self.notes,
            "limits": {
                "start": asdict(self.limits),
                "one_thread": asdict(self.one_thread),
                "end": self.limits_at_end and asdict(self.limits_at_end),
            },
            "cases": [
                {
                    "name": result.case.name,
                    "function": result.case.function,
                    "flop": result.case.flop,
                    "bytes_read": result.case.read * self.dtype.itemsize,
                    "bytes_written": result.case.written * self.dtype.itemsize,
                    "seconds": {name: float(np.median(times)) for name, times in result.rounds.items()},
                    "bound_by": result.bound,
                    "floor_seconds": result.floor,
                    "ratios": {
                        name: {**asdict(ratio), "noisy": ratio.noisy}
                        for name in result.rounds
                        if name != "pygrad"
                        for ratio in [result.ratio(name)]
                    },
                    "rounds": {name: list(times) for name, times in result.rounds.items()},
                }
                for result in self.results
            ],
        }


def _check(case: Case, name: str, call: Callable[[], Any], out: Sequence[Array], truth: Sequence[Truth]) -> None:
    """Raise WrongResultError if a call does not give what it should, by pygrad into the arrays of ``out``."""
    for array in out:
        array.fill(np.nan)
    results = arrays_of(call())
    if name == "pygrad" and out:  # the loss comes before them; not every peer has an out
        results[-len(out) :] = out
    check(case, name, results, truth)


def run_case(case: Case, run: Run, tell: Callable[[str], None]) -> Result | None:
    """Check and time one case; None where memory is lacking. What was left out is noted in ``run``."""
    itemsize = run.dtype.itemsize
    needed, available = case.bytes_needed(itemsize), memory_available()
    if needed > available:
        run.notes.append(f"{case.name} is left out: it needs {_bytes(needed)} of {_bytes(available)} available")
        return None
    tell("reference")
    inputs = case.inputs(np.random.default_rng(0), run.dtype)
    truth = expected(case.function, inputs)
    calls: dict[str, Callable[[], Any]] = {}
    outs: dict[str, tuple[Array, ...]] = {}
    for peer in (bench_peers.pygrad_itself(), *run.peers):
        if not peer.has(case.function, inputs):
            continue
        tell(f"checking {peer.name}")
        outs[peer.name] = out = tuple(np.zeros(shape, run.dtype) for shape in case.out or ())
        try:
            call = peer.prepare(case.function, inputs, (out if len(out) > 1 else out[0]) if out else None)
            _check(case, peer.name, call, out, truth)
        except WrongResultError:
            raise
        except Exception as error:
            if peer.name == "pygrad":
                raise
            run.notes.append(f"{case.name}: {peer.name} is left out: {' '.join(str(error).split())[:200]}")
            continue
        calls[peer.name] = call
    rounds = measure(calls, *((0.6, 0.004) if run.quick else (5.0, 0.01)), tell)
    for name, call in calls.items():
        tell(f"checking {name} again")
        _check(case, name, call, outs[name], truth)
    return Result(case, rounds, *floor(case, itemsize, run.limits, run.cache))


# What is printed


def _digits(value: float) -> str:
    """Return a positive number to three digits, never with an exponent."""
    rounded = float(f"{value:.3g}")
    return f"{rounded:.{max(0, 2 - math.floor(math.log10(rounded)))}f}"


def _figure(value: float, *units: tuple[float, str]) -> str:
    """Return a positive value in the largest unit that it reaches, or the last."""
    scale, unit = next((unit for unit in units if value >= unit[0]), units[-1])
    return f"{_digits(value / scale)} {unit}"


def _seconds(value: float) -> str:
    return _figure(value, (1, "s"), (1e-3, "ms"), (1e-6, "us"), (1e-9, "ns"))


def _bytes(value: float) -> str:
    units = (1e24, "YB"), (1e21, "ZB"), (1e18, "EB"), (1e15, "PB"), (1e12, "TB"), (1e9, "GB"), (1e6, "MB")
    return _figure(value, *units)


def _per_second(value: float, unit: str) -> str:
    return _figure(value, (1e9, f"G{unit}/s"), (1e6, f"M{unit}/s"), (1e3, f"k{unit}/s"))


def _cells(result: Result, names: Sequence[str], itemsize: int) -> list[str]:
    seconds = result.seconds
    if result.bound == "memory" or not result.case.flop:
        speed = _per_second(result.case.bytes_moved(itemsize) / seconds, "B")
    else:
        speed = _per_second(result.case.flop / seconds, "FLOP")
    of_floor = result.bound if result.bound in ("call", "cache") else f"{result.floor / seconds:.0%} {result.bound}"
    ratios = []
    for name in names:
        ratio = result.ratio(name) if name in result.rounds else None
        ratios.append(f"{_digits(ratio.value)}{' noisy' if ratio.noisy else ''}" if ratio else "")
    return [result.case.name, _seconds(seconds), speed, of_floor, *ratios]


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    aligned = [cells[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(cells[1:], widths[1:], strict=True))]
    return f"| {' | '.join(aligned)} |"


def heading(run: Run) -> str:
    """Return what runs, on what, and the limits, as text before the table."""
    versions = ", ".join(f"{peer.name} {peer.version}" for peer in run.peers)
    lines = [
        f"pygrad {config.__version__}, {config.isa()} kernels, {run.dtype}, {_threads(run.threads)}; "
        f"Python {platform.python_version()}",
        f"peers: {versions}{'; not installed: ' if run.missing else ''}{', '.join(run.missing)}",
        f"CPU: {run.cpu}, {run.cpus} usable; last-level cache {run.cache / 2**20:.0f} MiB",
        f"limits: {_limits(run.limits)}",
    ]
    if run.threads > 1:
        lines.append(f"        {_limits(run.one_thread)}")
    return "\n".join([*lines, *run.notes])


def _threads(number: int) -> str:
    return f"{number} thread{'s' if number > 1 else ''}"


def _limits(limits: Limits) -> str:
    return (
        f"{_threads(limits.threads)}: {_per_second(limits.flop, 'FLOP')} of multiply-adds; memory: read "
        f"{_per_second(limits.read, 'B')}, copied {_per_second(limits.copied, 'B')}; a call {_seconds(limits.call)}"
    )


LEGEND = """\
speed: floating-point operations of the products, or bytes read and written, a second.
of limit: the least time that the limits allow (flop: multiply-adds; memory: bytes) over pygrad's time; "call": they
allow less than a call that computes nothing takes; "cache": data fit into the cache, and no arithmetic is counted.
Under each peer's name: its time over pygrad's, the median of rounds in turn. Above 1 pygrad is faster; noisy: the
quartiles of the rounds are further apart than that is from 1. A peer without out= allocates its results.
Every result was compared with the reference, before it was timed and after."""


def summary(run: Run) -> str:
    """Return what the table means, and where pygrad is slower, as text after it."""
    lines = ["", LEGEND]
    if run.interrupted:
        lines.append("Interrupted: the run ended after the last row above.")
    if run.limits_at_end:
        lines.append(f"limits at the end: {_limits(run.limits_at_end)}")
        if not run.limits.about(run.limits_at_end):
            lines.append("The limits changed by more than a tenth: other programs run; close them, and run it again.")
    slower = [
        f"  {result.case.name}: {name} takes {_digits(ratio.value)} of pygrad's time{' (noisy)' if ratio.noisy else ''}"
        for result in run.results
        for name in result.rounds
        if name != "pygrad" and (ratio := result.ratio(name)).value < 1
    ]
    lines += ["", "A peer is faster:", *slower] if slower else ["", "No peer is faster in any case."]
    return "\n".join(lines)


class Progress:
    """One line on a terminal's stderr, overwritten as the run goes on; nothing where stderr is no terminal."""

    def __init__(self, total: int) -> None:
        self._shown = sys.stderr.isatty()
        self._total = total
        self._start = time.perf_counter()
        self.case = 0
        self.name = ""

    def __call__(self, what: str) -> None:
        """Show what is being done."""
        if self._shown:
            minutes, seconds = divmod(int(time.perf_counter() - self._start), 60)
            line = f"[{self.case}/{self._total}] {minutes}:{seconds:02} {self.name}: {what}"
            print(f"\r\x1b[K{line[: shutil.get_terminal_size().columns - 1]}", end="", file=sys.stderr, flush=True)

    def clear(self) -> None:
        """Take the line away."""
        if self._shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


# The command


def add_command(commands: Any) -> None:
    """Add ``bench`` to the commands of the command line."""
    parser = commands.add_parser(
        "bench",
        help="how fast it is: against the limits of this machine, and against NumPy, PyTorch, JAX, SciPy, Numba",
        description="Measure what this machine can do, then each function against that, and against what is installed "
        "of NumPy, PyTorch, JAX, SciPy and a fused loop under Numba. Prints a Markdown table. Exit status 0, 1 if a "
        "result is wrong, nothing was measured or a file could not be written in the end, 2 for bad arguments, among "
        "them a file that cannot be written, 130 if interrupted.",
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="fewer rounds, and fewer cases unless --case or --shape name them: less than a minute",
    )
    parser.add_argument(
        "--case",
        action="append",
        metavar="PATTERN",
        help="only cases with this in their name, or that match it if it has *; may be given several times",
    )
    parser.add_argument(
        "--shape",
        action="append",
        metavar="RxKxC",
        help="instead, the layer and the product of a shape of yours, rows x inner size x columns, as 5000x300x7; may "
        "be given several times",
    )
    parser.add_argument("--dtype", metavar="DTYPE", default="float32", help="float32 (the default) or float64")
    parser.add_argument("--threads", metavar="N", help="threads for pygrad and all peers (default: as pygrad runs)")
    parser.add_argument("--isa", metavar="NAME", help="the instruction set that pygrad uses: avx512, avx2, ...")
    parser.add_argument("--json", metavar="FILE", help="write everything to a file, the time of each round included")
    parser.add_argument("--plot", metavar="FILE", help="draw roofline and ratios (.png, .svg, .pdf; needs matplotlib)")
    parser.add_argument("--list", action="store_true", help="print the names of the cases and do nothing")
    parser.set_defaults(run=command)


def command(arguments: argparse.Namespace) -> int:
    """Run ``pygrad bench`` and return the exit status."""
    try:
        cases = _chosen_cases(arguments)
        if arguments.list:
            print("\n".join(case.name for case in cases))
            return 0
        dtype, threads, number = _dtype(arguments.dtype), _number_of_threads(arguments.threads), len(cases)
        if arguments.isa is not None:
            _use_isa(arguments.isa)
        for option in ("json", "plot"):
            _check_file(option, getattr(arguments, option))
    except BadArgumentError as error:
        print(f"pygrad bench: {error}", file=sys.stderr)
        return 2
    progress, status = Progress(number), 0
    run: Run | None = None
    try:
        run = prepare(dtype, threads, progress, quick=arguments.quick)
        progress.clear()
        print(f"{heading(run)}\n", flush=True)
        run_cases(cases, run, progress)
    except WrongResultError as error:
        progress.clear()
        print(f"pygrad bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        progress.clear()
        status = 130
    if run is None or not run.results:
        why = "interrupted" if status else "every case was left out"
        print(f"pygrad bench: nothing was measured: {why}", file=sys.stderr)
        return status or 1
    run.interrupted = status != 0
    print(summary(run), flush=True)
    for option, write in (("json", _write_json), ("plot", plot)):
        file = getattr(arguments, option)
        if file is not None:
            try:
                write(run, file)
            except OSError as error:
                print(f"pygrad bench: --{option} {file}: cannot be written: {error.strerror or error}", file=sys.stderr)
                status = 1
    return status


def _write_json(run: Run, file: str) -> None:
    Path(file).write_text(json.dumps(run.as_json(), indent=1) + "\n", encoding="utf-8")


def prepare(dtype: np.dtype[Any], threads: int, tell: Callable[[str], None], *, quick: bool) -> Run:
    """Import the peers, set the number of threads of all, and measure the limits."""
    set_num_threads(threads)
    tell("importing peers")
    found, missing, notes = bench_peers.load(threads)
    tell("limits of the machine")
    cache = last_cache()
    limits = measure_limits(threads, dtype, cache, quick=quick)
    one = limits if threads == 1 else measure_limits(1, dtype, cache, quick=quick)
    return Run(dtype, threads, quick, cpu_name(), usable_cpus(), cache, found, missing, notes, limits, one)


def run_cases(cases: Sequence[Case], run: Run, progress: Progress) -> None:
    """Check and time the cases, and print a row for each."""
    names = [peer.name for peer in run.peers]
    head = ["case", "time", "speed", "of limit", *names]
    widths = [max(len(case.name) for case in cases), 7, 12, 10, *(max(len(name), 11) for name in names)]
    print(_line(head, widths))
    print(f"|{'-' * (widths[0] + 2)}|{'|'.join('-' * (width + 1) + ':' for width in widths[1:])}|")
    for progress.case, case in enumerate(cases, 1):
        progress.name = case.name
        noted = len(run.notes)
        result = run_case(case, run, progress)
        progress.clear()
        for note in run.notes[noted:]:
            print(note, file=sys.stderr)
        if result:
            run.results.append(result)
            print(_line(_cells(result, names, run.dtype.itemsize), widths), flush=True)
    if not run.results:
        return
    progress("limits again")
    run.limits_at_end = measure_limits(run.threads, run.dtype, run.cache, quick=True)
    progress.clear()


def _chosen_cases(arguments: argparse.Namespace) -> list[Case]:
    cases = default_cases()
    if arguments.shape is not None:
        cases = [case for text in arguments.shape for case in cases_of_shape(*_shape(text))]
    if arguments.case is not None:
        patterns = [pattern if "*" in pattern else f"*{pattern}*" for pattern in arguments.case]
        for pattern, given in zip(patterns, arguments.case, strict=True):
            if not any(fnmatch.fnmatchcase(case.name, pattern) for case in cases):
                raise BadArgumentError(f"--case {given}: no case has such a name; pygrad bench --list prints the names")
        cases = [case for case in cases if any(fnmatch.fnmatchcase(case.name, pattern) for pattern in patterns)]
    elif arguments.quick:
        cases = [case for case in cases if case.quick]
    return cases


def _shape(text: str) -> tuple[int, int, int]:
    match = re.fullmatch(r"0*([1-9]\d{0,11})x0*([1-9]\d{0,11})x0*([1-9]\d{0,11})", text, flags=re.ASCII)
    if not match:
        raise BadArgumentError(
            f"--shape {text}: expected rows x inner size x columns, each at least 1, as in --shape 5000x300x7"
        )
    return int(match[1]), int(match[2]), int(match[3])


def _dtype(name: str) -> np.dtype[Any]:
    if name not in ("float32", "float64"):
        raise BadArgumentError(f"--dtype {name}: expected float32 or float64")
    return np.dtype(name)


def _number_of_threads(text: str | None) -> int:
    most = usable_cpus()
    if text is None:
        if get_num_threads() > most:
            raise BadArgumentError(
                f"pygrad is set to {get_num_threads()} threads (PYGRAD_NUM_THREADS) and this process may use {most} "
                f"CPUs: give --threads {most} or less"
            )
        return get_num_threads()
    digits = text.lstrip("0")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 4 and int(digits) <= most):
        raise BadArgumentError(f"--threads {text}: expected a whole number from 1 to {most}, the CPUs of this process")
    return int(digits)


def _use_isa(name: str) -> None:
    try:
        config.use_isa(name)
    except ValueError as error:
        raise BadArgumentError(f"--isa {error}") from None


def _check_file(option: str, name: str | None) -> None:
    """Raise BadArgumentError unless the file can be written; its content stays as it is until the run has ended."""
    if name is None:
        return
    if option == "plot":
        try:
            from matplotlib.figure import Figure
        except ImportError:
            raise BadArgumentError("--plot needs matplotlib: pip install 'pygrad[plot]'") from None
        formats = Figure().canvas.get_supported_filetypes()
        if Path(name).suffix[1:].lower() not in formats:
            raise BadArgumentError(f"--plot {name}: expected a name that ends in one of .{', .'.join(sorted(formats))}")
    try:
        existed = Path(name).exists()
        with open(name, "ab"):
            pass
        if not existed:
            os.unlink(name)
    except OSError as error:
        raise BadArgumentError(f"--{option} {name}: cannot be written: {error.strerror}") from None


def plot(run: Run, file: str) -> None:
    """Draw the roofline with all products and layers, and the ratios to the peers."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(15, max(5.0, 0.27 * len(run.results) + 1)), layout="constrained")
    roof, ratios = figure.subplots(1, 2)
    figure.suptitle(
        f"pygrad {config.__version__}, {config.isa()}, {run.dtype}, {_threads(run.threads)}; {run.cpu}",
        fontsize="medium",
    )
    with_flop = [result for result in run.results if result.case.flop]
    intensities = [result.case.flop / result.case.bytes_moved(run.dtype.itemsize) for result in with_flop]
    ends = np.array([min([0.1, *intensities]) / 2, max([100.0, *intensities]) * 2])
    bandwidth, peak = max(run.limits.copied, run.limits.read) / 1e9, run.limits.flop / 1e9
    corners = np.sort(np.append(ends, np.clip(peak / bandwidth, *ends)))
    roof.loglog(corners, np.minimum(peak, bandwidth * corners), "k-", linewidth=1)
    for result, intensity in zip(with_flop, intensities, strict=True):
        speed = result.case.flop / result.seconds / 1e9
        roof.plot(intensity, speed, "o", color="C0" if result.bound != "call" else "0.7", markersize=4)
        number = str(run.results.index(result) + 1)
        roof.annotate(number, (intensity, speed), (3, 3), textcoords="offset points", fontsize=7)
    roof.set(xlabel="FLOP per byte that must be moved", ylabel="GFLOP/s (grey: a call takes longer than the limit)")
    roof.set_title(f"roof: {peak:.0f} GFLOP/s, {bandwidth:.0f} GB/s as measured", fontsize="medium")

    places = np.arange(len(run.results))[::-1]
    for index, peer in enumerate(run.peers):
        points = [
            (result.ratio(peer.name).value, place)
            for result, place in zip(run.results, places, strict=True)
            if peer.name in result.rounds
        ]
        if points:
            ratios.semilogx(*zip(*points, strict=True), "o", color=f"C{index}", markersize=4, label=peer.name)
    ratios.axvline(1, color="k", linewidth=1)
    names = [f"{result.case.name}  {number}" for number, result in enumerate(run.results, 1)]
    ratios.set_yticks(places, names, fontsize=7)
    ratios.set(xlabel="time over pygrad's: to the right of 1 pygrad is faster")
    ratios.xaxis.set_major_formatter("{x:g}")
    ratios.grid(axis="both", linewidth=0.3)
    ratios.legend(loc="upper left", bbox_to_anchor=(1, 1))
    figure.savefig(file, dpi=150)
