"""Every kernel, on every instruction set of this machine, in both dtypes, against independent truths."""

import ctypes
import ctypes.util
import math
import multiprocessing
import os
import platform
import re
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, TypeAlias

import model
import numpy as np
import pytest
from programs import build
from table import DTYPES, KERNELS, VARIANTS, GuardPages, Kernel, output_shapes, random_inputs, same_bits, shape_of

import pygrad
from pygrad import config, kernels, reference

Array: TypeAlias = np.ndarray[Any, Any]
Variant: TypeAlias = tuple[str, str, str]

# Lanes are 2 to 16, tiles 1 to 14 rows and 1 to 8 vectors, strips 2 vectors: a size below, at and above each.
TILE_SIZES = (*range(1, 20), 23, 24, 25, 27, 28, 29, 31, 32, 33, 47, 48, 49, 63, 64, 65, 127, 128, 129)
# (m, n, k): packing, panels and blocks of 140, 256, 280, 512 and 1024 rows, columns or terms begin and end here.
BLOCK_SIZES = (
    (255, 40, 255), (256, 40, 256), (257, 40, 257), (279, 70, 30), (280, 70, 30), (281, 70, 30), (141, 261, 20), (60,
    511, 20), (60, 512, 20), (60, 513, 257), (1025, 65, 9), (513, 3, 70), (1300, 1, 300), (40, 2, 1100), (515, 66,
    129),
)  # fmt: skip
MODEL_SIZES = (
    (1, 1, 1),
    (10, 2, 12),
    (33, 17, 40),
    (20, 70, 5),
    (5, 3, 300),
    (300, 5, 3),
    (270, 65, 66),
    (700, 1, 600),
    *((35, n, k) for n, k in ((2, 1), (3, 2), (4, 13), (5, 70), (6, 257), (7, 130), (8, 33), (9, 20))),
    (3, 40, 6),
    (550, 2, 2100),
    (270, 4500, 2),  # chunks of columns: of at least 256 rows, and of few
    (20, 60_000, 1),
)


# Sums use fma on all instruction sets but in portable code on x86, which may not assume it: there each product is
# rounded, the contract promises no equal bits, and only the bounds are tested.
FUSED_ISAS = [isa for isa in config.ISAS_BUILT if isa != "portable" or "neon" in config.ISAS_BUILT]
UPWARD = {"x86_64": 0x800, "aarch64": 0x400000, "arm64": 0x400000}  # FE_UPWARD
NO_SUMS = ("add", "sigmoid", "sigmoid_backward")


def _call(kernel: Kernel, inputs: list[Array], out: list[Array] | None = None) -> tuple[Any, ...]:
    return kernel.call(kernels, inputs, out)


def _assert_same(got: tuple[Any, ...], expected: tuple[Any, ...], what: object) -> None:
    for index, (g, e) in enumerate(zip(got, expected, strict=True)):
        assert same_bits(g, e), f"result {index} differs for {what}"


def test_the_table_has_every_kernel() -> None:
    assert tuple(KERNELS) == config.KERNELS
    for name in KERNELS:
        assert callable(getattr(kernels, name))
        assert callable(getattr(reference, name))


@pytest.mark.parametrize("dtype", DTYPES)
def test_matmul_is_exact_for_integers(isa: str, dtype: str) -> None:
    # |a| <= 64, |b| <= 128, k <= 2048: sums stay below 2**24, so that every operation is exact
    rng = np.random.default_rng(1)
    a_all = rng.integers(-64, 65, (1300, 2048)).astype(dtype)
    b_all = rng.integers(-128, 129, (2048, 520)).astype(dtype)
    sizes = [(m, n, k) for m in TILE_SIZES for n in TILE_SIZES for k in (1, 5)]
    sizes += [(m, n, k) for m, n in ((1, 1), (14, 33), (29, 3)) for k in (*TILE_SIZES, 255, 256, 257, 511, 513, 2048)]
    for m, n, k in [*sizes, *BLOCK_SIZES]:
        a, b = a_all[:m, :k], b_all[:k, :n]
        expected = (a.astype(np.float64) @ b.astype(np.float64)).astype(dtype)
        assert np.array_equal(kernels.matmul(a, b), expected), (m, n, k)


