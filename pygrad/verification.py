"""The layer of the hand-derived notebook, computed by the C kernels and compared with everything known about it.

    U = X W;  V = A B;  Y = U + V;  Z = sigmoid(Y);  l = sum(Z**2) / rows;  then X.grad, W.grad, B.grad

The reference is `pygrad.reference` in float64. A result agrees with it if every element lies within a bound of its
rounding error that is computed alongside, element by element (`error_bounds`). The seed's printed figures are
compared too, to 2 units of their last digit: PyTorch's own float32 rounding shows there, since it forms 1 - z from a
rounded z.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pygrad import kernels, reference

Arrays: TypeAlias = dict[str, NDArray[Any]]

NAMES = ("U", "V", "Y", "Z", "l", "X.grad", "W.grad", "B.grad")
PRINTED_UNITS_ALLOWED = 2.0
_DTYPES = (np.dtype(np.float32), np.dtype(np.float64))


class BadInputError(ValueError):
    """A file that cannot be verified; the message is one line."""


@dataclass(frozen=True)
class Inputs:
    """The arrays of one layer: X (r, k), W (k, c), A (r, p), B (p, c), all of one dtype."""

    X: NDArray[Any]
    W: NDArray[Any]
    A: NDArray[Any]
    B: NDArray[Any]

    @property
    def is_bias(self) -> bool:
        """Whether A is a column of ones, so that B is added to every row."""
        return self.A.shape[1] == 1 and bool((self.A == 1).all())


@dataclass(frozen=True)
class Comparison:
    """One array against the reference and, where known, against figures from elsewhere."""

    name: str
    shape: tuple[int, ...]
    ulp: float
    """Largest difference from the reference, in units in the last place of the reference's element."""
    of_bound: float
    """Largest difference from the reference, divided by the bound of the rounding error of its element."""
    unbounded: int
    """Number of elements without such a bound, because something that they are computed from may overflow."""
    of_expected: float | None
    """Largest difference from the figures from elsewhere, in the unit that they are compared in; None without any."""
    agrees: bool


@dataclass(frozen=True)
class Verification:
    """All arrays of one layer."""

    comparisons: tuple[Comparison, ...]
    fused_is_unfused: bool | None
    """Whether the fused kernels gave the same bits as one kernel a step; None where A is no column of ones."""

    @property
    def agrees(self) -> bool:
        """Whether everything agrees."""
        return self.fused_is_unfused is not False and all(c.agrees for c in self.comparisons)


def compute(inputs: Inputs) -> tuple[Arrays, bool | None]:
    """Return all arrays as the kernels compute them, and whether fused kernels gave the bits of unfused ones."""
    X, W, A, B = inputs.X, inputs.W, inputs.A, inputs.B
    rows, dtype = len(X), X.dtype.type
    U = kernels.matmul(X, W)
    V = kernels.matmul(A, B)
    Y = kernels.add(U, V)
    Z = kernels.sigmoid(Y)
    dY = kernels.sigmoid_backward(Z * dtype(2.0 / rows), Y)
    dX, dW, dB = kernels.matmul(dY, W.T), kernels.matmul(X.T, dY), kernels.matmul(A.T, dY)
    loss = (Z.astype(np.float64) ** 2).sum() / rows
    same = None
    if inputs.is_bias:
        preactivation = np.empty_like(Y)
        fused_z = kernels.dense_sigmoid(X, W, B, preactivation=preactivation)
        loss, gradients = kernels.dense_sigmoid_value_and_grad(X, W, B)
        pairs = zip((preactivation, fused_z, *gradients), (Y, Z, dX, dW, dB), strict=True)
        same = all(np.array_equal(fused, unfused, equal_nan=True) for fused, unfused in pairs if fused is not None)
        dX, dW, dB = (gradient for gradient in gradients if gradient is not None)
    arrays = (U, V, Y, Z, np.asarray(loss), dX, dW, dB)
    return dict(zip(NAMES, arrays, strict=True)), same


def compute_reference(inputs: Inputs) -> Arrays:
    """Return all arrays in float64, by NumPy."""
    X, W, A, B = (array.astype(np.float64) for array in (inputs.X, inputs.W, inputs.A, inputs.B))
    U, V = reference.matmul(X, W), reference.matmul(A, B)
    Y = reference.add(U, V)
    Z = reference.sigmoid(Y)
    dX, dW, _ = reference.dense_sigmoid_backward(2.0 * Z / len(X), X, W, Y, wrt=("x", "w"))
    dY = reference.sigmoid_backward(2.0 * Z / len(X), Y)
    loss = (Z**2).sum() / len(X)
    return dict(zip(NAMES, (U, V, Y, Z, np.asarray(loss), dX, dW, A.T @ dY), strict=True))  # type: ignore[arg-type]


