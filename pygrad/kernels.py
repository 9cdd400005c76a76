"""The dense sigmoid layer on NumPy arrays, computed in C.

Arrays are float32 or float64, all of one dtype, of any strides (transposed, sliced, reversed, broadcast): they are
read where they are (but for unaligned ones, and those that an ``out`` overlaps: these are copied first). Results are
new C-contiguous arrays, or go into ``out``, which may overlap the inputs. Each function makes one C call, which
releases the GIL.

Every function raises TypeError for an argument that is no ndarray or has another dtype, ValueError for shapes that do
not fit and for an ``out`` that is read-only or of another shape, and MemoryError where memory for results or scratch
is lacking.

The functions that end in ``_typed`` are for callers inside pygrad that know the dtype, and check nothing of it.

The arithmetic is specified in csrc/matmul.inc (sums), csrc/sigmoid.inc and csrc/dense.inc; `pygrad.reference` says
the same in NumPy.
"""

import functools
import itertools
import sys
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias, TypeVar

import numpy as np
from numpy import empty, ndarray

from pygrad.config import ffi, lib

Array: TypeAlias = np.ndarray[Any, Any]
Gradients: TypeAlias = tuple[Array | None, Array | None, Array | None]
_Result = TypeVar("_Result")


class _Real:
    """The C functions of one dtype, without the prefix and suffix of their names."""

    def __init__(self, dtype: type[np.floating[Any]], suffix: str) -> None:
        self.dtype = np.dtype(dtype)
        self.matmul = getattr(lib, f"pg_matmul_{suffix}")
        self.add = getattr(lib, f"pg_add_{suffix}")
        self.sigmoid = getattr(lib, f"pg_sigmoid_{suffix}")
        self.sigmoid_backward = getattr(lib, f"pg_sigmoid_backward_{suffix}")
        self.dense_sigmoid = getattr(lib, f"pg_dense_sigmoid_{suffix}")
        self.dense_sigmoid_backward = getattr(lib, f"pg_dense_sigmoid_backward_{suffix}")
        self.dense_sigmoid_value_and_grad = getattr(lib, f"pg_dense_sigmoid_value_and_grad_{suffix}")


_F32 = _Real(np.float32, "f32")
_F64 = _Real(np.float64, "f64")
_FLOAT32, _FLOAT64 = _F32.dtype, _F64.dtype
REALS = {_FLOAT32: _F32, _FLOAT64: _F64}
_XWB = ("x", "w", "b")
_OUT_NAMES = ("out (dx)", "out (dw)", "out (db)")


def _check_that_c_finds_arrays() -> None:
    """Raise ImportError unless arrays lie in memory as csrc/pygrad.c has it.

    What C takes of an array (address, dimensions, shape, strides, dtype) it reads from the array object itself: the
    beginning of that object is part of NumPy's ABI. Asked of the array in Python, each of them costs as much as a small
    call.
    """
    array = np.zeros((3, 5))[::-1]
    address = ffi.cast("void *", array.__array_interface__["data"][0])
    truth = array.ndim, array.shape[0], array.strides[0], id(array.dtype), array.flags.num
    if not lib.pg_finds(id(array), id(ndarray), address, *truth):
        raise ImportError(f"pygrad does not know the arrays of NumPy {np.__version__} under {sys.implementation.name}")


_check_that_c_finds_arrays()


def _real(*arrays: Array) -> _Real | None:
    """Return the functions for the dtype of all arrays; None unless they are plain arrays of one dtype."""
    try:
        dtype = arrays[0].dtype
        if dtype is _FLOAT32 or dtype is _FLOAT64:
            for array in arrays:
                if type(array) is not ndarray or array.dtype is not dtype:
                    return None
            return _F32 if dtype is _FLOAT32 else _F64
    except AttributeError:
        pass
    return None


