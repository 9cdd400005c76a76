"""How many digits the gradients of a saturated layer keep: pygrad's, and PyTorch's where it is installed.

A sigmoid far from 0 hardly moves, but by amounts that float32 holds to full accuracy: the derivative at y is near
exp(-abs(y)). Taken as z * (1 - z) from a rounded z, it loses them.
"""

import importlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pygrad import kernels, reference

POINTS = (8, 20, 60, 85)
GRADIENTS = ("dx", "dw", "db")
ROWS, INNER, COLUMNS = 100, 5, 2


@dataclass(frozen=True)
class Saturation:
    """The largest relative errors of the elements of dx, dw and db, for preactivations near ``y``."""

    y: float
    pygrad: tuple[float, ...]
    torch: tuple[float, ...] | None
    """None where PyTorch is not installed."""

    @property
    def agrees(self) -> bool:
        """Whether pygrad's errors are within their bounds.

        All terms of a sum are positive. A term has u from each of the derivative, dz times it, and x or w times that;
        a sum of n has n u at most, but (4 sqrt(n) + 8) u unless its roundings conspire; its last rounding is one more.
        """
        u = float(np.finfo(np.float32).eps) / 2
        return all(
            error <= (4 + min(n, 4 * n**0.5 + 8)) * u
            for error, n in zip(self.pygrad, (COLUMNS, ROWS, ROWS), strict=True)
        )


def saturation() -> tuple[Saturation, ...]:
    """Return the errors for y near -POINTS and POINTS, in float32, against float64."""
    try:
        torch = importlib.import_module("torch")
    except ImportError:
        torch = None
    results = []
    for y in (*(-point for point in reversed(POINTS)), *POINTS):
        dz, x, w, b = _layer(y)
        # x w + b is exact in float32 too, so that all errors are those of the backward pass
        preactivation = kernels.add(kernels.matmul(x, w), b)
        exact = reference.dense_sigmoid_backward(dz, x, w, preactivation)
        ours = kernels.dense_sigmoid_backward(dz, x, w, preactivation)
        theirs = None if torch is None else _errors(_by_torch(torch, dz, x, w, b), exact)
        results.append(Saturation(y, _errors(ours, exact), theirs))
    return tuple(results)


def _layer(y: float) -> tuple[NDArray[np.float32], ...]:
    """Return dz, x, w and b, multiples of 1/128, with y - 1/3 <= x w + b <= y."""
    rng = np.random.default_rng(abs(int(y)))
    dz, w = rng.integers(64, 129, (ROWS, COLUMNS)) / 128, rng.integers(64, 129, (INNER, COLUMNS)) / 128
    x = rng.integers(120, 129, (ROWS, INNER)) / 128
    return tuple(array.astype(np.float32) for array in (dz, x, w, y - w.sum(axis=0)))


def _by_torch(torch: Any, dz: Any, x: Any, w: Any, b: Any) -> tuple[Any, ...]:
    leaves = [torch.from_numpy(array).requires_grad_() for array in (x, w, b)]
    z = torch.sigmoid(leaves[0] @ leaves[1] + leaves[2])
    z.backward(torch.from_numpy(dz))
    return tuple(leaf.grad.numpy() for leaf in leaves)


def _errors(gradients: tuple[Any, ...], exact: tuple[Any, ...]) -> tuple[float, ...]:
    return tuple(float(np.abs(g / e - 1).max()) for g, e in zip(gradients, exact, strict=True))
