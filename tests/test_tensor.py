"""Tensor against PyTorch: what programs print, what operations give, and which kernels backward runs."""

import copy
import gc
import json
import pickle
import re
import sys
import threading
import warnings
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch_programs
from table import same_bits

import pygrad
from pygrad import kernels

OUTPUTS = json.loads(torch_programs.OUTPUTS.read_text(encoding="utf-8"))
NUMBER = re.compile(r"-?\d+\.?\d*(?:e[-+]\d+)?")


def _unit(figure: str) -> float:
    mantissa, _, exponent = figure.partition("e")
    return float(10.0 ** (int(exponent or 0) - len(mantissa.partition(".")[2])))


def _assert_prints(name: str, expected: list[str]) -> None:
    got = torch_programs.output_of(torch_programs.PROGRAMS[name], pygrad).splitlines()
    if name != "notebook":
        assert got == expected
        return
    # PyTorch forms 1 - z from a rounded z, which puts its figures off by up to 2 units of the last digit
    assert [NUMBER.sub("#", line) for line in got] == [NUMBER.sub("#", line) for line in expected]
    for g, e in zip(NUMBER.findall("\n".join(got)), NUMBER.findall("\n".join(expected)), strict=True):
        assert abs(float(g) - float(e)) <= 2.001 * _unit(e), (g, e)


@pytest.mark.parametrize("name", torch_programs.PROGRAMS)
def test_programs_print_what_pytorch_printed(name: str) -> None:
    _assert_prints(name, OUTPUTS[name])


@pytest.mark.parametrize("name", torch_programs.PROGRAMS)
def test_programs_print_what_pytorch_prints(name: str) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    _assert_prints(name, torch_programs.output_of(torch_programs.PROGRAMS[name], torch).splitlines())


OPERATIONS = ("mm", "matmul", "add", "sub", "mul", "div", "pow", "neg", "sum", "mean", "sigmoid", "t")


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_operations_on_pytorchs_own_samples(name: str, dtype: str) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    pytest.importorskip("expecttest", reason="expecttest, which PyTorch's samples need, is not installed")
    from torch.testing._internal.common_methods_invocations import op_db  # type: ignore[import-not-found]

    def converted(value: Any) -> Any:
        if isinstance(value, torch.Tensor):
            array = value.detach().numpy()
            return pygrad.from_numpy(array.copy()).requires_grad_(value.requires_grad)
        return value

    # torch.testing.assert_close's tolerances for values; gradients pass through one more operation
    rtol, atol = (1.3e-6, 1e-5) if dtype == "float32" else (1e-7, 1e-7)
    count = 0
    for op in (op for op in op_db if op.name == name):
        for sample in op.sample_inputs("cpu", getattr(torch, dtype), requires_grad=True):
            inputs = [sample.input, *sample.args]
            ours = [converted(value) for value in inputs]
            expected = op(*inputs, **sample.kwargs)
            got = getattr(pygrad, name)(*ours, **sample.kwargs)
            assert (tuple(got.shape), str(got.dtype)) == (tuple(expected.shape), str(expected.dtype))
            assert got.grad_fn.name() == expected.grad_fn.name()
            assert np.allclose(got.tolist(), expected.tolist(), rtol, atol, equal_nan=True)
            seed = torch.randn(expected.shape, dtype=expected.dtype)
            leaves: list[Any] = [(a, b) for a, b in zip(inputs, ours, strict=True) if isinstance(b, pygrad.Tensor)]
            for a, _ in leaves:
                a.grad = None
            expected.backward(seed)
            got.backward(pygrad.from_numpy(seed.numpy()))
            for a, b in leaves:
                assert (a.grad is None) == (b.grad is None)
                if a.grad is not None:
                    assert np.allclose(b.grad.tolist(), a.grad.tolist(), 10 * rtol, atol, equal_nan=True)
            count += 1
    assert count > 0


