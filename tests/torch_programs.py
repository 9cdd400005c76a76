"""Programs in pygrad's subset of PyTorch, and what they print under PyTorch 2.13 (torch_outputs.json).

`python tests/torch_programs.py` runs them under an installed PyTorch and writes that file anew.
"""

import contextlib
import io
import json
import warnings
from pathlib import Path
from typing import Any

SEED = Path(__file__).parents[1] / "pygrad" / "seed.json"
INPUTS = {
    name: [[float(figure) for figure in row] for row in rows]
    for name, rows in json.loads(SEED.read_text(encoding="utf-8"))["inputs"].items()
}
OUTPUTS = Path(__file__).with_name("torch_outputs.json")

PROGRAMS: dict[str, str] = {}
PROGRAMS["two layers"] = """
x = torch.tensor([[0.5, -1.2, 3.3], [1.5, 2.2, -0.3]])
w1 = torch.tensor([[0.1, 0.2], [0.3, -0.4], [0.5, 0.6]], requires_grad=True)
b1 = torch.tensor([0.1, -0.1], requires_grad=True)
w2 = torch.tensor([[0.7], [-0.8]], requires_grad=True)
b2 = torch.tensor([0.05], requires_grad=True)
h = torch.sigmoid(x @ w1 + b1)
print(h)
o = torch.sigmoid(torch.mm(h, w2) + b2)
print(o)
t = torch.tensor([[1.0], [0.0]])
l = ((o - t) ** 2).mean()
print(l)
l.backward()
for p in (w1, b1, w2, b2):
    print(p.grad)
    print(p)
"""
PROGRAMS["training"] = """
x = torch.tensor([[0.5, -1.2], [1.5, 2.2], [-0.7, 0.1]], dtype=torch.float64)
t = torch.tensor([[1.0], [0.0], [1.0]], dtype=torch.float64)
w = torch.zeros(2, 1, dtype=torch.float64, requires_grad=True)
b = torch.zeros(1, dtype=torch.float64, requires_grad=True)
for step in range(20):
    z = (x.mm(w) + b).sigmoid()
    loss = ((z - t) ** 2).sum() / len(x)
    loss.backward()
    with torch.no_grad():
        w -= 0.5 * w.grad
        b -= 0.5 * b.grad
        w.grad.zero_()
        b.grad.zero_()
    if step % 5 == 0:
        print(step, round(loss.item(), 9), loss, f"{loss:.3f}")
print(w, b, w.grad, b.is_leaf, z.is_leaf, z.grad_fn.name())
"""
PROGRAMS["printing"] = """
for v in ([1.0, 2.0], [1.5, 2.0], [1e-5, 1.0], [1e9, 1.0], [1e8, 1.], [float('nan'), 1.0], [float('inf'), 1.5], [float('-inf'), 2.], [0.0, 0.0], [1e-4, 1.0], [1000.5, 0.5], [1001.0, 0.5], [100000.0], [123456789.0], [-1.5, 22.25], [float('nan')], [1e-45], [3e38], [], 3.0, 3.5, -0.0, 1e10, 1e-10, float('nan'), [[1.0, 2.0], [3.0, 4.5]], [[[1.0, -2.0], [3.0, 4.0]], [[1.0, 2.0], [3.0, 4.0]]], [[]], [True, False], [1, 2, 30], 7, True, [[1, -200], [3, 4]], [-0.0, 1.0], [0.1, 1e-3, 2], [99999.5, 1.25], [1e5+.5, 200.25]):
    for d in (None, torch.float32, torch.float64):
        t = torch.tensor(v, dtype=d) if d else torch.tensor(v)
        print(t, t.shape, t.dtype, t.ndim)
print(torch.zeros(0, 3), torch.zeros(2, 0), torch.zeros(0), torch.zeros(0, dtype=torch.float64))
for n in (5, 20, 30, 999, 1000, 1001, 2000):
    t = torch.tensor([i * 0.37 for i in range(n)])
    print(t)
    print(t * 1e6)
print(torch.tensor([[i * 1.5 + j for j in range(40)] for i in range(5)]))
print(torch.tensor([[i * 1.5 + j for j in range(100)] for i in range(50)]))
print(torch.tensor([[[i * 1.5 + j - k for j in range(10)] for i in range(20)] for k in range(10)]))
print(torch.tensor([[[[0.5 * a + b - c + d for a in range(8)] for b in range(8)] for c in range(8)] for d in range(8)]))
x = torch.ones(3, 3, requires_grad=True)
print(x, x * 2, (x * 1e-7).sum(), torch.ones(2, 8, requires_grad=True) * 1.25, torch.ones(2, dtype=torch.float64, requires_grad=True) + 1)
print(torch.ones(1, 7, requires_grad=True, dtype=torch.float64) * 123.456)
print(torch.ones(1, 6, requires_grad=True, dtype=torch.float64) * 123.456)
print(torch.ones(2000, requires_grad=True) + 0.5)
print(repr(torch.float32), torch.float64, x.shape, x.size(), x.size(0), x.numel(), x.T.shape, len(x))
"""
PROGRAMS["graph"] = """
x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
y = x * x
y.retain_grad()
z = (y + x).sum()
z.backward(retain_graph=True)
print(x.grad, y.grad)
z.backward()
print(x.grad, y.grad)
try:
    z.backward()
except RuntimeError as e:
    print("RuntimeError", str(e)[:50])
s = (x + 1).sum()
s.backward(); s.backward()
print(x.grad)
d = y.detach()
print(d, d.requires_grad, y.requires_grad, x.is_leaf, y.is_leaf)
try:
    x += 1
except RuntimeError as e:
    print(e)
try:
    y.backward()
except RuntimeError as e:
    print(e)
try:
    x.numpy()
except RuntimeError as e:
    print(e)
try:
    d.sum().backward()
except RuntimeError as e:
    print(e)
try:
    y.backward(torch.ones(2))
except RuntimeError as e:
    print(e)
v = x * 2
v.backward(torch.tensor([1.0, 0.5, 0.25]))
print(x.grad)
with torch.no_grad():
    q = x * 2
print(q, q.requires_grad)
x2 = torch.tensor([1.0, 2.0], requires_grad=True)
u = (x2 ** 3).sum()
with torch.no_grad():
    x2 *= 2
try:
    u.backward()
except RuntimeError as e:
    print(str(e)[:60])
print(x2)
"""
PROGRAMS["ops"] = """
import itertools
a = torch.tensor([[1.0, -2.0, 3.0], [4.0, 5.0, -6.0]], requires_grad=True)
b = torch.tensor([0.5, 1.5, 2.5], requires_grad=True)
c = torch.tensor(2.0, requires_grad=True)
for name, f in [("add", lambda: a + b), ("sub", lambda: a - c), ("mul", lambda: a * b), ("div", lambda: a / b), ("rdiv", lambda: 2 / b), ("rsub", lambda: 2 - a),
                ("pow", lambda: a ** 2), ("pow3", lambda: a ** 3.0), ("powt", lambda: b ** c), ("rpow", lambda: 2.0 ** b), ("neg", lambda: -a), ("sum0", lambda: a.sum(0)),
                ("sum1k", lambda: a.sum(1, keepdim=True)), ("mean", lambda: a.mean()), ("mean1", lambda: a.mean(dim=-1)), ("sum01", lambda: a.sum((0, 1))),
                ("T", lambda: a.T), ("t", lambda: a.t()), ("mv", lambda: a @ b), ("dot", lambda: b @ b), ("vm", lambda: b @ a.T), ("idx", lambda: a[0]), ("idx2", lambda: a[:, 1]),
                ("sl", lambda: a[:, 1:]), ("el", lambda: a[1, 2]), ("adv", lambda: a[[0, 1], [2, 0]]), ("mask", lambda: a[a > 0]), ("none", lambda: a[None, :, 0]), ("ell", lambda: a[..., -1]),
                ("neg1", lambda: a[-1, ::2]), ("clone", lambda: a.clone()), ("sig", lambda: a.sigmoid()), ("mm", lambda: torch.mm(a, a.t())), ("add1", lambda: 1 + a), ("powh", lambda: b ** 0.5),
                ("pow0", lambda: a ** 0), ("col", lambda: a[:, [0, 2]]), ("full", lambda: a[:]), ("allfull", lambda: a[:, :]), ("row0", lambda: a[0, :]), ("advt", lambda: a[torch.tensor([1, 1])]),
                ("batch", lambda: torch.matmul(a[None] * torch.ones(2, 1, 1), a.T)), ("iter", lambda: [r for r in a][1]), ("addk", lambda: torch.add(a, b, alpha=2)), ("subk", lambda: torch.sub(a, b, alpha=0.5)),
                ("f64", lambda: a + torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)), ("int", lambda: a * torch.tensor([1, 2, 3])), ("int0", lambda: a + torch.tensor(5)), ("b3", lambda: torch.ones(2,2,3) @ a.T), ("v3", lambda: b @ torch.ones(2, 3, 2)), ("m3", lambda: a @ torch.ones(2,3,2))]:
    for p in (a, b, c): p.grad = None
    r = f()
    print(name, r)
    (r * r).sum().backward()
    print(a.grad, b.grad, c.grad)
i = torch.tensor([1, 2, 3])
print(i + 1, i * 2.5, i / 2, i ** 2, i.sum(), -i, i > 1, (i > 1).sum(), i == 2, i @ torch.tensor([1, 0, 2]) if False else "", i + torch.tensor([0.5, 0.5, 0.5]), i.tolist(), i[0].item())
print(torch.tensor(5) * torch.tensor([1.5]), torch.tensor([1, 2]) * torch.tensor(1.5), torch.tensor([1.5]) * torch.tensor(2.0, dtype=torch.float64), torch.tensor(1.5)*torch.tensor(2.0, dtype=torch.float64))
print(a.tolist(), b.tolist(), c.item(), float(c), int(c), bool(c > 1), a == a, (a > b), a != 3)
"""
PROGRAMS["errors"] = """
def tryit(f):
    try:
        print(f())
    except Exception as e:
        print(type(e).__name__, str(e)[:70])
a = torch.ones(2, 3, requires_grad=True)
tryit(lambda: torch.mm(a, a))
tryit(lambda: a @ torch.ones(4))
tryit(lambda: a + torch.ones(4))
tryit(lambda: a.sum(5))
tryit(lambda: a.item())
tryit(lambda: len(torch.tensor(1.0)))
tryit(lambda: bool(a))
tryit(lambda: a[5])
tryit(lambda: a[0, 0, 0])
tryit(lambda: a[::-1])
tryit(lambda: torch.mm(a, torch.ones(3)))
tryit(lambda: torch.mm(a, torch.ones(3, 2, dtype=torch.float64)))
tryit(lambda: torch.tensor([1, 2]).mean())
tryit(lambda: torch.tensor([1, 2], requires_grad=True))
tryit(lambda: torch.tensor([[1.0, 2.0], [3.0]]))
tryit(lambda: torch.tensor([1, 2]) ** -1)
tryit(lambda: (a * 2).requires_grad_(False))
tryit(lambda: iter(torch.tensor(1.0)))
tryit(lambda: torch.ones(2, 2, 2).t())
tryit(lambda: a == None)
tryit(lambda: a == "x")
tryit(lambda: torch.tensor(3.5).__index__())
tryit(lambda: [1, 2, 3][torch.tensor(1)])
tryit(lambda: a.grad)
tryit(lambda: torch.tensor([True, False]) + 1)
tryit(lambda: torch.tensor([True, False]) + torch.tensor([True, True]))
tryit(lambda: torch.tensor("abc"))
import copy, pickle
tryit(lambda: copy.deepcopy(a * 2))
tryit(lambda: copy.deepcopy(a))
tryit(lambda: pickle.loads(pickle.dumps(a)))
tryit(lambda: torch.tensor(2.0, requires_grad=True) + torch.tensor([1.0]))
"""
PROGRAMS["corner cases"] = """
import copy, pickle
import numpy as np
def tryit(f):
    try:
        print(f())
    except Exception as e:
        print(type(e).__name__, str(e)[:70])
def kind(f):
    try:
        print(f())
    except Exception as e:
        print(type(e).__name__)
x = torch.tensor(3., requires_grad=True)
(-x).backward(); (-x).backward(); print(x.grad, x.grad.zero_())
x = torch.tensor([[.1, .2], [.3, -.4]], requires_grad=True)
b = torch.tensor([0.5, -0.5], requires_grad=True)
z = torch.sigmoid(torch.add(torch.mm(x, x), b, alpha=2)); (z ** 2).mean().backward(); print(b.grad)
x64 = torch.tensor([[.1, .2]], dtype=torch.float64, requires_grad=True)
w64 = torch.tensor([[1.], [2.]], dtype=torch.float64, requires_grad=True)
b32 = torch.tensor([0.5], requires_grad=True)
torch.sigmoid(torch.mm(x64, w64) + b32).sum().backward(); print(b32.grad, x64.grad)
p = pickle.loads(pickle.dumps(torch.ones(2, dtype=torch.float64))); print(torch.sigmoid(p), p + 1, p.mm if False else p.dtype)
w = torch.ones(3); v = w[1]; v.zero_(); print(w)
w = torch.ones(3, requires_grad=True)
with torch.no_grad():
    for e in w:
        e -= 0.5
print(w)
class F(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, w):
        ctx.save_for_backward(x, w)
        return (x * w).sum()
    @staticmethod
    def backward(ctx, g):
        x, w = ctx.saved_tensors
        return w, x, None
a = torch.tensor([1., 2.], requires_grad=True); c = torch.tensor([3., 4.], requires_grad=True)
F.apply(a, c).backward(); c.grad.zero_(); print(a, a.grad, c.grad)
class G(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        y = x * 2
        ctx.save_for_backward(y)
        return y
    @staticmethod
    def backward(ctx, g):
        y, = ctx.saved_tensors
        return g * y
a = torch.ones(2, requires_grad=True)
out = G.apply(a); out.sum().backward(); print(a.grad)
out = G.apply(a)
with torch.no_grad():
    out.zero_()
tryit(lambda: out.sum().backward())
W = torch.ones(2, dtype=torch.float64, requires_grad=True)
q = torch.ones(2, dtype=torch.float64, requires_grad=True)
print(torch.autograd.gradcheck(lambda q: (q * W).sum(), (q,)), W.grad, q.grad)
print(torch.autograd.gradcheck(lambda q: (q ** 2).sum(), (q * 2,)))
y = torch.sigmoid(torch.tensor([[1., 2.]], requires_grad=True)); (y ** 2).sum().backward(torch.tensor(1e38)); print(torch.isinf(y).any() if False else "")
print(torch.as_tensor(torch.ones(1, requires_grad=True), dtype=torch.float64))
for data in ([np.float64(1.)], [np.array([1., 2.])], [torch.tensor(1., dtype=torch.float64)], [np.float32(1.5)], [1, 2.5], (1, 2)):
    print(torch.tensor(data))
print(np.float64(2) - torch.tensor(1.), torch.tensor(1.) * np.float64(2), 2 / torch.tensor([3., 7.]), 1 / torch.tensor([0.]))
i = torch.tensor([7, -7])
tryit(lambda: torch.add(i, i, alpha=2.5)); tryit(lambda: torch.add(i, i, alpha=2)); tryit(lambda: torch.add(w, w, alpha=True))
tryit(lambda: torch.tensor([True]) - 1); tryit(lambda: 1 - torch.tensor([True])); tryit(lambda: -torch.tensor([True]))
tryit(lambda: torch.div(i, 2, rounding_mode="trunc")); tryit(lambda: torch.div(i, 2, rounding_mode="floor")); tryit(lambda: torch.div(i, 0, rounding_mode="floor"))
m = torch.tensor([[1., 2.], [3., 4.]])
print(m[[[0, 1], [1, 0]]], m[[torch.tensor(0), torch.tensor(1)]], m[[0, 1]], m.shape[:1], m.shape + (1,), m.shape * 2)
print(torch.tensor([-float("inf")] + [0.] * 20))
s = torch.ones(3, requires_grad=True); l = s[[0, 1]].sum(); l.backward(); tryit(lambda: l.backward())
y = s * 2; y.retain_grad(); y.sum().backward(retain_graph=True); g = y.grad; y.sum().backward(); print(g, y.grad)
print(copy.copy(s).grad, pickle.loads(pickle.dumps(s)).grad, copy.deepcopy(s).grad)
kind(lambda: torch.zeros(2.0)); kind(lambda: torch.zeros(True)); kind(lambda: torch.zeros(-1)); kind(lambda: torch.zeros("23"))
kind(lambda: torch.neg(2)); kind(lambda: torch.sigmoid(2.)); kind(lambda: m @ 2)
print(1.0 in m, 9.0 in m)
del s.grad
print(s.grad)
@torch.no_grad
def f(t):
    return t * 2
print(f(s))
t0 = torch.sub(s, s * 0.5, alpha=2).sum(); t0.backward(); print(s.grad)
u = torch.sub(s, 1.0, alpha=2).sum(); u.backward(); u.backward(); print(s.grad)
"""
PROGRAMS["in place and views"] = """
def kind(f):
    try:
        print(f())
    except Exception as e:
        print(type(e).__name__)
x = torch.tensor([[1., 2., 3.], [4., 5., 6.]], requires_grad=True)
y = x * 2
with torch.no_grad():
    for v in (x.T, y.T, x.t(), x[0], y[0, 1:], x[[0]], [row for row in x][1], x[0][1:], x * 1):
        print(v, v.requires_grad, v.is_leaf, v.grad_fn)
    w = x[1]
    w.mul_(10)
kind(lambda: w.add_(1))
print(x)
for change in ("input", "output"):
    x = torch.tensor([[0.5, -0.25]], requires_grad=True)
    y = x * 1
    z = torch.sigmoid(y)
    with torch.no_grad():
        (y if change == "input" else z).zero_()
    kind(lambda: z.sum().backward())
    print(x.grad)
for f in (lambda x: 2.0 ** x, lambda x: x ** x, lambda x: 1 / x):
    x = torch.tensor([0.5, 2.0], requires_grad=True)
    z = f(x)
    with torch.no_grad():
        z.zero_()
    kind(lambda: z.sum().backward())
x = torch.ones(2, requires_grad=True)
k = torch.ones(2, requires_grad=True)
l = (x * k * 3).sum()
x.requires_grad_(False)
l.backward()
print(x.grad, k.grad)
a = torch.tensor([[1., 2.], [3., 4.]])
kind(lambda: a.add_(a.T)); kind(lambda: a.mul_(a[0])); kind(lambda: a[1:].sub_(a[:1])); kind(lambda: a[:, 1:].add_(a[:, :1])); kind(lambda: a.add_(a)); kind(lambda: a.add_(a[:]))
"""
PROGRAMS["reductions"] = """
def kind(f):
    try:
        print(f())
    except Exception as e:
        print(type(e).__name__)
x = torch.tensor([[1., 2., 3.], [4., 5., 6.]], requires_grad=True)
for f in (x.sum, x.mean):
    kind(lambda: f()); kind(lambda: f(None)); kind(lambda: f(dim=None, keepdim=True)); kind(lambda: f(())); kind(lambda: f([0, 1])); kind(lambda: f(0, True)); kind(lambda: f(-1, keepdim=True))
    kind(lambda: f(0, 1)); kind(lambda: f(0, keepdim=1)); kind(lambda: f(0, keepdim=None)); kind(lambda: f(keepdim=True)); kind(lambda: f(1.0)); kind(lambda: f(True)); kind(lambda: f("a")); kind(lambda: f(0, 1, 2)); kind(lambda: f((0, 0)))
kind(lambda: torch.sum(x, 0, 1)); kind(lambda: torch.tensor([True, False]) ** torch.tensor([True, True])); kind(lambda: torch.tensor([True]) ** 2); kind(lambda: 2 ** torch.tensor([True, False]))
import numpy as np
kind(lambda: torch.from_numpy(np.arange(4.)[::-1])); kind(lambda: torch.tensor(np.arange(4.)[::-1])); kind(lambda: torch.as_tensor(np.arange(4.)[::-1])); kind(lambda: torch.from_numpy(np.arange(4.)[::-1].copy()))
"""
PROGRAMS["notebook"] = """
X = torch.tensor(INPUTS["X"], dtype=torch.float32)
W = torch.tensor(INPUTS["W"], dtype=torch.float32)
A = torch.tensor(INPUTS["A"], dtype=torch.float32)
B = torch.tensor(INPUTS["B"], dtype=torch.float32)
print(X.requires_grad_(requires_grad=True), W.requires_grad_(requires_grad=True), B.requires_grad_(requires_grad=True))
U = torch.mm(X, W)
V = torch.mm(A, B)
Y = U + V
Z = torch.sigmoid(Y)
print(U, V, Y, Z)
r, c = Z.shape
l = (Z**2).sum() / r
print(l)
l.backward()
print(X.grad, W.grad, B.grad)
"""


def output_of(program: str, torch: Any) -> str:
    """Return what a program prints with ``torch`` in PyTorch's place."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exec(program, {"torch": torch, "INPUTS": INPUTS, "__name__": "program"})
    return printed.getvalue()


if __name__ == "__main__":
    import torch  # type: ignore[import-not-found]

    outputs = {name: output_of(program, torch).splitlines() for name, program in PROGRAMS.items()}
    OUTPUTS.write_text(json.dumps(outputs, indent=1) + "\n", encoding="utf-8")
