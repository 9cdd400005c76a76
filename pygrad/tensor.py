"""Tensor: a subset of PyTorch's, with the same names, meaning and printed text.

What the subset leaves out raises an error that says so. It computes with `pygrad.kernels` (matrix products, float
additions, sigmoids) and NumPy (all other elementwise arithmetic), and differentiates with `pygrad.engine`.
"""

from __future__ import annotations

import contextvars
import functools
import inspect
import math
import operator
import warnings
import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NoReturn, TypeAlias

import numpy as np
from numpy import empty, ndarray

from pygrad import kernels
from pygrad.engine import LEAF, Edge, Node, Source, accumulate, mode, now, pauses, run
from pygrad.kernels import REALS
from pygrad.printing import text_of

Array: TypeAlias = np.ndarray[Any, Any]
Number: TypeAlias = int | float


class dtype:
    """An element type of Tensors."""

    __slots__ = ("is_floating_point", "name", "numpy", "rank", "title")

    def __init__(self, name: str, title: str, rank: int) -> None:
        self.name = name
        self.title = title  # as torch writes it in some messages
        self.numpy = np.dtype(name)
        self.rank = rank  # the higher of two is the dtype of a result
        self.is_floating_point = rank >= 2

    def __repr__(self) -> str:
        return f"torch.{self.name}"

    def __reduce__(self) -> str:
        return {"bool": "bool_"}.get(self.name, self.name)


bool_ = dtype("bool", "Bool", 0)
int64 = dtype("int64", "Long", 1)
float32 = dtype("float32", "Float", 2)
float64 = dtype("float64", "Double", 3)

_DTYPES = {kind.numpy: kind for kind in (bool_, int64, float32, float64)}
_FLOAT32, _FLOAT64 = float32.numpy, float64.numpy
_NUMBERS = (bool, int, float)
_ONES = {kind: np.ones((), kind) for kind in (_FLOAT32, _FLOAT64)}
_NEVER = [0]  # a time of the last change


class Size(tuple[int, ...]):
    """The shape of a Tensor."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"torch.Size({list(self)})"

    def __getitem__(self, index: Any) -> Any:
        part = super().__getitem__(index)
        return Size(part) if isinstance(index, slice) else part

    def __add__(self, other: Any) -> Size:
        return Size(super().__add__(other))

    def __radd__(self, other: Any) -> Size:
        return Size(other + tuple(self))

    def __mul__(self, times: Any) -> Size:
        return Size(super().__mul__(times))

    __rmul__ = __mul__

    def numel(self) -> int:
        """Return the number of elements."""
        return math.prod(self)


_new = object.__new__


def _left_out(what: str) -> NoReturn:
    raise NotImplementedError(f"{what} is not in pygrad's subset of PyTorch")


# Operations: each computes, and records how its gradient is computed


def _record(
    array: Array,
    name: str,
    backward: Callable[[Node, Array], Sequence[Array | None]],
    inputs: Sequence[Tensor | None],
    saved: Any = (),
    info: Any = None,
    watched: Sequence[list[int]] = (),
    changed: list[int] | None = None,
) -> Tensor:
    """Return a result as a Tensor, with a Node where an input requires a gradient.

    ``saved`` is what backward reads and frees; ``watched`` are the ``_changed`` of what must not change until then.
    ``info`` is kept. ``changed`` is the result's own.
    """
    result = _new(Tensor)
    result._array = array if type(array) is ndarray else np.asarray(array)
    result._grad = None
    result._changed = [0] if changed is None else changed
    result._source = None
    if not pauses or mode.recording:
        edges: list[Edge] = []
        recorded = False
        for t in inputs:
            edge: Any = None if t is None else t._source
            if edge is not None:
                recorded = True
                if edge is LEAF:
                    edge = t
                else:
                    edge.consumers += 1
            edges.append(edge)
        if recorded:
            node = result._source = _new(Node)
            node.age = now()
            node.name_ = name
            node.backward = backward
            node.edges = edges
            node.saved = saved
            node.watched = watched
            node.info = info
            node.consumers = 0
            node.retained = None
    return result


def _view(base: Tensor, array: Array, name: str, backward: Callable[[Node, Array], Sequence[Array | None]]) -> Tensor:
    """Return a Tensor on memory of ``base``; unrecorded, it is a leaf that requires a gradient if the base does."""
    view = _record(array, name, backward, (base,), changed=base._changed)
    if view._source is None and base._source is not None:
        view._source = LEAF
    return view


def _transposed(_: Node, g: Array) -> tuple[Array]:
    return (g.T,)


def _watched(left: Tensor | None, a: Any, right: Tensor | None, b: Any) -> tuple[list[int], ...]:
    """Return what to watch for two operands of which ``a`` and ``b`` are saved: not what is a copy, or None."""
    if left is not None and left._array is a:
        return (left._changed, right._changed) if right is not None and right._array is b else (left._changed,)
    return (right._changed,) if right is not None and right._array is b else ()


def _named(t: Tensor, name: str | None) -> Tensor:
    if name and t.grad_fn is not None:
        t.grad_fn.name_ = name
    return t


def _dimension(dim: int, ndim: int) -> int:
    size = max(ndim, 1)
    if not -size <= dim < size:
        raise IndexError(f"Dimension out of range (expected to be in range of [{-size}, {size - 1}], but got {dim})")
    return dim % size


def _result_dtype(a: Any, b: Any) -> np.dtype[Any]:
    """Return torch's result type: within a category, Tensors with dimensions decide, then 0-d Tensors, then numbers."""
    groups: list[list[dtype]] = [[], [], []]
    for value in (a, b):
        if isinstance(value, Tensor):
            groups[0 if value.ndim else 1].append(value.dtype)
        else:
            groups[2].append(bool_ if isinstance(value, bool) else int64 if isinstance(value, int) else float32)
    best: dtype | None = None
    for group in groups:
        for kind in group:
            if (
                best is None
                or min(kind.rank, 2) > min(best.rank, 2)
                or (group is groups[0] and kind.rank > best.rank)
                or (group is groups[1] and not groups[0] and kind.rank > best.rank)
            ):
                best = kind
    assert best is not None
    return best.numpy


def _as_operand(value: Any) -> Tensor:
    """Return an operand that is no Python number as a Tensor."""
    if isinstance(value, Tensor):
        return value
    if isinstance(value, np.ndarray | np.generic):
        return as_tensor(value)
    raise TypeError(f"operands are Tensors, arrays and numbers, not {type(value).__name__}")


def _need_tensor(function: str, value: Any) -> None:
    if not isinstance(value, Tensor):
        raise TypeError(f"{function}(): argument 'input' must be Tensor, not {type(value).__name__}")