# The fused backward


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the C functions that are called, in order."""
    names: list[str] = []
    for real in kernels.REALS.values():
        for name in ("matmul", "add", "sigmoid", "sigmoid_backward", "dense_sigmoid", "dense_sigmoid_backward"):
            monkeypatch.setattr(real, name, _observed(names, name, getattr(real, name)))
    return names


def _observed(names: list[str], name: str, kernel: Callable[..., Any]) -> Callable[..., Any]:
    def call(*arguments: Any, **keywords: Any) -> Any:
        names.append(name)
        return kernel(*arguments, **keywords)

    return call


def _leaves(r: int, k: int, c: int, dtype: str, bias: tuple[int, ...]) -> list[pygrad.Tensor]:
    rng = np.random.default_rng([r, k, c])
    shapes = [(r, k), (k, c), bias]
    return [pygrad.from_numpy(rng.standard_normal(shape).astype(dtype)).requires_grad_() for shape in shapes]


Z = Callable[[pygrad.Tensor], pygrad.Tensor]
LOSSES: dict[str, Z] = {
    "sum / rows": lambda z: (z**2).sum() / len(z),
    "mean": lambda z: (z**2).mean(),
    "sum": lambda z: (z**2).sum(),
    "other": lambda z: ((z - 0.5) ** 2).sum(),
    "scaled": lambda z: (z**2).sum() / 7 * 3.3,
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("kind", ["row", "matrix of one row", "ones times b", "no x"])
def test_backward_of_the_layer_runs_the_fused_kernel(kind: str, loss: str, dtype: str, calls: list[str]) -> None:
    r, k, c = 30, 7, 3
    x, w, b = _leaves(r, k, c, dtype, (c,) if kind == "row" else (1, c))
    if kind == "no x":
        x.requires_grad = False
    ones = pygrad.ones(r, 1, dtype=x.dtype)

    def forward() -> tuple[pygrad.Tensor, list[pygrad.Tensor]]:
        u = pygrad.mm(x, w)
        v = pygrad.mm(ones, b) if kind == "ones times b" else b
        y = u + v
        z = pygrad.sigmoid(y)
        return LOSSES[loss](z), [u, y]

    total, _ = forward()
    calls.clear()
    total.backward()
    assert calls == ["dense_sigmoid_backward"]
    fused = [None if leaf.grad is None else leaf.grad.numpy().copy() for leaf in (x, w, b)]
    for leaf in (x, w, b):
        leaf.grad = None
    for retained in (0, 1):  # node by node, since a gradient in between is retained: the same bits
        total, between = forward()
        between[retained].retain_grad()
        calls.clear()
        total.backward()
        assert "dense_sigmoid_backward" not in calls
        assert between[retained].grad is not None
        for leaf, expected in zip((x, w, b), fused, strict=True):
            assert (leaf.grad is None) == (expected is None)
            if leaf.grad is not None:
                assert same_bits(leaf.grad.numpy(), expected)
            leaf.grad = None
    total, between = forward()
    (total + between[0].sum() + between[1].mean()).backward()  # other consumers
    assert "dense_sigmoid_backward" not in calls


@pytest.mark.parametrize("gradient", [3e38, -3e38, 1e-44, float("inf"), float("nan")])
def test_the_fused_loss_has_the_bits_of_the_nodes_where_floats_end(gradient: float, calls: list[str]) -> None:
    """The gradient by z is 2 g z, which is finite for z < 1/2 where 2 g is not."""
    x, w, b = _leaves(30, 7, 3, "float32", (3,))
    found = []
    for retain in (False, True):
        y = pygrad.mm(x, w) + b
        if retain:
            y.retain_grad()
        calls.clear()
        (pygrad.sigmoid(y) ** 2).sum().backward(pygrad.tensor(gradient))
        assert ("dense_sigmoid_backward" in calls) is not retain
        assert x.grad is not None
        found.append(x.grad.numpy().copy())
        x.grad = None
    assert same_bits(*found)
    assert abs(gradient) != 3e38 or 0 < np.isfinite(found[0]).sum() < found[0].size


def test_adding_gradients_past_the_largest_float_is_silent() -> None:
    x = pygrad.ones(2, requires_grad=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(2):
            x.sum().backward(pygrad.tensor(3e38))
    assert x.grad is not None
    assert np.isinf(x.grad.numpy()).all()


def test_fusing_keeps_the_order_of_contributions() -> None:
    """Of three and more contributions to a leaf the sum depends on their order: it is that of node after node."""
    for seed in range(20):
        rng = np.random.default_rng(seed)
        x, w = (pygrad.from_numpy(rng.standard_normal((6, 6)).astype("f4")).requires_grad_() for _ in range(2))

        def gradients(retain: bool, x: pygrad.Tensor = x, w: pygrad.Tensor = w) -> list[Any]:
            x.grad = w.grad = None
            before = (w * 0.3).sum()
            y = pygrad.mm(x, w) + w[0]
            if retain:
                y.retain_grad()
            z = pygrad.sigmoid(y)
            ((z**2).mean() + before + (w * x).sum() + (w * w).sum()).backward()
            assert x.grad is not None
            assert w.grad is not None
            return [x.grad.numpy().copy(), w.grad.numpy().copy()]

        for fused, alone in zip(gradients(False), gradients(True), strict=True):
            assert same_bits(fused, alone)


def test_layers_that_only_look_alike_are_not_fused(calls: list[str]) -> None:
    x, w, _ = _leaves(5, 5, 5, "float64", (5,))
    column = pygrad.ones(5, 1, dtype=pygrad.float64, requires_grad=True)
    twos = pygrad.ones(5, 1, dtype=pygrad.float64) * 2
    row = pygrad.ones(1, 5, dtype=pygrad.float64, requires_grad=True)
    # what is added, and the gradients of column and row from dy
    cases: list[tuple[Callable[[], Any], Callable[[Any], Any], Callable[[Any], Any]]] = [
        (lambda: column, lambda dy: dy.sum(axis=1, keepdims=True), lambda dy: None),
        (lambda: pygrad.mm(column, row), lambda dy: dy.sum(axis=1, keepdims=True), lambda dy: dy.sum(axis=0)[None]),
        (lambda: pygrad.mm(twos, row), lambda dy: None, lambda dy: 2 * dy.sum(axis=0)[None]),
        (lambda: 1.0, lambda dy: None, lambda dy: None),
    ]
    for added, column_gradient, row_gradient in cases:
        y = pygrad.mm(x, w) + added()
        pygrad.sigmoid(y).sum().backward()
        dy = kernels.sigmoid_backward(np.ones((5, 5)), y.detach().numpy())
        expected = (dy @ w.detach().numpy().T, x.detach().numpy().T @ dy, column_gradient(dy), row_gradient(dy))
        for leaf, gradient in zip((x, w, column, row), expected, strict=True):
            assert (leaf.grad is None) == (gradient is None)
            assert leaf.grad is None or np.allclose(leaf.grad.numpy(), gradient, rtol=1e-14, atol=1e-15)
            leaf.grad = None
    assert "dense_sigmoid_backward" not in calls


def test_dense_sigmoid_is_one_node(calls: list[str]) -> None:
    x, w, b = _leaves(30, 7, 3, "float32", (3,))
    z = pygrad.dense_sigmoid(x, w, b)
    assert z.grad_fn is not None
    assert z.grad_fn.name() == "DenseSigmoidBackward0"
    z.sum().backward()
    assert calls == ["dense_sigmoid", "dense_sigmoid_backward"]
    one_node = [leaf.grad.numpy().copy() for leaf in (x, w, b) if leaf.grad is not None]
    for leaf in (x, w, b):
        leaf.grad = None
    pygrad.sigmoid(x @ w + b).sum().backward()
    for leaf, expected in zip((x, w, b), one_node, strict=True):
        assert leaf.grad is not None
        assert same_bits(leaf.grad.numpy(), expected)
    with pytest.raises(RuntimeError, match="x's columns"):
        pygrad.dense_sigmoid(x, x, b)


# The engine


def test_a_deep_graph() -> None:
    x = pygrad.tensor(1.0, requires_grad=True)
    y = x
    for _ in range(100_000):
        y = y + 1
    y.backward()
    assert x.grad is not None
    assert x.grad.item() == 1
    del y


def test_no_reference_cycles() -> None:
    class Square(pygrad.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: pygrad.Tensor) -> pygrad.Tensor:
            result: pygrad.Tensor = x * x
            ctx.save_for_backward(x, result)
            return result

        @staticmethod
        def backward(ctx: Any, g: pygrad.Tensor) -> pygrad.Tensor:
            x, _ = ctx.saved_tensors
            gradient: pygrad.Tensor = 2 * x * g
            return gradient

    gc.collect()
    gc.disable()
    try:
        for run_backward in (True, False):
            x, w, b = _leaves(5, 4, 3, "float32", (3,))
            z = pygrad.sigmoid(x @ w + b)
            z.retain_grad()
            total = (Square.apply(z[1:, 0].T).mean() + (z**z).sum() / z.sum()).sum()
            alive = [weakref.ref(t) for t in (x, w, b, z, total, z.grad_fn, total.grad_fn)]
            if run_backward:
                total.backward()
            del x, w, b, z, total
            assert [ref() for ref in alive] == [None] * len(alive)
    finally:
        gc.enable()


def test_memory_stays_flat_and_saved_arrays_are_freed() -> None:
    x, w, b = _leaves(30, 7, 3, "float32", (3,))
    z = pygrad.sigmoid(x @ w + b)
    loss = (z**2).sum()
    nodes = [loss.grad_fn, z.grad_fn]
    loss.backward()
    assert all(node is not None and not node.saved for node in nodes)
    blocks = []
    for _ in range(3):
        for _ in range(300):
            ((pygrad.sigmoid(x @ w + b)) ** 2).sum().backward()
        gc.collect()  # also empties the interpreter's lists of free tuples and floats
        blocks.append(sys.getallocatedblocks())
    assert blocks[2] - blocks[1] < 30


def test_threads_lose_no_gradient() -> None:
    """The rule: backward calls in any number of threads may add to one leaf; the sum has all of them."""
    x = pygrad.tensor([1.0, 2.0], requires_grad=True)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)

    def work() -> None:
        for _ in range(500):
            (x * 2).sum().backward()

    try:
        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert x.grad is not None
    assert x.grad.tolist() == [8000.0, 8000.0]


def test_no_grad_is_of_the_thread() -> None:
    x = pygrad.tensor(1.0, requires_grad=True)
    recorded: list[bool] = []
    with pygrad.no_grad():
        thread = threading.Thread(target=lambda: recorded.append((x * 2).requires_grad))
        thread.start()
        thread.join()
        assert not (x * 2).requires_grad
    assert recorded == [True]

    @pygrad.no_grad()  # type: ignore[untyped-decorator]
    def decorated() -> pygrad.Tensor:
        return x * 2

    assert not decorated().requires_grad
    assert (x * 2).requires_grad


def test_gradients_are_nobody_elses_memory() -> None:
    x, y = (pygrad.tensor([1.0, 2.0], requires_grad=True) for _ in range(2))
    seed = pygrad.tensor([1.0, 1.0])
    (x + y).backward(seed)
    assert x.grad is not None
    assert y.grad is not None
    x.grad += 5
    assert seed.tolist() == [1.0, 1.0]
    assert y.grad.tolist() == [1.0, 1.0]


# Interchange


def test_interchange_shares_memory() -> None:
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    t = pygrad.from_numpy(array)
    array[0, 0] = 7
    assert t[0, 0].item() == 7
    assert np.shares_memory(t.numpy(), array)
    assert np.shares_memory(np.asarray(t), array)
    assert np.asarray(t, dtype=np.float64).dtype == np.float64
    assert not np.shares_memory(np.array(t, copy=True), array)
    assert np.shares_memory(np.from_dlpack(t), array)
    assert np.shares_memory(pygrad.from_dlpack(array).numpy(), array)
    assert t.__dlpack_device__() == (1, 0)
    total = array + t
    assert isinstance(total, pygrad.Tensor)
    assert total.tolist() == (array + array).tolist()
    assert isinstance(np.float32(2) * t, pygrad.Tensor)
    t.requires_grad_()
    assert (array * t).requires_grad
    for refused in (t.numpy, lambda: np.asarray(t)):
        with pytest.raises(RuntimeError, match=r"detach\(\)"):
            refused()
    with pytest.raises(BufferError, match=r"detach\(\)"):
        np.from_dlpack(t)


def test_interchange_with_pytorch() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    t = pygrad.tensor([[1.0, 2.0], [3.0, 4.0]])
    theirs = torch.from_dlpack(t)
    theirs[0, 0] = 9
    assert t[0, 0].item() == 9
    ours = pygrad.from_dlpack(theirs.double())
    assert ours.dtype is pygrad.float64
    assert ours.tolist() == t.tolist()


def test_pickle_and_copy() -> None:
    x = pygrad.tensor([[1.0, 2.0]], requires_grad=True)
    (x * x).sum().backward()
    for twin in (pickle.loads(pickle.dumps(x)), copy.deepcopy(x), copy.copy(x)):
        assert twin is not x
        assert twin.tolist() == x.tolist()
        assert twin.requires_grad
    assert copy.deepcopy(x).grad.tolist() == x.grad.tolist()  # type: ignore[union-attr]
    assert pickle.loads(pickle.dumps(pygrad.float64)) is pygrad.float64


def test_what_is_left_out_says_so() -> None:
    def iter_ones() -> Any:
        yield 1

    x = pygrad.tensor([1.0, 2.0], requires_grad=True)
    y = x * 2
    with pytest.raises(AttributeError, match="'Tensor' object has no attribute 'relu'"):
        x.relu()  # type: ignore[attr-defined]
    with pytest.raises(AttributeError, match="pygrad has no 'softmax': it is not in its subset of PyTorch"):
        _ = pygrad.softmax
    for refused in (
        lambda: pygrad.Tensor([1.0]),
        lambda: y.__setitem__(0, 1.0),
        lambda: y.__iadd__(1),
        lambda: y.sum().backward(create_graph=True),
        lambda: pygrad.tensor([1, 2]) @ pygrad.tensor([1, 2]),
        lambda: x // 2,
        lambda: 2 % x,
        lambda: ~(x > 1),
        lambda: (x > 1) & (x > 1),
        lambda: abs(x),
        lambda: x.sum(axis=0),
        lambda: pygrad.sum(x, dtype=pygrad.float64),
        lambda: x.mean(dtype=pygrad.float64),
        lambda: pygrad.tensor([True]) ** True,
        lambda: pygrad.no_grad()(iter_ones),
    ):
        with pytest.raises(NotImplementedError, match="is not in pygrad's subset of PyTorch"):
            refused()
    with pytest.raises(TypeError, match="float16 is not in pygrad's subset"):
        pygrad.from_numpy(np.ones(2, np.float16))


# gradcheck and Function


class Sigmoid(pygrad.autograd.Function):
    """As somebody writes it by hand; ``wrong`` spoils the gradient."""

    wrong: Any = None

    @staticmethod
    def forward(ctx: Any, x: pygrad.Tensor, scale: float) -> pygrad.Tensor:
        z = pygrad.sigmoid(x) * scale
        ctx.save_for_backward(z)
        ctx.scale = scale
        return z

    @staticmethod
    def backward(ctx: Any, g: pygrad.Tensor) -> tuple[pygrad.Tensor, None]:
        (z,) = ctx.saved_tensors
        gradient = g * z * (1 - z / ctx.scale)
        return (gradient if Sigmoid.wrong is None else Sigmoid.wrong(gradient)), None


def _x() -> pygrad.Tensor:
    return pygrad.tensor([[0.3, -1.2], [2.0, 0.7]], dtype=pygrad.float64, requires_grad=True)


def test_gradcheck_passes_what_is_right() -> None:
    x, w, b = _leaves(4, 3, 2, "float64", (2,))
    assert pygrad.gradcheck(lambda x, w, b: (pygrad.sigmoid(x @ w + b) ** 2).sum() / 4, (x, w, b))
    assert pygrad.gradcheck(pygrad.dense_sigmoid, (x, w, b))
    assert pygrad.gradcheck(pygrad.dense_sigmoid, (x, w, b), fast_mode=True)
    assert pygrad.gradcheck(lambda x: (x.T[0] * 2, (x**3).mean(0)), x)
    assert pygrad.gradcheck(lambda x: Sigmoid.apply(x, 1.5), _x())
    assert x.grad is None


WRONG: dict[str, Callable[[pygrad.Tensor], pygrad.Tensor]] = {
    "a factor": lambda g: g * 1.01,
    "a sign": lambda g: -g,
    "transposed": lambda g: g.T,
    "one element": lambda g: g + pygrad.tensor([[0.0, 0.0], [0.001, 0.0]], dtype=pygrad.float64),
    "nothing": lambda g: g * 0,
    "NaN": lambda g: g * float("nan"),
}


@pytest.mark.parametrize("fast_mode", [False, True])
@pytest.mark.parametrize("wrong", WRONG)
def test_gradcheck_catches_what_is_wrong(wrong: str, fast_mode: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Sigmoid, "wrong", staticmethod(WRONG[wrong]))
    with pytest.raises(RuntimeError, match="Jacobian mismatch for output 0 with respect to input 0, element") as caught:
        pygrad.gradcheck(lambda x: Sigmoid.apply(x, 1.5), (_x(),), fast_mode=fast_mode)
    assert "numerical: " in str(caught.value)
    assert "analytical: " in str(caught.value)
    if wrong == "one element":
        assert "element (1, 0)" in str(caught.value)
    assert not pygrad.gradcheck(lambda x: Sigmoid.apply(x, 1.5), (_x(),), fast_mode=fast_mode, raise_exception=False)


def test_gradcheck_of_bad_arguments() -> None:
    with pytest.raises(ValueError, match="at least one input tensor to require gradient"):
        pygrad.gradcheck(pygrad.sigmoid, pygrad.ones(2, dtype=pygrad.float64))
    with pytest.warns(UserWarning, match="double precision"), warnings.catch_warnings():
        pygrad.gradcheck(pygrad.sigmoid, pygrad.ones(2, requires_grad=True), raise_exception=False)
    counts = iter(range(100))

    class Random(pygrad.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: pygrad.Tensor) -> pygrad.Tensor:
            return x * 1

        @staticmethod
        def backward(ctx: Any, g: pygrad.Tensor) -> pygrad.Tensor:
            return g + next(counts) * 1e-9

    with pytest.raises(RuntimeError, match="Backward is not reentrant"):
        pygrad.gradcheck(Random.apply, _x())
    assert pygrad.gradcheck(Random.apply, _x(), nondet_tol=1e-6)


def test_function_checks_what_backward_returns() -> None:
    class Bad(pygrad.autograd.Function):
        parts: Any = ()

        @staticmethod
        def forward(ctx: Any, x: pygrad.Tensor) -> pygrad.Tensor:
            return x * 2

        @staticmethod
        def backward(ctx: Any, g: pygrad.Tensor) -> Any:
            return Bad.parts

    Bad.parts = (pygrad.ones(2), pygrad.ones(2))
    with pytest.raises(RuntimeError, match=r"incorrect number of gradients \(expected 1, got 2\)"):
        Bad.apply(_x()).sum().backward()
    Bad.parts = pygrad.ones(2)
    with pytest.raises(
        RuntimeError, match=r"invalid gradient at index 0 - got \[2\] but expected shape compatible with"
    ):
        Bad.apply(_x()).sum().backward()


def test_what_no_grad_allows() -> None:
    x = pygrad.ones(2, requires_grad=True)
    context = pygrad.no_grad()
    with context:
        assert x.numpy().tolist() == np.asarray(x).tolist() == [1, 1]
        with context:
            pass
        assert not (x * 2).requires_grad
    assert (x * 2).requires_grad
    with pytest.raises(RuntimeError, match="is being used in an in-place operation"):
        x += 1
    with pytest.raises(RuntimeError, match="detach"):
        x.numpy()


def test_shapes_stay_shapes() -> None:
    shape = pygrad.ones(2, 3).shape
    for made in ((1,) + shape, shape + (1,), 2 * shape, shape * 2, shape[:1]):  # noqa: RUF005
        assert isinstance(made, pygrad.Size)
    assert (1,) + shape == (1, 2, 3)  # noqa: RUF005
    for m, c, name in ((2, 1, "Transpose"), (1, 2, "Transpose"), (2, 2, "Clone")):
        y = pygrad.ones(m, 3, requires_grad=True) @ pygrad.ones(5, 3, c)
        assert y.grad_fn is not None
        assert y.grad_fn.name() == f"{name}Backward0"
