"""What users would pick instead, for `pygrad.bench`: NumPy by hand, PyTorch, JAX, SciPy, and a fused loop under Numba.

Each computes what a function of `pygrad.kernels` does, with the same arguments, as someone who knows the library would
write it.
"""

import importlib.util
import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

import numpy as np

import pygrad
from pygrad import config, kernels

Array: TypeAlias = np.ndarray[Any, Any]
Function: TypeAlias = Callable[..., Any]

VALUE_AND_GRAD = "dense_sigmoid_value_and_grad"
NOTEBOOK = "notebook"
_DIFFERENTIATED = (VALUE_AND_GRAD, NOTEBOOK)


@dataclass(frozen=True)
class Peer:
    """A library and how it computes each function.

    ``prepare`` takes the name of one of ``functions``, inputs, and an array or arrays for the results (None: to be
    allocated; ignored by those that always allocate), and returns a call without arguments that ends when the results
    are there.
    """

    name: str
    version: str
    functions: Mapping[str, Function]
    prepare: Callable[[str, Sequence[Array], Any], Callable[[], Any]]
    most_columns: float = math.inf
    """The widest layer that anyone would compute so."""

    def has(self, function: str, inputs: Sequence[Array]) -> bool:
        """Whether this library computes the function, of inputs of these shapes."""
        return function in self.functions and inputs[-1].shape[-1] <= self.most_columns


def notebook(torch: Any, X: Any, W: Any, B: Any, A: Any) -> tuple[Any, ...]:
    """Run the program of the hand-derived notebook; ``torch`` is PyTorch or pygrad."""
    X.grad = W.grad = B.grad = None
    Z = torch.sigmoid(torch.mm(X, W) + torch.mm(A, B))
    loss = (Z**2).sum() / len(X)
    loss.backward()
    return loss, X.grad, W.grad, B.grad


def arrays_of(result: Any) -> list[Array]:
    """Return the arrays of a result in order, whatever library they are of and however they are nested."""
    if isinstance(result, tuple | list):
        return [array for part in result for array in arrays_of(part)]
    return [np.asarray(result.detach() if hasattr(result, "detach") else result)]


def _directly(functions: Mapping[str, Function], function: str, inputs: Sequence[Array], out: Any) -> Callable[[], Any]:
    return partial(functions[function], *inputs, **({} if out is None else {"out": out}))


def _tensors(torch: Any, function: str, inputs: Sequence[Array]) -> list[Any]:
    tensors = [torch.from_numpy(array) for array in inputs]
    if function in _DIFFERENTIATED:
        for tensor in tensors[:3]:
            tensor.requires_grad_()
    return tensors


def pygrad_itself() -> Peer:
    """Return pygrad as one of its peers."""
    functions: dict[str, Function] = {name: getattr(kernels, name) for name in config.KERNELS}

    def prepare(function: str, inputs: Sequence[Array], out: Any) -> Callable[[], Any]:
        if function == NOTEBOOK:
            return partial(notebook, pygrad, *_tensors(pygrad, function, inputs))
        return _directly(functions, function, inputs, out)

    return Peer("pygrad", config.__version__, {**functions, NOTEBOOK: notebook}, prepare)