def _operands(a: Any, b: Any) -> tuple[Array, Any, Tensor | None, Tensor | None, bool]:
    """Return both operands in the dtype of the result, a Python number as an array too, and their Tensors.

    The last says that gradients have the shape and dtype of these Tensors as they come; if not, `_sides` is asked.
    """
    if type(a) is Tensor:
        left = a._array
        kind = left.dtype
        if type(b) is Tensor:
            right = b._array
            if kind is right.dtype:
                return left, right, a, b, left.shape == right.shape
        elif (type(b) is float or type(b) is int) and ((kind is _FLOAT32 and -1e38 < b < 1e38) or kind is _FLOAT64):
            return left, np.array(b, kind), a, None, True
    if not isinstance(a, Tensor) and not isinstance(b, Tensor):
        raise TypeError(f"expected a Tensor, not {type(a).__name__} and {type(b).__name__}")
    values, tensors = [], []
    for value in (a, b):
        if not isinstance(value, _NUMBERS):
            value = _as_operand(value)
        values.append(value)
        tensors.append(value if isinstance(value, Tensor) else None)
    kind = _result_dtype(*values)
    arrays = [
        v._array.astype(kind, copy=False) if isinstance(v, Tensor) else _quiet().run(np.array, v, kind) for v in values
    ]
    return arrays[0], arrays[1], tensors[0], tensors[1], False


def _broadcast(a: Any, b: Any) -> None:
    """Raise torch's error where shapes cannot be broadcast together."""
    for i, (m, n) in enumerate(zip(reversed(a.shape), reversed(b.shape), strict=False), 1):
        if m != n and m != 1 and n != 1:
            dim = max(a.ndim, b.ndim) - i
            raise RuntimeError(
                f"The size of tensor a ({m}) must match the size of tensor b ({n}) at non-singleton dimension {dim}"
            )


_QUIET = contextvars.Context()
_QUIET.run(np.seterr, all="ignore")
_quiet = _QUIET.copy
"""Return a context in which NumPy does not warn of overflow and the like, as torch does not.

``_quiet().run(function, *arguments)`` does what np.errstate would do around the call, at a tenth of its cost: NumPy 2
keeps the error state in a context variable.
"""


def _elementwise(function: Callable[[Any, Any], Any], a: Any, b: Any) -> Any:
    try:
        return _quiet().run(function, a, b)
    except ValueError:
        _broadcast(a, b)
        raise


def _summed_to(g: Array, shape: tuple[int, ...], kind: np.dtype[Any]) -> Array:
    if g.shape != shape:
        if g.ndim == 2 and shape in ((g.shape[1],), (1, g.shape[1])):
            one = np.broadcast_to(np.ones((), g.dtype), (1, len(g)))
            g = kernels.matmul(one, g).reshape(shape)
        else:
            lead = g.ndim - len(shape)
            stretched = tuple(lead + i for i, n in enumerate(shape) if n == 1 and g.shape[lead + i] != 1)
            g = np.asarray(g.sum(axis=(*range(lead), *stretched), keepdims=True)).reshape(shape)
    return g if g.dtype == kind else g.astype(kind)


Side: TypeAlias = tuple[tuple[int, ...], np.dtype[Any]] | None


def _sides(result: Array, left: Tensor | None, right: Tensor | None) -> tuple[Side, Side] | None:
    """Return shape and dtype of both inputs, to which gradients are brought; None where all are the result's."""
    shape, kind = result.shape, result.dtype
    if (left is None or (left._array.shape == shape and left._array.dtype is kind)) and (
        right is None or (right._array.shape == shape and right._array.dtype is kind)
    ):
        return None
    return _side(left), _side(right)


def _side(t: Tensor | None) -> Side:
    return None if t is None else (t._array.shape, t._array.dtype)


def _to(g: Any, info: tuple[Side, Side] | None, side: int) -> Array | None:
    """Return a gradient in shape and dtype of an input."""
    if info is None:
        return np.asarray(g)
    own = info[side]
    return None if own is None else _summed_to(np.asarray(g), *own)


def _in_float(a: Array) -> Array:
    """Return a in a floating dtype."""
    return a if a.dtype is _FLOAT32 or a.dtype is _FLOAT64 else a.astype(_FLOAT32)


def _add_backward(node: Node, g: Array) -> tuple[Array | None, ...]:
    return _to(g, node.info, 0), _to(g, node.info, 1)


def _scaled(other: Any, alpha: Number, *operands: Any) -> Any:
    """Return alpha * other; backward needs nothing saved, so it can be gone through twice."""
    if isinstance(alpha, bool):
        raise RuntimeError("Boolean alpha only supported for Boolean results.")
    floating = any(isinstance(v, float) or (isinstance(v, Tensor) and v.dtype.is_floating_point) for v in operands)
    if isinstance(alpha, float) and not floating:
        raise RuntimeError("For integral input tensors, argument alpha must not be a floating point number.")
    if not isinstance(other, Tensor):
        return other * alpha
    a, b, source, *_ = _operands(other, alpha)
    return _record(_elementwise(np.multiply, a, b), "MulBackward0", lambda _, g: (g * b,), (source,))


def add(input: Any, other: Any, *, alpha: Number = 1) -> Tensor:
    """Return input + alpha * other, broadcast."""
    if alpha != 1 or alpha is True:
        other = _scaled(other, alpha, input, other)
    a, b, left, right, alike = _operands(input, other)
    real = REALS.get(a.dtype)
    if left is None or right is None or real is None:
        result = _elementwise(np.add, a, b)
    else:
        try:
            result = kernels.add_typed(real, a, b)
        except ValueError:
            _broadcast(a, b)
            raise
    return _record(
        result, "AddBackward0", _add_backward, (left, right), (), None if alike else _sides(result, left, right)
    )


def _sub_backward(node: Node, g: Array) -> tuple[Array | None, ...]:
    return _to(g, node.info, 0), _to(-g, node.info, 1) if node.edges[1] is not None else None


def sub(input: Any, other: Any, *, alpha: Number = 1) -> Tensor:
    """Return input - alpha * other, broadcast."""
    for value in (input, other):
        if isinstance(value, bool) or (isinstance(value, Tensor) and value.dtype is bool_):
            raise RuntimeError(
                "Subtraction, the `-` operator, with a bool tensor is not supported. If you are trying to invert a "
                "mask, use the `~` or `logical_not()` operator instead."
            )
    if alpha != 1 or isinstance(alpha, bool):
        other = _scaled(other, alpha, input, other)
    a, b, left, right, alike = _operands(input, other)
    result = _elementwise(np.subtract, a, b)
    return _record(
        result, "SubBackward0", _sub_backward, (left, right), (), None if alike else _sides(result, left, right)
    )


def _reciprocal(input: Tensor) -> Tensor:
    """Return 1 / input."""
    result = _elementwise(np.true_divide, 1, _in_float(input._array))
    kind = input._array.dtype

    def backward(node: Node, g: Array) -> tuple[Array]:
        (r,) = node.arrays()
        return ((-g * (r * r)).astype(kind, copy=False),)

    changed = [0]
    return _record(result, "ReciprocalBackward0", backward, (input,), (result,), None, (changed,), changed)


def _needs(t: Tensor | None) -> bool:
    return t is not None and t._source is not None


def _mul_backward(node: Node, g: Array) -> tuple[Array | None, ...]:
    a, b = node.arrays()
    return None if b is None else _to(g * b, node.info, 0), None if a is None else _to(g * a, node.info, 1)


