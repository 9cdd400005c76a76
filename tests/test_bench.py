"""The benchmark: what it counts, checks and writes. What it times is not tested."""

import contextlib
import errno
import importlib.util
import itertools
import json
import math
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from table import DTYPES

from pygrad import bench, bench_cases, bench_peers, config, kernels, reference, threads
from pygrad.__main__ import main
from pygrad.bench import Limits, Ratio, Result
from pygrad.bench_cases import Case, WrongResultError
from pygrad.bench_peers import NOTEBOOK, VALUE_AND_GRAD
from pygrad.config import ffi, lib

MATMUL, LAYER = bench_cases.matmul_case(2, 3, 4), bench_cases.layer_case(VALUE_AND_GRAD, 10, 12, 2)
SMALL: list[Case] = [
    MATMUL,
    bench_cases.matmul_case(2, 3, 4, transposed=True),
    bench_cases.add_case(3, 4),
    bench_cases.sigmoid_case(7),
    bench_cases.sigmoid_backward_case(7),
    bench_cases.notebook_case(),
    *bench_cases.cases_of_shape(5, 3, 2),
    bench_cases.layer_case("dense_sigmoid", 5, 3, 2, out=True),
    bench_cases.layer_case("dense_sigmoid_backward", 5, 3, 2, out=True),
]


def _bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "pygrad", "bench", *arguments], capture_output=True, text=True)


def _inputs(case: Case, dtype: str = "float32") -> tuple[Any, ...]:
    return case.inputs(np.random.default_rng(1), np.dtype(dtype))


def _out(case: Case, dtype: str) -> Any:
    if case.out is None:
        return None
    arrays = tuple(np.empty(shape, dtype) for shape in case.out)
    return arrays[0] if len(arrays) == 1 else arrays


# Counts and limits


def test_cases_cover_every_kernel_and_the_notebook() -> None:
    cases = bench_cases.default_cases()
    assert {case.function for case in cases} == {*config.KERNELS, NOTEBOOK}
    assert {case.function for case in cases if case.quick} == {*config.KERNELS, NOTEBOOK}
    assert len({case.name for case in cases}) == len(cases)


def test_counts_by_hand() -> None:
    assert (MATMUL.flop, MATMUL.read, MATMUL.written) == (48, 6 + 12, 8)
    assert (LAYER.flop, LAYER.read, LAYER.written) == (6 * 10 * 12 * 2, 120 + 24 + 2, 120 + 24 + 2)
    assert (LAYER.bytes_moved(4), LAYER.bytes_moved(8)) == (292 * 4, 292 * 8)
    backward = bench_cases.layer_case("dense_sigmoid_backward", 5, 3, 2)
    assert (backward.flop, backward.read, backward.written) == (4 * 30, 10 + 15 + 6 + 10, 15 + 6 + 2)
    add = bench_cases.add_case(3, 4)
    assert (add.flop, add.read, add.written) == (0, 12 + 4, 12)


@pytest.mark.parametrize("case", SMALL, ids=lambda case: case.name)
def test_counts_are_the_sizes_of_inputs_and_results(case: Case) -> None:
    inputs = _inputs(case)
    results = bench_peers.arrays_of(bench_peers.pygrad_itself().prepare(case.function, inputs, _out(case, "float32"))())
    assert case.read == sum(array.size for array in inputs)
    assert case.written == sum(array.size for array in results if array.ndim > 0)  # all but the loss


def test_floor() -> None:
    limits = Limits(threads=1, flop=1e9, read=1e9, copied=4e9, call=1e-9)
    cache = 100
    # 48 flop take 48 ns; 18 floats to read 72 ns, and with 8 to write, at the speed of a copy, 26 ns
    assert bench.floor(MATMUL, 4, limits, cache) == pytest.approx((72e-9, "memory"))
    assert bench.floor(MATMUL, 4, replace(limits, read=4e9), cache) == pytest.approx((48e-9, "flop"))
    assert bench.floor(MATMUL, 4, limits, 26 * 4) == pytest.approx((48e-9, "flop"))  # all data fit into the cache
    assert bench.floor(MATMUL, 4, replace(limits, call=73e-9), cache) == (73e-9, "call")
    add = bench_cases.add_case(10, 4)  # reads 44 floats and writes 40
    assert bench.floor(add, 8, replace(limits, copied=1e9), cache) == pytest.approx((84 * 8e-9, "memory"))
    assert bench.floor(add, 8, limits, 84 * 8) == (0.0, "cache")


