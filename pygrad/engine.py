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

from __future__ import annotations

import enum
import heapq
import itertools
import math
import threading
import weakref
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
from numpy import empty

from pygrad import kernels

if TYPE_CHECKING:
    from pygrad.tensor import Tensor

Array: TypeAlias = np.ndarray[Any, Any]
Edge: TypeAlias = "Node | Tensor | None"
Source: TypeAlias = "Node | Leaf | None"
Backward: TypeAlias = Callable[["Node", Array], Sequence[Array | None]]

Contribution: TypeAlias = "tuple[Node | Tensor, int, Array]"  # to whom, the age of the node it is from, the gradient

_ONES = {kind: np.ones((), kind).tobytes() for kind in (np.dtype(np.float32), np.dtype(np.float64))}
_LAYER = ("AddBackward0", "MmBackward0")
_LOSS = ("PowBackward0", "SigmoidBackward0", *_LAYER)
_CHAINS = {
    "SigmoidBackward0": _LAYER,
    "SumBackward0": _LOSS,
    "MeanBackward0": _LOSS,
    "DivBackward0": ("SumBackward0", *_LOSS),
}
"""What the fused kernel does: chains of operations, by the last one, each on the first operand of the one before."""

now = itertools.count(1).__next__
"""Return the time, which goes on with every call."""

_accumulation = threading.Lock()


class _Mode(threading.local):
    recording = True


mode = _Mode()
"""Whether this thread records operations (``mode.recording``)."""

pauses: list[object] = []
"""What has stopped the recording in some thread; while there is nothing, no thread need ask its mode."""


class Leaf(enum.Enum):
    """Where the gradient of a leaf goes: nowhere else."""

    LEAF = 0


LEAF: Final = Leaf.LEAF


class Node:
    """One operation in a graph, as `pygrad.tensor` records it."""

    __slots__ = (
        "__weakref__", "age", "backward", "consumers", "edges", "info", "name_", "retained", "saved", "watched",
    )  # fmt: skip

    age: int
    name_: str
    backward: Backward
    edges: Sequence[Edge]
    saved: Any  # what backward reads; None once a backward call has freed it
    watched: Sequence[list[int]]  # the last changes of the memory that must be as it was
    info: Any  # what else backward needs and keeps: shapes, numbers
    consumers: int
    retained: weakref.ref[Tensor] | None

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


def run(root: Node, seed: Array, retain_graph: bool) -> dict[Tensor, Array]:
    """Give the gradient ``seed`` to ``root`` and return what reaches each leaf: arrays that belong to nobody else."""
    waiting: dict[Node | Tensor, list[Contribution]] = {}  # what has come for a node or leaf so far
    newest: list[tuple[int, Node]] = []
    node, gradient = root, seed
    while True:
        if node.retained is not None:
            _retain(node.retained(), gradient)
        contributions = _run_fused(node, gradient, retain_graph) if node.name_ in _CHAINS else None
        if contributions is None:
            contributions = _run_alone(node, gradient, retain_graph)
        for contribution in contributions:
            edge = contribution[0]
            if edge in waiting:
                waiting[edge].append(contribution)
            else:
                waiting[edge] = [contribution]
                if type(edge) is Node:
                    heapq.heappush(newest, (-edge.age, edge))
        if not newest:
            break
        _, node = heapq.heappop(newest)
        gradient = _sum(waiting.pop(node))
    gradients: dict[Tensor, Array] = {}
    given = {id(seed)}  # and the arrays in gradients
    for leaf, contributions in waiting.items():
        total = _sum(contributions) if len(contributions) > 1 else contributions[0][2]
        if total.base is not None or id(total) in given:
            total = total.copy()
        given.add(id(total))
        gradients[leaf] = total  # type: ignore[index]
    return gradients


def _sum(contributions: list[Contribution]) -> Array:
    """Return the sum of contributions, those of newer nodes first: the order is that of one node after the other."""
    if len(contributions) > 1:
        contributions.sort(key=lambda contribution: -contribution[1])
    total = contributions[0][2]
    for _, _, part in contributions[1:]:
        total = total + part
    return total if type(total) is np.ndarray else np.asarray(total)