def mul(input: Any, other: Any) -> Tensor:
    """Return input * other, broadcast."""
    a, b, left, right, alike = _operands(input, other)
    result = _elementwise(np.multiply, a, b)
    saved = (a if _needs(right) else None, b if _needs(left) else None)
    return _record(
        result, "MulBackward0", _mul_backward, (left, right), saved, None if alike else _sides(result, left, right),
        _watched(left, saved[0], right, saved[1]),
    )  # fmt: skip


def _div_backward(node: Node, g: Array) -> tuple[Array | None, ...]:
    a, b = node.arrays()
    numerator = _to(g / b, node.info, 0) if node.edges[0] is not None else None
    return numerator, None if a is None else _to(-g * ((a / b) / b), node.info, 1)


def _rounded_quotient(a: Any, b: Any, mode: str) -> Any:
    """Return a / b rounded toward zero or down, in the dtype of a."""
    if a.dtype.kind == "b":
        _left_out("a rounded quotient of bools")
    if a.dtype.kind == "f":
        quotient = _elementwise(np.true_divide if mode == "trunc" else np.floor_divide, a, b)
        return np.trunc(quotient) if mode == "trunc" else quotient
    if not np.all(b):
        raise RuntimeError("ZeroDivisionError")
    quotient = _elementwise(np.floor_divide, a, b)
    return quotient + ((quotient < 0) & (quotient * b != a)) if mode == "trunc" else quotient


def div(input: Any, other: Any, *, rounding_mode: str | None = None) -> Tensor:
    """Return input / other, broadcast; of integers in float32. The gradient of a rounded quotient is 0."""
    a, b, left, right, alike = _operands(input, other)
    if rounding_mode is not None:
        if rounding_mode not in ("trunc", "floor"):
            raise RuntimeError(
                f"div expected rounding_mode to be one of None, 'trunc', or 'floor' but found {rounding_mode!r}"
            )
        result = _rounded_quotient(a, b, rounding_mode)
        return _record(
            result, "DivBackward2", lambda node, g: [_to(g * 0, node.info, i) for i in (0, 1)], (left, right),
            info=None if alike else _sides(result, left, right),
        )  # fmt: skip
    if a.dtype not in REALS:
        a, b = _in_float(a), _in_float(b)
    result = _elementwise(np.true_divide, a, b)
    saved = (a if _needs(right) else None, b)
    return _record(
        result, "DivBackward0", _div_backward, (left, right), saved, None if alike else _sides(result, left, right),
        () if right is None else _watched(left, saved[0], right, b),
    )  # fmt: skip


def _pow_scalar_backward(node: Node, g: Array) -> tuple[Array]:
    (a,) = node.arrays()
    exponent = node.info
    if exponent == 0:
        return (np.zeros_like(a),)
    return (np.asarray(g * (exponent * a ** (exponent - 1))),)


def _pow_backward(node: Node, g: Array) -> tuple[Array | None, ...]:
    a, b, result = node.arrays()
    zero, one = g.dtype.type(0), g.dtype.type(1)
    base = power = None
    if node.edges[0] is not None:
        base = _to(np.where(b == 0, zero, g * (b * a ** (b - one))), node.info, 0)
    if node.edges[1] is not None:
        power = _to(g * np.where((a == 0) & (b >= 0), zero, result * np.log(a)), node.info, 1)
    return base, power


def pow(input: Any, exponent: Any) -> Tensor:
    """Return input ** exponent, broadcast; one of both may be a number."""
    if isinstance(input, Tensor) and isinstance(exponent, _NUMBERS):
        a = input._array
        if a.dtype not in REALS:
            a = _operands(input, exponent)[0]
            if a.dtype.kind == "b":
                _left_out("a power of bools")
            if exponent < 0 and a.dtype.kind != "f":
                raise RuntimeError("Integers to negative integer powers are not allowed.")
        result = _quiet().run(operator.pow, a, exponent)
        return _record(result, "PowBackward0", _pow_scalar_backward, (input,), (a,), exponent, (input._changed,))
    a, b, left, right, alike = _operands(input, exponent)
    if a.dtype.kind == "b":
        _left_out("a power of bools")
    result = _elementwise(np.power, a, b)
    name = "PowBackward1" if left is not None else "PowBackward2"
    changed = [0]
    return _record(
        result, name, _pow_backward, (left, right), (a, b, result), None if alike else _sides(result, left, right),
        (*_watched(left, a, right, b), changed), changed,
    )  # fmt: skip


def neg(input: Tensor) -> Tensor:
    """Return -input."""
    _need_tensor("neg", input)
    if input.dtype is bool_:
        raise RuntimeError(
            "Negation, the `-` operator, on a bool tensor is not supported. If you are trying to invert a mask, use "
            "the `~` or `logical_not()` operator instead."
        )
    return _record(np.negative(input._array), "NegBackward0", lambda _, g: (-g,), (input,))


def _check_reduction(function: str, dim: Any, keepdim: Any, left_out: dict[str, Any]) -> None:
    """Raise for keywords that the subset leaves out, and for arguments of types that torch refuses."""
    for name in left_out:
        _left_out(f"{function}({name}=...)")
    if not isinstance(keepdim, bool):
        raise TypeError(f"{function}(): argument 'keepdim' must be bool, not {type(keepdim).__name__}")
    if dim is ... and keepdim:
        raise TypeError(f"{function}() received an invalid combination of arguments: keepdim without dim")
    for d in dim if isinstance(dim, tuple | list) else (dim,):
        if isinstance(d, bool) or not (d is None or d is ... or isinstance(d, int | np.integer)):
            raise TypeError(f"{function}(): argument 'dim' must be an int or a tuple of ints, not {d!r}")


def _axes(dim: Any, ndim: int) -> tuple[int, ...]:
    dims = () if dim is None else tuple(dim) if isinstance(dim, Sequence) else (dim,)
    axes = tuple(_dimension(d, ndim) for d in dims)
    if len(set(axes)) != len(axes):
        raise RuntimeError("dim appears multiple times in the list of dims")
    return tuple(range(ndim)) if not axes or ndim == 0 else axes


def _spread(g: Array, shape: tuple[int, ...], axes: tuple[int, ...] | None) -> Array:
    """Return the gradient of a sum for every term."""
    if axes is not None:
        g = g.reshape(tuple(1 if i in axes else n for i, n in enumerate(shape)))
    return np.broadcast_to(g, shape)


def _sum_backward(node: Node, g: Array) -> tuple[Array]:
    return (_spread(g, *node.info),)


_total: Callable[..., Any] = np.add.reduce


