"""Checks of gradients, and gradients written by hand: torch.autograd's gradcheck and Function."""

import warnings
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import numpy as np

from pygrad.engine import Node, run
from pygrad.tensor import Tensor, _record, float64, from_numpy, no_grad

__all__ = ["Function", "GradcheckError", "gradcheck"]


class Context:
    """What `Function.forward` leaves for `Function.backward`: saved Tensors, and any attribute."""

    needs_input_grad: tuple[bool, ...]

    def __init__(self) -> None:
        self._to_save: tuple[Tensor | None, ...] = ()
        self._node: Node | None = None

    def save_for_backward(self, *tensors: Tensor | None) -> None:
        """Save inputs or results for backward."""
        for t in tensors:
            if t is not None and not isinstance(t, Tensor):
                raise TypeError(f"save_for_backward can only save Tensors, not {type(t).__name__}")
        self._to_save = tuple(None if t is None else t.detach() for t in tensors)

    @property
    def saved_tensors(self) -> tuple[Tensor | None, ...]:
        """The Tensors given to save_for_backward."""
        if self._node is None:
            return self._to_save
        return tuple(self._node.arrays())


class Function:
    """An operation with a gradient of its own: subclass it with static methods ``forward`` and ``backward``.

    ``forward(ctx, *arguments)`` returns a Tensor; ``backward(ctx, gradient)`` returns the gradient by each argument,
    None for an argument that needs none. Call it by ``apply``.
    """

    @staticmethod
    def forward(ctx: Any, *arguments: Any) -> Tensor:
        """Compute the result."""
        raise NotImplementedError("a Function needs a static method forward(ctx, *arguments)")

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        """Compute the gradients by the arguments from that by the result."""
        raise NotImplementedError("a Function needs a static method backward(ctx, gradient)")

    @classmethod
    def apply(cls, *arguments: Any) -> Tensor:
        """Run forward, and record backward for the graph."""
        ctx = Context()
        inputs = tuple(a if isinstance(a, Tensor) else None for a in arguments)
        ctx.needs_input_grad = tuple(t is not None and t.requires_grad for t in inputs)
        with no_grad():
            result = cls.forward(ctx, *arguments)
        if not isinstance(result, Tensor):
            raise NotImplementedError(
                f"{cls.__name__}.forward returned {type(result).__name__}; pygrad's subset of PyTorch has Functions "
                "with one Tensor as result"
            )
        if not result.dtype.is_floating_point:
            return result.detach()
        saved = ctx._to_save
        sides = tuple(None if t is None else (t._array.shape, t._array.dtype) for t in inputs)
        ctx._to_save = ()
        return _record(
            result._array, f"{cls.__name__}Backward", cls._backward, inputs,
            saved, (ctx, sides), tuple(t._changed for t in saved if t is not None), result._changed,
        )  # fmt: skip

    @classmethod
    def _backward(cls, node: Node, gradient: np.ndarray[Any, Any]) -> Sequence[np.ndarray[Any, Any] | None]:
        ctx, sides = node.info
        ctx._node = node
        try:
            with no_grad():
                parts = cls.backward(ctx, from_numpy(np.array(gradient)))
        finally:
            ctx._node = None  # the node refers to ctx: no cycle is left
        parts = list(parts) if isinstance(parts, tuple | list) else [parts]
        while len(parts) > len(sides) and parts[-1] is None:
            parts.pop()
        if len(parts) != len(sides):
            raise RuntimeError(
                f"function {cls.__name__}Backward returned an incorrect number of gradients "
                f"(expected {len(sides)}, got {len(parts)})"
            )
        arrays: list[np.ndarray[Any, Any] | None] = []
        for index, (part, side, edge) in enumerate(zip(parts, sides, node.edges, strict=True)):
            if part is None or edge is None or side is None:
                arrays.append(None)
                continue
            if not isinstance(part, Tensor):
                raise RuntimeError(
                    f"function {cls.__name__}Backward returned a gradient of type {type(part).__name__} at index "
                    f"{index}, expected a Tensor or None"
                )
            if part._array.shape != side[0]:
                raise RuntimeError(
                    f"Function {cls.__name__}Backward returned an invalid gradient at index {index} - got "
                    f"{list(part._array.shape)} but expected shape compatible with {list(side[0])}"
                )
            arrays.append(np.array(part._array, dtype=side[1]))  # a copy: it may be a Tensor that somebody keeps
        return arrays


class GradcheckError(RuntimeError):
    """A gradient that differs from the numerical one."""