def _with_plain_arrays(
    function: Callable[..., _Result], names: tuple[str, ...], *arrays: Any, **keywords: Any
) -> _Result:
    """Call ``function`` again where `_real` gives None: for subclasses and copies of dtypes, or raise TypeError.

    C takes an array as it lies in memory, whatever a subclass says of its shape.
    """
    plain: list[Array] = []
    for name, array in zip(names, arrays, strict=True):
        if not isinstance(array, np.ndarray) or isinstance(array, np.ma.MaskedArray):
            raise TypeError(
                f"{function.__name__}: {name} is {_a(type(array).__name__)}, not a NumPy array: "
                f"convert it with np.asarray({name}, dtype=np.float32)"
            )
        plain.append(_plain(array))
        if plain[-1].dtype not in (_FLOAT32, _FLOAT64):
            raise TypeError(
                f"{function.__name__}: {name} has dtype {_dtype_name(plain[-1].dtype)}, expected float32 or float64: "
                f"convert it with {name}.astype(np.float32)"
            )
    dtype = _FLOAT32 if plain[0].dtype == _FLOAT32 else _FLOAT64
    for name, array in zip(names, plain, strict=True):
        if array.dtype != dtype:
            raise TypeError(
                f"{function.__name__}: {names[0]} is {dtype} and {name} is {array.dtype}, expected one dtype: "
                f"convert one of them, e.g. {name}.astype(np.{dtype})"
            )
    return function(*(array.view(dtype) for array in plain), **keywords)


def _plain(array: Array) -> Array:
    """Return what an array of a subclass holds."""
    return ndarray.view(array, ndarray)


def _a(noun: str) -> str:
    return f"{'an' if noun[:1].lower() in 'aeiou' else 'a'} {noun}"


def _dtype_name(dtype: np.dtype[Any]) -> str:
    return dtype.name if dtype.isnative else f"{dtype.name} ({dtype.str}, not the machine's byte order)"


def _need_2d(function: str, name: str, array: Array) -> None:
    if array.ndim != 2:
        raise ValueError(f"{function}: {name} has shape {array.shape}, expected 2 dimensions")


def _output(function: str, real: _Real, name: str, out: Any, shape: tuple[int, ...]) -> Array:
    """Return ``out`` after checking it, or a new array."""
    if out is None:
        return empty(shape, real.dtype)
    if type(out) is ndarray and out.dtype is real.dtype and out.shape == shape and out.flags.writeable:
        return out
    if not isinstance(out, np.ndarray) or isinstance(out, np.ma.MaskedArray):
        raise TypeError(f"{function}: {name} is {_a(type(out).__name__)}, expected a NumPy array or None")
    plain = _plain(out)
    if plain.dtype != real.dtype:
        raise TypeError(
            f"{function}: {name} has dtype {_dtype_name(plain.dtype)}, expected {real.dtype} as the inputs have"
        )
    if plain.shape != shape:
        raise ValueError(f"{function}: {name} has shape {plain.shape}, expected {shape}")
    if not plain.flags.writeable:
        raise ValueError(f"{function}: {name} is read-only, expected an array that can be written")
    return out


def _canonical(real: _Real, out: Array) -> Array:
    """Return an output as C takes it: of no subclass, and of the very dtype of the inputs, not of an equal one."""
    return out if type(out) is ndarray and out.dtype is real.dtype else _plain(out).view(real.dtype)


def _again_with_copies(
    function: Callable[..., Any], status: int, *inputs: Array, outputs: Iterable[Array | None] = (), **keywords: Any
) -> Any:
    """Call ``function`` again, on contiguous, aligned copies and with new outputs, or raise what ``status`` says."""
    name = function.__name__
    if status == lib.PG_NO_MEMORY:
        raise MemoryError(f"{name}: no memory for scratch space")
    if status == lib.PG_OUTPUTS:  # their ranges of addresses meet; they may be interleaved all the same
        for one, other in itertools.combinations([_plain(array) for array in outputs if array is not None], 2):
            if np.shares_memory(one, other):
                raise ValueError(f"{name}: two of the output arrays share memory, expected separate arrays")
    if status == lib.PG_UNFIT:  # of equal dtypes that are other objects, as only callers inside pygrad pass them
        return function(*inputs, **keywords)
    return function(*(array.copy() for array in inputs), **keywords)


def _stored(out: Array | None, result: Array) -> Array:
    """Return ``result``, in ``out`` where that is an array."""
    if out is None:
        return result
    _plain(out)[...] = result
    return out


