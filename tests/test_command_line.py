"""The commands, run as a user runs them."""

import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from table import DTYPES

from pygrad import __version__, config, verification

COMMANDS = [[sys.executable, "-m", "pygrad"], [str(Path(sys.executable).with_name("pygrad"))]]


def _run(*arguments: object, command: list[str] = COMMANDS[0]) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*command, *map(str, arguments)], capture_output=True, text=True)


@pytest.mark.parametrize("command", COMMANDS, ids=["python -m pygrad", "pygrad"])
def test_main_job(command: list[str]) -> None:
    done = _run(command=command)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == f"pygrad {__version__}, {config.isa()} kernels, float32"
    rows = [line.split() for line in lines if line.endswith(" ok")]
    assert [row[0] for row in rows] == list(verification.NAMES)
    assert "8 of 8 arrays agree" in lines


def test_main_job_for_programs() -> None:
    done = _run("--json")
    result = json.loads(done.stdout)
    assert done.returncode == 0
    assert result["agrees"] is True
    assert result["fused_is_unfused"] is True
    assert result["isa"] == config.isa()
    assert {array["name"]: tuple(array["shape"]) for array in result["arrays"]}["X.grad"] == (10, 12)
    assert all(array["of_expected"] <= 2 for array in result["arrays"])


def test_seed_on_every_instruction_set(isa: str) -> None:
    result = verification.verify_seed()
    assert result.agrees
    assert all(c.of_bound <= 1 for c in result.comparisons)


