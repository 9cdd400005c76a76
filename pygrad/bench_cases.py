"""What `pygrad.bench` runs: the cases, and what their results must be."""

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from pygrad import reference, verification
from pygrad.bench_peers import NOTEBOOK, VALUE_AND_GRAD, Array, arrays_of

Floats: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]


class WrongResultError(Exception):
    """A result that differs from the reference by more than rounding can explain."""


@dataclass(frozen=True)
class Case:
    """One function at one shape.

    ``read`` and ``written`` count the elements that any implementation must read and write; ``flop`` the operations of
    its matrix products, which is nearly all where there are any.
    """

    name: str
    function: str
    inputs: Callable[[np.random.Generator, Any], tuple[Array, ...]]
    flop: int
    read: int
    written: int
    out: tuple[tuple[int, ...], ...] | None = None
    """Shapes of the results if they are to go into existing arrays."""
    quick: bool = False

    def bytes_moved(self, itemsize: int) -> int:
        """Return how much any implementation must read and write."""
        return (self.read + self.written) * itemsize

    def bytes_needed(self, itemsize: int) -> int:
        """Return how much memory the case needs, with copies and results of the peers, and the comparison."""
        return (self.read + self.written) * (3 * itemsize + 6 * 8)


def _normal(rng: np.random.Generator, dtype: Any, *shape: int) -> Array:
    return rng.standard_normal(shape, dtype=dtype)


def matmul_case(m: int, k: int, n: int, *, transposed: bool = False, quick: bool = False) -> Case:
    """Return (m, k) @ (k, n)."""

    def inputs(rng: np.random.Generator, dtype: Any) -> tuple[Array, ...]:
        if transposed:
            return _normal(rng, dtype, k, m).T, _normal(rng, dtype, n, k).T
        return _normal(rng, dtype, m, k), _normal(rng, dtype, k, n)

    name = f"matmul {m}x{k}x{n}{' both .T' if transposed else ''}"
    return Case(name, "matmul", inputs, 2 * m * k * n, m * k + k * n, m * n, quick=quick)


def add_case(m: int, n: int, *, quick: bool = False) -> Case:
    """Return (m, n) + (1, n) into an existing array."""

    def inputs(rng: np.random.Generator, dtype: Any) -> tuple[Array, ...]:
        return _normal(rng, dtype, m, n), _normal(rng, dtype, 1, n)

    return Case(f"add {m}x{n} + 1x{n} out=", "add", inputs, 0, m * n + n, m * n, ((m, n),), quick)


def sigmoid_case(n: int, *, quick: bool = False) -> Case:
    """Return the sigmoid of n elements into an existing array."""

    def inputs(rng: np.random.Generator, dtype: Any) -> tuple[Array, ...]:
        return (2 * _normal(rng, dtype, n),)

    return Case(f"sigmoid {n} out=", "sigmoid", inputs, 0, n, n, ((n,),), quick)


def sigmoid_backward_case(n: int, *, quick: bool = False) -> Case:
    """Return the gradient of the sigmoid for n elements into an existing array."""

    def inputs(rng: np.random.Generator, dtype: Any) -> tuple[Array, ...]:
        return _normal(rng, dtype, n), 2 * _normal(rng, dtype, n)

    return Case(f"sigmoid_backward {n} out=", "sigmoid_backward", inputs, 0, 2 * n, n, ((n,),), quick)


def layer_case(function: str, r: int, k: int, c: int, *, out: bool = False, quick: bool = False) -> Case:
    """Return one of the functions of the layer for x (r, k) and w (k, c)."""
    backward = function == "dense_sigmoid_backward"

    def inputs(rng: np.random.Generator, dtype: Any) -> tuple[Array, ...]:
        x, w = _normal(rng, dtype, r, k), _normal(rng, dtype, k, c) / dtype.type(math.sqrt(k))
        if backward:
            return _normal(rng, dtype, r, c), x, w, _normal(rng, dtype, r, c)
        return x, w, _normal(rng, dtype, c)

    x_and_w = r * k + k * c
    flop, read, written, shapes = {
        "dense_sigmoid": (2, x_and_w + c, r * c, ((r, c),)),
        "dense_sigmoid_backward": (4, x_and_w + 2 * r * c, x_and_w + c, ((r, k), (k, c), (c,))),
        VALUE_AND_GRAD: (6, x_and_w + c, x_and_w + c, ((r, k), (k, c), (c,))),
    }[function]
    name = f"{'value_and_grad' if function == VALUE_AND_GRAD else function} {r}x{k}x{c}{' out=' if out else ''}"
    return Case(name, function, inputs, flop * r * k * c, read, written, shapes if out else None, quick)