def sum(input: Tensor, dim: Any = ..., keepdim: bool = False, **left_out: Any) -> Tensor:
    """Return the sum over one, several or all dimensions; of integers in int64."""
    if type(input) is not Tensor:
        _need_tensor("sum", input)
    a = input._array
    if dim is ... and keepdim is False and not left_out:
        kind = a.dtype
        result = empty((), kind if kind in REALS else np.int64)
        _quiet().run(_total, a, None, None, result)
        return _record(result, "SumBackward0", _sum_backward, (input,), (), (a.shape, None))
    _check_reduction("sum", dim, keepdim, left_out)
    axes = _axes(dim, a.ndim)
    result = np.asarray(_quiet().run(a.sum, axes, keepdims=keepdim))
    return _record(result, "SumBackward1", _sum_backward, (input,), info=(a.shape, axes))


def _mean_backward(node: Node, g: Array) -> tuple[Array]:
    shape, axes, count = node.info
    return (_spread(np.asarray(g / g.dtype.type(count)), shape, axes),)


def mean(input: Tensor, dim: Any = ..., keepdim: bool = False, **left_out: Any) -> Tensor:
    """Return the mean over one, several or all dimensions."""
    _need_tensor("mean", input)
    _check_reduction("mean", dim, keepdim, left_out)
    a = input._array
    if a.dtype.kind != "f":
        raise RuntimeError(
            "mean(): could not infer output dtype. Input dtype must be either a floating point or complex dtype. "
            f"Got: {input.dtype.title}"
        )
    axes = None if dim is ... else _axes(dim, a.ndim)
    count = math.prod(a.shape if axes is None else [a.shape[i] for i in axes])
    result = _elementwise(np.true_divide, _quiet().run(a.sum, axes, keepdims=keepdim), a.dtype.type(count))
    name = "MeanBackward0" if axes is None else "MeanBackward1"
    return _record(result, name, _mean_backward, (input,), info=(a.shape, axes, count))


def _sigmoid_backward(node: Node, g: Array) -> tuple[Array]:
    z, y = node.arrays()
    if node.info[0] > node.age:  # the input was changed in place: torch needs the output only, and this is its formula
        return (np.asarray(g * (z * (z.dtype.type(1) - z))),)
    return (kernels.sigmoid_backward(g, y),)


def sigmoid(input: Tensor) -> Tensor:
    """Return 1 / (1 + exp(-input)) of each element."""
    if type(input) is not Tensor:
        _need_tensor("sigmoid", input)
    y = _in_float(input._array)
    z = kernels.sigmoid_typed(REALS[y.dtype], y)
    changed = [0]
    return _record(z, "SigmoidBackward0", _sigmoid_backward, (input,), (z, y), input._changed, (changed,), changed)


def t(input: Tensor) -> Tensor:
    """Return a matrix transposed; fewer dimensions as they are."""
    _need_tensor("t", input)
    if input.ndim > 2:
        raise RuntimeError(f"t() expects a tensor with <= 2 dimensions, but self is {input.ndim}D")
    return _view(input, input._array.T, "TBackward0", _transposed)


def _mm_backward(node: Node, g: Array) -> tuple[Array | None, ...]:
    a, b = node.arrays()
    return (
        kernels.matmul(g, b.T) if node.edges[0] is not None else None,
        kernels.matmul(a.T, g) if node.edges[1] is not None else None,
    )


def mm(input: Tensor, mat2: Tensor) -> Tensor:
    """Return the product of two matrices."""
    if type(input) is not Tensor or type(mat2) is not Tensor:
        _need_tensor("mm", input)
        _need_tensor("mm", mat2)
    a, b = input._array, mat2._array
    kind = a.dtype
    try:
        result = kernels.matmul_typed(REALS[kind], a, b) if kind is b.dtype else kernels.matmul(a, b)
    except (KeyError, TypeError, ValueError):
        if a.ndim != 2 or b.ndim != 2:
            raise RuntimeError(f"{'self' if a.ndim != 2 else 'mat2'} must be a matrix") from None
        _check_product(input, mat2)
        raise RuntimeError(f"mat1 and mat2 shapes cannot be multiplied ({_by(a)} and {_by(b)})") from None
    watched = (
        input._changed if mat2._source is not None else _NEVER,
        mat2._changed if input._source is not None else _NEVER,
    )
    return _record(result, "MmBackward0", _mm_backward, (input, mat2), (a, b), None, watched)


def _check_product(a: Tensor, b: Tensor) -> None:
    if a.dtype is not b.dtype:
        names = {"float32": "float", "float64": "double", "int64": "long int", "bool": "bool"}
        raise RuntimeError(
            f"expected m1 and m2 to have the same dtype, but got: {names[a.dtype.name]} != {names[b.dtype.name]}"
        )
    if not a.dtype.is_floating_point:
        _left_out(f"a matrix product of {a.dtype}")


def _product(a: Array, b: Array) -> Array:
    """Return the product of stacks of matrices (..., m, k) and (..., k, n)."""
    if a.ndim == 2 and b.ndim == 2:
        return kernels.matmul(a, b)
    if b.ndim == 2:
        rows = math.prod(a.shape[:-1])
        return kernels.matmul(a.reshape(rows, a.shape[-1]), b).reshape(*a.shape[:-1], b.shape[1])
    batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    a, b = np.broadcast_to(a, (*batch, *a.shape[-2:])), np.broadcast_to(b, (*batch, *b.shape[-2:]))
    result = np.empty((*batch, a.shape[-2], b.shape[-1]), a.dtype)
    for i in np.ndindex(batch):
        kernels.matmul(a[i], b[i], out=result[i])
    return result


def _matmul_backward(node: Node, g: Array) -> tuple[Array | None, ...]:
    a, b = node.arrays()
    left, right = node.info
    a2, b2 = a[None] if a.ndim == 1 else a, b[:, None] if b.ndim == 1 else b
    if a.ndim == 1:
        g = g[..., None, :] if b.ndim > 1 else g[None]
    if b.ndim == 1:
        g = g[..., None]
    parts: list[Array | None] = [None, None]
    if node.edges[0] is not None:
        parts[0] = _summed_to(_product(g, b2.swapaxes(-1, -2)), a2.shape, left[1]).reshape(left[0])
    if node.edges[1] is not None:
        parts[1] = _summed_to(_product(a2.swapaxes(-1, -2), g), b2.shape, right[1]).reshape(right[0])
    return tuple(parts)


def matmul(input: Any, other: Any) -> Tensor:
    """Return the product of vectors, matrices or batches of matrices, by their numbers of dimensions as in torch."""
    for value in (input, other):
        if isinstance(value, _NUMBERS):
            raise TypeError(f"matmul(): argument must be Tensor, not {type(value).__name__}")
    left, right = _as_operand(input), _as_operand(other)
    a, b = left._array, right._array
    if a.ndim == 2 and b.ndim == 2:
        return mm(left, right)
    if a.ndim == 0 or b.ndim == 0:
        raise RuntimeError(f"both arguments to matmul need to be at least 1D, but they are {a.ndim}D and {b.ndim}D")
    _check_product(left, right)
    a2, b2 = a[None] if a.ndim == 1 else a, b[:, None] if b.ndim == 1 else b
    if a2.shape[-1] != b2.shape[-2]:
        if a.ndim == 1 and b.ndim == 1:
            raise RuntimeError(
                f"inconsistent tensor size, expected tensor [{len(a)}] and src [{len(b)}] to have the same number of "
                f"elements, but got {len(a)} and {len(b)} elements respectively"
            )
        if a.ndim == 2 and b.ndim == 1:
            raise RuntimeError(f"size mismatch, got input ({len(a)}), mat ({_by(a)}), vec ({len(b)})")
        raise RuntimeError(f"mat1 and mat2 shapes cannot be multiplied ({_by(a2)} and {_by(b2)})")
    _broadcast(np.empty(a2.shape[:-2]), np.empty(b2.shape[:-2]))
    result = _product(a2, b2)
    result = result.reshape(_matmul_shape(result.shape, a.ndim == 1, b.ndim == 1))
    watched = _watched(left, a if right._source is not None else None, right, b if left._source is not None else None)
    return _record(
        result, _matmul_name(left, right), _matmul_backward, (left, right),
        (a, b), ((a.shape, a.dtype), (b.shape, b.dtype)), watched,
    )  # fmt: skip