def gradcheck(
    func: Callable[..., Any],
    inputs: Any,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    fast_mode: bool = False,
) -> bool:
    """Compare the gradients of a function with central differences, as torch.autograd.gradcheck does.

    Parameters
    ----------
    func
        Takes ``inputs`` and returns a Tensor or a tuple of Tensors.
    inputs
        A Tensor or a tuple; those that require a gradient are checked, and should be float64.
    eps
        Step of the differences (f(x + eps) - f(x - eps)) / (2 eps).
    atol, rtol
        Gradients agree where abs(analytical - numerical) <= atol + rtol * abs(numerical).
    raise_exception
        Raise where they do not; else return False.
    nondet_tol
        How much two backward passes of the same may differ.
    fast_mode
        Check one random direction per pair of input and output instead of every element.

    Raises
    ------
    GradcheckError
        With input, element, numerical and analytical value, if a gradient is wrong.
    ValueError
        If no input requires a gradient.
    """
    arguments = tuple(inputs) if isinstance(inputs, Sequence) and not isinstance(inputs, Tensor) else (inputs,)
    arguments = tuple(  # leaves on the same memory, whatever the inputs were computed from
        x.detach().requires_grad_() if isinstance(x, Tensor) and x.requires_grad else x for x in arguments
    )
    checked = [(i, x) for i, x in enumerate(arguments) if isinstance(x, Tensor) and x.requires_grad]
    if not checked:
        raise ValueError(
            "gradcheck expects at least one input tensor to require gradient, but none of them have requires_grad=True."
        )
    for i, x in checked:
        if x.dtype is not float64:
            warnings.warn(
                f"Input #{i} requires gradient and is not a double precision floating point. This check will likely "
                "fail if all the inputs are not of double precision floating point. ",
                stacklevel=2,
            )
    try:
        _check(func, arguments, checked, eps, atol, rtol, nondet_tol, fast_mode)
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def _outputs(func: Callable[..., Any], arguments: tuple[Any, ...]) -> tuple[Tensor, ...]:
    result = func(*arguments)
    outputs = tuple(result) if isinstance(result, tuple | list) else (result,)
    for output in outputs:
        if not isinstance(output, Tensor):
            raise ValueError(f"gradcheck expects func to return Tensors, not {type(output).__name__}")
    return outputs


def _analytical(
    func: Callable[..., Any], arguments: tuple[Any, ...], checked: list[tuple[int, Tensor]], index: int, seed: Any
) -> list[np.ndarray[Any, Any]]:
    """Return the gradients of the sum of ``seed`` times output ``index`` by the checked inputs."""
    output = _outputs(func, arguments)[index]
    gradients: dict[Tensor, np.ndarray[Any, Any]] = {}
    if output.grad_fn is not None:
        gradients = run(output.grad_fn, seed.astype(output._array.dtype), retain_graph=False)
    elif output.requires_grad:  # an input is returned as it is
        gradients = {output: seed}
    return [np.asarray(gradients.get(x, np.zeros(x.shape)), dtype=np.float64) for _, x in checked]


def _differences(
    func: Callable[..., Any], arguments: tuple[Any, ...], x: Tensor, step: np.ndarray[Any, Any], eps: float
) -> list[np.ndarray[Any, Any]]:
    """Return the derivative of every output as x moves along ``step``."""
    start = x._array.copy()
    values = []
    with no_grad():
        try:
            for sign in (1, -1):
                x._array[...] = start + sign * eps * step
                values.append([output._array.astype(np.float64) for output in _outputs(func, arguments)])
        finally:
            x._array[...] = start
    return [(plus - minus) / (2 * eps) for plus, minus in zip(*values, strict=True)]


def _fail(output: int, i: int, where: str, numerical: float, analytical: float) -> NoReturn:
    raise GradcheckError(
        f"Jacobian mismatch for output {output} with respect to input {i}, {where}:\n"
        f"numerical: {numerical:.10g}\nanalytical: {analytical:.10g}"
    )


def _check(
    func: Callable[..., Any], arguments: tuple[Any, ...], checked: list[tuple[int, Tensor]],
    eps: float, atol: float, rtol: float, nondet_tol: float, fast_mode: bool,
) -> None:  # fmt: skip
    outputs = _outputs(func, arguments)
    rng = np.random.default_rng(0)
    for number, output in enumerate(outputs):
        seed = rng.uniform(0.5, 1, output.shape)
        first, second = (_analytical(func, arguments, checked, number, seed) for _ in range(2))
        for (i, _), a, b in zip(checked, first, second, strict=True):
            if a.size and np.abs(a - b).max() > nondet_tol:
                raise GradcheckError(
                    f"Backward is not reentrant, i.e., running backward with the same input and grad_output multiple "
                    f"times gives different values for output {number} and input {i}: they differ by "
                    f"{np.abs(a - b).max():.3g}, nondet_tol is {nondet_tol}"
                )
        if fast_mode and all(
            _agrees_along(func, arguments, x, number, seed, gradient, rng, eps, atol, rtol)
            for (_, x), gradient in zip(checked, first, strict=True)
        ):
            continue
        _check_elements(func, arguments, checked, number, output.shape, eps, atol, rtol)


def _agrees_along(
    func: Callable[..., Any], arguments: tuple[Any, ...], x: Tensor, number: int, seed: np.ndarray[Any, Any],
    gradient: np.ndarray[Any, Any], rng: np.random.Generator, eps: float, atol: float, rtol: float,
) -> bool:  # fmt: skip
    step = rng.standard_normal(x.shape)
    step /= max(float(np.linalg.norm(step)), 1e-30)
    numerical = float((_differences(func, arguments, x, step, eps)[number] * seed).sum())
    return abs(float((gradient * step).sum()) - numerical) <= atol + rtol * abs(numerical)


def _check_elements(
    func: Callable[..., Any], arguments: tuple[Any, ...], checked: list[tuple[int, Tensor]], number: int,
    shape: tuple[int, ...], eps: float, atol: float, rtol: float,
) -> None:  # fmt: skip
    """Compare the whole Jacobian of one output."""
    analytical = []
    for element in np.ndindex(*shape):
        one = np.zeros(shape)
        one[element] = 1
        analytical.append(_analytical(func, arguments, checked, number, one))
    for position, (i, x) in enumerate(checked):
        for at in np.ndindex(*x.shape):
            step = np.zeros(x.shape)
            step[at] = 1
            numerical = _differences(func, arguments, x, step, eps)[number]
            for row, element in enumerate(np.ndindex(*shape)):
                n, a = float(numerical[element]), float(analytical[row][position][at])
                if not abs(a - n) <= atol + rtol * abs(n):
                    _fail(number, i, f"element {at} of the input and {element} of the output", n, a)
