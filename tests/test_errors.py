"""What bad input gets: which exception, and the whole message."""

import os
import pickle
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from pygrad import config, kernels, reference

Array = np.ndarray[Any, Any]

X = np.ones((10, 12), np.float32)
W = np.ones((12, 2), np.float32)
B = np.ones((1, 2), np.float32)
Y = np.ones((10, 2), np.float32)
READ_ONLY = np.ones((10, 2), np.float32)
READ_ONLY.flags.writeable = False
MASKED = np.ma.masked_array(X, mask=X > 0)

vg, back = kernels.dense_sigmoid_value_and_grad, kernels.dense_sigmoid_backward

CASES: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: kernels.matmul(X, W.T), ValueError,
     "matmul: a is (10, 12) and b is (2, 12): a's columns (12) must equal b's rows (2)"),
    (lambda: kernels.matmul(np.broadcast_to(X[0, :1], (2**40, 1)), np.broadcast_to(X[0, :1], (2, 2**40))), ValueError,
     f"matmul: a is ({2**40}, 1) and b is (2, {2**40}): a's columns (1) must equal b's rows (2)"),
    (lambda: kernels.matmul(X[0], W), ValueError, "matmul: a has shape (12,), expected 2 dimensions"),
    (lambda: kernels.matmul(X, W[None]), ValueError, "matmul: b has shape (1, 12, 2), expected 2 dimensions"),
    (lambda: kernels.matmul(X, W.astype(np.float64)), TypeError,
     "matmul: a is float32 and b is float64, expected one dtype: convert one of them, e.g. b.astype(np.float32)"),
    (lambda: kernels.matmul(X.astype(np.int64), W), TypeError,
     "matmul: a has dtype int64, expected float32 or float64: convert it with a.astype(np.float32)"),
    (lambda: kernels.matmul(X, W.astype(np.float16)), TypeError,
     "matmul: b has dtype float16, expected float32 or float64: convert it with b.astype(np.float32)"),
    (lambda: kernels.sigmoid(X.astype(np.complex64)), TypeError,
     "sigmoid: x has dtype complex64, expected float32 or float64: convert it with x.astype(np.float32)"),
    (lambda: kernels.sigmoid(X.astype(object)), TypeError,
     "sigmoid: x has dtype object, expected float32 or float64: convert it with x.astype(np.float32)"),
    (lambda: kernels.sigmoid(X.astype(">f4" if sys.byteorder == "little" else "<f4")), TypeError,
     "sigmoid: x has dtype float32 (>f4, not the machine's byte order), expected float32 or float64: "
     "convert it with x.astype(np.float32)"),
    (lambda: kernels.matmul([[1.0]], W), TypeError,  # type: ignore[arg-type]
     "matmul: a is a list, not a NumPy array: convert it with np.asarray(a, dtype=np.float32)"),
    (lambda: kernels.matmul(X, None), TypeError,  # type: ignore[arg-type]
     "matmul: b is a NoneType, not a NumPy array: convert it with np.asarray(b, dtype=np.float32)"),
    (lambda: kernels.sigmoid(1.0), TypeError,  # type: ignore[arg-type]
     "sigmoid: x is a float, not a NumPy array: convert it with np.asarray(x, dtype=np.float32)"),
    (lambda: kernels.sigmoid(MASKED), TypeError,
     "sigmoid: x is a MaskedArray, not a NumPy array: convert it with np.asarray(x, dtype=np.float32)"),
    (lambda: kernels.matmul(X, W, out=np.empty((2, 10), np.float32)), ValueError,
     "matmul: out has shape (2, 10), expected (10, 2)"),
    (lambda: kernels.matmul(X, W, out=np.empty((10, 2))), TypeError,
     "matmul: out has dtype float64, expected float32 as the inputs have"),
    (lambda: kernels.matmul(X, W, out=READ_ONLY), ValueError,
     "matmul: out is read-only, expected an array that can be written"),
    (lambda: kernels.matmul(X, W, out=[[0.0]]), TypeError,  # type: ignore[arg-type]
     "matmul: out is a list, expected a NumPy array or None"),
    (lambda: kernels.add(X, W), ValueError,
     "add: a is (10, 12) and b is (12, 2): counted from the last, each dimension must be equal or 1"),
    (lambda: kernels.add(X, True), TypeError,
     "add: b is a bool, not a NumPy array: convert it with np.asarray(b, dtype=np.float32)"),
    (lambda: kernels.add(X, np.float64(1)), TypeError,
     "add: a is float32 and b is float64, expected one dtype: convert one of them, e.g. b.astype(np.float32)"),
    (lambda: kernels.sigmoid_backward(X, Y), ValueError,
     "sigmoid_backward: dz is (10, 12) and y is (10, 2): the shapes must be equal"),
    (lambda: kernels.dense_sigmoid(X, W.T, B), ValueError,
     "dense_sigmoid: x is (10, 12) and w is (2, 12): x's columns (12) must equal w's rows (2)"),
    (lambda: kernels.dense_sigmoid(X, W, B.T), ValueError,
     "dense_sigmoid: b is (2, 1) and w is (12, 2): b must be (2,) or (1, 2) for w's 2 columns"),
    (lambda: kernels.dense_sigmoid(X, W, B, preactivation=READ_ONLY), ValueError,
     "dense_sigmoid: preactivation is read-only, expected an array that can be written"),
    (lambda: kernels.dense_sigmoid(X, W, B, out=(same := Y.copy()), preactivation=same), ValueError,
     "dense_sigmoid: two of the output arrays share memory, expected separate arrays"),
    (lambda: back(X, X, W, Y), ValueError,
     "dense_sigmoid_backward: dz is (10, 12), expected x's rows and w's columns, (10, 2)"),
    (lambda: back(Y, X, W, X), ValueError,
     "dense_sigmoid_backward: y is (10, 12), expected x's rows and w's columns, (10, 2)"),
    (lambda: vg(X, W, B, wrt=("x", "z")), ValueError,
     "dense_sigmoid_value_and_grad: wrt has 'z', expected names of 'x', 'w' and 'b'"),
    (lambda: vg(X, W, B, wrt=None), TypeError,  # type: ignore[arg-type]
     "dense_sigmoid_value_and_grad: wrt is a NoneType, expected names of 'x', 'w' and 'b'"),
    (lambda: back(Y, X, W, Y, wrt=np.array([True, False, True])), ValueError,
     f"dense_sigmoid_backward: wrt has {np.True_!r}, expected names of 'x', 'w' and 'b'"),
    (lambda: vg(X, W, B, wrt=("x",), out=(None, W.copy(), None)), ValueError,
     "dense_sigmoid_value_and_grad: out has an array for dw, but wrt does not name 'w'"),
    (lambda: vg(X, W, B, out=(X.copy(), W.copy())), TypeError,  # type: ignore[arg-type]
     "dense_sigmoid_value_and_grad: out is 2 items, expected a tuple of three: (dx, dw, db), each an array or None"),
    (lambda: vg(X, W, B, out=X.copy()), TypeError,  # type: ignore[arg-type]
     "dense_sigmoid_value_and_grad: out is a ndarray, expected a tuple of three: (dx, dw, db), each an array or None"),
    (lambda: vg(X, W, B, out=(X.copy(), W.T.copy(), B.copy())), ValueError,
     "dense_sigmoid_value_and_grad: out (dw) has shape (2, 12), expected (12, 2)"),
    (lambda: vg(X[:0], W, B), ValueError,
     "dense_sigmoid_value_and_grad: x is (0, 12): a loss is a mean over rows, and x has none"),
    (lambda: vg(X, W, B, out=(X.copy(), shared := np.empty((12, 2), np.float32), shared[:1])), ValueError,
     "dense_sigmoid_value_and_grad: two of the output arrays share memory, expected separate arrays"),
    (lambda: config.use_isa("mmx"), ValueError,
     f"'mmx': there is no such instruction set; valid here: {', '.join(config.ISAS_USABLE)}"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "error", "message"), CASES, ids=[case[2][:60] for case in CASES])