def _by(a: Array) -> str:
    return f"{math.prod(a.shape[:-1])}x{a.shape[-1]}"


def _matmul_shape(shape: tuple[int, ...], no_rows: bool, no_columns: bool) -> tuple[int, ...]:
    head, rows, columns = shape[:-2], shape[-2], shape[-1]
    return (*head, *(() if no_rows else (rows,)), *(() if no_columns else (columns,)))


def _matmul_name(a: Tensor, b: Tensor) -> str:
    """Return the name of the last of the operations that torch composes matmul of."""
    if b.ndim == 1 and a.ndim <= 2:
        return "DotBackward0" if a.ndim == 1 else "MvBackward0"
    if a.ndim == 1 and b.ndim == 2:
        return "SqueezeBackward4"
    if a.ndim == 2 and a.requires_grad:
        return (
            "CloneBackward0" if a.shape[0] > 1 and a.numel() and b.shape[-1] > 1 and b.numel() else "TransposeBackward0"
        )
    return "UnsafeViewBackward0"


def _dense_sigmoid_backward(node: Node, dz: Array) -> Sequence[Array | None]:
    wrt = tuple(name for name, edge in zip("xwb", node.edges, strict=True) if edge is not None)
    x, w, y = node.arrays()
    dx, dw, db = kernels.dense_sigmoid_backward(dz, x, w, y, wrt=wrt)
    return dx, dw, None if db is None else db.reshape(node.info)


def dense_sigmoid(x: Tensor, w: Tensor, b: Tensor) -> Tensor:
    """Return sigmoid(x @ w + b) by the fused kernel, as one node of the graph; b is (c,) or (1, c)."""
    for value in (x, w, b):
        _need_tensor("dense_sigmoid", value)
    arrays = (x._array, w._array, b._array)
    y = None
    if mode.recording and (x.requires_grad or w.requires_grad or b.requires_grad):
        y = np.empty((*arrays[0].shape[:1], *arrays[1].shape[1:]), arrays[0].dtype)
    try:
        z = kernels.dense_sigmoid(*arrays, preactivation=y)
    except (TypeError, ValueError) as error:
        raise RuntimeError(str(error)) from None
    return _record(
        z, "DenseSigmoidBackward0", _dense_sigmoid_backward, (x, w, b),
        (arrays[0], arrays[1], y), arrays[2].shape, (x._changed, w._changed),
    )  # fmt: skip


def _augmented(function: Callable[[Any, Any], Tensor]) -> Callable[..., Tensor]:
    """Return the operator that does an operation in place."""
    return lambda input, other: input._in_place(function, other)


