"""Reverse-mode differentiation: the graph that operations leave behind, and the walk back through it.

A Node is one operation that was run: how to get the gradients of its inputs from that of its output, what it saved for
that, and for each input an edge: the Node that made the input, the leaf Tensor that it is, or None where no gradient is
wanted. Nodes refer to what was there before them and never to their own output, so there are no reference cycles, and a
graph is freed with the last Tensor that holds it.

One clock counts time: a Node's age is when it was recorded, and the Tensors on one memory share a list with the time
when that was last changed in place. What a node saved is as it was if no change is younger than the node.

A node's consumers are always newer than the node. So the newest node that waits for its gradient has it complete, and a
walk from the newest to the oldest needs no recursion and no counting.

Gradients may be accumulated into the same leaf by backward calls in several threads at once: each addition is done
under a lock, so none is lost; the order of additions, and with it the last bit, is then that of the threads.
"""

import heapq
import itertools
import threading
import weakref
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from pygrad import kernels

if TYPE_CHECKING:
    from pygrad.tensor import Tensor

Array: TypeAlias = np.ndarray[Any, Any]
Edge: TypeAlias = "Node | Tensor | None"
Backward: TypeAlias = Callable[["Node", Array], Sequence[Array | None]]

Contribution: TypeAlias = "tuple[Node | Tensor, int, Array]"

_ONES = {kind: np.ones((), kind).tobytes() for kind in (np.dtype(np.float32), np.dtype(np.float64))}
_ENDS = ("SigmoidBackward0", "DivBackward0", "SumBackward0", "MeanBackward0")
now = itertools.count(1).__next__
"""Return the time, which goes on with every call."""

_accumulation = threading.Lock()


class _Mode(threading.local):
    recording = True


mode = _Mode()
"""Whether this thread records operations (``mode.recording``)."""


class Node:
    """One operation in a graph."""

    __slots__ = (
        "__weakref__", "age", "backward", "consumers", "edges", "info", "name_", "retained", "saved", "watched",
    )  # fmt: skip

    def __init__(
        self, name: str, backward: Backward, edges: Sequence[Edge], saved: Any, watched: Sequence[list[int]], info: Any
    ) -> None:
        self.age = now()
        self.name_ = name
        self.backward = backward
        self.edges = edges
        self.saved = saved  # what backward reads; None once a backward call has freed it
        self.watched = watched  # the last changes of the memory that must be as it was
        self.info = info  # what else backward needs and keeps: shapes, numbers
        self.consumers = 0
        self.retained: weakref.ref[Tensor] | None = None

    def name(self) -> str:
        """Return the name that a Tensor's repr shows, such as MmBackward0."""
        return self.name_

    def __repr__(self) -> str:
        return f"<{self.name_} object at {id(self):#x}>"

    def arrays(self) -> Any:
        """Return what was saved, after checking that it is still there and unchanged."""
        if self.saved is None:
            raise RuntimeError(
                "Trying to backward through the graph a second time (or directly access saved tensors after they have "
                "already been freed). Saved intermediate values of the graph are freed when you call .backward() or "
                "autograd.grad(). Specify retain_graph=True if you need to backward through the graph a second time or "
                "if you need to access saved tensors after calling backward."
            )
        for changed in self.watched:
            if changed[0] > self.age:
                raise RuntimeError(
                    "one of the variables needed for gradient computation has been modified by an inplace operation: "
                    f"{self.name_} saved it"
                )
        return self.saved

    def free(self) -> None:
        """Drop what was saved; an operation that saved nothing can be gone through again."""
        if self.saved:
            self.saved = None


def run(root: Node, seed: Array, *, retain_graph: bool) -> dict["Tensor", Array]:
    """Give the gradient ``seed`` to ``root`` and return what reaches each leaf: arrays that belong to nobody else."""
    # what has come for a node or leaf so far, with the age of the node that it stands for
    waiting: dict[Node | Tensor, list[tuple[int, Array]]] = {}
    newest: list[tuple[int, Node]] = []
    node, gradient = root, seed
    while True:
        if node.retained is not None:
            _retain(node.retained(), gradient)
        parts = _run_fused(node, gradient, retain_graph) if node.name_ in _ENDS else None
        for edge, age, part in parts or _run_alone(node, gradient, retain_graph):
            if edge in waiting:
                waiting[edge].append((age, part))
            else:
                waiting[edge] = [(age, part)]
                if type(edge) is Node:
                    heapq.heappush(newest, (-edge.age, edge))
        if not newest:
            break
        _, node = heapq.heappop(newest)
        gradient = _sum(waiting.pop(node))
    gradients: dict[Tensor, Array] = {}
    given = {id(seed)}  # and the arrays in gradients
    for leaf, contributions in waiting.items():
        total = contributions[0][1] if len(contributions) == 1 else _sum(contributions)
        if total.base is not None or id(total) in given:
            total = total.copy()
        given.add(id(total))
        gradients[leaf] = total  # type: ignore[index]
    return gradients