@pytest.mark.parametrize("name", verification.NAMES)
def test_main_job_notices_a_wrong_result(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One element off by 3 units of its last printed digit, which float32 shows clearly, must not pass."""
    from pygrad.__main__ import main

    right = verification.compute

    def wrong(inputs: verification.Inputs) -> tuple[verification.Arrays, bool | None]:
        arrays, same = right(inputs)
        arrays[name] = arrays[name].copy()
        figure = str(np.array(verification.seed()[1][name]).flat[0])
        arrays[name].reshape(-1)[0] += 3 * verification._unit(figure)
        return arrays, same

    monkeypatch.setattr(verification, "compute", wrong)
    assert main([]) == 1
    assert re.search(rf"^{re.escape(name)} .* DIFFERS$", capsys.readouterr().out, flags=re.M)


def test_saturation() -> None:
    done = _run("saturation")
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1].endswith("yes")
    result = json.loads(_run("saturation", "--json").stdout)
    assert result["agrees"]
    assert [row["y"] for row in result["errors"]] == [-85, -60, -20, -8, 8, 20, 60, 85]


def test_info() -> None:
    done = _run("info")
    assert done.returncode == 0
    for text in (__version__, config.isa(), np.__version__, "threads", "compiler"):
        assert text in done.stdout
    assert json.loads(_run("info", "--json").stdout)["isa"] == config.isa()


def _layer(r: int, k: int, c: int, dtype: str) -> dict[str, Any]:
    rng = np.random.default_rng([r, k, c])
    return {
        "X": rng.standard_normal((r, k)).astype(dtype),
        "W": (rng.standard_normal((k, c)) / np.sqrt(k)).astype(dtype),
        "B": rng.standard_normal((1, c)).astype(dtype),
    }


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 5, 2), (1000, 30, 7), (300, 700, 90), (20000, 300, 7)], ids=str)
def test_verify_own_data(shape: tuple[int, int, int], dtype: str, tmp_path: Path) -> None:
    file = tmp_path / "layer.npz"
    np.savez(file, **_layer(*shape, dtype))
    done = _run("verify", file)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "8 of 8 arrays agree" in done.stdout
    assert "unfused: yes" in done.stdout


def _usual_gradients(layer: dict[str, Any]) -> dict[str, Any]:
    """As frameworks compute them, in the arrays' dtype."""
    X, W, B = layer["X"], layer["W"], layer["B"]
    Z = 1 / (1 + np.exp(-(X @ W + B)))
    dY = (2 * Z / X.dtype.type(len(X))) * Z * (1 - Z)
    return {"X.grad": dY @ W.T, "W.grad": X.T @ dY, "B.grad": dY.sum(axis=0, keepdims=True)}


@pytest.mark.parametrize("dtype", DTYPES)
def test_verify_with_expected_gradients(dtype: str, tmp_path: Path) -> None:
    layer, file = _layer(40, 12, 3, dtype), tmp_path / "layer.npz"
    gradients = _usual_gradients(layer)
    np.savez(file, **layer, **gradients)
    assert _run("verify", file).returncode == 0
    gradients["W.grad"][5, 1] *= 1.001
    np.savez(file, **layer, dX=gradients["X.grad"], W_grad=gradients["W.grad"], note=np.zeros(3))
    done = _run("verify", file)
    assert done.returncode == 1
    assert re.search(r"^W\.grad .* DIFFERS$", done.stdout, flags=re.M)
    assert re.search(r"^X\.grad .* ok$", done.stdout, flags=re.M)
    assert "7 of 8 arrays agree" in done.stdout
    assert "not used: note" in done.stdout


def test_verify_with_a_general_factor(tmp_path: Path) -> None:
    layer, file = _layer(40, 12, 3, "float32"), tmp_path / "layer.npz"
    rng = np.random.default_rng(0)
    layer["A"], layer["B"] = rng.standard_normal((40, 4)).astype("f4"), rng.standard_normal((4, 3)).astype("f4")
    np.savez(file, **layer)
    done = _run("verify", file, "--json")
    result = json.loads(done.stdout)
    assert done.returncode == 0
    assert result["fused_is_unfused"] is None
    assert {array["name"]: array["shape"] for array in result["arrays"]}["B.grad"] == [4, 3]


def _without(name: str) -> dict[str, Any]:
    return {key: value for key, value in _layer(4, 3, 2, "float32").items() if key != name}


BAD: list[tuple[dict[str, Any], str]] = [
    (_without("W"), "W missing: the file has X, B; save it with np.savez(file, X=X, W=W, B=B)"),
    ({}, "X and W and B missing: the file has no arrays; save it with np.savez(file, X=X, W=W, B=B)"),
    (_without("W") | {"W": np.ones((4, 2), "f4")}, "X is (4, 3) and W is (4, 2): X's columns must equal W's rows"),
    (_without("W") | {"W": np.ones((3, 2))}, "X is float32 and W is float64: all arrays must have one dtype"),
    (
        _without("X") | {"X": np.ones((4, 3), int)},
        "X has dtype int64, expected float32 or float64: save X.astype(np.float32)",
    ),
    (_without("X") | {"X": np.ones((3,), "f4")}, "X has shape (3,), expected 2 dimensions"),
    (_without("X") | {"X": np.ones((0, 3), "f4")}, "X is (0, 3): the loss is a mean over rows, and X has none"),
    (_without("B") | {"B": np.ones((3,), "f4")}, "B has shape (3,), expected (1, 2) or (2,) for W (3, 2)"),
    (_without("") | {"A": np.ones((5, 1), "f4")}, "A is (5, 1) and X is (4, 3): A must have as many rows as X"),
    (_without("") | {"X.grad": np.ones((3, 4), "f4")}, "X.grad has shape (3, 4), expected (4, 3)"),
    (_without("") | {"x": np.ones((4, 3), "f4")}, "X is there twice, the second time as x: keep one"),
    (
        _without("X") | {"X": np.array([None])},
        "not a readable .npz file: it holds Python objects, or is no file of arrays at all",
    ),
]


@pytest.mark.parametrize(("arrays", "message"), BAD, ids=[message[:40] for _, message in BAD])
def test_verify_bad_arrays(arrays: dict[str, Any], message: str, tmp_path: Path) -> None:
    file = tmp_path / "layer.npz"
    np.savez(file, **arrays)
    done = _run("verify", file)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"pygrad verify: {file}: {message}\n"


def test_verify_bad_files(tmp_path: Path) -> None:
    whole = tmp_path / "whole.npz"
    np.savez(whole, **_layer(40, 30, 20, "float32"))
    content = whole.read_bytes()
    flipped = bytearray(content)
    flipped[len(content) // 2] ^= 0xFF
    single = tmp_path / "single.npy"
    np.save(single, np.ones(3))
    cases = {"empty": b"", "text": b"X, W, B", "truncated": content[: len(content) // 2], "flipped": bytes(flipped)}
    for name, data in cases.items():
        (tmp_path / name).write_bytes(data)
    npy = b"\x93NUMPY\x01\x00"
    headers = [b"{'descr': (", b"(((((", b"{[]: 3}", b"[" * 3000]
    headers.append(b"{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999999, 5)}")
    members = {f"header{i}": ("X.npy", npy + len(h).to_bytes(2, "little") + h) for i, h in enumerate(headers)}
    members |= {"no array": ("X", b"hello"), "no npy": ("X.npy", b"hello")}
    for name, (member, data) in members.items():
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            archive.writestr(member, data)
    for name in [*cases, *members, "absent", "single.npy", "."]:
        done = _run("verify", tmp_path / name)
        assert (done.returncode, done.stdout) == (2, ""), name
        assert len(done.stderr.splitlines()) == 1, name
        assert done.stderr.startswith("pygrad verify: "), name


def test_arguments_that_make_no_sense() -> None:
    for arguments in (["nonsense"], ["verify"], ["--nonsense"]):
        assert _run(*arguments).returncode == 2


def test_verify_special_values(tmp_path: Path) -> None:
    """NaN and infinities in, IEEE results out; and where a product may overflow, no verdict is invented."""
    for name in "XWB":
        for value in (np.inf, -np.inf, np.nan):
            layer, file = _layer(40, 12, 3, "float32"), tmp_path / "layer.npz"
            layer[name].flat[1] = value
            np.savez(file, **layer)
            done = _run("verify", file)
            assert done.returncode == 0, (name, value, done.stdout)
    np.savez(file, X=np.array([[3e38, 3e38]], "f4"), W=np.array([[2], [-2]], "f4"), B=np.zeros((1, 1), "f4"))
    done = _run("verify", file)
    assert done.returncode == 0, done.stdout
    assert "elements not judged" in done.stdout


def test_verify_a_long_sum_of_equal_terms(tmp_path: Path) -> None:
    file = tmp_path / "layer.npz"
    for dtype in DTYPES:
        np.savez(file, X=np.ones((10**6, 1), dtype), W=np.zeros((1, 1), dtype), B=np.full((1, 1), 0.3, dtype))
        done = _run("verify", file)
        assert done.returncode == 0, done.stdout


def test_a_reader_that_stops_early_is_no_error() -> None:
    command = f"{sys.executable} -m pygrad | head -1"
    done = subprocess.run(command, shell=True, capture_output=True, text=True)
    assert done.stdout.startswith("pygrad ")
    assert done.stderr == ""
