"""A dense sigmoid layer and its gradients, at the speed of the machine.

``import pygrad as torch`` runs programs written in a subset of PyTorch. ``pygrad.kernels`` computes with NumPy arrays
in C; ``pygrad.reference`` has the same functions in plain NumPy.
"""

from typing import NoReturn

from pygrad import autograd, kernels, reference
from pygrad.autograd import gradcheck
from pygrad.config import __version__, show_config
from pygrad.tensor import (
    Size,
    Tensor,
    add,
    as_tensor,
    dense_sigmoid,
    div,
    dtype,
    float32,
    float64,
    from_dlpack,
    from_numpy,
    int64,
    matmul,
    mean,
    mm,
    mul,
    neg,
    no_grad,
    ones,
    pow,
    sigmoid,
    sub,
    sum,
    t,
    tensor,
    zeros,
)
from pygrad.tensor import bool_ as bool
from pygrad.threads import get_num_threads, set_num_threads

__all__ = [
    "Size",
    "Tensor",
    "__version__",
    "add",
    "as_tensor",
    "autograd",
    "bool",
    "dense_sigmoid",
    "div",
    "dtype",
    "float32",
    "float64",
    "from_dlpack",
    "from_numpy",
    "get_num_threads",
    "gradcheck",
    "int64",
    "kernels",
    "matmul",
    "mean",
    "mm",
    "mul",
    "neg",
    "no_grad",
    "ones",
    "pow",
    "reference",
    "set_num_threads",
    "show_config",
    "sigmoid",
    "sub",
    "sum",
    "t",
    "tensor",
    "zeros",
]


def __getattr__(name: str) -> NoReturn:
    raise AttributeError(f"pygrad has no {name!r}: it is not in its subset of PyTorch")