def notebook_case() -> Case:
    """Return the notebook's program, with Tensors and backward, at its size and with its numbers."""
    seed, _ = verification.seed()
    (r, k), c = seed.X.shape, seed.W.shape[1]

    def inputs(rng: np.random.Generator, dtype: Any) -> tuple[Array, ...]:
        return tuple(array.astype(dtype) for array in (seed.X, seed.W, seed.B, seed.A))

    elements = r * k + k * c + c
    return Case("the notebook by Tensors", NOTEBOOK, inputs, 6 * r * k * c, elements + r, elements, quick=True)


def default_cases() -> list[Case]:
    """Return all cases, the layers first."""
    layers = [
        (10, 12, 2, True), (256, 128, 64, True), (1024, 512, 512, True), (4096, 1024, 1024, False),
        (65_536, 784, 128, False), (1_000_000, 12, 2, True), (200_000, 128, 1, False), (100_000, 64, 5, False),
        (100_000, 64, 16, False),
    ]  # fmt: skip
    cases = [
        layer_case(VALUE_AND_GRAD, r, k, c, out=out, quick=quick and (out or r < 1000))
        for (r, k, c, quick), out in itertools.product(layers, (False, True))
    ]
    cases.append(notebook_case())
    for function in ("dense_sigmoid", "dense_sigmoid_backward"):
        for r, k, c in ((10, 12, 2), (1024, 512, 512), (1_000_000, 12, 2), (200_000, 128, 1)):
            cases.append(layer_case(function, r, k, c, out=r > 1000, quick=r == 10))
    products = [
        (4, 4, 4, False), (10, 12, 2, True), (32, 32, 32, False), (64, 64, 64, True), (100, 100, 100, False),
        (512, 512, 512, True), (1024, 1024, 1024, False), (2048, 2048, 2048, False), (1, 4096, 4096, False),
        (16, 4096, 4096, False), (1_000_000, 12, 2, False), (200_000, 128, 1, False), (300, 5000, 7, True),
    ]  # fmt: skip
    cases += [matmul_case(m, k, n, quick=quick) for m, k, n, quick in products]
    cases.append(matmul_case(1024, 1024, 1024, transposed=True))
    cases += [sigmoid_case(n, quick=n == 100_000) for n in (1000, 100_000, 20_000_000)]
    cases += [sigmoid_backward_case(n, quick=n == 100_000) for n in (1000, 100_000, 20_000_000)]
    cases.append(add_case(1000, 1000, quick=True))
    cases += [add_case(16_000_000 // n, n) for n in (1, 2, 10, 100, 1000, 10_000)]
    return cases


def cases_of_shape(r: int, k: int, c: int) -> list[Case]:
    """Return the layer and the product of a user's own shape."""
    return [
        layer_case(VALUE_AND_GRAD, r, k, c, quick=True),
        layer_case(VALUE_AND_GRAD, r, k, c, out=True, quick=True),
        layer_case("dense_sigmoid", r, k, c, quick=True),
        layer_case("dense_sigmoid_backward", r, k, c, quick=True),
        matmul_case(r, k, c, quick=True),
    ]


# Right or wrong


@dataclass(frozen=True)
class Truth:
    """One result in float64, with a bound of the error of any sensible way to compute it.

    With u the unit roundoff, a sum of n products in any sensible order lies within (4 sqrt(n) + 8) u |a||b| of the
    exact one unless its errors conspire (`pygrad.verification.error_bounds`). A sigmoid by way of tanh is good to a few
    u of 1, not of itself: 16 u are allowed, with a quarter (the steepest slope) of the error of its argument. A product
    of z, 1 - z and a factor below 1 then moves by at most twice as much. All is doubled, for the reference rounds too.
    """

    exact: Floats
    bound: Floats
    rows: int = 1
    """Terms summed up over rows. One after the other, as NumPy does, their errors do conspire: up to n u |a||b|."""


def expected(function: str, inputs: Sequence[Array]) -> list[Truth]:
    """Return what the results of a function must be, in order."""
    u = float(np.finfo(inputs[0].dtype).eps)  # twice the unit roundoff
    exact = [np.asarray(array, dtype=np.float64) for array in inputs]
    if function == "add":
        total = reference.add(*exact)
        return [Truth(total, u * np.abs(total))]
    if function == "matmul":
        a, b = exact
        return [Truth(reference.matmul(a, b), _gamma(a.shape[1], u) * (np.abs(a) @ np.abs(b)))]
    if function == "sigmoid":
        z = reference.sigmoid(exact[0])
        return [Truth(z, np.full(z.shape, 16 * u))]
    if function == "sigmoid_backward":
        return [Truth(reference.sigmoid_backward(*exact), 40 * u * np.abs(exact[0]))]
    if function == "dense_sigmoid_backward":
        dz, x, w, y = exact
        return _gradients(x, w, reference.sigmoid_backward(dz, y), 40 * u * np.abs(dz), u)
    x, w, b = exact[:3]
    y = reference.add(reference.matmul(x, w), b)
    error_y = _gamma(x.shape[1] + 1, u) * (np.abs(x) @ np.abs(w) + np.abs(b))
    z, error_z = reference.sigmoid(y), error_y / 4 + 16 * u
    if function == "dense_sigmoid":
        return [Truth(z, error_z)]
    rows = len(x)
    loss = np.asarray((z**2).sum() / rows)
    error_loss = 2 * np.asarray((z * error_z).sum()) / rows + _gamma(z.size, u) * loss
    gradient = reference.sigmoid_backward(2 * z / rows, y)
    return [Truth(loss, error_loss, z.size), *_gradients(x, w, gradient, (4 * error_z + 16 * u) / rows, u)]


def _gamma(n: int, u: float) -> float:
    return (min(float(n), 4 * math.sqrt(n)) + 8) * u


def _gradients(x: Floats, w: Floats, dy: Floats, error: Floats, u: float) -> list[Truth]:
    """Return dx, dw and db, from the gradient by y and the bound of its error."""
    rows, columns = dy.shape
    size = np.abs(dy)
    dx = Truth(dy @ w.T, (_gamma(columns, u) * size + error) @ np.abs(w).T)
    size = _gamma(rows, u) * size + error
    db = _product_by_halves(np.ones((rows, 1)), dy)[0]
    return [dx, Truth(_product_by_halves(x, dy), np.abs(x).T @ size, rows), Truth(db, size.sum(axis=0), rows)]


def _product_by_halves(x: Floats, dy: Floats) -> Floats:
    """Return x.T @ dy, summed up over halves of the rows: no element passes through many roundings."""
    half = len(x) // 2
    if half < 128:
        return x.T @ dy
    return _product_by_halves(x[:half], dy[:half]) + _product_by_halves(x[half:], dy[half:])


def check(case: Case, name: str, result: Any, truths: Sequence[Truth]) -> None:
    """Raise WrongResultError if a result of the library ``name`` is not what it should be."""
    arrays = arrays_of(result)
    if len(arrays) != len(truths):
        raise WrongResultError(f"{case.name}: {name} gives {len(arrays)} results, expected {len(truths)}")
    for number, (array, truth) in enumerate(zip(arrays, truths, strict=True), 1):
        if array.size != truth.exact.size:
            shapes = f"{array.shape}, expected {truth.exact.shape}"
            raise WrongResultError(f"{case.name}: {name}'s result {number} is {shapes}")
        array = array.reshape(truth.exact.shape)
        bound = truth.bound if name == "pygrad" else truth.bound * max(1.0, math.sqrt(truth.rows) / 4)
        with np.errstate(all="ignore"):
            right = np.abs(array - truth.exact) <= bound
        if not right.all():
            at = np.unravel_index(int(np.argmin(right)), array.shape)
            raise WrongResultError(
                f"{case.name}: {name} is wrong: element {tuple(map(int, at))} of result {number} is {array[at]:.9g}, "
                f"expected {truth.exact[at]:.9g} within {bound[at]:.2g}"
            )