def test_limits_that_change_by_more_than_a_tenth() -> None:
    limits = Limits(threads=1, flop=1e9, read=1e9, copied=4e9, call=1e-9)
    assert limits.about(replace(limits, flop=1.09e9, read=0.91e9, call=5.0))
    for changed in (replace(limits, flop=1.2e9), replace(limits, read=0.8e9), replace(limits, copied=3e9)):
        assert not limits.about(changed)


def test_limits_are_measured() -> None:
    for dtype in DTYPES:
        for number in (1, 2):
            limits = bench.measure_limits(number, np.dtype(dtype), 2**20, quick=True)
            assert limits.threads == number
            assert min(limits.flop, limits.read, limits.copied) > 1e7
            assert 0 < limits.call < 1e-3


@pytest.mark.parametrize("dtype", DTYPES)
def test_probes(isa: str, dtype: str) -> None:
    suffix, pointer = ("f32", "float[]") if dtype == "float32" else ("f64", "double[]")
    muladd, copy, read = (getattr(lib, f"pg_probe_{name}_{suffix}") for name in ("muladd", "copy", "read"))
    assert muladd(0) == 0
    assert muladd(3) == 3 * muladd(1) > 0
    source = np.arange(1, 1001, dtype=dtype)
    for size in (0, 1, 2, 3, 7, 15, 16, 17, 100, 127, 128, 129, 1000):
        assert read(size, ffi.from_buffer(pointer, source)) == size * (size + 1) / 2  # exact: below 2**24
        for offset in range(16):
            target = np.zeros(offset + size + 17, dtype)
            copy(size, ffi.from_buffer(pointer, source), ffi.from_buffer(pointer, target[offset:]))
            assert np.array_equal(target[offset : offset + size], source[:size])
            assert not target[:offset].any()
            assert not target[offset + size :].any()


# Ratios


def _result(**rounds: list[float]) -> Result:
    return Result(MATMUL, rounds, 1.0, "flop")


def test_ratio_is_the_median_of_rounds() -> None:
    result = _result(pygrad=[1.0, 2.0, 3.0, 100.0, 2.0], other=[2.0, 4.0, 6.0, 200.0, 1.0])
    assert result.ratio("other") == Ratio(2.0, 0.0)
    assert result.seconds == 2.0


def test_noisy_where_the_rounds_differ_more_than_the_libraries() -> None:
    steady = _result(pygrad=[1.0] * 5, other=[1.08, 1.09, 1.1, 1.11, 1.12])
    assert steady.ratio("other").value == 1.1
    assert steady.ratio("other").spread == pytest.approx(0.02)
    assert not steady.ratio("other").noisy
    shaken = _result(pygrad=[1.0] * 5, other=[0.8, 0.95, 1.1, 1.25, 1.4])
    assert shaken.ratio("other").noisy
    assert _result(pygrad=[1.0] * 5, other=[0.5, 0.55, 0.9, 1.05, 1.1]).ratio("other").noisy
    assert not _result(pygrad=[1.0] * 5, other=[1.0] * 5).ratio("other").noisy


def test_measure_calls_in_turn() -> None:
    order: list[str] = []

    def call(name: str) -> Callable[[], None]:
        return lambda: order.append(name)

    rounds = bench.measure({"a": call("a"), "b": call("b")}, 0.0, 0.0, lambda _: None)
    assert [len(times) for times in rounds.values()] == [bench.FEWEST_ROUNDS] * 2
    assert order[-2 * bench.FEWEST_ROUNDS :] == ["a", "b"] * bench.FEWEST_ROUNDS


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(2.34e-9, "2.34 ns"), (9.996e-6, "10.0 us"), (1.0e-3, "1.00 ms"), (0.0234, "23.4 ms"), (123.0, "123 s")],
)
def test_figures_have_three_digits(seconds: float, text: str) -> None:
    assert bench._seconds(seconds) == text