def error_bounds(inputs: Inputs, exact: Arrays, *, usual: bool = False) -> Arrays:
    """Return a bound, element by element, of the rounding error of each array computed in the inputs' dtype.

    With u the unit roundoff, a sum of products of which each passes through at most t roundings lies within gamma_t
    |a||b| of the exact one (Higham, Accuracy and Stability of Numerical Algorithms, section 3.1): t is a block of 256
    terms, and in float64 the blocks of a group and the groups (csrc/matmul.inc); float64 sums of float32 blocks add
    next to nothing. Errors of the operands add |da||b| + |a||db|. For y with an error of at most e, log s(y) and log
    s(-y) change by at most e (their derivatives lie in (-1, 1)), and each is within 1 ULP, 2 u, as computed. So z
    changes by the factor exp(e + 2u), and dy = (z scale) (z s(-y)), with two factors s(y), one s(-y) and four
    roundings, by exp(3e + 10u). Results that underflow add one smallest subnormal per operation.

    With ``usual`` the bound is for the usual way to compute the same: sums of n terms in any order, whose errors stay
    below (4 sqrt(n) + 8) u |a||b| unless they conspire, and z (1 - z) instead of s(y) s(-y), where 1 - z has the
    absolute error of z, and one rounding.
    """
    X, W, A, B = (np.abs(array.astype(np.float64)) for array in (inputs.X, inputs.W, inputs.A, inputs.B))
    info = np.finfo(inputs.X.dtype)
    u, tiny = float(info.eps) / 2, float(info.smallest_subnormal)
    rows = len(X)

    def gamma(n: int) -> float:
        if usual:
            t = min(float(n), 4 * float(np.sqrt(n)) + 8)
        elif inputs.X.dtype == np.float32:
            t = min(n, 256)
        else:
            t = min(n, 256) + min(n // 256, 8) + n // 2048
            t += min(n, 512) + n // 512  # of the reference's own sums: a BLAS adds blocks of at least 512 terms
        t += 2  # the conversions to float64 and back
        return t * u / (1 - t * u)

    def product(a: NDArray[Any], da: NDArray[Any] | float, b: NDArray[Any], db: NDArray[Any] | float) -> NDArray[Any]:
        n = a.shape[1]
        high_a, high_b = a + da, b + db
        size = high_a @ high_b
        error = size * gamma(n) + n * tiny
        if np.any(da):
            error = error + da @ b
        if np.any(db):
            error = error + high_a @ db
        overflow = np.isfinite(size) & (size >= float(info.max) / 2)
        return np.where(overflow, np.inf, error)

    with np.errstate(all="ignore"):
        U, V, Z = (np.abs(exact[name]) for name in ("U", "V", "Z"))
        dU, dV = product(X, 0.0, W, 0.0), product(A, 0.0, B, 0.0)
        dY = dU + dV + u * (U + dU + V + dV) + tiny
        dY = np.where(np.isinf(exact["Y"]), 0.0, dY)  # an infinity is computed exactly
        dZ = Z * np.expm1(dY + 2 * u) + tiny
        upstream = 2 * Z / rows
        gradient = upstream * Z * reference.sigmoid(-exact["Y"])  # of Y
        d_gradient = gradient * np.expm1(3 * dY + 10 * u) + tiny
        if usual:
            d_gradient = d_gradient + upstream * (Z + dZ) * (dZ + u)
        dl = np.asarray(((2 * Z + dZ) * dZ).sum() / rows + exact["l"] * Z.size * np.finfo(np.float64).eps)
        grads = (
            product(gradient, d_gradient, W.T, 0.0),
            product(X.T, 0.0, gradient, d_gradient),
            product(A.T, 0.0, gradient, d_gradient),
        )
        dl = dl + u * exact["l"] if inputs.X.dtype == np.float64 else dl
    # the reference's own float64 rounding follows the same bounds with float64's u
    factor = 2.0 if inputs.X.dtype == np.float64 else 1.0 + 2.0**-20
    bounds = (dU, dV, dY, dZ, dl, *grads)
    return {name: factor * bound for name, bound in zip(NAMES, bounds, strict=True)}


def _largest(difference: NDArray[Any], unit: NDArray[Any] | float) -> float:
    """Return the largest difference in units; 0 where there is no difference, infinity where a difference is NaN."""
    if difference.size == 0:
        return 0.0
    with np.errstate(all="ignore"):
        ratio = np.where(difference == 0, 0.0, difference / unit)
    return float(np.where(np.isnan(ratio), np.inf, ratio).max())


def _difference(a: NDArray[Any], b: NDArray[Any]) -> NDArray[Any]:
    """Return abs(a - b) in float64: 0 where both are the same infinity or both NaN."""
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    with np.errstate(all="ignore"):
        same = (a == b) | (np.isnan(a) & np.isnan(b))
        return np.where(same, 0.0, np.abs(a - b))


def _in_dtype(exact: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return values beyond the dtype's range as infinities, all others as they are."""
    with np.errstate(all="ignore"):
        return np.where(np.isinf(exact.astype(dtype)), exact.astype(dtype).astype(np.float64), exact)


def _compare(
    name: str, got: NDArray[Any], exact: NDArray[Any], bound: NDArray[Any], dtype: np.dtype[Any]
) -> Comparison:
    exact = _in_dtype(exact, dtype)
    difference = _difference(got, exact)
    with np.errstate(all="ignore"):
        ulp = np.spacing(np.abs(exact).astype(dtype)).astype(np.float64)
    bounded = np.isfinite(bound) | (difference == 0)
    of_bound = _largest(difference[bounded], bound[bounded])
    return Comparison(
        name=name,
        shape=got.shape,
        ulp=_largest(difference[bounded], ulp[bounded]),
        of_bound=of_bound,
        unbounded=int(bounded.size - np.count_nonzero(bounded)),
        of_expected=None,
        agrees=of_bound <= 1.0,
    )


def _with_expected(comparison: Comparison, of_expected: float, allowed: float) -> Comparison:
    return replace(comparison, of_expected=of_expected, agrees=comparison.agrees and of_expected <= allowed)


def _verify(inputs: Inputs) -> tuple[Arrays, Arrays, Arrays, Verification]:
    with np.errstate(all="ignore"):
        got, same = compute(inputs)
        exact = compute_reference(inputs)
    bounds = error_bounds(inputs, exact)
    dtype = inputs.X.dtype
    comparisons = tuple(
        _compare(name, got[name], exact[name].reshape(got[name].shape), bounds[name].reshape(got[name].shape), dtype)
        for name in NAMES
    )
    return got, exact, bounds, Verification(comparisons, same)


def seed() -> tuple[Inputs, dict[str, Any]]:
    """Return the notebook's inputs in float32, and the figures that PyTorch printed there, as nested lists of text."""
    data = json.loads(resources.files("pygrad").joinpath("seed.json").read_text(encoding="utf-8"))
    inputs = {name: np.array(rows, dtype=np.float32) for name, rows in data["inputs"].items()}
    return Inputs(**inputs), data["printed"]


def _unit(figure: str) -> float:
    """Return the value of the last printed digit."""
    mantissa, _, exponent = figure.partition("e")
    return 10.0 ** (int(exponent or 0) - len(mantissa.partition(".")[2]))


def printed_difference(got: NDArray[Any], printed: Any) -> float:
    """Return the largest difference of an array from printed figures of its shape, in units of their last digit."""
    figures = np.array(printed)
    values, units = figures.astype(np.float64), np.vectorize(_unit)(figures)
    return _largest(_difference(got.reshape(values.shape), values), units)


def verify_seed() -> Verification:
    """Compute the notebook's layer and compare it with the reference and with the printed figures."""
    inputs, printed = seed()
    got, _, _, verification = _verify(inputs)
    comparisons = tuple(
        _with_expected(c, printed_difference(got[c.name], printed[c.name]), PRINTED_UNITS_ALLOWED)
        for c in verification.comparisons
    )
    return Verification(comparisons, verification.fused_is_unfused)


def verify(inputs: Inputs, expected: Mapping[str, NDArray[Any]]) -> Verification:
    """Compute a layer and compare it with the reference, and arrays named in ``expected`` with those given there.

    An expected array may have been computed in the inputs' dtype by the usual formulas: it agrees if it lies within
    the sum of pygrad's bound and of the bound for those.
    """
    got, exact, bounds, verification = _verify(inputs)
    usual = error_bounds(inputs, exact, usual=True)
    comparisons = []
    for c in verification.comparisons:
        if c.name in expected:
            given = expected[c.name].reshape(got[c.name].shape)
            allowed = (bounds[c.name] + usual[c.name]).reshape(got[c.name].shape)
            c = _with_expected(c, _largest(_difference(got[c.name], given), allowed), 1.0)
        comparisons.append(c)
    return Verification(tuple(comparisons), verification.fused_is_unfused)


_SPELLINGS = {
    **{spelling: name for name in "XWAB" for spelling in (name, name.lower())},
    **{name: name for name in NAMES},
    **{form.format(X=n, x=n.lower()): f"{n}.grad" for n in "XWB" for form in ("{X}_grad", "d{X}", "d{x}", "{x}_grad")},
}


def load(path: Path) -> tuple[Inputs, Arrays, list[str]]:
    """Read X, W, B, and A and expected arrays where there are any, from an .npz file.

    Returns
    -------
    inputs : Inputs
    expected : dict
        Arrays of `NAMES` that the file has. Gradients may be spelled X.grad, X_grad, x_grad, dX or dx.
    unused : list of str
        Names in the file that mean nothing here.

    Raises
    ------
    BadInputError
        With one line that says what is wrong, if the file cannot be read, or an array is missing or does not fit.
    """
    arrays: Arrays = {}
    unused = []
    for spelling, array in _read(path):
        name = _SPELLINGS.get(spelling)
        if name is None:
            unused.append(spelling)
        elif name in arrays:
            raise BadInputError(f"{name} is there twice, the second time as {spelling}: keep one")
        else:
            arrays[name] = array
    missing = [name for name in ("X", "W", "B") if name not in arrays]
    if missing:
        there = ", ".join([*arrays, *unused]) or "no arrays"
        raise BadInputError(
            f"{' and '.join(missing)} missing: the file has {there}; save it with np.savez(file, X=X, W=W, B=B)"
        )
    inputs = _inputs(arrays)
    shapes: dict[str, tuple[tuple[int, ...], ...]] = {
        "l": ((), (1,)),
        "X.grad": (inputs.X.shape,),
        "W.grad": (inputs.W.shape,),
    }
    shapes["B.grad"] = (inputs.B.shape, arrays["B"].shape, (inputs.B.size,))
    expected = {name: array for name, array in arrays.items() if name in NAMES}
    for name, array in expected.items():
        allowed = shapes.get(name, ((inputs.X.shape[0], inputs.W.shape[1]),))
        if array.shape not in allowed:
            raise BadInputError(f"{name} has shape {array.shape}, expected {allowed[0]}")
        if array.dtype not in _DTYPES:
            raise BadInputError(f"{name} has dtype {array.dtype}, expected float32 or float64")
    return inputs, expected, unused


def _read(path: Path) -> Iterator[tuple[str, NDArray[Any]]]:
    """Yield the names and arrays of a file, or raise BadInputError for whatever is wrong with it."""
    try:
        file = np.load(path, allow_pickle=False)
        if not isinstance(file, np.lib.npyio.NpzFile):
            raise BadInputError("one array, expected a file of several: save it with np.savez(file, X=X, W=W, B=B)")
        with file:
            for name in file.files:
                array = file[name]
                if not isinstance(array, np.ndarray):
                    raise BadInputError(f"not a readable .npz file: its member {name} is no array")
                yield name, array
    except BadInputError:
        raise
    except OSError as error:
        raise BadInputError(f"cannot be read: {error.strerror or error}") from None
    except MemoryError:
        raise BadInputError("not enough memory to read its arrays") from None
    except Exception as error:  # zipfile, the decompressors and NumPy's parser of headers raise errors of many types
        why = " ".join(str(error).split())
        if "allow_pickle" in why:
            why = "it holds Python objects, or is no file of arrays at all"
        raise BadInputError(f"not a readable .npz file: {why}") from None


def _inputs(arrays: Arrays) -> Inputs:
    """Return the inputs after checking dtypes and shapes."""
    X, W, B = arrays["X"], arrays["W"], arrays["B"]
    A = arrays.get("A")
    for name in ("X", "W", "A", "B"):
        if name in arrays and arrays[name].dtype not in _DTYPES:
            raise BadInputError(
                f"{name} has dtype {arrays[name].dtype}, expected float32 or float64: save {name}.astype(np.float32)"
            )
        if name in arrays and arrays[name].dtype != X.dtype:
            raise BadInputError(f"X is {X.dtype} and {name} is {arrays[name].dtype}: all arrays must have one dtype")
    for name in ("X", "W", "A"):
        if name in arrays and arrays[name].ndim != 2:
            raise BadInputError(f"{name} has shape {arrays[name].shape}, expected 2 dimensions")
    if X.shape[1] != W.shape[0]:
        raise BadInputError(f"X is {X.shape} and W is {W.shape}: X's columns must equal W's rows")
    if len(X) == 0:
        raise BadInputError(f"X is {X.shape}: the loss is a mean over rows, and X has none")
    columns = W.shape[1]
    if A is None:
        A = np.broadcast_to(np.ones((), X.dtype), (len(X), 1))
    elif len(A) != len(X):
        raise BadInputError(f"A is {A.shape} and X is {X.shape}: A must have as many rows as X")
    shape = (A.shape[1], columns)
    if B.shape != shape and not (B.shape == (columns,) and A.shape[1] == 1):
        also = f" or ({columns},)" if A.shape[1] == 1 else ""
        raise BadInputError(
            f"B has shape {B.shape}, expected {shape}{also} for {'A and ' if 'A' in arrays else ''}W {W.shape}"
        )
    return Inputs(X, W, A, B.reshape(shape))
