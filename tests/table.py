"""The one table of kernels that the tests run over: for each, its inputs and outputs by shape, and how to call it."""

import mmap
from collections.abc import Callable, Sequence
from ctypes import CDLL, c_int, c_size_t, c_void_p
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from pygrad import config

Array: TypeAlias = np.ndarray[Any, Any]
DTYPES = ("float32", "float64")


@dataclass(frozen=True)
class Kernel:
    """A function of pygrad.kernels: shapes are texts over m, n, k (rows, columns, inner), as in "m k"."""

    inputs: dict[str, str]
    outputs: tuple[str, ...]
    call: Callable[[Any, Sequence[Array], Any], tuple[Any, ...]]
    """Calls the function of a module with inputs and outputs (None: to be allocated); returns all results."""


def _one(name: str) -> Callable[[Any, Sequence[Array], Any], tuple[Any, ...]]:
    def call(module: Any, inputs: Sequence[Array], out: Any) -> tuple[Any, ...]:
        keywords = {} if out is None else {"out": out[0]}
        return (getattr(module, name)(*inputs, **keywords),)

    return call


def _backward(module: Any, inputs: Sequence[Array], out: Any) -> tuple[Any, ...]:
    return tuple(module.dense_sigmoid_backward(*inputs, **({} if out is None else {"out": tuple(out)})))


def _value_and_grad(module: Any, inputs: Sequence[Array], out: Any) -> tuple[Any, ...]:
    loss, grads = module.dense_sigmoid_value_and_grad(*inputs, **({} if out is None else {"out": tuple(out)}))
    return (*grads, loss)


KERNELS: dict[str, Kernel] = {
    "matmul": Kernel({"a": "m k", "b": "k n"}, ("m n",), _one("matmul")),
    "add": Kernel({"a": "m n", "b": "m n"}, ("m n",), _one("add")),
    "sigmoid": Kernel({"x": "m n"}, ("m n",), _one("sigmoid")),
    "sigmoid_backward": Kernel({"dz": "m n", "y": "m n"}, ("m n",), _one("sigmoid_backward")),
    "dense_sigmoid": Kernel({"x": "m k", "w": "k n", "b": "n"}, ("m n",), _one("dense_sigmoid")),
    "dense_sigmoid_backward": Kernel({"dz": "m n", "x": "m k", "w": "k n", "y": "m n"}, ("m k", "k n", "n"), _backward),
    "dense_sigmoid_value_and_grad": Kernel({"x": "m k", "w": "k n", "b": "n"}, ("m k", "k n", "n"), _value_and_grad),
}

VARIANTS = [(isa, dtype, name) for isa in config.ISAS_BUILT for dtype in DTYPES for name in KERNELS]


def shape_of(text: str, m: int, n: int, k: int) -> tuple[int, ...]:
    return tuple({"m": m, "n": n, "k": k}[letter] for letter in text.split())


def random_inputs(kernel: Kernel, dtype: str, m: int, n: int, k: int, seed: int = 0) -> list[Array]:
    """Normal numbers, the inner dimension scaled so that sigmoids do not saturate."""
    rng = np.random.default_rng([seed, m, n, k])
    arrays = []
    for text in kernel.inputs.values():
        array = rng.standard_normal(shape_of(text, m, n, k))
        if text == "k n":
            array /= np.sqrt(max(k, 1))
        arrays.append(array.astype(dtype))
    return arrays


def output_shapes(kernel: Kernel, m: int, n: int, k: int) -> list[tuple[int, ...]]:
    return [shape_of(text, m, n, k) for text in kernel.outputs]


def same_bits(a: Any, b: Any) -> bool:
    """Equal to the bit, except that a NaN is a NaN: its sign and payload are nobody's promise."""
    a, b = np.asarray(a), np.asarray(b)
    if a.dtype != b.dtype or a.shape != b.shape:
        return False
    bits = {4: np.int32, 8: np.int64}[a.dtype.itemsize]
    a, b = np.atleast_1d(np.ascontiguousarray(a)), np.atleast_1d(np.ascontiguousarray(b))
    return bool(((a.view(bits) == b.view(bits)) | (np.isnan(a) & np.isnan(b))).all())


class GuardPages:
    """Copies of arrays that end, or begin, flush against a page that can be neither read nor written."""

    def __init__(self) -> None:
        self._libc = CDLL(None, use_errno=True)
        self._libc.mprotect.argtypes = [c_void_p, c_size_t, c_int]

    def copy(self, array: Array, *, at_end: bool) -> Array:
        """Return a copy flush against a guard page behind it (or before it)."""
        page = mmap.PAGESIZE
        size = -(-array.nbytes // page) * page
        memory = mmap.mmap(-1, size + 2 * page)
        start = np.frombuffer(memory, np.uint8).ctypes.data
        for guard in (start, start + page + size):
            if self._libc.mprotect(guard, page, 0) != 0:
                raise OSError("mprotect failed")
        offset = page + (size - array.nbytes if at_end else 0)
        copy = np.frombuffer(memory, array.dtype, array.size, offset).reshape(array.shape)
        copy[...] = array
        return copy
