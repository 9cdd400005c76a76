"""The functions of `pygrad.kernels` in plain NumPy float64: the specification, and the truth that tests compare with.

Same names and signatures; arguments are anything that NumPy takes for an array, results are float64. Nothing here is
fast.
"""

from collections.abc import Iterable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array: TypeAlias = NDArray[np.float64]
Gradients: TypeAlias = tuple[Array | None, Array | None, Array | None]


def _float64(*arrays: ArrayLike) -> list[Array]:
    return [np.asarray(array, dtype=np.float64) for array in arrays]


def _stored(out: NDArray[Any] | None, result: Array) -> Any:
    if out is None:
        return result
    out[...] = result
    return out


def matmul(a: ArrayLike, b: ArrayLike, *, out: NDArray[Any] | None = None) -> Array:
    """Return a @ b."""
    a, b = _float64(a, b)
    return _stored(out, a @ b)  # type: ignore[no-any-return]


def add(a: ArrayLike, b: ArrayLike, *, out: NDArray[Any] | None = None) -> Array:
    """Return a + b, broadcast."""
    a, b = _float64(a, b)
    return _stored(out, np.asarray(a + b))  # type: ignore[no-any-return]


def sigmoid(x: ArrayLike, *, out: NDArray[Any] | None = None) -> Array:
    """Return 1 / (1 + exp(-x)), from exp(-abs(x)), which cannot overflow."""
    (x,) = _float64(x)
    e = np.exp(-np.abs(x))
    return _stored(out, np.asarray(np.where(x < 0, e, 1.0) / (1.0 + e)))  # type: ignore[no-any-return]


def sigmoid_backward(dz: ArrayLike, y: ArrayLike, *, out: NDArray[Any] | None = None) -> Array:
    """Return dz * sigmoid(y) * sigmoid(-y); 1 - sigmoid(y) would lose the digits of sigmoid(-y) for large y."""
    dz, y = _float64(dz, y)
    return _stored(out, np.asarray(dz * (sigmoid(y) * sigmoid(-y))))  # type: ignore[no-any-return]


def dense_sigmoid(
    x: ArrayLike,
    w: ArrayLike,
    b: ArrayLike,
    *,
    out: NDArray[Any] | None = None,
    preactivation: NDArray[Any] | None = None,
) -> Array:
    """Return z = sigmoid(x @ w + b); ``preactivation`` receives x @ w + b."""
    y = add(matmul(x, w), b)
    if preactivation is not None:
        preactivation[...] = y
    return sigmoid(y, out=out)


def dense_sigmoid_backward(
    dz: ArrayLike,
    x: ArrayLike,
    w: ArrayLike,
    y: ArrayLike,
    *,
    wrt: Iterable[str] = ("x", "w", "b"),
    out: tuple[NDArray[Any] | None, ...] | None = None,
) -> Gradients:
    """Return (dx, dw, db) of z = sigmoid(y), y = x @ w + b, from dz; None where ``wrt`` lacks the name."""
    x, w = _float64(x, w)
    dy = sigmoid_backward(dz, y)
    wanted = _names(wrt)
    gradients = (
        dy @ w.T if "x" in wanted else None,
        x.T @ dy if "w" in wanted else None,
        np.ascontiguousarray(dy.T).sum(axis=1) if "b" in wanted else None,  # along rows in memory NumPy sums pairwise
    )
    return _all_stored(out, gradients)


def _names(wrt: Iterable[str]) -> tuple[str, ...]:
    names = (wrt,) if isinstance(wrt, str) else tuple(wrt)
    for name in names:
        if name not in ("x", "w", "b"):
            raise ValueError(f"wrt has {name!r}, expected names of 'x', 'w' and 'b'")
    return names


def _all_stored(out: tuple[NDArray[Any] | None, ...] | None, gradients: Gradients) -> Gradients:
    dx, dw, db = (
        gradient if given is None or gradient is None else _stored(given, gradient.reshape(given.shape))
        for given, gradient in zip(out or (None, None, None), gradients, strict=True)
    )
    return dx, dw, db


def dense_sigmoid_value_and_grad(
    x: ArrayLike,
    w: ArrayLike,
    b: ArrayLike,
    *,
    wrt: Iterable[str] = ("x", "w", "b"),
    out: tuple[NDArray[Any] | None, ...] | None = None,
) -> tuple[float, Gradients]:
    """Return loss = sum(z**2) / rows of z = sigmoid(x @ w + b), and (dx, dw, db)."""
    y = add(matmul(x, w), b)
    z = sigmoid(y)
    rows = z.shape[0]
    if rows == 0:
        raise ValueError("a loss is a mean over rows, and x has none")
    dx, dw, db = dense_sigmoid_backward(2.0 * z / rows, x, w, y, wrt=wrt)
    gradients = (dx, dw, None if db is None else db.reshape(np.shape(b)))
    return float((z**2).sum() / rows), _all_stored(out, gradients)