def matmul(a: Array, b: Array, *, out: Array | None = None) -> Array:
    """Return the matrix product of ``a`` (m, k) and ``b`` (k, n), of shape (m, n).

    Each element is within gamma_k |a| |b| of the exact value, gamma_k = k u / (1 - k u) (Higham, Accuracy and
    Stability of Numerical Algorithms, section 3.1), and does not depend on the other rows and columns.

    Raises
    ------
    TypeError
        If an argument is no array of float32 or float64, or dtypes differ.
    ValueError
        If ``a`` or ``b`` is not of 2 dimensions, a's columns are not as many as b's rows, or ``out`` does not fit.
    """
    # The plain case first and without a further call: for small matrices each check costs as much as the product. C
    # looks at the rest: that b and c are arrays of a's dtype, that their shapes fit, and that c can be written.
    if type(a) is ndarray:
        dtype = a.dtype
        if dtype is _FLOAT32 or dtype is _FLOAT64:
            try:
                c = empty((len(a), b.shape[1]), dtype) if out is None else out
                if not (_F32 if dtype is _FLOAT32 else _F64).matmul(id(a), id(b), id(c)):
                    return c
            except Exception:  # whatever the shape of a wrong argument raises
                pass
    real = _real(a, b)
    if real is None:
        return _with_plain_arrays(matmul, ("a", "b"), a, b, out=out)
    return matmul_typed(real, a, b, out)


def matmul_typed(real: _Real, a: Array, b: Array, out: Array | None = None) -> Array:
    """Do `matmul` for arrays of one dtype, which is that of ``real``."""
    m, n = _product_shape("matmul", ("a", "b"), a, b)
    c = empty((m, n), real.dtype) if out is None else _output("matmul", real, "out", out, (m, n))
    target = _canonical(real, c)
    status = real.matmul(id(a), id(b), id(target))
    if status:
        return _stored(out, _again_with_copies(matmul, status, a, b))
    return c


def add(a: Array | float, b: Array | float, *, out: Array | None = None) -> Array:
    """Return ``a + b``, broadcast as NumPy does; either may be a Python number.

    Raises
    ------
    TypeError
        If an argument is no array of float32 or float64, or dtypes differ.
    ValueError
        If the shapes cannot be broadcast together, or ``out`` does not fit.
    """
    # The plain case, as in matmul, where the result has a's shape.
    if out is None and type(a) is ndarray and type(b) is ndarray:
        dtype = a.dtype
        if dtype is _FLOAT32 or dtype is _FLOAT64:
            try:
                c = empty(a.shape, dtype)
                if not (_F32 if dtype is _FLOAT32 else _F64).add(id(a), id(b), id(c)):
                    return c
            except MemoryError:  # the shapes may not fit
                pass
    if type(a) is not ndarray or type(b) is not ndarray:
        a, b = _operand(a, b), _operand(b, a)
    real = _real(a, b)
    if real is None:
        return _with_plain_arrays(add, ("a", "b"), a, b, out=out)
    return add_typed(real, a, b, out)


def add_typed(real: _Real, a: Array, b: Array, out: Array | None = None) -> Array:
    """Do `add` for arrays of one dtype, which is that of ``real``."""
    shape = a.shape
    if shape != b.shape:
        shape = _broadcast_shape(shape, b.shape)
    c = empty(shape, real.dtype) if out is None else _output("add", real, "out", out, shape)
    status = real.add(id(a), id(b), id(c))
    if status:
        return _stored(out, _again_with_copies(add, status, a, b))
    return c


def _operand(a: Any, other: Any) -> Array:
    """Return a number as an array: a Python number in the dtype of ``other``."""
    if isinstance(a, np.generic):
        return np.asarray(a)
    if isinstance(a, float | int) and not isinstance(a, bool) and isinstance(other, np.ndarray):
        return np.asarray(a, dtype=other.dtype)
    return a  # type: ignore[no-any-return]