class Tensor:
    """An array that remembers how it was computed. Made by `tensor`, `zeros`, `ones`, `from_numpy` and operations."""

    __slots__ = ("__weakref__", "_array", "_changed", "_grad", "_source")
    __array_ufunc__ = None  # so that ndarray + Tensor asks Tensor
    __hash__ = object.__hash__

    _array: Array
    _source: Source  # where its gradient goes: to the node that made it, to itself (LEAF), or nowhere (None)
    _grad: Tensor | None
    _changed: list[int]  # when it was last changed in place; shared by all Tensors on the same memory

    def __init__(self, *_: object, **__: object) -> None:
        _left_out("the constructor Tensor(...); use tensor(data)")

    @staticmethod
    def _wrap(array: Array, changed: list[int] | None = None) -> Tensor:
        self = _new(Tensor)
        self._array = array if type(array) is ndarray else np.asarray(array)
        self._source = None
        self._grad = None
        self._changed = [0] if changed is None else changed
        return self

    # What it is

    @property
    def shape(self) -> Size:
        """The number of elements along each dimension."""
        return Size(self._array.shape)

    @property
    def dtype(self) -> dtype:
        """The element type."""
        return _DTYPES[self._array.dtype]

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        return self._array.ndim

    def dim(self) -> int:
        """Return the number of dimensions."""
        return self._array.ndim

    def numel(self) -> int:
        """Return the number of elements."""
        return self._array.size

    def size(self, dim: int | None = None) -> Any:
        """Return the shape, or the number of elements along one dimension."""
        return self.shape if dim is None else self._array.shape[_dimension(dim, self.ndim)]

    def __len__(self) -> int:
        if self.ndim == 0:
            raise TypeError("len() of a 0-d tensor")
        return len(self._array)

    def __repr__(self) -> str:
        name = self.grad_fn.name() if self.grad_fn else None
        default = self.dtype in (float32, int64, bool_)
        return text_of(self._array, None if default else repr(self.dtype), name, self.requires_grad)

    def __format__(self, specification: str) -> str:
        return format(self.item(), specification) if self.ndim == 0 else object.__format__(self, specification)

    # The graph

    @property
    def requires_grad(self) -> bool:
        """Whether operations on it are recorded, so that its gradient can be computed."""
        return self._source is not None

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        if not self.is_leaf:
            if not value:
                raise RuntimeError(
                    "you can only change requires_grad flags of leaf variables. If you want to use a computed variable "
                    "in a subgraph that doesn't require differentiation use var_no_grad = var.detach()."
                )
            return
        if value and not self.dtype.is_floating_point:
            raise RuntimeError("Only Tensors of floating point and complex dtype can require gradients")
        self._source = LEAF if value else None

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Set requires_grad and return the Tensor."""
        self.requires_grad = requires_grad
        return self

    @property
    def grad_fn(self) -> Node | None:
        """The operation that made it; None for a leaf."""
        return None if self._source is LEAF else self._source

    @property
    def is_leaf(self) -> bool:
        """Whether it was made by the user and not by a recorded operation."""
        return self._source is None or self._source is LEAF

    @property
    def grad(self) -> Tensor | None:
        """The gradient accumulated by `backward`; None before the first."""
        if self._grad is None and not self.is_leaf and not self.retains_grad:
            warnings.warn(
                "The .grad attribute of a Tensor that is not a leaf Tensor is being accessed. Its .grad attribute "
                "won't be populated during autograd.backward(). If you indeed want the .grad field to be populated for "
                "a non-leaf Tensor, use .retain_grad() on the non-leaf Tensor.",
                UserWarning,
                stacklevel=2,
            )
        return self._grad

    @grad.setter
    def grad(self, value: Tensor | None) -> None:
        if value is not None:
            if not isinstance(value, Tensor):
                raise TypeError(
                    f"assigned grad expected to be a Tensor or None but got grad of type {type(value).__name__}"
                )
            if value._array.shape != self._array.shape:
                raise RuntimeError(
                    f"assigned grad has data of a different size: {list(value.shape)}, not {list(self.shape)}"
                )
            if value._array.dtype != self._array.dtype:
                raise RuntimeError(f"assigned grad has dtype {value.dtype}, expected {self.dtype}")
        self._grad = value

    @grad.deleter
    def grad(self) -> None:
        self._grad = None

    @property
    def retains_grad(self) -> bool:
        """Whether `retain_grad` was called on a Tensor that is no leaf."""
        return self.grad_fn is not None and self.grad_fn.retained is not None

    def retain_grad(self) -> None:
        """Have `backward` set grad although this is no leaf."""
        if self._source is None:
            raise RuntimeError("can't retain_grad on Tensor that has requires_grad=False")
        if self.grad_fn is not None:
            self.grad_fn.retained = weakref.ref(self)

    def backward(
        self,
        gradient: Tensor | None = None,
        retain_graph: bool | None = None,
        create_graph: bool = False,
        inputs: object = None,
    ) -> None:
        """Add the gradient of this Tensor by every leaf that it depends on to the leaf's grad.

        Parameters
        ----------
        gradient
            The gradient by this Tensor, of its shape; a scalar needs none.
        retain_graph
            Keep what was saved, so that backward can be called again.
        """
        if create_graph:
            _left_out("backward(create_graph=True)")
        if inputs is not None:
            _left_out("backward(inputs=...)")
        source = self._source
        if source is None:
            raise RuntimeError("element 0 of tensors does not require grad and does not have a grad_fn")
        if gradient is None:
            if self._array.size != 1:
                raise RuntimeError("grad can be implicitly created only for scalar outputs")
            seed = _ONES[self._array.dtype] if self._array.ndim == 0 else np.ones_like(self._array)
        else:
            if not isinstance(gradient, Tensor):
                raise TypeError(f"gradients can be either Tensors or None, but got {type(gradient).__name__}")
            if gradient._array.shape != self._array.shape:
                raise RuntimeError(
                    f"Mismatch in shape: grad_output[0] has a shape of {gradient.shape} and output[0] has a shape of "
                    f"{self.shape}."
                )
            seed = gradient._array.astype(self._array.dtype, copy=False)
        if source is LEAF:
            _quiet().run(accumulate, {self: seed.copy()})
        else:
            _quiet().run(_backward, source, seed, bool(retain_graph))

    def detach(self) -> Tensor:
        """Return a Tensor on the same memory that is no part of the graph."""
        return Tensor._wrap(self._array, changed=self._changed)

    def clone(self) -> Tensor:
        """Return a copy; its gradient reaches this Tensor."""
        return _record(self._array.copy(), "CloneBackward0", lambda _, g: (g,), (self,))

    # Other representations

    def item(self) -> Any:
        """Return the one element as a Python number."""
        if self._array.size != 1:
            raise RuntimeError(f"a Tensor with {self._array.size} elements cannot be converted to Scalar")
        return self._array.item()

    def tolist(self) -> Any:
        """Return nested lists of Python numbers, or a number."""
        return self._array.tolist()

    def numpy(self) -> Array:
        """Return an ndarray on the same memory."""
        if self.requires_grad and mode.recording:
            raise RuntimeError("Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead.")
        return self._array.view()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return np.array(self.numpy(), dtype=dtype, copy=copy)

    def __dlpack__(self, **keywords: Any) -> Any:
        if self.requires_grad:
            raise BufferError("Can't export tensors that require gradient, use tensor.detach()")
        return self._array.__dlpack__(**keywords)

    def __dlpack_device__(self) -> Any:
        return self._array.__dlpack_device__()

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __index__(self) -> int:
        if self.dtype.is_floating_point or self._array.size != 1:
            raise TypeError("only integer tensors of a single element can be converted to an index")
        return int(self.item())

    def __bool__(self) -> bool:
        if self._array.size != 1:
            which = "no values" if self._array.size == 0 else "more than one value"
            raise RuntimeError(f"Boolean value of Tensor with {which} is ambiguous")
        return bool(self.item())

    def __reduce__(self) -> Any:
        return _rebuild, (self._array, self.requires_grad)

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        if not self.is_leaf:
            raise RuntimeError(
                "Only Tensors created explicitly by the user (graph leaves) support the deepcopy protocol at the "
                "moment."
            )
        if id(self) not in memo:
            copy = _rebuild(self._array.copy(), self.requires_grad)
            copy._grad = None if self._grad is None else self._grad.__deepcopy__(memo)
            memo[id(self)] = copy
        result: Tensor = memo[id(self)]
        return result

    # Arithmetic

    __add__ = __radd__ = add
    __sub__ = sub
    __mul__ = __rmul__ = mul
    __truediv__ = div
    __pow__ = pow
    __matmul__ = matmul
    __neg__ = neg

    def __rsub__(self, other: Any) -> Tensor:
        return _named(sub(other, self), "RsubBackward1" if isinstance(other, _NUMBERS) else None)

    def __rtruediv__(self, other: Any) -> Tensor:
        if isinstance(other, _NUMBERS):  # as torch does
            return mul(_reciprocal(self), other)
        return div(other, self)

    def __rpow__(self, other: Any) -> Tensor:
        return pow(other, self)

    def __rmatmul__(self, other: Any) -> Tensor:
        return matmul(other, self)

    def __pos__(self) -> Tensor:
        return self

    def _operator_left_out(self, *_: object) -> NoReturn:
        _left_out("the operator (//, %, ~, &, |, ^, <<, >> or abs)")

    __floordiv__ = __rfloordiv__ = __mod__ = __rmod__ = __invert__ = __abs__ = _operator_left_out
    __and__ = __rand__ = __or__ = __ror__ = __xor__ = __rxor__ = _operator_left_out
    __lshift__ = __rlshift__ = __rshift__ = __rrshift__ = _operator_left_out

    sum = sum
    mean = mean
    sigmoid = sigmoid
    mm = mm
    matmul = matmul
    pow = pow
    t = t

    @property
    def T(self) -> Tensor:
        """The Tensor with its dimensions reversed."""
        return _view(self, self._array.T, "PermuteBackward0", _transposed)

    # Comparison, elementwise

    def __eq__(self, other: object) -> Any:
        return _compare(np.equal, self, other)

    def __ne__(self, other: object) -> Any:
        return _compare(np.not_equal, self, other)

    def __lt__(self, other: Any) -> Any:
        return _compare(np.less, self, other)

    def __le__(self, other: Any) -> Any:
        return _compare(np.less_equal, self, other)

    def __gt__(self, other: Any) -> Any:
        return _compare(np.greater, self, other)

    def __ge__(self, other: Any) -> Any:
        return _compare(np.greater_equal, self, other)

    # Reading elements

    def __getitem__(self, index: Any) -> Tensor:
        view, pick, name = _index(index, self)
        shape, kind = self._array.shape, self._array.dtype

        def backward(node: Node, g: Array) -> tuple[Array]:
            whole = np.zeros(shape, kind)
            if pick is None:
                whole[view] = g
            else:
                node.arrays()  # torch's has saved the indices: they are freed too
                np.add.at(whole[view], pick, g)
            return (whole,)

        try:
            part = self._array[view]
            if pick is not None:
                part = part[pick]
        except IndexError as error:
            raise IndexError(str(error).replace("axis", "dimension")) from None
        return _view(self, part, name, backward) if pick is None else _record(part, name, backward, (self,), (pick,))

    def __iter__(self) -> Iterator[Tensor]:
        if self.ndim == 0:
            raise TypeError("iteration over a 0-d tensor")
        return (_named(self[i], "UnbindBackward0") for i in range(len(self)))

    def __contains__(self, value: Any) -> bool:
        return bool(np.any(_compare(np.equal, self, value)._array))

    def __reversed__(self) -> NoReturn:
        _left_out("reversed()")

    def __setitem__(self, index: Any, value: Any) -> NoReturn:
        _left_out("assigning to elements")

    # Changes in place

    def _change(self, array: Array) -> None:
        """Take over the values of ``array``."""
        self._array[...] = array
        self._changed[0] = now()

    def _in_place(self, function: Callable[[Any, Any], Tensor], other: Any) -> Tensor:
        _check_in_place(self, other)
        if isinstance(other, Tensor) and _overlaps(self._array, other._array):
            raise RuntimeError(
                "unsupported operation: some elements of the input tensor and the written-to tensor refer to a single "
                "memory location. Please clone() the tensor before performing the operation."
            )
        with no_grad():
            result = function(self, other)
        if result._array.shape != self._array.shape:
            raise RuntimeError(
                f"output with shape {list(self.shape)} doesn't match the broadcast shape {list(result.shape)}"
            )
        if (
            result.dtype.is_floating_point and not self.dtype.is_floating_point
        ) or self.dtype is bool_ is not result.dtype:
            raise RuntimeError(
                f"result type {result.dtype.title} can't be cast to the desired output type {self.dtype.title}"
            )
        self._change(result._array)
        return self

    __iadd__ = _augmented(add)
    __isub__ = _augmented(sub)
    __imul__ = _augmented(mul)
    __itruediv__ = _augmented(div)
    __ipow__ = _augmented(pow)

    def add_(self, other: Any, *, alpha: Number = 1) -> Tensor:
        """Add in place."""
        return self._in_place(lambda a, b: add(a, b, alpha=alpha), other)

    def sub_(self, other: Any, *, alpha: Number = 1) -> Tensor:
        """Subtract in place."""
        return self._in_place(lambda a, b: sub(a, b, alpha=alpha), other)

    def mul_(self, other: Any) -> Tensor:
        """Multiply in place."""
        return self._in_place(mul, other)

    def div_(self, other: Any) -> Tensor:
        """Divide in place."""
        return self._in_place(div, other)

    def zero_(self) -> Tensor:
        """Set all elements to 0."""
        _check_in_place(self, None)
        self._change(np.zeros((), self._array.dtype))
        return self


def _backward(root: Node, seed: Array, retain_graph: bool) -> None:
    accumulate(run(root, seed, retain_graph))


class no_grad:
    """Context, or decorator, in which operations of this thread are not recorded."""

    _before: list[bool]  # as often as it is entered

    def __new__(cls, function: Callable[..., Any] | None = None) -> Any:
        """Return a context; for a function, as a decorator without parentheses gives it, the function decorated."""
        self = super().__new__(cls)
        self._before = []
        return self if function is None else self(function)

    def __enter__(self) -> None:
        pauses.append(self)
        self._before.append(mode.recording)
        mode.recording = False

    def __exit__(self, *_: object) -> None:
        mode.recording = self._before.pop()
        pauses.remove(self)

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return ``function``, run without recording."""
        if inspect.isgeneratorfunction(function):
            _left_out("no_grad() around a generator function")

        @functools.wraps(function)
        def without(*arguments: Any, **keywords: Any) -> Any:
            with no_grad():
                return function(*arguments, **keywords)

        return without