def test_message(call: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error) as caught:
        call()
    assert str(caught.value) == message


def test_nothing_is_written_where_an_error_is_raised() -> None:
    dx, dw = np.full_like(X, 7), np.full_like(W, 7)
    with pytest.raises(ValueError, match="out \\(db\\)"):
        vg(X, W, B, out=(dx, dw, np.empty((3,), np.float32)))
    assert (dx == 7).all()
    assert (dw == 7).all()


def test_subclasses_and_equal_dtypes_are_arrays() -> None:
    class Mine(np.ndarray[Any, Any]):
        pass

    expected = kernels.matmul(X, W)
    assert np.array_equal(kernels.matmul(X.view(Mine), W), expected)
    other = np.dtype(np.float32, align=True).newbyteorder("=")
    assert np.array_equal(kernels.matmul(X.view(other), W.view(other)), expected)


OUTPUTS: dict[str, Callable[[Array], Array]] = {
    "a subclass": lambda a: a.view(type("Mine", (np.ndarray,), {})),
    "an equal dtype": lambda a: a.view(np.dtype(a.dtype.str, metadata={"unit": "m"})),
    "unpickled": lambda a: pickle.loads(pickle.dumps(a)),
}


@pytest.mark.parametrize("kind", OUTPUTS)
def test_outputs_of_subclasses_and_equal_dtypes(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are written where they are, without copies, and must not share memory."""
    y = kernels.add(kernels.matmul(X, W), B)
    z, other = OUTPUTS[kind](np.empty_like(y)), OUTPUTS[kind](np.empty_like(y))
    dx, dw, db = (OUTPUTS[kind](np.empty_like(array)) for array in (X, W, B))
    for together in ((z, z), (z, np.asarray(z)), (np.asarray(z), z)):
        with pytest.raises(ValueError, match="share memory"):
            kernels.dense_sigmoid(X, W, B, out=together[0], preactivation=together[1])
    square, shared = np.ones((3, 3), np.float32), OUTPUTS[kind](np.empty((3, 3), np.float32))
    with pytest.raises(ValueError, match="share memory"):
        vg(square, square, square[0], out=(shared, shared, None))
    monkeypatch.setattr(kernels, "_again_with_copies", None)
    assert kernels.matmul(X, W, out=z) is z
    assert np.array_equal(z, kernels.matmul(X, W))
    assert kernels.dense_sigmoid(X, W, B, out=z, preactivation=other) is z
    assert np.array_equal(z, kernels.sigmoid(y))
    assert np.array_equal(other, y)
    _, results = vg(X, W, B, out=(dx, dw, db))
    for result, given, expected in zip(results, (dx, dw, db), vg(X, W, B)[1], strict=True):
        assert result is given
        assert np.array_equal(result, expected)  # type: ignore[arg-type]


class Liar(np.ndarray[Any, Any]):
    """What lies in memory is smaller than this says."""

    shape = property(lambda self: (100, 100))


def test_a_subclass_that_says_another_shape_is_taken_as_it_lies_in_memory() -> None:
    a, z, dy = np.full((2, 2), 0.5, np.float32), np.full((2, 1), 0.3, np.float32), np.ones((2, 1), np.float32)
    w, b = np.ones((2, 1), np.float32), np.ones(1, np.float32)
    calls: list[tuple[Callable[..., Any], list[Array], list[Array]]] = [
        (kernels.matmul, [a, w], [z]),
        (kernels.add, [a, b], [a]),
        (kernels.sigmoid, [a], [a]),
        (kernels.sigmoid_backward, [dy, z], [z]),
        (kernels.dense_sigmoid, [a, w, b], [z]),
        (back, [dy, a, w, z], [a, w, b]),
        (vg, [a, w, b], [a, w, b]),
    ]
    for function, inputs, results in calls:
        expected = function(*inputs)
        given = [array.copy().view(Liar) for array in inputs]
        outs = tuple(np.full_like(array, np.nan).view(Liar) for array in results)
        got = function(*given, out=outs if len(outs) == 3 else outs[0])
        got, expected = (got[1], expected[1]) if function is vg else (got, expected)
        for one, out, other in zip(*((r if len(outs) == 3 else (r,)) for r in (got, outs, expected)), strict=True):
            assert one is (out if len(outs) == 3 else outs[0])
            assert np.array_equal(one.view(np.ndarray), other)
    over = a.copy().view(Liar)
    assert kernels.matmul(over, a, out=over) is over  # by way of a copy
    assert np.array_equal(over.view(np.ndarray), kernels.matmul(a, a))
    with pytest.raises(ValueError, match=re.escape("a is (2, 2) and b is (1, 2)")):
        kernels.matmul(a.view(Liar), w.T.view(Liar))
    with pytest.raises(ValueError, match=re.escape("out has shape (2, 1), expected (100, 100)")):
        kernels.sigmoid(np.ones((100, 100), np.float32), out=w.view(Liar))


def _import_with(**variables: str) -> subprocess.CompletedProcess[str]:
    code = "import pygrad.config; print(pygrad.config.isa())"
    return subprocess.run([sys.executable, "-c", code], env={**os.environ, **variables}, capture_output=True, text=True)


@pytest.mark.parametrize("name", config.ISAS_USABLE)
def test_environment_chooses_the_instruction_set(name: str) -> None:
    assert _import_with(PYGRAD_ISA=name).stdout.strip() == name


@pytest.mark.parametrize("name", ["", "sse9", "AVX2"])
def test_environment_with_an_unknown_instruction_set(name: str) -> None:
    done = _import_with(PYGRAD_ISA=name)
    assert done.returncode != 0
    valid = ", ".join(config.ISAS_USABLE)
    message = f"ValueError: PYGRAD_ISA='{name}': there is no such instruction set; valid here: {valid}; or unset"
    assert message in done.stderr


def test_environment_with_bytes_that_are_no_text() -> None:
    done = _import_with(PYGRAD_ISA="\udcff")
    assert "there is no such instruction set; valid here: " in done.stderr


def test_a_source_folder_without_kernels_says_how_to_build_them(tmp_path: Path) -> None:
    shutil.copytree(Path(config.__file__).parent, tmp_path / "pygrad", ignore=shutil.ignore_patterns("_kernels*"))
    # without the finder of an editable install, which would find the kernels elsewhere
    code = "import sys; sys.meta_path = [f for f in sys.meta_path if 'editable' not in repr(f)]; import pygrad"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert "ImportError: the C kernels are not in" in done.stderr
    assert "pip install -e ." in done.stderr


@pytest.fixture
def address_space_of_a_terabyte() -> Iterator[None]:
    """Limit the memory that can be asked for: Linux may overcommit any amount."""
    if sys.platform != "linux":
        yield
        return
    import resource

    before = resource.getrlimit(resource.RLIMIT_AS)
    limits = [limit for limit in before if limit != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_AS, (min([2**40, *limits]), before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


@pytest.mark.usefixtures("address_space_of_a_terabyte")
def test_sizes_beyond_all_memory_raise_memory_error() -> None:
    one = np.ones(1, np.float32)
    for rows, columns in ((256, 2**50), (256, 2**53), (256, 2**54), (8, 2**58)):
        x, w, b = (np.broadcast_to(one, shape) for shape in ((rows, 1), (1, columns), (columns,)))
        for wrt in ((), ("x",)):
            with pytest.raises(MemoryError):
                vg(x, w, b, wrt=wrt)


def test_the_reference_keeps_the_contract_too() -> None:
    x = X.astype(np.float64)
    loss, (dx, dw, db) = reference.dense_sigmoid_value_and_grad(x, W, B)
    out = (x.copy(), np.empty(W.shape), np.empty(B.shape))
    got = reference.dense_sigmoid_value_and_grad(out[0], W, B, out=out)  # dx goes over x
    assert got[0] == loss
    for result, given, expected in zip(got[1], out, (dx, dw, db), strict=True):
        assert result is given
        assert np.array_equal(result, expected)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="a mean over rows"):
        reference.dense_sigmoid_value_and_grad(x[:0], W, B)
    with pytest.raises(ValueError, match="wrt has 'q'"):
        reference.dense_sigmoid_value_and_grad(x, W, B, wrt=("q",))


@pytest.mark.filterwarnings("ignore:the matrix subclass")
def test_a_matrix_object_is_an_array() -> None:
    assert np.array_equal(kernels.dense_sigmoid(X, W, np.asmatrix(B)), kernels.dense_sigmoid(X, W, B))
    expected = vg(X, W, B)[1]
    got = vg(X, W, B, out=(None, None, np.asmatrix(np.empty((1, 2), np.float32))))[1]
    assert np.array_equal(got[2], expected[2])  # type: ignore[arg-type]


def test_a_numpy_with_other_arrays_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    array = np.zeros((3, 5))[::-1]
    address = config.ffi.cast("void *", array.__array_interface__["data"][0])
    truth = (id(np.ndarray), address, 2, 3, -40, id(array.dtype), array.flags.num)
    assert config.lib.pg_finds(id(array), *truth)
    other = (id(list), config.ffi.NULL, 1, 4, 40, id(np.dtype(np.float32)), 0)
    for i in range(len(truth)):
        assert not config.lib.pg_finds(id(array), *truth[:i], other[i], *truth[i + 1 :])
    monkeypatch.setattr(kernels, "lib", SimpleNamespace(pg_finds=lambda *_: 0))
    with pytest.raises(ImportError, match="does not know the arrays of NumPy"):
        kernels._check_that_c_finds_arrays()