def accumulate(gradients: dict[Tensor, Array]) -> None:
    """Add gradients, which belong to nobody else, to those that the leaves have."""
    with _accumulation:
        for leaf, part in gradients.items():
            if leaf._source is None:
                continue  # since it was recorded, that was changed
            before = leaf._grad
            if before is None:
                leaf._grad = leaf._wrap(part)
            else:
                before._change(before._array + part)


def _retain(tensor: Tensor | None, gradient: Array) -> None:
    if tensor is not None:
        before = tensor._grad
        tensor._grad = tensor._wrap(gradient.copy() if before is None else before._array + gradient)


def _run_alone(node: Node, gradient: Array, retain_graph: bool) -> list[Contribution]:
    parts = node.backward(node, gradient)
    if not retain_graph:
        _free((node,))
    return [
        (edge, node.age, part)
        for edge, part in zip(node.edges, parts, strict=True)
        if edge is not None and part is not None
    ]


def _free(nodes: Sequence[Node]) -> None:
    """Drop what was saved; an operation that saved nothing can be gone through again."""
    for node in nodes:
        if node.saved:
            node.saved = None


def _chain(node: Node, operand: int, names: Sequence[str]) -> list[Node]:
    """Return the nodes with these names on an operand of ``node`` and, further on, on the first operands.

    They end before one that has another name or consumer, or whose gradient is retained.
    """
    nodes: list[Node] = []
    for name in names:
        edge = node.edges[operand]
        if type(edge) is not Node or edge.name_ != name or edge.consumers != 1 or edge.retained is not None:
            break
        nodes.append(edge)
        node, operand = edge, 0
    return nodes


def _run_fused(node: Node, gradient: Array, retain_graph: bool) -> list[Contribution] | None:
    """Run a dense sigmoid layer that ends in ``node``, or its mean-square loss, by the fused kernel; None for others.

    The bits are those of one node after the other.
    """
    names = _CHAINS[node.name_]
    nodes = [node, *_chain(node, 0, names)]
    if len(nodes) <= len(names):
        return None
    layer, added, product = nodes[-3:]
    power = None if layer is node else nodes[-4]
    if layer.info[0] > layer.age or (power is not None and power.info != 2):
        return None
    if node.name_ == "DivBackward0" and (node.edges[1] is not None or node.info is not None):
        return None
    _, y = layer.arrays()
    x, w = product.arrays()
    kind, shape = y.dtype, y.shape
    bias, giver, bias_shape = added.edges[1], added, shape
    if added.info is not None:
        of_product, of_bias = added.info
        if of_bias is None or of_product != (shape, kind) or of_bias[1] is not kind:
            return None
        bias_shape = of_bias[0]
    if bias_shape == shape:
        ones = _chain(added, 1, ("MmBackward0",))
        if not ones or ones[0].edges[0] is not None:
            return None
        (giver,) = ones
        a, b = giver.arrays()
        if len(b) != 1 or a.tobytes() != _ONES[kind] * len(a):
            return None
        bias, bias_shape = giver.edges[1], b.shape
        nodes.append(giver)
    elif bias_shape not in (shape[1:], (1, *shape[1:])):
        return None
    if power is not None:
        gradient = gradient[()]
        if node.name_ == "DivBackward0":
            gradient = gradient / node.arrays()[1][()]
        elif node.name_ == "MeanBackward0":
            gradient = gradient / kind.type(node.info[2])
        (z,) = power.arrays()
        doubled = gradient + gradient  # times z that is gradient * (z + z), unless it overflows
        gradient = z * doubled if math.isfinite(doubled) else gradient * (z + z)
    x_edge, w_edge = product.edges
    dx = None if x_edge is None else empty(x.shape, kind)
    dw = None if w_edge is None else empty(w.shape, kind)
    db = None if bias is None else empty(bias_shape, kind)
    kernels.dense_sigmoid_backward_typed(kernels.REALS[kind], gradient, x, w, y, (dx, dw, db))
    if not retain_graph:
        _free(nodes)
    contributions: list[Contribution] = []
    if x_edge is not None and dx is not None:
        contributions.append((x_edge, product.age, dx))
    if w_edge is not None and dw is not None:
        contributions.append((w_edge, product.age, dw))
    if bias is not None and db is not None:
        contributions.append((bias, giver.age, db))
    return contributions
