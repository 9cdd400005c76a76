"""The text of a Tensor, as PyTorch prints it with its default options."""

import math
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

Array: TypeAlias = np.ndarray[Any, Any]

PRECISION = 4
LINE_WIDTH = 80
SUMMARIZE_ABOVE = 1000  # elements
EDGE_ITEMS = 3
PREFIX = "tensor("


def text_of(array: Array, dtype: str | None, grad_fn: str | None, requires_grad: bool) -> str:
    """Return the text of an array: ``dtype`` is the text of one that is not the default."""
    suffixes = []
    if array.size == 0 and array.ndim != 1:
        suffixes.append(f"size={tuple(array.shape)}")
    if dtype is not None or (array.size == 0 and array.dtype != np.float32):
        suffixes.append(f"dtype={dtype or f'torch.{array.dtype.name}'}")
    if grad_fn is not None:
        suffixes.append(f"grad_fn=<{grad_fn}>")
    elif requires_grad:
        suffixes.append("requires_grad=True")
    return _with_suffixes(PREFIX + _body(array), suffixes)


def _with_suffixes(text: str, suffixes: list[str]) -> str:
    width = len(text) - text.rfind("\n") + 1  # as PyTorch counts it
    for suffix in suffixes:
        if width + len(suffix) + 2 > LINE_WIDTH:
            text += ",\n" + " " * len(PREFIX) + suffix
            width = len(PREFIX) + len(suffix)
        else:
            text += ", " + suffix
            width += len(suffix) + 2
    return text + ")"


def _body(array: Array) -> str:
    if array.size == 0:
        return "[]"
    summarize = array.size > SUMMARIZE_ABOVE
    write, width = _writer(_edges(array) if summarize else array)
    return _nested(array, len(PREFIX), summarize, write, width)


def _edges(array: Array) -> Array:
    """Return the elements that a summary shows."""
    for axis, size in enumerate(array.shape):
        if size > 2 * EDGE_ITEMS:
            shown = np.r_[0:EDGE_ITEMS, size - EDGE_ITEMS : size]
            array = array.take(shown, axis=axis)
    return array


def _writer(shown: Array) -> tuple[Callable[[Any], str], int]:
    """Return what writes one element, all in the same notation, and its width (which infinities may exceed)."""
    values = shown.reshape(-1)
    if values.dtype.kind != "f":
        width = max(len(str(v)) for v in values.tolist())
        return lambda value: str(value).rjust(width), width
    values = values.astype(np.float64)
    values = values[np.isfinite(values) & (values != 0)]
    if values.size == 0:
        return _write_integer(1)
    sizes = np.abs(values)
    with np.errstate(over="ignore"):
        scientific = bool(sizes.max() / sizes.min() > 1000.0 or sizes.max() > 1.0e8 or sizes.min() < 1.0e-4)
    integers = bool((values == np.ceil(values)).all())
    if scientific:
        width = max(len(f"{v:.{PRECISION}e}") for v in values.tolist())
        return lambda value: f"{value:{width}.{PRECISION}e}", width
    if integers:
        return _write_integer(max(len(f"{v:.0f}") for v in values.tolist()) + 1)
    width = max(len(f"{v:.{PRECISION}f}") for v in values.tolist())
    return lambda value: f"{value:.{PRECISION}f}".rjust(width), width


def _write_integer(width: int) -> tuple[Callable[[float], str], int]:
    return lambda value: (f"{value:.0f}" + ("." if math.isfinite(value) else "")).rjust(width), width


def _nested(array: Array, indent: int, summarize: bool, write: Callable[[Any], str], width: int) -> str:
    if array.ndim == 0:
        return write(array.item())
    cut = summarize and len(array) > 2 * EDGE_ITEMS
    if array.ndim == 1:
        return _vector(array, indent, cut, write, width)
    head, tail = (array[:EDGE_ITEMS], array[-EDGE_ITEMS:]) if cut else (array, array[:0])
    parts = [_nested(part, indent + 1, summarize, write, width) for part in head]
    if cut:
        parts += ["...", *(_nested(part, indent + 1, summarize, write, width) for part in tail)]
    return "[" + ("," + "\n" * (array.ndim - 1) + " " * (indent + 1)).join(parts) + "]"


def _vector(array: Array, indent: int, cut: bool, write: Callable[[Any], str], width: int) -> str:
    if cut:
        head, tail = array[:EDGE_ITEMS].tolist(), array[-EDGE_ITEMS:].tolist()
        words = [*map(write, head), " ...", *map(write, tail)]
    else:
        words = [write(value) for value in array.tolist()]
    per_line = max(1, (LINE_WIDTH - indent) // (width + 2))
    lines = [", ".join(words[i : i + per_line]) for i in range(0, len(words), per_line)]
    return "[" + (",\n" + " " * (indent + 1)).join(lines) + "]"