# Making Tensors


def _checked_dtype(kind: dtype | None) -> np.dtype[Any] | None:
    if kind is None:
        return None
    if not isinstance(kind, dtype):
        raise TypeError(f"dtype must be one of pygrad's {', '.join(map(repr, _DTYPES.values()))}, not {kind!r}")
    return kind.numpy


def _as_array(data: Any, kind: np.dtype[Any] | None) -> Array:
    """Return data in one of the dtypes: Python floats become float32, as in torch."""
    if isinstance(data, Tensor):
        data = data.detach()._array
    elif not isinstance(data, np.ndarray | np.generic):
        _check_nesting(data)
        values = np.array(data)
        if values.dtype == object or values.dtype.kind in "USV":
            raise TypeError(f"new(): invalid data type {type(data).__name__!r}")
        if kind is None and values.dtype == _FLOAT64:
            kind = _dtype_of_floats(data)
        data = values.astype(_FLOAT32) if values.size == 0 and kind is None else values
    elif isinstance(data, np.ndarray) and any(stride < 0 for stride in data.strides):
        raise ValueError(
            "At least one stride in the given numpy array is negative, and tensors with negative strides are not "
            "currently supported. (You can probably work around this by making a copy of your array  with "
            "array.copy().) "
        )
    array = np.asarray(data, dtype=kind)
    if array.dtype not in _DTYPES or not array.dtype.isnative:
        raise TypeError(
            f"{array.dtype} is not in pygrad's subset of PyTorch: convert to float32, float64, int64 or bool first"
        )
    return _canonical(array)


def _canonical(array: Array) -> Array:
    """Return a new view whose dtype is NumPy's own object for it: unpickled arrays have copies."""
    return array.view(_DTYPES[array.dtype].numpy)


def _dtype_of_floats(data: Any) -> np.dtype[Any]:
    """Return the dtype that torch gives to nested lists that NumPy takes for float64: float32 for Python's floats."""
    leaves, only_integers = [data], True
    while leaves:
        leaf = leaves.pop()
        if isinstance(leaf, np.ndarray | np.generic | Tensor):
            return np.result_type(leaf._array if isinstance(leaf, Tensor) else leaf, _FLOAT32)
        if isinstance(leaf, list | tuple):
            leaves += leaf
        elif isinstance(leaf, float):
            only_integers = False
    if only_integers and np.size(data):
        raise RuntimeError("Overflow when unpacking long")
    return _FLOAT32


def _check_nesting(data: Any, dim: int = 0) -> None:
    """Raise torch's error for ragged lists."""
    if not isinstance(data, list | tuple) or not data or not isinstance(data[0], list | tuple):
        return
    for part in data:
        got = len(part) if isinstance(part, list | tuple) else 0
        if got != len(data[0]):
            raise ValueError(f"expected sequence of length {len(data[0])} at dim {dim + 1} (got {got})")
        _check_nesting(part, dim + 1)