@functools.lru_cache(maxsize=1024)
def _broadcast_shape(a: tuple[int, ...], b: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape of a + b; np.broadcast_shapes stops at 32 dimensions."""
    longer, shorter = (a, b) if len(a) >= len(b) else (b, a)
    lead = len(longer) - len(shorter)
    shape = list(longer)
    for i, n in enumerate(shorter, lead):
        if shape[i] == 1:
            shape[i] = n
        elif n not in (shape[i], 1):
            raise ValueError(f"add: a is {a} and b is {b}: counted from the last, each dimension must be equal or 1")
    return tuple(shape)


def sigmoid(x: Array, *, out: Array | None = None) -> Array:
    """Return 1 / (1 + exp(-x)) of each element, of the shape of ``x``.

    In float32 each result is the exact value, correctly rounded; in float64 it is within 1 ULP.

    Raises
    ------
    TypeError
        If ``x`` is no array of float32 or float64.
    ValueError
        If ``out`` does not fit.
    """
    if out is None and type(x) is ndarray:  # the plain case, as in matmul
        dtype = x.dtype
        if dtype is _FLOAT32 or dtype is _FLOAT64:
            z = empty(x.shape, dtype)
            if not (_F32 if dtype is _FLOAT32 else _F64).sigmoid(id(x), id(z)):
                return z
    real = _real(x)
    if real is None:
        return _with_plain_arrays(sigmoid, ("x",), x, out=out)
    return sigmoid_typed(real, x, out)


def sigmoid_typed(real: _Real, x: Array, out: Array | None = None) -> Array:
    """Do `sigmoid` for an array whose dtype is that of ``real``."""
    z = empty(x.shape, real.dtype) if out is None else _output("sigmoid", real, "out", out, x.shape)
    status = real.sigmoid(id(x), id(z))
    if status:
        return _stored(out, _again_with_copies(sigmoid, status, x))
    return z


def sigmoid_backward(dz: Array, y: Array, *, out: Array | None = None) -> Array:
    """Return dz * sigmoid'(y), the gradient by the pre-activation ``y``; all of one shape.

    sigmoid'(y) = sigmoid(y) * sigmoid(-y) is correctly rounded in float32, and within 3 ULP in float64, however large
    ``y`` is.

    Raises
    ------
    TypeError
        If an argument is no array of float32 or float64, or dtypes differ.
    ValueError
        If the shapes of ``dz`` and ``y`` differ, or ``out`` does not fit.
    """
    real = _real(dz, y)
    if real is None:
        return _with_plain_arrays(sigmoid_backward, ("dz", "y"), dz, y, out=out)
    if dz.shape != y.shape:
        raise ValueError(f"sigmoid_backward: dz is {dz.shape} and y is {y.shape}: the shapes must be equal")
    dy = empty(y.shape, real.dtype) if out is None else _output("sigmoid_backward", real, "out", out, y.shape)
    status = real.sigmoid_backward(id(dz), id(y), id(dy))
    if status:
        return _stored(out, _again_with_copies(sigmoid_backward, status, dz, y))
    return dy


def dense_sigmoid(
    x: Array, w: Array, b: Array, *, out: Array | None = None, preactivation: Array | None = None
) -> Array:
    """Return sigmoid(x @ w + b), of shape (r, c), in one pass over ``x``.

    Parameters
    ----------
    x, w, b
        Arrays of shape (r, k), (k, c), and (c,) or (1, c).
    out
        Array (r, c) for the result.
    preactivation
        Array (r, c) that receives x @ w + b.

    Raises
    ------
    TypeError
        If an argument is no array of float32 or float64, or dtypes differ.
    ValueError
        If shapes do not fit together, or ``out`` and ``preactivation`` share memory.
    """
    if preactivation is None and type(x) is ndarray:  # the plain case, as in matmul
        dtype = x.dtype
        if dtype is _FLOAT32 or dtype is _FLOAT64:
            try:
                z = empty((len(x), w.shape[1]), dtype) if out is None else out
                if not (_F32 if dtype is _FLOAT32 else _F64).dense_sigmoid(id(x), id(w), id(b), id(z), 0):
                    return z
            except Exception:  # whatever the shape of a wrong argument raises
                pass
    real = _real(x, w, b)
    if real is None:
        return _with_plain_arrays(dense_sigmoid, _XWB, x, w, b, out=out, preactivation=preactivation)
    r, c = _layer("dense_sigmoid", x, w, b)
    z = empty((r, c), real.dtype) if out is None else _output("dense_sigmoid", real, "out", out, (r, c))
    z_target, y_target = _canonical(real, z), None
    if preactivation is not None:
        y_target = _canonical(real, _output("dense_sigmoid", real, "preactivation", preactivation, (r, c)))
    status = real.dense_sigmoid(id(x), id(w), id(b), id(z_target), 0 if y_target is None else id(y_target))
    if status:
        y = None if preactivation is None else empty((r, c), real.dtype)
        copy = _again_with_copies(dense_sigmoid, status, x, w, b, outputs=(z, preactivation), preactivation=y)
        if y is not None:
            _stored(preactivation, y)
        return _stored(out, copy)
    return z


def dense_sigmoid_backward(
    dz: Array,
    x: Array,
    w: Array,
    y: Array,
    *,
    wrt: Iterable[str] = _XWB,
    out: tuple[Array | None, Array | None, Array | None] | None = None,
) -> Gradients:
    """Return the gradients (dx, dw, db) of z = sigmoid(y), y = x @ w + b, in one pass over ``x``.

    dy = dz * sigmoid'(y);  dx = dy @ w.T;  dw = x.T @ dy;  db = sum of dy over rows.

    Parameters
    ----------
    dz, y
        Arrays of shape (r, c): the gradient by z, and the pre-activation.
    x, w
        Arrays of shape (r, k) and (k, c).
    wrt
        Names, of "x", "w" and "b", of the gradients to compute; the others are None.
    out
        Three arrays (r, k), (k, c), and (c,) or (1, c) for the results; None for one that is to be allocated.

    Raises
    ------
    TypeError
        If an argument is no array of float32 or float64, or dtypes differ.
    ValueError
        If shapes do not fit together, ``wrt`` has an unknown name, or arrays of ``out`` share memory.
    """
    function = "dense_sigmoid_backward"
    real = _real(dz, x, w, y)
    if real is None:
        names = ("dz", "x", "w", "y")
        return _with_plain_arrays(dense_sigmoid_backward, names, dz, x, w, y, wrt=wrt, out=out)
    r, c = _product_shape(function, ("x", "w"), x, w)
    if dz.shape != (r, c):
        _need_2d(function, "dz", dz)
        raise ValueError(f"{function}: dz is {dz.shape}, expected x's rows and w's columns, {(r, c)}")
    if y.shape != (r, c):
        raise ValueError(f"{function}: y is {y.shape}, expected x's rows and w's columns, {(r, c)}")
    b_shape: tuple[int, ...] = (c,)
    if out is not None and len(out) == 3 and isinstance(out[2], np.ndarray) and out[2].ndim == 2:
        b_shape = (1, c)
    gradients = _gradients(function, real, wrt, out, x.shape, w.shape, b_shape)
    return dense_sigmoid_backward_typed(real, dz, x, w, y, gradients)


def dense_sigmoid_backward_typed(
    real: _Real, dz: Array, x: Array, w: Array, y: Array, gradients: Gradients
) -> Gradients:
    """Do `dense_sigmoid_backward`, unchecked, into the arrays of ``gradients``."""
    dx, dw, db = gradients
    status = real.dense_sigmoid_backward(
        id(dz), id(x), id(w), id(y),
        0 if dx is None else id(dx), 0 if dw is None else id(dw), 0 if db is None else id(db),
    )  # fmt: skip
    if status:
        copies = _again_with_copies(
            dense_sigmoid_backward, status, dz, x, w, y, outputs=gradients, wrt=_names(gradients)
        )
        return _all_stored(gradients, copies)
    return gradients


def dense_sigmoid_value_and_grad(
    x: Array,
    w: Array,
    b: Array,
    *,
    wrt: Iterable[str] = _XWB,
    out: tuple[Array | None, Array | None, Array | None] | None = None,
) -> tuple[float, Gradients]:
    """Return the mean-square loss of the layer and its gradients, in one pass over ``x``.

    z = sigmoid(x @ w + b);  loss = sum(z**2) / r;  dz = 2 z / r;  then as `dense_sigmoid_backward`.

    Of z a thread keeps at most 4 MB at a time, whatever r and c. Sums are kept in float64: of dw and db twice, and
    up to 4 MB more for each thread; and, where 256 rows of z (or all r, if fewer) have more than 4 MB, of dx for up to
    512 rows, at most a quarter of the size of w.

    Parameters
    ----------
    x, w, b
        Arrays of shape (r, k), (k, c), and (c,) or (1, c).
    wrt
        Names, of "x", "w" and "b", of the gradients to compute; the others are None.
    out
        Three arrays of the shapes of x, w and b for the gradients; None for one that is to be allocated.

    Returns
    -------
    loss : float
        Summed in float64.
    gradients : tuple
        (dx, dw, db), of the shapes of x, w and b.

    Raises
    ------
    TypeError
        If an argument is no array of float32 or float64, or dtypes differ.
    ValueError
        If shapes do not fit together, x has no rows, ``wrt`` has an unknown name, or arrays of ``out`` share memory.
    """
    if wrt is _XWB and type(x) is ndarray and (out is None or type(out) is tuple):  # the plain case, as in matmul
        dtype = x.dtype
        if dtype is _FLOAT32 or dtype is _FLOAT64:
            try:
                results: Gradients = (
                    (empty(x.shape, dtype), empty(w.shape, dtype), empty(b.shape, dtype)) if out is None else out
                )
                dx, dw, db = results
                loss = (_F32 if dtype is _FLOAT32 else _F64).dense_sigmoid_value_and_grad(
                    id(x), id(w), id(b), id(dx), id(dw), id(db)
                )
                if not loss < 0:
                    return loss, results
            except Exception:  # whatever the shape of a wrong argument raises
                pass
    function = "dense_sigmoid_value_and_grad"
    real = _real(x, w, b)
    if real is None:
        return _with_plain_arrays(dense_sigmoid_value_and_grad, _XWB, x, w, b, wrt=wrt, out=out)
    r, _ = _layer(function, x, w, b)
    if r == 0:
        raise ValueError(f"{function}: x is {x.shape}: a loss is a mean over rows, and x has none")
    gradients = _gradients(function, real, wrt, out, x.shape, w.shape, b.shape)
    targets = [None if gradient is None else _canonical(real, gradient) for gradient in gradients]
    loss = real.dense_sigmoid_value_and_grad(
        id(x), id(w), id(b), *(0 if target is None else id(target) for target in targets)
    )
    if loss < 0:
        loss, copies = _again_with_copies(
            dense_sigmoid_value_and_grad, int(-loss), x, w, b, outputs=gradients, wrt=_names(gradients)
        )
        return loss, _all_stored(gradients, copies)
    return loss, gradients


def _product_shape(function: str, names: tuple[str, str], a: Array, b: Array) -> tuple[int, int]:
    """Return the shape (m, n) of the product of a (m, k) and b (k, n) after checking them."""
    try:
        m, k = a.shape
        rows, n = b.shape
    except ValueError:
        for name, array in zip(names, (a, b), strict=True):
            _need_2d(function, name, array)
    if k != rows:
        raise ValueError(
            f"{function}: {names[0]} is {a.shape} and {names[1]} is {b.shape}: "
            f"{names[0]}'s columns ({k}) must equal {names[1]}'s rows ({rows})"
        )
    return m, n


def _layer(function: str, x: Array, w: Array, b: Array) -> tuple[int, int]:
    """Return the shape (r, c) of what a layer gives after checking the shapes of its inputs."""
    r, c = _product_shape(function, ("x", "w"), x, w)
    if b.shape != (c,) and b.shape != (1, c):
        raise ValueError(
            f"{function}: b is {b.shape} and w is {w.shape}: b must be ({c},) or (1, {c}) for w's {c} columns"
        )
    return r, c


def _gradients(function: str, real: _Real, wrt: Iterable[str], out: Any, *shapes: tuple[int, ...]) -> Gradients:
    """Return an array, given or new, for each gradient that ``wrt`` names, and None for the others."""
    x_shape, w_shape, b_shape = shapes
    if type(wrt) is tuple and wrt == _XWB:
        if out is None:
            dtype = real.dtype
            return empty(x_shape, dtype), empty(w_shape, dtype), empty(b_shape, dtype)
        if type(out) is tuple and len(out) == 3:
            dx = _output(function, real, "out (dx)", out[0], x_shape)
            dw = _output(function, real, "out (dw)", out[1], w_shape)
            return dx, dw, _output(function, real, "out (db)", out[2], b_shape)
    if not isinstance(wrt, Iterable):
        raise TypeError(f"{function}: wrt is {_a(type(wrt).__name__)}, expected names of 'x', 'w' and 'b'")
    wrt = (wrt,) if isinstance(wrt, str) else tuple(wrt)
    for name in wrt:
        if not isinstance(name, str) or name not in _XWB:
            raise ValueError(f"{function}: wrt has {name!r}, expected names of 'x', 'w' and 'b'")
    if out is None:
        out = (None, None, None)
    elif not isinstance(out, tuple | list) or len(out) != 3:
        given = f"{len(out)} items" if isinstance(out, tuple | list) else _a(type(out).__name__)
        raise TypeError(f"{function}: out is {given}, expected a tuple of three: (dx, dw, db), each an array or None")
    gradients: list[Array | None] = []
    for name, out_name, given, shape in zip(_XWB, _OUT_NAMES, out, shapes, strict=True):
        if name in wrt:
            gradients.append(_output(function, real, out_name, given, shape))
        elif given is None:
            gradients.append(None)
        else:
            raise ValueError(f"{function}: out has an array for d{name}, but wrt does not name {name!r}")
    return gradients[0], gradients[1], gradients[2]


def _names(gradients: Gradients) -> tuple[str, ...]:
    return tuple(name for name, gradient in zip(_XWB, gradients, strict=True) if gradient is not None)


def _all_stored(gradients: Gradients, copies: Gradients) -> Gradients:
    for gradient, copy in zip(gradients, copies, strict=True):
        if gradient is not None and copy is not None:
            plain = _plain(gradient)
            plain[...] = copy.reshape(plain.shape)
    return gradients