def _sum(parts: list[tuple[int, Array]]) -> Array:
    """Return the sum of contributions, those of newer nodes first: the order is that of one node after the other."""
    if len(parts) > 1:
        parts.sort(key=lambda part: -part[0])
    total = parts[0][1]
    for _, part in parts[1:]:
        total = total + part
    return total if type(total) is np.ndarray else np.asarray(total)


def accumulate(gradients: dict["Tensor", Array]) -> None:
    """Add gradients, which belong to nobody else, to those that the leaves have."""
    with _accumulation:
        for leaf, part in gradients.items():
            if not leaf._requires_grad:
                continue  # since it was recorded, that was changed
            if leaf._grad is None:
                leaf._grad = leaf._wrap(part)
            else:
                leaf._grad._change(leaf._grad._array + part)


def _retain(tensor: "Tensor | None", gradient: Array) -> None:
    if tensor is not None:
        before = tensor._grad
        tensor._grad = tensor._wrap(gradient.copy() if before is None else before._array + gradient)


def _run_alone(node: Node, gradient: Array, retain_graph: bool) -> list[Contribution]:
    parts = node.backward(node, gradient)
    if not retain_graph:
        node.free()
    return [
        (edge, node.age, part)
        for edge, part in zip(node.edges, parts, strict=True)
        if edge is not None and part is not None
    ]


def _only_use(edge: Edge, name: str) -> Node | None:
    """Return the node at ``edge`` if it has that name, one consumer, and its gradient is not retained."""
    if type(edge) is Node and edge.name_ == name and edge.consumers == 1 and edge.retained is None:
        return edge
    return None


def _run_fused(node: Node, gradient: Array, retain_graph: bool) -> list[Contribution] | None:
    """Run a dense sigmoid layer that ends in ``node``, or its mean-square loss, by the fused kernel; None for others.

    The bits are those of one node after the other.
    """
    nodes = [node]
    layer: Node | None = node
    power: Node | None = None
    if node.name_ != "SigmoidBackward0":
        total: Node | None = node
        if node.name_ == "DivBackward0":
            total = _only_use(node.edges[0], "SumBackward0")
            if node.edges[1] is not None or node.info is not None:
                return None
        power = _only_use(total.edges[0], "PowBackward0") if total else None
        layer = _only_use(power.edges[0], "SigmoidBackward0") if power and power.info == 2 else None
        if total is None or power is None or layer is None:
            return None
        nodes += (total, power, layer)
    added = _only_use(layer.edges[0], "AddBackward0") if layer else None
    product = _only_use(added.edges[0], "MmBackward0") if added else None
    if layer is None or added is None or product is None or layer.info[0] > layer.age:
        return None
    _, y = layer.arrays()
    x, w = product.arrays()
    kind = y.dtype
    if x.dtype is not kind or w.dtype is not kind:
        return None
    bias, giver, shape = added.edges[1], added, y.shape
    if added.info is not None:
        of_product, of_bias = added.info
        if of_bias is None or of_product != (shape, kind) or of_bias[1] is not kind:
            return None
        shape = of_bias[0]
    ones = _only_use(bias, "MmBackward0")
    if ones is not None and ones.edges[0] is None and shape == y.shape:
        a, b = ones.arrays()
        if len(b) != 1 or a.tobytes() != _ONES[kind] * len(a):
            return None
        bias, giver, shape = ones.edges[1], ones, b.shape
        nodes.append(ones)
    elif shape not in ((w.shape[1],), (1, w.shape[1])) or shape == y.shape:
        return None
    nodes += (added, product)
    if power is not None:
        if node.name_ == "DivBackward0":
            gradient = gradient / node.arrays()[1]
        elif node.name_ == "MeanBackward0":
            gradient = gradient / gradient.dtype.type(node.info[2])
        (z,) = power.arrays()
        gradient = gradient * (z + z)
    x_edge, w_edge = product.edges
    dx = None if x_edge is None else np.empty(x.shape, kind)
    dw = None if w_edge is None else np.empty(w.shape, kind)
    db = None if bias is None else np.empty(shape, kind)
    kernels.layer_gradients(kernels.REALS[kind], gradient, x, w, y, (dx, dw, db))
    if not retain_graph:
        for done in nodes:
            done.free()
    parts: list[Any] = []
    if dx is not None:
        parts.append((x_edge, product.age, dx))
    if dw is not None:
        parts.append((w_edge, product.age, dw))
    if db is not None:
        parts.append((bias, giver.age, db))
    return parts