def numpy_by_hand(threads: int) -> Peer:
    """Return the usual formulas, without temporaries that are easily avoided."""
    if importlib.util.find_spec("threadpoolctl"):
        import threadpoolctl

        threadpoolctl.threadpool_limits(threads, user_api="blas")

    def sigmoid(y: Array, out: Array | None = None) -> Array:
        z = np.negative(y, out=out)
        np.exp(z, out=z)
        z += 1
        return np.reciprocal(z, out=z)

    def sigmoid_backward(dz: Array, y: Array, out: Array | None = None) -> Array:
        z = sigmoid(y)
        dy = np.subtract(1, z, out=out)
        dy *= z
        dy *= dz
        return dy

    def dense_sigmoid(x: Array, w: Array, b: Array, out: Array | None = None) -> Array:
        y = np.matmul(x, w, out=out)
        y += b
        return sigmoid(y, out=y)

    def gradients(dy: Array, x: Array, w: Array, out: Any) -> tuple[Any, ...]:
        dx, dw, db = out or (None, None, None)
        return np.matmul(dy, w.T, out=dx), np.matmul(x.T, dy, out=dw), np.sum(dy, axis=0, out=db)

    def dense_sigmoid_backward(dz: Array, x: Array, w: Array, y: Array, out: Any = None) -> tuple[Any, ...]:
        return gradients(sigmoid_backward(dz, y), x, w, out)

    def of_loss(z: Array) -> tuple[Any, Array]:
        dy = z * z
        loss = dy.sum() / len(z)
        dy *= 2 / len(z)
        dy *= 1 - z
        return loss, dy

    def value_and_grad(x: Array, w: Array, b: Array, out: Any = None) -> tuple[Any, ...]:
        loss, dy = of_loss(dense_sigmoid(x, w, b))
        return loss, gradients(dy, x, w, out)

    def by_hand(X: Array, W: Array, B: Array, A: Array) -> tuple[Any, ...]:
        loss, dY = of_loss(dense_sigmoid(X, W, A @ B))
        return loss, dY @ W.T, X.T @ dY, A.T @ dY

    functions: dict[str, Function] = {
        "matmul": np.matmul,
        "add": np.add,
        "sigmoid": sigmoid,
        "sigmoid_backward": sigmoid_backward,
        "dense_sigmoid": dense_sigmoid,
        "dense_sigmoid_backward": dense_sigmoid_backward,
        VALUE_AND_GRAD: value_and_grad,
        NOTEBOOK: by_hand,
    }
    blas = np.show_config(mode="dicts").get("Build Dependencies", {}).get("blas", {})
    version = f"{np.__version__} ({blas.get('name', 'BLAS unknown')} {blas.get('version', '')})".replace(" )", ")")
    return Peer("NumPy", version, functions, partial(_directly, functions))


def _torch(threads: int) -> Peer:
    import torch  # type: ignore[import-not-found]

    torch.set_num_threads(threads)

    def sigmoid_backward(dz: Any, y: Any, out: Any = None) -> Any:
        return torch.ops.aten.sigmoid_backward(dz, torch.sigmoid(y))

    def dense_sigmoid(x: Any, w: Any, b: Any, out: Any = None) -> Any:
        return torch.sigmoid(torch.addmm(b, x, w), out=out)

    def dense_sigmoid_backward(dz: Any, x: Any, w: Any, y: Any, out: Any = None) -> tuple[Any, ...]:
        dx, dw, db = out or (None, None, None)
        dy = sigmoid_backward(dz, y)
        return torch.mm(dy, w.T, out=dx), torch.mm(x.T, dy, out=dw), torch.sum(dy, 0, out=db)

    def value_and_grad(x: Any, w: Any, b: Any, out: Any = None) -> tuple[Any, ...]:
        loss = (torch.sigmoid(torch.addmm(b, x, w)) ** 2).sum() / len(x)
        return loss, torch.autograd.grad(loss, (x, w, b))

    functions: dict[str, Function] = {
        "matmul": torch.matmul,
        "add": torch.add,
        "sigmoid": torch.sigmoid,
        "sigmoid_backward": sigmoid_backward,
        "dense_sigmoid": dense_sigmoid,
        "dense_sigmoid_backward": dense_sigmoid_backward,
        VALUE_AND_GRAD: value_and_grad,
        NOTEBOOK: partial(notebook, torch),
    }

    def prepare(function: str, inputs: Sequence[Array], out: Any) -> Callable[[], Any]:
        tensors = _tensors(torch, function, inputs)
        if out is not None:
            out = tuple(map(torch.from_numpy, out)) if isinstance(out, tuple) else torch.from_numpy(out)
        return _directly(functions, function, tensors, out)

    return Peer("PyTorch", torch.__version__, functions, prepare)


def _jax(threads: int) -> Peer:
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    os.environ["NPROC"] = str(threads)  # the size of XLA's thread pool
    import jax

    jax.config.update("jax_enable_x64", True)

    def sigmoid_backward(dz: Any, y: Any) -> Any:
        z = jax.nn.sigmoid(y)
        return dz * z * (1 - z)

    def dense_sigmoid(x: Any, w: Any, b: Any) -> Any:
        return jax.nn.sigmoid(x @ w + b)

    def dense_sigmoid_backward(dz: Any, x: Any, w: Any, y: Any) -> tuple[Any, ...]:
        dy = sigmoid_backward(dz, y)
        return dy @ w.T, x.T @ dy, dy.sum(0)

    def loss(x: Any, w: Any, b: Any) -> Any:
        return (dense_sigmoid(x, w, b) ** 2).sum() / len(x)

    def notebook_loss(X: Any, W: Any, B: Any, A: Any) -> Any:
        return (jax.nn.sigmoid(X @ W + A @ B) ** 2).sum() / len(X)

    functions: dict[str, Function] = {
        "matmul": jax.numpy.matmul,
        "add": jax.numpy.add,
        "sigmoid": jax.nn.sigmoid,
        "sigmoid_backward": sigmoid_backward,
        "dense_sigmoid": dense_sigmoid,
        "dense_sigmoid_backward": dense_sigmoid_backward,
        VALUE_AND_GRAD: jax.value_and_grad(loss, argnums=(0, 1, 2)),
        NOTEBOOK: jax.value_and_grad(notebook_loss, argnums=(0, 1, 2)),
    }

    def prepare(function: str, inputs: Sequence[Array], out: Any) -> Callable[[], Any]:
        compiled, arrays = jax.jit(functions[function]), [jax.device_put(array) for array in inputs]
        return lambda: jax.block_until_ready(compiled(*arrays))

    return Peer("JAX", jax.__version__, functions, prepare)