# Right and wrong results


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", SMALL, ids=lambda case: case.name)
def test_every_peer_is_right_and_every_wrong_element_is_found(case: Case, dtype: str) -> None:
    """The change, a thousandth of the largest element, is far above float32 rounding of these few terms."""
    inputs = _inputs(case, dtype)
    truths = bench_cases.expected(case.function, inputs)
    found, _, _ = bench_peers.load(1)
    for peer in (bench_peers.pygrad_itself(), *found):
        if not peer.has(case.function, inputs):
            continue
        results = bench_peers.arrays_of(peer.prepare(case.function, inputs, _out(case, dtype))())
        bench_cases.check(case, peer.name, results, truths)
        for number in range(len(results)):
            wrong = [array.copy() for array in results]
            wrong[number].reshape(-1)[-1] += np.abs(wrong[number]).max() * 1e-3
            with pytest.raises(WrongResultError, match=f"{peer.name} is wrong: element .* of result {number + 1} is"):
                bench_cases.check(case, peer.name, wrong, truths)
        with pytest.raises(WrongResultError, match="results, expected"):
            bench_cases.check(case, peer.name, results[1:], truths)
    nan = [np.full_like(truth.exact, np.nan) for truth in truths]
    with pytest.raises(WrongResultError, match="nan"):
        bench_cases.check(case, "pygrad", nan, truths)


def test_errors_of_a_plain_sum_over_rows_are_a_peer_s_right_only() -> None:
    x = np.full((200_000, 1), 0.1, np.float32)
    w, b = np.ones((1, 1), np.float32), np.zeros(1, np.float32)
    case = bench_cases.layer_case(VALUE_AND_GRAD, *x.shape, 1)
    truths = bench_cases.expected(case.function, (x, w, b))
    loss, (dx, dw, db) = kernels.dense_sigmoid_value_and_grad(x, w, b)
    assert db is not None
    bench_cases.check(case, "pygrad", (loss, dx, dw, db), truths)
    plain = np.cumsum(np.full(len(x), db[0] / len(x), np.float32), dtype=np.float32)[-1:]
    assert abs(plain - db) > 1e-3 * db
    bench_cases.check(case, "NumPy", (loss, dx, dw, plain), truths)
    with pytest.raises(WrongResultError):
        bench_cases.check(case, "pygrad", (loss, dx, dw, plain), truths)


def test_a_wrong_kernel_ends_the_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    right = kernels.dense_sigmoid
    monkeypatch.setattr(kernels, "dense_sigmoid", lambda *inputs, **out: right(*inputs, **out) + np.float32(1e-4))
    file = tmp_path / "bench.json"
    assert main(["bench", "--quick", "--shape", "5x3x2", "--case", "dense_sigmoid 5", "--json", str(file)]) == 1
    assert "pygrad bench: dense_sigmoid 5x3x2: pygrad is wrong: element (0, 0)" in capsys.readouterr().err
    assert not file.exists()


def test_a_kernel_that_is_wrong_from_its_second_call_on_ends_the_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    right, calls = kernels.sigmoid, itertools.count(1)

    def second_wrong(x: Any, out: Any = None) -> Any:
        result = right(x, out=out)
        if next(calls) > 1:
            result[0] += np.float32(1e-4)
        return result

    monkeypatch.setattr(kernels, "sigmoid", second_wrong)
    monkeypatch.setattr(bench, "default_cases", lambda: [bench_cases.sigmoid_case(7)])
    assert main(["bench", "--quick", "--case", "sigmoid"]) == 1
    assert "pygrad bench: sigmoid 7 out=: pygrad is wrong: element (0,)" in capsys.readouterr().err