def tensor(data: Any, *, dtype: dtype | None = None, requires_grad: bool = False) -> Tensor:
    """Return a new leaf with a copy of ``data``: a number, nested lists of numbers, or an array.

    Raises
    ------
    TypeError
        If the dtype is not float32, float64, int64 or bool.
    ValueError
        If nested lists are ragged.
    """
    array = _as_array(data, _checked_dtype(dtype))
    return Tensor._wrap(np.array(array, order="C")).requires_grad_(requires_grad)


def as_tensor(data: Any, dtype: dtype | None = None) -> Tensor:
    """Return a Tensor of ``data``, on the same memory where that is possible; a Tensor of that dtype itself."""
    kind = _checked_dtype(dtype)
    if isinstance(data, Tensor):
        if kind is None or data._array.dtype is kind:
            return data
        back = data._array.dtype
        copy = data._array.astype(kind)
        return _record(
            copy, "ToCopyBackward0", lambda _, g: (g.astype(back),), (data if copy.dtype.kind == "f" else None,)
        )
    return Tensor._wrap(_as_array(data, kind))


def from_numpy(ndarray: Array) -> Tensor:
    """Return a Tensor on the memory of an ndarray."""
    if not isinstance(ndarray, np.ndarray):
        raise TypeError(f"expected np.ndarray (got {type(ndarray).__name__})")
    return Tensor._wrap(_as_array(ndarray, None))


def from_dlpack(ext_tensor: Any) -> Tensor:
    """Return a Tensor on the memory of any object with ``__dlpack__``."""
    return from_numpy(np.from_dlpack(ext_tensor))


def _filled(value: int, size: tuple[Any, ...], kind: dtype | None, requires_grad: bool) -> Tensor:
    shape = tuple(size[0]) if len(size) == 1 and isinstance(size[0], list | tuple) else size
    for n in shape:
        if not isinstance(n, int) or isinstance(n, bool):
            raise TypeError(f"a size must be a tuple of ints, but found element of type {type(n).__name__}")
        if n < 0:
            raise RuntimeError(f"Trying to create tensor with negative dimension {n}: {list(shape)}")
    if not size:
        raise TypeError("a size is needed: one or more ints, or a tuple of ints")
    array = np.full(shape, value, _checked_dtype(kind or float32))
    return Tensor._wrap(array).requires_grad_(requires_grad)


def zeros(*size: Any, dtype: dtype | None = None, requires_grad: bool = False) -> Tensor:
    """Return a Tensor of zeros."""
    return _filled(0, size, dtype, requires_grad)


def ones(*size: Any, dtype: dtype | None = None, requires_grad: bool = False) -> Tensor:
    """Return a Tensor of ones."""
    return _filled(1, size, dtype, requires_grad)


def _rebuild(array: Array, requires_grad: bool) -> Tensor:
    return Tensor._wrap(_canonical(array)).requires_grad_(requires_grad)


# Parts of methods


def _compare(function: Callable[[Any, Any], Any], a: Tensor, b: Any) -> Any:
    if not isinstance(b, (Tensor, np.ndarray, np.generic, *_NUMBERS)):
        return NotImplemented
    left, right, *_ = _operands(a, b)
    return Tensor._wrap(_elementwise(function, left, right))


def _check_in_place(t: Tensor, other: Any) -> None:
    if not mode.recording:
        return
    if t._source is LEAF:
        raise RuntimeError("a leaf Variable that requires grad is being used in an in-place operation.")
    if t.requires_grad or (isinstance(other, Tensor) and other.requires_grad):
        _left_out("an in-place operation that is recorded; do it under no_grad(), or not in place:")


def _overlaps(a: Array, b: Array) -> bool:
    """Whether elements of two arrays share memory that are not the same elements of both."""
    if not np.may_share_memory(a, b):
        return False
    address, other = (array.__array_interface__["data"][0] for array in (a, b))
    if (address, a.shape, a.strides) == (other, b.shape, b.strides):
        return False
    return np.shares_memory(a, b)


_AS_TUPLE = (list, tuple, slice, Tensor, np.ndarray, type(None), type(Ellipsis))


def _index(index: Any, t: Tensor) -> tuple[tuple[Any, ...], tuple[Any, ...] | None, str]:
    """Return the key of what an index views, the key of what arrays in it pick from that, and torch's name for it.

    torch applies integers and slices first and then picks; NumPy would take an integer beside an array for an array.
    """
    if isinstance(index, list) and len(index) < 32 and any(isinstance(e, _AS_TUPLE) for e in index):
        index = tuple(index)  # as torch does
    parts = list(index) if isinstance(index, tuple) else [index]
    for i, part in enumerate(parts):
        if isinstance(part, Tensor):
            part = part.detach()._array
            parts[i] = int(part) if part.ndim == 0 and part.dtype == np.int64 else part
        elif isinstance(part, list | range):
            parts[i] = np.array(part, dtype=None if len(part) else np.int64)
        elif isinstance(part, np.integer):
            parts[i] = int(part)
        elif isinstance(part, bool | np.bool_) or not (
            part is None or part is Ellipsis or isinstance(part, int | slice | np.ndarray)
        ):
            _left_out(f"indexing with {type(part).__name__}")
        if isinstance(part, slice) and part.step is not None and part.step <= 0:
            raise ValueError("step must be greater than zero")
    used = 0
    for part in parts:
        used += 0 if part is None or part is Ellipsis else part.ndim if _is_mask(part) else 1
    if used > t.ndim:
        raise IndexError(f"too many indices for tensor of dimension {t.ndim}")
    if Ellipsis not in [part for part in parts if not isinstance(part, np.ndarray)]:
        parts.append(Ellipsis)
    view: list[Any] = []
    pick: list[Any] = []
    name, dim = "AliasBackward0", 0
    for part in parts:
        if isinstance(part, np.ndarray):
            count = part.ndim if _is_mask(part) else 1
            view += [slice(None)] * count
            pick.append(part)
            dim += count
        elif part is Ellipsis:
            rest = t.ndim - used
            view += [slice(None)] * rest
            pick += [slice(None)] * rest
            dim += rest
        elif part is None:
            view.append(None)
            pick.append(slice(None))
            name = "UnsqueezeBackward0"
        elif isinstance(part, int):
            view.append(part)
            dim += 1
            name = "SelectBackward0"
        else:
            view.append(part)
            pick.append(slice(None))
            if part.indices(t._array.shape[dim]) != (0, t._array.shape[dim], 1) or len(parts) == 2:
                name = "SliceBackward0"
            dim += 1
    if any(isinstance(part, np.ndarray) for part in pick):
        return (*view, Ellipsis), tuple(pick), "IndexBackward0"
    return (*view, Ellipsis), None, name  # with an Ellipsis NumPy gives a view of a single element too


def _is_mask(part: Any) -> bool:
    return isinstance(part, np.ndarray) and part.dtype == bool