def _scipy(threads: int) -> Peer:
    import scipy
    from scipy.special import expit

    functions: dict[str, Function] = {"sigmoid": expit}
    return Peer("SciPy", scipy.__version__, functions, partial(_directly, functions))


def _numba(threads: int) -> Peer:
    import numba

    numba.set_num_threads(threads)

    @numba.njit(parallel=True, fastmath=True)  # type: ignore[untyped-decorator]
    def rows(
        x: Any, w_t: Any, b: Any, one: Any, scale: Any, dx: Any, dw_parts: Any, db_parts: Any, losses: Any
    ) -> None:
        count, inner = x.shape
        columns, parts = len(b), len(losses)
        for part in numba.prange(parts):
            dw, db, dy, loss = np.zeros_like(w_t), np.zeros_like(b), np.zeros_like(b), 0.0
            for i in range(part * count // parts, (part + 1) * count // parts):
                for j in range(columns):
                    y = b[j]
                    for p in range(inner):
                        y += x[i, p] * w_t[j, p]
                    z = one / (one + math.exp(-y))
                    loss += z * z
                    dy[j] = scale * z * z * (one - z)
                    db[j] += dy[j]
                first = dy[0]
                for p in range(inner):
                    dx[i, p] = first * w_t[0, p]
                    dw[0, p] += first * x[i, p]
                for j in range(1, columns):
                    factor = dy[j]
                    for p in range(inner):
                        dx[i, p] += factor * w_t[j, p]
                        dw[j, p] += factor * x[i, p]
            dw_parts[part], db_parts[part], losses[part] = dw, db, loss

    def value_and_grad(x: Array, w: Array, b: Array, out: Any = None) -> tuple[Any, ...]:
        dx, dw, db = out or (np.empty_like(x), np.empty_like(w), np.empty_like(b))
        dw_parts = np.empty((threads, *w.T.shape), w.dtype)
        db_parts = np.empty((threads, *b.shape), b.dtype)
        losses = np.empty(threads)
        number = x.dtype.type
        rows(x, np.ascontiguousarray(w.T), b, number(1), number(2 / len(x)), dx, dw_parts, db_parts, losses)
        np.sum(dw_parts, axis=0, out=dw.T)
        np.sum(db_parts, axis=0, out=db)
        return losses.sum() / len(x), (dx, dw, db)

    functions: dict[str, Function] = {VALUE_AND_GRAD: value_and_grad}
    return Peer("Numba", numba.__version__, functions, partial(_directly, functions), most_columns=128)


_OTHERS = {"PyTorch": ("torch", _torch), "JAX": ("jax", _jax), "SciPy": ("scipy", _scipy), "Numba": ("numba", _numba)}


def load(threads: int) -> tuple[list[Peer], list[str], list[str]]:
    """Import the peers and have them use ``threads`` threads.

    Returns
    -------
    peers : list of Peer
        NumPy, and those of the others that are installed.
    missing : list of str
        Names of those that are not.
    notes : list of str
        What the user should know: installed ones that do not start, a number of threads that cannot be set.
    """
    peers, missing, notes = [numpy_by_hand(threads)], [], []
    if not importlib.util.find_spec("threadpoolctl"):
        notes.append("threadpoolctl is not installed: NumPy's BLAS runs with its own number of threads")
    for name, (module, make) in _OTHERS.items():
        if not importlib.util.find_spec(module):
            missing.append(name)
            continue
        try:
            peers.append(make(threads))
        except Exception as error:  # whatever a broken installation raises
            notes.append(f"{name} is left out, for it does not start: {' '.join(str(error).split())}")
    return peers, missing, notes