def test_what_is_in_out_is_checked(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    right = kernels.dense_sigmoid_value_and_grad
    monkeypatch.setattr(kernels, "dense_sigmoid_value_and_grad", lambda *inputs, out=None: right(*inputs))
    case = bench_cases.layer_case(VALUE_AND_GRAD, 5, 3, 2, out=True)
    monkeypatch.setattr(bench, "default_cases", lambda: [case])
    assert main(["bench", "--quick", "--case", "value"]) == 1
    assert f"pygrad bench: {case.name}: pygrad is wrong: element (0, 0) of result 2 is nan" in capsys.readouterr().err


def test_the_truth_of_a_long_sum_of_equal_terms_in_float64() -> None:
    """Each half adds one rounding; the last products have fewer than 256 rows, so fewer than 256."""
    rows = 1_000_000
    x, w, b = np.full((rows, 1), 0.1), np.ones((1, 1)), np.zeros(1)
    truths = bench_cases.expected(VALUE_AND_GRAD, (x, w, b))
    dy = reference.sigmoid_backward(2 * reference.sigmoid(x) / rows, x)[:, 0]
    for truth, exact in zip(truths[2:], (math.fsum(x[:, 0] * dy), math.fsum(dy)), strict=True):
        assert abs(truth.exact.item() - exact) <= (256 + 13) * np.finfo(np.float64).eps / 2 * exact
    case = bench_cases.layer_case(VALUE_AND_GRAD, rows, 1, 1)
    bench_cases.check(case, "pygrad", kernels.dense_sigmoid_value_and_grad(x, w, b), truths)


def test_a_wrong_peer_ends_the_run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(np, "matmul", lambda a, b, out=None: np.zeros((len(a), b.shape[1]), a.dtype))
    assert main(["bench", "--quick", "--shape", "5x3x2", "--case", "matmul"]) == 1
    assert "pygrad bench: matmul 5x3x2: NumPy is wrong" in capsys.readouterr().err


# Peers


def test_peers_absent_and_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(threads: int) -> bench_peers.Peer:
        raise OSError("libbroken.so:\n cannot open")

    monkeypatch.setattr(bench_peers, "_OTHERS", {"Absent": ("no_such_module", broken), "Broken": ("json", broken)})
    peers, missing, notes = bench_peers.load(1)
    assert [peer.name for peer in peers] == ["NumPy"]
    assert missing == ["Absent"]
    assert "Broken is left out, for it does not start: libbroken.so: cannot open" in notes


def test_nothing_is_imported_before_it_is_needed() -> None:
    program = """
import sys, pygrad
assert not [name for name in sys.modules if name.startswith("pygrad.bench")]
import pygrad.bench
for name in ("torch", "jax", "numba", "scipy", "matplotlib", "threadpoolctl"):
    assert name not in sys.modules, name
"""
    subprocess.run([sys.executable, "-c", program], check=True)


# The command


def test_run(tmp_path: Path) -> None:
    file = tmp_path / "bench.json"
    done = _bench("--quick", "--shape", "5x3x2", "--dtype", "float64", "--isa", "portable", "--json", str(file))
    assert done.returncode == 0, done.stderr
    assert "pygrad bench:" not in done.stderr
    result = json.loads(file.read_text(encoding="utf-8"))
    names = [case.name for case in bench_cases.cases_of_shape(5, 3, 2)]
    rows = [line.split("|")[1].strip() for line in done.stdout.splitlines() if line.startswith("| ")]
    assert rows == ["case", *names]
    assert [case["name"] for case in result["cases"]] == names
    assert (result["config"]["isa"], result["dtype"]) == ("portable", "float64")
    assert result["peers"]["NumPy"].startswith(np.__version__)
    assert set(result["not_installed"]) == {
        name for name, (module, _) in bench_peers._OTHERS.items() if not importlib.util.find_spec(module)
    }
    assert result["interrupted"] is False
    assert "Interrupted" not in done.stdout
    for moment in ("start", "one_thread", "end"):
        assert result["limits"][moment]["flop"] > 0
    for case in result["cases"]:
        assert len(case["rounds"]["pygrad"]) >= bench.FEWEST_ROUNDS
        assert case["seconds"]["NumPy"] == np.median(case["rounds"]["NumPy"])
        ratio = np.median(np.divide(case["rounds"]["NumPy"], case["rounds"]["pygrad"]))
        assert case["ratios"]["NumPy"]["value"] == pytest.approx(ratio)
    product = result["cases"][-1]
    assert (product["flop"], product["bytes_read"], product["bytes_written"]) == (60, 21 * 8, 10 * 8)
    assert config.__version__ in done.stdout
    assert "portable kernels, float64" in done.stdout


def test_list_of_cases() -> None:
    assert _bench("--list").stdout.splitlines() == [case.name for case in bench_cases.default_cases()]
    assert _bench("--list", "--case", "matmul 4x*").stdout.splitlines() == ["matmul 4x4x4"]
    both = _bench("--list", "--shape", "5x3x2", "--shape", "6x3x2", "--case", "matmul").stdout.splitlines()
    assert both == ["matmul 5x3x2", "matmul 6x3x2"]


BAD: list[tuple[list[str], str]] = [
    (
        ["--threads", "0"],
        f"--threads 0: expected a whole number from 1 to {threads.usable_cpus()}, the CPUs of this process",
    ),
    (["--threads", "two"], "--threads two: expected a whole number from 1 to"),
    (
        ["--threads", "99999"],
        f"--threads 99999: expected a whole number from 1 to {threads.usable_cpus()}, the CPUs of this process",
    ),
    (["--threads", "1000000"], f"--threads 1000000: expected a whole number from 1 to {threads.usable_cpus()}, "),
    (["--threads", "9" * 5000], f"--threads {'9' * 5000}: expected a whole number from 1 to {threads.usable_cpus()}, "),
    (["--dtype", "float16"], "--dtype float16: expected float32 or float64"),
    (
        ["--isa", "mmx"],
        f"--isa 'mmx': there is no such instruction set; valid here: {', '.join(config.ISAS_USABLE)}",
    ),
    (
        ["--shape", "5000x300"],
        "--shape 5000x300: expected rows x inner size x columns, each at least 1, as in --shape 5000x300x7",
    ),
    (
        ["--shape", "0x3x2"],
        "--shape 0x3x2: expected rows x inner size x columns, each at least 1, as in --shape 5000x300x7",
    ),
    (["--case", "nonsense"], "--case nonsense: no case has such a name; pygrad bench --list prints the names"),
    (["--json", "/no/such/folder/x.json"], "--json /no/such/folder/x.json: cannot be written: "),
    (["--json", "."], f"--json .: cannot be written: {os.strerror(errno.EISDIR)}"),
]


@pytest.mark.parametrize(("arguments", "message"), BAD, ids=[" ".join(arguments) for arguments, _ in BAD])
def test_bad_arguments(arguments: list[str], message: str) -> None:
    done = _bench(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"pygrad bench: {message}")
    assert len(done.stderr.splitlines()) == 1


def test_files_are_checked_but_not_touched_before_the_run(tmp_path: Path) -> None:
    there, absent = tmp_path / "there.json", tmp_path / "absent.json"
    there.write_text("old", encoding="utf-8")
    for file in (there, absent):
        assert _bench("--json", str(file), "--threads", "0").returncode == 2
        assert _bench("--json", str(file), "--list").returncode == 0
    assert there.read_text(encoding="utf-8") == "old"
    assert not absent.exists()


def test_without_matplotlib(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    assert main(["bench", "--plot", str(tmp_path / "bench.png")]) == 2
    written = capsys.readouterr()
    assert (written.out, written.err) == (
        "",
        "pygrad bench: --plot needs matplotlib: pip install 'pygrad[plot]'\n",
    )


def test_plot(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    file = tmp_path / "bench.png"
    done = _bench("--quick", "--shape", "5x3x2", "--plot", str(file))
    assert done.returncode == 0, done.stderr
    assert file.read_bytes().startswith(b"\x89PNG")
    done = _bench("--plot", "picture.xyz")
    assert done.returncode == 2
    assert "--plot picture.xyz: expected a name that ends in one of ." in done.stderr


def test_a_case_too_large_is_left_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "bench.json"
    assert main(["bench", "--quick", "--shape", "99999999x9999x9999", "--shape", "2x2x2", "--case", "matmul",
                 "--json", str(file)]) == 0  # fmt: skip
    assert "matmul 99999999x9999x9999 is left out: it needs" in capsys.readouterr().err
    result = json.loads(file.read_text(encoding="utf-8"))
    assert [case["name"] for case in result["cases"]] == ["matmul 2x2x2"]
    assert "is left out" in result["notes"][-1]


def test_nothing_measured_is_no_success(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    arguments = ["bench", "--quick", "--shape", "999999999999x999999999999x1", "--case", "matmul"]
    if importlib.util.find_spec("matplotlib"):
        arguments += ["--plot", str(tmp_path / "bench.png")]
    assert main([*arguments, "--json", str(tmp_path / "bench.json")]) == 1
    written = capsys.readouterr()
    # 1e24 + 2e12 elements in float32, three times, and six times in float64
    assert "matmul 999999999999x999999999999x1 is left out: it needs 60.0 YB of " in written.err
    assert "pygrad bench: nothing was measured: every case was left out" in written.err
    assert "No peer is faster" not in written.out
    assert "was compared" not in written.out
    assert not list(tmp_path.iterdir())


def test_a_number_of_threads_from_elsewhere_beyond_the_cpus(capsys: pytest.CaptureFixture[str]) -> None:
    before, most = threads.get_num_threads(), threads.usable_cpus()
    threads.set_num_threads(most + 1)
    try:
        assert main(["bench", "--list", "--case", "matmul 4x4x4"]) == 0  # which runs nothing
        assert capsys.readouterr().out == "matmul 4x4x4\n"
        assert main(["bench", "--shape", "5x3x2"]) == 2
    finally:
        threads.set_num_threads(before)
    message = f"pygrad is set to {most + 1} threads (PYGRAD_NUM_THREADS) and this process may use {most} CPUs"
    assert capsys.readouterr().err == f"pygrad bench: {message}: give --threads {most} or less\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's /dev/full, which opens but takes no byte")
def test_a_file_that_cannot_be_written_in_the_end() -> None:
    done = _bench("--quick", "--shape", "5x3x2", "--case", "matmul", "--json", "/dev/full")
    assert done.returncode == 1
    assert "| matmul 5x3x2 " in done.stdout
    assert done.stderr == f"pygrad bench: --json /dev/full: cannot be written: {os.strerror(errno.ENOSPC)}\n"


def test_an_interrupted_run_keeps_what_it_has(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    right, file = bench.run_case, tmp_path / "bench.json"

    def interrupted(case: Case, *arguments: Any) -> Result | None:
        if case.function == "matmul":
            raise KeyboardInterrupt
        return right(case, *arguments)

    monkeypatch.setattr(bench, "run_case", interrupted)
    assert main(["bench", "--quick", "--shape", "5x3x2", "--json", str(file)]) == 130
    result = json.loads(file.read_text(encoding="utf-8"))
    assert (len(result["cases"]), result["interrupted"]) == (4, True)
    assert "Interrupted: the run ended after the last row above." in capsys.readouterr().out
    assert main(["bench", "--quick", "--shape", "5x3x2", "--case", "matmul"]) == 130
    assert capsys.readouterr().err == "pygrad bench: nothing was measured: interrupted\n"


def test_progress_is_shown_on_a_terminal_and_taken_away() -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "pygrad", "bench", "--quick", "--shape", "5x3x2", "--case", "matmul"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=theirs) as running:
        os.close(theirs)
        shown = ""
        with contextlib.suppress(OSError):  # with which Linux says that the other end is closed
            while text := os.read(ours, 2**12).decode():
                shown += text
    os.close(ours)
    assert running.returncode == 0
    assert "[1/1] 0:0" in shown
    assert "matmul 5x3x2: round 5" in shown
    assert shown.endswith("\r\x1b[K")