@pytest.mark.parametrize("dtype", DTYPES)
def test_matmul_stays_within_gamma(isa: str, dtype: str) -> None:
    """Against the exact product, on data with cancellation and wide exponents."""
    rng = np.random.default_rng(2)
    u = np.finfo(dtype).eps / 2
    for m, n, k in ((7, 5, 3), (20, 33, 100), (31, 3, 256), (5, 4, 5000), (3, 40, 700), (1, 1, 20000)):
        a = (rng.standard_normal((m, k)) * 10.0 ** rng.integers(-6, 7, (m, k))).astype(dtype)
        b = (rng.standard_normal((k, n)) * 10.0 ** rng.integers(-6, 7, (k, n))).astype(dtype)
        b[k // 2 :] = -b[: k - k // 2]  # with equal columns of a, what is summed first is taken away again
        a[:, k // 2 :] = a[:, : k - k // 2]
        wide = np.longdouble  # 64 bits: products of float32 are exact, of float64 nearly
        exact = np.array([(row * b.T.astype(wide)).sum(axis=1) for row in a.astype(wide)])
        size = np.abs(a).astype(wide) @ np.abs(b).astype(wide)
        error = np.abs(kernels.matmul(a, b) - exact)
        own = size * k * float(np.finfo(wide).eps)  # of the exact product itself
        assert (error <= size * (k * u / (1 - k * u)) + own).all()
        assert (error <= size * ((4 * np.sqrt(k) + 8) * u) + own).all()  # as random errors have it


def _sigmoid_points(dtype: str) -> Array:
    limit = {"float32": 104.5, "float64": 747.0}[dtype]
    dense = np.linspace(-limit, limit, 200_001)
    near_zero = np.concatenate([sign * 10.0 ** np.linspace(-45, 1, 20_000) for sign in (-1, 1)])
    return np.concatenate([dense, near_zero, [0.0, -0.0]]).astype(dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_sigmoid_is_within_one_ulp(isa: str, dtype: str) -> None:
    x = _sigmoid_points(dtype)
    z = kernels.sigmoid(x)
    wide = np.longdouble if dtype == "float64" else np.float64
    e = np.exp(-np.abs(x.astype(wide)))
    exact = np.where(x < 0, e, 1) / (1 + e)
    ulp = np.spacing(exact.astype(dtype)).astype(wide)
    if dtype == "float32" or np.finfo(np.longdouble).nmant > 52:
        own = 4 * np.finfo(wide).eps * exact / ulp  # of the reference: exp and division
        assert (np.abs(z - exact) / ulp <= 1 + own).all()
    assert ((z >= 0) & (z <= 1)).all()
    assert (np.diff(z[:200_001]) >= 0).all()


def test_the_scalar_model_has_the_kernels_constants() -> None:
    """The last bit of a coefficient changes one result in 10**5: too few for the comparison to notice."""
    header = (Path(__file__).parents[1] / "csrc" / "real_f64.h").read_text(encoding="utf-8")
    constants = {
        "EXPM1_TAIL": [float.fromhex(coefficient) for coefficient in model.EXPM1_TAIL.split()],
        "LN2_HIGH": [model.LN2_HIGH],
        "LN2_LOW": [model.LN2_LOW],
        "LOG2_E": [model.LOG2_E],
    }
    for macro, expected in constants.items():
        definition = re.search(rf"#define {macro}\b((?:.*\\\n)*.*)", header)
        assert definition
        found = re.findall(r"0x[0-9a-f.]+p[-+]\d+", definition[1])
        assert [float.fromhex(f) for f in found] == expected


@pytest.mark.parametrize("dtype", DTYPES)
def test_sigmoid_is_the_scalar_model_to_the_bit(isa: str, dtype: str) -> None:
    x = _sigmoid_points(dtype)
    assert same_bits(kernels.sigmoid(x), model.sigmoid(x))
    assert same_bits(kernels.sigmoid_backward(np.ones_like(x), x), model.sigmoid_backward(np.ones_like(x), x))


@pytest.mark.parametrize("dtype", DTYPES)
def test_sigmoid_of_special_values(isa: str, dtype: str) -> None:
    top, tiny = np.finfo(dtype).max, np.finfo(dtype).smallest_subnormal
    x = np.array([np.nan, np.inf, -np.inf, top, -top, tiny, -tiny, 0.0, -0.0, 18.0, 38.0], dtype)
    expected = np.array([np.nan, 1, 0, 1, 0, 0.5, 0.5, 0.5, 0.5, 1 / (1 + np.exp(-18.0)), 1], dtype)
    for count in range(1, 40):  # in every lane, in the loop and in the tail
        for at in {0, count // 2, count - 1}:
            for value, want in zip(x, expected, strict=True):
                many = np.full(count, -1.0, dtype)
                many[at] = value
                assert same_bits(kernels.sigmoid(many)[at], want)
    dz = np.array([1, 1, 1, np.inf, -np.inf, np.nan], dtype)
    y = np.array([np.inf, -np.inf, np.nan, 0, 1, 0], dtype)
    assert same_bits(kernels.sigmoid_backward(dz, y), np.array([0, 0, np.nan, np.inf, -np.inf, np.nan], dtype))


@pytest.mark.parametrize("dtype", DTYPES)
def test_sigmoid_backward_keeps_its_digits_in_saturation(isa: str, dtype: str) -> None:
    y = np.concatenate([np.linspace(-86, 86, 50_001), [8, 17.4, 20, 60, 85]]).astype(dtype)
    dz = np.linspace(0.5, 2, y.size).astype(dtype)
    wide = np.longdouble if dtype == "float64" else np.float64
    e = np.exp(-np.abs(y.astype(wide)))
    exact = dz * (e / (1 + e) ** 2)
    # s(y) and s(-y) are within 1 ULP, which is at most 2 u of the value, and there are two products: 6 u; the reference
    # adds 6 of its own roundings
    bound = 6 * np.finfo(dtype).eps / 2 + 6 * float(np.finfo(wide).eps)
    assert (np.abs(kernels.sigmoid_backward(dz, y) - exact) <= 1.001 * bound * exact).all()


@pytest.mark.parametrize(
    "variant", [v for v in VARIANTS if v[0] in FUSED_ISAS or v[2] in NO_SUMS], indirect=True, ids="-".join
)
def test_against_the_scalar_model(variant: Variant) -> None:
    _, dtype, name = variant
    kernel = KERNELS[name]
    for m, n, k in ((1, 1, 0), (3, 7, 0), (40, 33, 0), (5, 2000, 0)) if name in NO_SUMS else MODEL_SIZES:
        inputs = [array * 3 for array in random_inputs(kernel, dtype, m, n, k)]
        got = _call(kernel, inputs)
        if name == "add":
            expected: tuple[Any, ...] = (inputs[0] + inputs[1],)
        elif name == "dense_sigmoid_value_and_grad":
            loss, gradients = model.dense_sigmoid_value_and_grad(*inputs)
            expected = (*gradients, loss)
        else:
            result = getattr(model, name)(*inputs)
            expected = result if isinstance(result, tuple) else (result,)
        _assert_same(got, expected, (m, n, k))


@pytest.mark.parametrize("isa", FUSED_ISAS, indirect=True)
@pytest.mark.parametrize("dtype", DTYPES)
def test_long_sums_follow_the_rule(isa: str, dtype: str) -> None:
    """Several groups of blocks, in matmul and in the sums over rows of the layer."""
    inputs = random_inputs(KERNELS["dense_sigmoid_value_and_grad"], dtype, 40_000, 2, 3)
    loss, gradients = kernels.dense_sigmoid_value_and_grad(*inputs)
    expected_loss, expected = model.dense_sigmoid_value_and_grad(*inputs)
    _assert_same((*gradients, loss), (*expected, expected_loss), "40000 rows")


def test_agrees_with_the_reference(variant: Variant) -> None:
    """On sizes around every tile and block, to a bound that any mistake of a term, a row or a column exceeds."""
    _, dtype, name = variant
    kernel = KERNELS[name]
    few = (1, 2, 3, 4, 5, 7, 8, 9, 13, 15, 16, 17, 31, 33)
    sizes = [(m, n, k) for m in few for n in few for k in (1, 2, 7, 16, 17)]
    sizes += [(m, n, 3) for m in TILE_SIZES for n in (1, 6, 40)] + [(3, n, 5) for n in TILE_SIZES]
    for m, n, k in [*sizes, *BLOCK_SIZES]:
        inputs = random_inputs(kernel, dtype, m, n, k)
        got, exact = _call(kernel, inputs), kernel.call(reference, inputs, None)
        # Inputs are of order 1 and sigmoids unsaturated: an element is a sum of at most t = max(m, n, k) products of
        # order 1, whose rounding errors (3 t u for operands, products and sums) are of random sign.
        terms = max(m, n, k)
        bound = 30 * np.sqrt(terms) * np.finfo(dtype).eps
        for g, e in zip(got, exact, strict=True):
            scale = (
                max(1.0, float(np.abs(e).max())) if name in ("matmul", "add") else max(float(np.abs(e).max()), 1 / m)
            )
            assert (np.abs(g - e) <= bound * scale).all(), (m, n, k)


@pytest.mark.parametrize("variant", [v for v in VARIANTS if v[2].startswith("dense")], indirect=True, ids="-".join)
def test_fused_is_unfused_to_the_bit(variant: Variant) -> None:
    _, dtype, name = variant
    for m, n, k in [*MODEL_SIZES, *BLOCK_SIZES, (2100, 70, 33), (3000, 4, 1200), (20000, 70, 5), (20000, 3, 1000)]:
        x, w, b = random_inputs(KERNELS["dense_sigmoid"], dtype, m, n, k)
        dz, *_ = random_inputs(KERNELS["dense_sigmoid_backward"], dtype, m, n, k)
        y = kernels.add(kernels.matmul(x, w), b)
        z = kernels.sigmoid(y)
        if name == "dense_sigmoid":
            got = np.empty_like(y)
            assert same_bits(kernels.dense_sigmoid(x, w, b), z)
            assert same_bits(kernels.dense_sigmoid(x, w, b, preactivation=got), z)
            assert same_bits(got, y)
        else:
            if name == "dense_sigmoid_value_and_grad":
                loss, gradients = kernels.dense_sigmoid_value_and_grad(x, w, b)
                dz = z * z.dtype.type(2.0 / m)
                exact = np.square(z, dtype=np.float64).sum() / m
                assert abs(loss - exact) <= 1e-15 * m * n * exact  # gamma of m * n float64 terms is less
            else:
                gradients = kernels.dense_sigmoid_backward(dz, x, w, y)
            dy = kernels.sigmoid_backward(dz, y)
            ones = np.ones((1, m), dtype)
            expected = (kernels.matmul(dy, w.T), kernels.matmul(x.T, dy), kernels.matmul(ones, dy)[0])
            _assert_same(gradients, expected, (m, n, k))


@pytest.mark.parametrize(
    "variant", [v for v in VARIANTS if v[2].startswith("dense_sigmoid_")], indirect=True, ids="-".join
)
def test_only_wanted_gradients_are_computed(variant: Variant) -> None:
    _, dtype, name = variant
    kernel = KERNELS[name]
    for m, n, k in ((10, 2, 12), (700, 3, 40), (600, 80, 30)):
        inputs = random_inputs(kernel, dtype, m, n, k)
        everything = _call(kernel, inputs)
        for wrt in ((), ("x",), ("w",), ("b",), ("b", "x"), ("w", "b"), "w"):
            result = getattr(kernels, name)(*inputs, wrt=wrt)
            gradients = result[1] if "value" in name else result
            for letter, gradient, full in zip("xwb", gradients, everything, strict=False):
                if letter in wrt:
                    assert same_bits(gradient, full)
                else:
                    assert gradient is None
            if "value" in name:
                assert result[0] == everything[-1]


@pytest.mark.parametrize("variant", [v for v in VARIANTS if "value" not in v[2]], indirect=True, ids="-".join)
def test_rows_do_not_depend_on_their_neighbours(variant: Variant) -> None:
    """Of the loss's gradients this does not hold: dz depends on the number of rows."""
    _, dtype, name = variant
    kernel = KERNELS[name]
    for m, n, k in ((700, 2, 12), (300, 70, 300), (50, 5, 40), (56, 700, 600)):
        inputs = random_inputs(kernel, dtype, m, n, k)
        whole = _call(kernel, inputs)[0]
        for start, stop in ((0, 1), (3, 40), (m - 17, m), (1, m)):
            rows = [
                array[start:stop] if text.startswith("m") else array
                for array, text in zip(inputs, kernel.inputs.values(), strict=True)
            ]
            assert same_bits(_call(kernel, rows)[0], whole[start:stop])


def _layouts(array: Array) -> dict[str, Array]:
    """Return copies of an array in other memory layouts."""
    shape = array.shape
    found = {"Fortran order": np.asfortranarray(array)}
    big = np.full(tuple(2 * size + 3 for size in shape), np.nan, array.dtype)
    part = big[tuple(slice(1, 1 + size) for size in shape)]
    part[...] = array
    found["part of rows"] = part
    step = np.full(tuple(3 * size for size in shape), np.nan, array.dtype)[tuple(slice(1, None, 3) for _ in shape)]
    step[...] = array
    found["every third"] = step
    backwards = np.empty(shape, array.dtype)[tuple(slice(None, None, -1) for _ in shape)]
    backwards[...] = array
    found["reversed"] = backwards
    unaligned = np.empty(array.nbytes + 1, np.uint8)[1:].view(array.dtype).reshape(shape)
    unaligned[...] = array
    found["unaligned"] = unaligned
    packed = np.empty(shape, [("value", array.dtype), ("gap", np.uint8)])["value"]
    packed[...] = array
    found["a field of packed records"] = packed
    readonly = array.copy()
    readonly.flags.writeable = False
    found["read-only"] = readonly
    if len(shape) == 2:
        wide = np.full((shape[0], 64 * (shape[1] // 64 + 1)), np.nan, array.dtype)[:, : shape[1]]
        wide[...] = array
        found["power-of-two rows"] = wide
    return found


def test_layouts_of_inputs_change_no_bit(variant: Variant) -> None:
    _, dtype, name = variant
    kernel = KERNELS[name]
    for m, n, k in ((10, 2, 12), (37, 19, 40), (300, 3, 70), (290, 80, 33)):
        inputs = random_inputs(kernel, dtype, m, n, k)
        expected = _call(kernel, inputs)
        for index, array in enumerate(inputs):
            for layout, other in _layouts(array).items():
                changed = [other if i == index else a for i, a in enumerate(inputs)]
                _assert_same(_call(kernel, changed), expected, (m, n, k, index, layout))


def test_zero_strides_change_no_bit(variant: Variant) -> None:
    _, dtype, name = variant
    kernel = KERNELS[name]
    m, n, k = 37, 19, 40
    inputs = random_inputs(kernel, dtype, m, n, k)
    for index, array in enumerate(inputs):
        for axis in range(array.ndim):
            one = array[tuple(slice(0, 1) if i == axis else slice(None) for i in range(array.ndim))]
            stretched = np.broadcast_to(one, array.shape)
            dense = [stretched.copy() if i == index else a for i, a in enumerate(inputs)]
            views = [stretched if i == index else a for i, a in enumerate(inputs)]
            _assert_same(_call(kernel, views), _call(kernel, dense), (index, axis))


def test_outputs_of_any_layout_and_nothing_around_them(variant: Variant) -> None:
    """Outputs start as NaN inside a larger array of sentinels: all of the output is written, and nothing else."""
    _, dtype, name = variant
    kernel = KERNELS[name]
    sentinel = np.asarray(-12345.678, dtype)
    for m, n, k in ((1, 1, 1), (10, 2, 12), (37, 19, 40), (300, 3, 70), (33, 130, 17)):
        inputs = random_inputs(kernel, dtype, m, n, k)
        expected = _call(kernel, inputs)
        for layout in ("C", "F", "part", "step", "reversed"):
            around, outs = [], []
            for shape in output_shapes(kernel, m, n, k):
                order = "F" if layout == "F" else "C"
                stride = -2 if layout == "reversed" else 2 if layout == "step" else 1
                size = tuple(abs(stride) * s + 40 for s in shape)
                big = np.full(size, sentinel, dtype, order=order)  # type: ignore[call-overload]
                inside = tuple(slice(20, 20 + abs(stride) * s, abs(stride)) for s in shape)
                out = big[inside]
                if layout == "reversed":
                    out = out[tuple(slice(None, None, -1) for _ in shape)]
                out[...] = np.nan
                around.append((big, inside))
                outs.append(out)
            got = _call(kernel, inputs, outs)
            _assert_same(got, expected, (m, n, k, layout))
            for result, out in zip(got, outs, strict=False):
                assert result is out
            for big, inside in around:
                big[inside] = sentinel
                assert (big == sentinel).all(), (m, n, k, layout)


def test_guard_pages(variant: Variant) -> None:
    """Arrays flush against memory that may not be touched: an access outside of them would end the process."""
    _, dtype, name = variant
    kernel = KERNELS[name]
    guard = GuardPages()
    sizes = [(m, n, k) for m in (1, 3, 14, 17) for n in (1, 2, 9, 17, 33) for k in (1, 5, 16)]
    short_rows = [(m, n, k) for m in (20, 45) for n in (1, 2, 3) for k in (1, 2, 3)]
    large_weights = [(m, 520, 520) for m in (8, 30)]
    for m, n, k in [*sizes, *short_rows, *large_weights, (300, 3, 20), (70, 70, 260)]:
        inputs = random_inputs(kernel, dtype, m, n, k)
        expected = _call(kernel, inputs)
        for at_end in (True, False):
            guarded = [guard.copy(array, at_end=at_end) for array in inputs]
            empty = [np.empty(shape, dtype) for shape in output_shapes(kernel, m, n, k)]
            outs = [guard.copy(array, at_end=at_end) for array in empty]
            _assert_same(_call(kernel, guarded, outs), expected, (m, n, k))
            transposed = [guard.copy(np.ascontiguousarray(array.T), at_end=at_end).T for array in inputs]
            _assert_same(_call(kernel, transposed), expected, (m, n, k, "transposed"))


def test_alignment_changes_no_bit(variant: Variant) -> None:
    _, dtype, name = variant
    kernel = KERNELS[name]
    inputs = random_inputs(kernel, dtype, 21, 19, 23)
    expected = _call(kernel, inputs)
    for shift in range(0, 64, np.dtype(dtype).itemsize):
        moved = []
        for array in inputs:
            memory = np.empty(array.nbytes + 128, np.uint8)
            at = -memory.ctypes.data % 64 + shift
            moved.append(memory[at : at + array.nbytes].view(dtype).reshape(array.shape))
            moved[-1][...] = array
        _assert_same(_call(kernel, moved), expected, shift)


def test_empty_dimensions(variant: Variant) -> None:
    _, dtype, name = variant
    kernel = KERNELS[name]
    one_empty = ((0, 3, 4), (3, 0, 4), (3, 4, 0), (300, 0, 5), (300, 5, 0))
    for m, n, k in (*one_empty, (0, 0, 3), (0, 3, 0), (3, 0, 0), (0, 0, 0)):
        inputs = random_inputs(kernel, dtype, m, n, k)
        if "value" in name and m == 0:
            with pytest.raises(ValueError, match="a loss is a mean over rows, and x has none"):
                _call(kernel, inputs)
            continue
        got, expected = _call(kernel, inputs), kernel.call(reference, inputs, None)
        for g, e in zip(got, expected, strict=True):
            assert np.shape(g) == np.shape(e)
            # sums of at most 1500 positive terms, each with at most 8 roundings of its own
            assert np.allclose(g, e, rtol=1508 * np.finfo(dtype).eps, atol=0)


def test_rows_of_nothing_take_no_time(variant: Variant) -> None:
    _, dtype, name = variant
    kernel = KERNELS[name]
    for got in _call(kernel, random_inputs(kernel, dtype, 2**40, 0, 0)):  # by its rows, it would take minutes
        assert np.size(got) == 0 or got == 0


SCRATCH_OF_A_WIDE_LAYER = """
import re
from pathlib import Path
import numpy as np
from pygrad import kernels
from table import random_inputs, KERNELS

def peak():
    return int(re.search(r"VmHWM:\\s*(\\d+) kB", Path("/proc/self/status").read_text())[1])

inputs = random_inputs(KERNELS["dense_sigmoid_value_and_grad"], "float32", 300, 400_000, 1)
outputs = tuple(np.ones_like(array) for array in inputs)
before = peak()
kernels.dense_sigmoid_value_and_grad(*inputs, out=outputs)
print(peak() - before)
"""


@pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="asks Linux's /proc for the most memory that a process had"
)
def test_scratch_does_not_grow_with_the_columns() -> None:
    """Of z, 300 x 400 000, there would be 480 MB; there are 4, and for each thread at most 2 of packed operands."""
    path = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    environment = {**os.environ, "PYTHONPATH": path, "PYGRAD_NUM_THREADS": "2"}
    command = [sys.executable, "-c", SCRATCH_OF_A_WIDE_LAYER]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert int(run.stdout) < 16 * 1024  # in units of 1 KB


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="reads the exception flags of x86")
def test_remains_in_scratch_are_not_computed_with(tmp_path: Path) -> None:
    """Where what padded w was subnormal, layers of few columns took 20 times as long on CPUs that trap on those."""
    done = subprocess.run(build("remains.c", tmp_path), capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "no remains\n")


def test_out_may_overlap_inputs(variant: Variant) -> None:
    _, dtype, name = variant
    kernel = KERNELS[name]
    m = n = k = 20
    plain = random_inputs(kernel, dtype, m, n, k)
    expected = _call(kernel, plain)
    for index, text in enumerate(kernel.outputs):
        for source, source_text in enumerate(kernel.inputs.values()):
            if shape_of(text, m, n, k) != shape_of(source_text, m, n, k):
                continue
            for shift in (0, 1, 7):
                inputs = [array.copy() for array in plain]
                memory = np.zeros(inputs[source].size + shift, dtype)
                moved = memory[: inputs[source].size].reshape(inputs[source].shape)
                moved[...] = inputs[source]
                inputs[source] = moved
                out: list[Any] = [None] * len(kernel.outputs)
                out[index] = memory[shift:].reshape(inputs[source].shape)
                _assert_same(_call(kernel, inputs, out), expected, (index, source, shift))


@pytest.mark.parametrize("dtype", DTYPES)
def test_long_outputs_may_overlap_inputs_in_any_direction(isa: str, dtype: str) -> None:
    """Longer than what is buffered on the way, forwards and backwards."""
    values = np.linspace(-5, 5, 5000).astype(dtype)
    expected = kernels.sigmoid(values)
    for shift in (0, 1, 700, 3000):
        for source_step in (1, -1):
            for target_step in (1, -1):
                memory = np.zeros(values.size + shift, dtype)
                source, target = memory[shift:][::source_step], memory[: values.size][::target_step]
                source[...] = values
                assert same_bits(kernels.sigmoid(source, out=target), expected)
                source[...] = values
                assert same_bits(kernels.add(source, values, out=target), values + values)


@pytest.mark.parametrize("dtype", DTYPES)
def test_outputs_whose_elements_share_memory(isa: str, dtype: str) -> None:
    """The result is what assigning the right result to them gives."""
    a, b = random_inputs(KERNELS["matmul"], dtype, 30, 20, 10)
    for strides in ((2, 1), (1, 1), (0, 1)):
        memories = np.zeros(100, dtype), np.zeros(100, dtype)
        expected, got = (
            np.lib.stride_tricks.as_strided(memory, (30, 20), tuple(step * memory.itemsize for step in strides))
            for memory in memories
        )
        expected[...] = kernels.matmul(a, b)
        kernels.matmul(a, b, out=got)
        assert same_bits(*memories)


@pytest.mark.parametrize("dtype", DTYPES)
def test_outputs_may_be_interleaved(isa: str, dtype: str) -> None:
    x, w, b = random_inputs(KERNELS["dense_sigmoid"], dtype, 20, 3, 6)
    both = np.empty((20, 6), dtype)
    kernels.dense_sigmoid(x, w, b, out=both[:, :3], preactivation=both[:, 3:])
    assert same_bits(both[:, :3], kernels.dense_sigmoid(x, w, b))
    assert same_bits(both[:, 3:], kernels.add(kernels.matmul(x, w), b))


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_last_panel_of_few_rows(isa: str, dtype: str) -> None:
    """Panels of 16 rows and a last one of 1 to 3, which is computed another way, with scratch made for 16."""
    for rows in (17, 18, 19, 35):
        for columns in (1, 2, 3, 60):
            x, w, b = random_inputs(KERNELS["dense_sigmoid"], dtype, rows, columns, 9000)
            x, w = x / 10, np.asfortranarray(w)
            expected = kernels.dense_sigmoid_value_and_grad(x, w, b)[1]
            dx = np.empty(x.shape, dtype, order="F")
            got = kernels.dense_sigmoid_value_and_grad(x, w, b, out=(dx, None, None))[1]
            _assert_same(got, expected, (rows, columns))
            tail = kernels.dense_sigmoid(x[16:], w, b)
            assert same_bits(kernels.dense_sigmoid(x, w, b)[16:], tail)


def test_special_values_give_ieee_results(variant: Variant) -> None:
    """NaN and infinities go where arithmetic takes them, as in NumPy, and nowhere else."""
    _, dtype, name = variant
    kernel = KERNELS[name]
    m, n, k = 20, 9, 7
    for value in (np.nan, np.inf, -np.inf):
        for index in range(len(kernel.inputs)):
            inputs = random_inputs(kernel, dtype, m, n, k)
            inputs[index].flat[inputs[index].size // 2] = value
            with np.errstate(all="ignore"):
                exact = kernel.call(reference, inputs, None)
            for g, e in zip(_call(kernel, inputs), exact, strict=True):
                assert np.array_equal(np.isnan(g), np.isnan(e))
                assert np.array_equal(np.isposinf(g), np.isposinf(e))
                assert np.array_equal(np.isneginf(g), np.isneginf(e))


@pytest.mark.parametrize("dtype", DTYPES)
def test_add_broadcasts_as_numpy(isa: str, dtype: str) -> None:
    rng = np.random.default_rng(3)
    shapes: list[tuple[tuple[int, ...], tuple[int, ...]]] = [
        ((5, 3), (1, 3)), ((5, 3), (3,)), ((5, 3), (5, 1)), ((5, 3), ()), ((), ()), ((1,), (4,)), ((4, 1), (1, 5)),
        ((2, 3, 4), (3, 1)), ((2, 1, 4), (3, 1)), ((2, 3, 4, 5), (3, 1, 5)), ((3000, 2), (1, 2)), ((3000, 2), (3000,
        1)), ((40, 1030), (1030,)), ((40, 1030), (40, 1)), ((2, 2000), (1, 1)), ((700, 3), (3,)), ((1, 1, 1), (2, 2)),
        ((0, 3), (3,)), ((2, 0), (2, 1)), ((3, 1, 2, 1, 2), (1, 4, 1, 3, 2)), ((5000,), (1,)),
    ]  # fmt: skip
    for left, right in shapes:
        a, b = rng.standard_normal(left).astype(dtype), rng.standard_normal(right).astype(dtype)
        for x, y in ((a, b), (b, a), (a.T, b.T) if len(left) == len(right) else (a, b)):
            assert same_bits(kernels.add(x, y), np.asarray(x + y)), (left, right)
    long = rng.standard_normal(6000).astype(dtype)
    for a, b in ((long[:4500].reshape(3, 1500), long[:3000:2]), (long[:3000:2], long[:4500].reshape(3, 1500))):
        assert same_bits(kernels.add(a, b), a + b)
    many = np.zeros((2,) + (1,) * 39, dtype)
    assert same_bits(kernels.add(np.ones((1,) * 40, dtype), many), np.ones_like(many))
    a = rng.standard_normal((4, 5)).astype(dtype)
    assert same_bits(kernels.add(a, 2.5), a + np.asarray(2.5, dtype))
    assert same_bits(kernels.add(3, a), a + np.asarray(3, dtype))
    assert same_bits(kernels.add(a[0, 0], a), a[0, 0] + a)


@pytest.mark.parametrize("dtype", DTYPES)
def test_elementwise_functions_take_any_number_of_dimensions(isa: str, dtype: str) -> None:
    rng = np.random.default_rng(4)
    for shape in ((), (1,), (7,), (2, 3, 4), (3, 1, 5, 2), (2,) * 12, (2, 0, 3)):
        x = rng.standard_normal(shape).astype(dtype)
        for array in (x, x.T):
            flat = kernels.sigmoid(np.ascontiguousarray(array).reshape(-1)).reshape(array.shape)
            assert same_bits(kernels.sigmoid(array), flat)
            dz = np.full_like(array, 1.5)
            assert same_bits(kernels.sigmoid_backward(dz, array), model.sigmoid_backward(dz, array.copy()))
            out = np.empty(array.shape[::-1], dtype).T
            assert same_bits(kernels.sigmoid(array, out=out), flat)


def test_instruction_sets_give_the_same_bits() -> None:
    fused = [isa for isa in config.ISAS_USABLE if isa in FUSED_ISAS]
    if len(fused) < 2:
        pytest.skip(f"needs two instruction sets with fma to compare, and runs {fused}: test_digests has their bits")
    before = config.isa()
    try:
        for dtype in DTYPES:
            for name, kernel in KERNELS.items():
                for m, n, k in [*MODEL_SIZES, *BLOCK_SIZES]:
                    inputs = random_inputs(kernel, dtype, m, n, k)
                    results = []
                    for isa in fused:
                        config.use_isa(isa)
                        results.append(_call(kernel, inputs))
                    for other in results[1:]:
                        _assert_same(other, results[0], (name, dtype, m, n, k))
    finally:
        config.use_isa(before)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "shape",
    [
        (300, 2600, 40), (59, 5000, 70), (5, 4300, 600), (300, 4100, 3), (285, 700, 90), (30, 2600, 150),
        (16, 700, 2100), (60, 2600, 2100),
    ],
)  # fmt: skip
def test_rows_of_long_sums_are_those_of_the_model(shape: tuple[int, int, int], dtype: Any, isa: str) -> None:
    """Sums of several groups, in shapes whose last rows are computed another way than those before."""
    m, k, n = shape
    random = np.random.default_rng(m)
    a, b = random.standard_normal((m, k)).astype(dtype), random.standard_normal((k, n)).astype(dtype)
    c = kernels.matmul(a, b)
    rows = [0, m // 2, m - 1]
    assert same_bits(kernels.matmul(a[-20:], b), c[-20:])
    if isa in FUSED_ISAS:
        columns = [0, n - 1]
        assert same_bits(model.matmul(a[rows], b[:, columns]), c[np.ix_(rows, columns)])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("constant", [False, True])
@pytest.mark.parametrize(("rows", "columns"), [(10, 2), (1000, 5000), (1_000_000, 1), (300_001, 8), (2048, 500)])
def test_the_loss_is_as_good_as_one_addition(rows: int, columns: int, constant: bool, dtype: Any) -> None:
    """Against math.fsum of the squares of z as the kernel gives it.

    With u = 2**-53: fma adds 16 squares in a lane, with an error of at most 16 u of the lane; all that follows is
    compensated, and the last addition and the division round twice. So 18 u, 18 ULP at most, is the bound, and what
    equal float64 squares, which all round alike, are held to. Float32 squares have 48 bits, so sums of 16 equal ones
    are exact, and of different ones the errors average out over the lanes: an alarm at 2 ULP, far below the bound.
    """
    random = np.random.default_rng(rows)
    x: Any = np.zeros((rows, 1), dtype)
    w: Any = np.zeros((1, columns), dtype)
    if not constant:
        x, w = random.standard_normal(x.shape).astype(dtype), random.standard_normal(w.shape).astype(dtype)
    b: Array = np.full(columns, 2.2, dtype)
    loss, _ = kernels.dense_sigmoid_value_and_grad(x, w, b, wrt=())
    z = kernels.dense_sigmoid(x, w, b).astype(np.float64).reshape(-1)
    squares = z * z
    errors = np.zeros(1) if dtype is np.float32 else model.fma(z, z, -squares)  # of float32 they are exact
    exact = math.fsum([*squares, *errors]) / rows
    ulps = abs(loss - exact) / np.spacing(exact)
    assert ulps <= (18 if constant and dtype is np.float64 else 2)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("m", "k", "n"), [(1, 2, 2_200_000), (3, 2, 1_100_000), (2_200_000, 2, 1), (2, 5, 1_300_000), (70_001, 3, 130)]
)
def test_outputs_larger_than_caches(m: int, k: int, n: int, dtype: Any, isa: str) -> None:
    """They are written past the caches: right up to the last element, and nothing behind."""
    random = np.random.default_rng(k)
    a, b = random.integers(-64, 64, (m, k)).astype(dtype), random.integers(-64, 64, (n, k)).astype(dtype).T
    for offset in (0, 1, 3):
        memory: Array = np.full(m * n + 9, 7, dtype)
        out = memory[offset : offset + m * n].reshape(m, n)
        kernels.matmul(a, b, out=out)
        assert np.array_equal(out, a @ b)  # integers: exact
        kernels.add(out, b[0], out=memory[offset : offset + m * n].reshape(m, n))
        assert np.array_equal(out, a @ b + b[0])
        rest = np.r_[memory[:offset], memory[offset + m * n :]]
        assert (rest == 7).all()
        if offset == 0:
            assert np.array_equal(kernels.add(out, b[0]), out + b[0])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("columns", range(1, 10))
def test_gradients_of_rows_of_any_length(columns: int, dtype: Any, isa: str) -> None:
    """Vectors of any lanes, up to nine and a part of one, in one pass or more: the bits of products, and no others."""
    rows = 37
    for inner in (*range(1, 40), *range(43, 150, 9)):
        x, w, b = random_inputs(KERNELS["dense_sigmoid"], dtype, rows, columns, inner)
        y = kernels.add(kernels.matmul(x, w), b)
        z = kernels.sigmoid(y)
        dy = kernels.sigmoid_backward(z * z.dtype.type(2.0 / rows), y)
        expected = (kernels.matmul(dy, w.T), kernels.matmul(x.T, dy), kernels.matmul(np.ones((1, rows), dtype), dy)[0])
        wide = np.zeros((inner, 40), dtype)  # so many columns are not few
        wide[:, :columns] = w
        assert same_bits(kernels.matmul(x, w), kernels.matmul(x, wide)[:, :columns])
        for pitch in (inner, inner + 3):
            memory: Array = np.full(rows * pitch + 32, 7, dtype)
            dx = memory[: rows * pitch].reshape(rows, pitch)[:, :inner]
            got = kernels.dense_sigmoid_value_and_grad(x, w, b, out=(dx, None, None))[1]
            _assert_same(got, expected, (inner, pitch))
            dx[...] = 7
            assert (memory == 7).all()


@pytest.mark.usefixtures("restore_threads")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("columns", "inner"), [(1, 128), (2, 12), (3, 65), (7, 34), (9, 60)])
def test_layers_larger_than_caches(columns: int, inner: int, dtype: Any, isa: str) -> None:
    """x is read ahead and dx goes past the caches, of any alignment and pitch: the same bits, and no others."""
    rows = 9 * 2**20 // (inner * np.dtype(dtype).itemsize) + 5
    x, w, b = random_inputs(KERNELS["dense_sigmoid"], dtype, rows, columns, inner)
    y = kernels.add(kernels.matmul(x, w), b)
    z = kernels.sigmoid(y)
    dy = kernels.sigmoid_backward(z * z.dtype.type(2.0 / rows), y)
    expected = (kernels.matmul(dy, w.T), kernels.matmul(x.T, dy), kernels.matmul(np.ones((1, rows), dtype), dy)[0])
    same_rows = slice(rows // 2, rows // 2 + 40)
    assert same_bits(kernels.matmul(x[same_rows], w), kernels.matmul(x, w)[same_rows])
    for offset, pitch in ((0, inner), (1, inner), (3, inner + 2)):
        memory: Array = np.full(rows * pitch + 9, 7, dtype)
        dx = memory[offset : offset + rows * pitch].reshape(rows, pitch)[:, :inner]
        for number in (1, 2):
            pygrad.set_num_threads(number)
            got = kernels.dense_sigmoid_value_and_grad(x, w, b, out=(dx, None, None))[1]
            _assert_same(got, expected, (offset, pitch, number))
        dx[...] = 7
        assert (memory == 7).all()


@pytest.mark.skipif(
    platform.machine() not in UPWARD, reason="on other CPUs than x86-64 and AArch64 the mode is left to the caller"
)
def test_the_rounding_mode_of_the_caller_changes_no_bit(isa: str) -> None:
    """Nor does flushing to zero, which is in the same register; and the caller gets back what it had."""
    libm = ctypes.CDLL(ctypes.util.find_library("m"))
    upward = UPWARD[platform.machine()]
    y = np.linspace(-100, 20, 200_000, dtype=np.float32)
    a = np.random.default_rng(0).standard_normal((300, 300))
    expected = [kernels.sigmoid(y), kernels.matmul(a, a)]
    libm.fesetround(upward)
    try:
        got = [kernels.sigmoid(y), kernels.matmul(a, a)]
        mode = libm.fegetround()
    finally:
        libm.fesetround(0)
    assert mode == upward
    assert all(same_bits(one, other) for one, other in zip(got, expected, strict=True))


def test_many_threads_at_once_and_a_forked_child() -> None:
    """Sizes with scratch on the stack and on the heap; results are those of one thread."""
    kernel = KERNELS["dense_sigmoid_value_and_grad"]
    cases = [random_inputs(kernel, dtype, m, n, k) for dtype in DTYPES for m, n, k in ((10, 2, 12), (600, 90, 70))]
    expected = [_call(kernel, inputs) for inputs in cases]
    right: list[bool] = []

    def work() -> None:
        for _ in range(30):
            for inputs, results in zip(cases, expected, strict=True):
                right.append(all(same_bits(g, e) for g, e in zip(_call(kernel, inputs), results, strict=True)))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(right) == 8 * 30 * len(cases)
    assert all(right)

    def work_in_child() -> None:
        right.clear()
        work()
        sys.exit(0 if all(right) else 1)

    child = multiprocessing.get_context("fork").Process(target=work_in_child)
    child.start()
    child.join(60)
    assert child.exitcode == 0
