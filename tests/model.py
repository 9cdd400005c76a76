"""A scalar model of the kernels' arithmetic, written with fma, that they are held to bit for bit.

It works on whole arrays for speed only: every element goes through the same scalar operations, in the order that
csrc/matmul.inc, csrc/sigmoid.inc and csrc/dense.inc document. It knows nothing of tiles, vectors or panels. The sigmoid
in float32 and its slope are correctly rounded, so that the exact value is all that there is to say.
"""

from decimal import Decimal, localcontext
from typing import Any, TypeAlias

import numpy as np

Array: TypeAlias = np.ndarray[Any, Any]

BLOCK, GROUP_BLOCKS, SEGMENT, LANES = 256, 8, 256, 16
PANEL_BYTES = 4 * 2**20

NEAR_TIE = 2.0**-44

LIMIT = 746.0
LN2_HIGH, LN2_LOW = float.fromhex("0x1.62e42fefa38p-1"), float.fromhex("0x1.ef35793c7673p-45")
LOG2_E = float.fromhex("0x1.71547652b82fep+0")
EXPM1_TAIL = (
    "0x1.1f66e19b630d7p-29 0x1.af38ad617009fp-26 0x1.27e4e1f3a2503p-22 0x1.71de0dacd6939p-19 0x1.a01a01a47b3fbp-16 "
    "0x1.a01a01a7c4839p-13 0x1.6c16c16c167e1p-10 0x1.11111111109b3p-7 0x1.5555555555555p-5 0x1.5555555555556p-3 0x1p-1"
)


def _two_sum(a: Array, b: Array) -> tuple[Array, Array]:
    """Return a + b rounded, and what the rounding took away (Knuth)."""
    s = a + b
    t = s - a
    return s, (a - (s - t)) + (b - t)


def _two_product(a: Array, b: Array) -> tuple[Array, Array]:
    """Return a * b rounded, and what the rounding took away (Dekker, with Veltkamp's splitting)."""
    factor = 2.0**27 + 1
    p = a * b
    a_high = factor * a - (factor * a - a)
    b_high = factor * b - (factor * b - b)
    a_low, b_low = a - a_high, b - b_high
    return p, a_low * b_low - (((p - a_high * b_high) - a_low * b_high) - a_high * b_low)


def _sum_to_odd(a: Array, b: Array) -> Array:
    """Return a + b rounded to odd: truncated or not, an inexact sum gets the neighbour whose last bit is 1."""
    s, error = _two_sum(a, b)
    even = (s.view(np.int64) & 1) == 0
    away = (error > 0) == (s > 0)
    step = np.where((error != 0) & even, np.where(away, 1, -1), 0)
    return (s.view(np.int64) + step).view(np.float64)


def fma(a: Any, b: Any, c: Any) -> Array:
    """Return a * b + c rounded once, in the dtype of the arguments, for values away from overflow and underflow."""
    dtype = np.result_type(a, b, c)
    a, b, c = np.broadcast_arrays(*(np.asarray(value, dtype=np.float64) for value in (a, b, c)))
    if dtype == np.float32:  # the product is exact in float64, and rounding to odd before the last rounding is harmless
        return _sum_to_odd(a * b, np.array(c)).astype(np.float32)
    # Boldo and Melquiond, Emulation of FMA and correctly rounded sums (2008)
    high, low = _two_product(a, b)
    t, t_low = _two_sum(c, low)
    v, v_low = _two_sum(high, t)
    return v + _sum_to_odd(t_low, v_low)


def matmul(a: Array, b: Array) -> Array:
    """The rule of csrc/matmul.inc: blocks of 256 terms in the dtype, groups of 8 blocks and the total in float64."""
    dtype = a.dtype.type
    blocks = []
    for start in range(0, max(a.shape[1], 1), BLOCK):
        s = np.zeros((a.shape[0], b.shape[1]), dtype)
        for p in range(start, min(start + BLOCK, a.shape[1])):
            s = fma(a[:, p, None], b[p], s)
        blocks.append(s.astype(np.float64))
    return in_groups(blocks).astype(dtype)


def in_order(terms: list[Array]) -> Array:
    total = terms[0]
    for term in terms[1:]:
        total = total + term
    return total


def in_groups(blocks: list[Array]) -> Array:
    """Return the sum of blocks: those of a group in order, then the groups in order."""
    return in_order([in_order(blocks[i : i + GROUP_BLOCKS]) for i in range(0, len(blocks), GROUP_BLOCKS)])


def sigmoid_and_slope(y: Array) -> tuple[Array, Array]:
    """Return s(y) and s'(y) = s(y) s(-y)."""
    return _correctly_rounded(y) if y.dtype == np.float32 else _compensated(y)


def _correctly_rounded(y: Array) -> tuple[Array, Array]:
    """In float32: by float64, whose error is far below NEAR_TIE, and nearer to a tie by 60 digits."""
    e = np.exp(-np.abs(y.astype(np.float64)))
    small, large = e / (1 + e), 1 / (1 + e)
    z, slope = (_rounded(value, y, which) for which, value in enumerate((np.where(y < 0, small, large), small * large)))
    return z, slope


def _rounded(value: Array, y: Array, which: int) -> Array:
    below, above = (np.ravel(value * factor).astype(np.float32) for factor in (1 - NEAR_TIE, 1 + NEAR_TIE))
    for index in np.flatnonzero(below < above):  # not where y is NaN
        if exact(float(y.flat[index]))[which] > tie(float(below[index]), float(above[index])):
            below[index] = above[index]
    return below.reshape(y.shape)


def exact(y: float) -> tuple[Decimal, Decimal]:
    """Return s(y) and s'(y) to 60 digits."""
    with localcontext(prec=64):
        e = Decimal(-abs(y)).exp()
        return (e if y < 0 else 1) / (1 + e), e / (1 + e) ** 2


def tie(a: float, b: float) -> Decimal:
    """Return the point halfway between two neighbours in float32: a double, so that nothing is rounded."""
    return Decimal((a + b) / 2)


def _compensated(y: Array) -> tuple[Array, Array]:
    """In float64: the steps of csrc/sigmoid.inc, for finite y."""
    t = np.maximum(-LIMIT, -np.abs(y))
    rounding = 1.5 * 2.0**52
    n = fma(t, LOG2_E, rounding) - rounding
    rh = fma(-n, LN2_HIGH, t)
    rl = n * -LN2_LOW
    r = rh + rl
    q = np.zeros_like(r)
    for coefficient in EXPM1_TAIL.split():
        q = fma(q, r, float.fromhex(coefficient))
    a = 1 + rh
    a_low = rh - (a - 1)
    b = fma(r * r, q, rl)
    eh = a + b
    el = (b - (eh - a)) + a_low
    exponent = n.astype(np.int32)
    sh, sl = np.ldexp(eh, exponent), np.ldexp(el, exponent)
    dh = 1 + sh
    dl = (sh - (dh - 1)) + sl
    i = 1 / dh
    rho = fma(-i, dl, fma(-i, dh, 1.0))
    large = fma(i, rho, i)
    h = eh * i
    h_low = fma(eh, i, -h)
    small = np.ldexp(h + (fma(h, rho, el * i) + h_low), exponent)
    return np.where(y < 0, small, large), small * large


def sigmoid(y: Array) -> Array:
    return sigmoid_and_slope(y)[0]


def sigmoid_backward(dz: Array, y: Array) -> Array:
    dy: Array = dz * sigmoid_and_slope(y)[1]
    return dy


def chunk_columns(rows: int, columns: int, itemsize: int) -> int:
    """How many columns are taken at once: all if 256 rows have 4 MB; else as many groups, doubled, as 512 rows have."""

    def most(block: int) -> int:
        chunk = PANEL_BYTES // itemsize
        while chunk > BLOCK * GROUP_BLOCKS and chunk * min(rows, block) * itemsize > PANEL_BYTES:
            chunk //= 2
        return chunk

    return columns if columns <= most(BLOCK) else most(2 * BLOCK)


def mean_of_squares(z: Array) -> float:
    """The rule of csrc/dense.inc: segments of 256 elements in 16 lanes, which are folded; groups of rows; the total.

    Of wide rows so for each chunk of columns, and the chunks are added in order.
    From the folding on each sum is a high and a low part, which has what roundings took away.
    """

    def in_order_of_parts(parts: list[tuple[Array, Array]]) -> tuple[Array, Array]:
        high = low = np.zeros(())
        for part_high, part_low in parts:
            high, error = _two_sum(high, part_high)
            low = (low + error) + part_low
        return high, low

    def sum_of_chunk(chunk: Array) -> tuple[Array, Array]:
        groups = []
        for start in range(0, len(chunk), BLOCK * GROUP_BLOCKS):
            flat = chunk[start : start + BLOCK * GROUP_BLOCKS].reshape(-1).astype(np.float64)
            segments = np.zeros((-(-flat.size // SEGMENT), SEGMENT // LANES, LANES))
            segments.reshape(-1)[: flat.size] = flat
            lanes, low = np.zeros((len(segments), LANES)), np.zeros(len(segments))
            for i in range(SEGMENT // LANES):
                lanes = fma(segments[:, i], segments[:, i], lanes)
            while lanes.shape[1] > 1:
                half = lanes.shape[1] // 2
                lanes, errors = _two_sum(lanes[:, :half], lanes[:, half:])
                for lane in range(half):
                    low = low + errors[:, lane]
            groups.append(in_order_of_parts(list(zip(lanes[:, 0], low, strict=True))))
        return in_order_of_parts(groups)

    chunk = chunk_columns(len(z), z.shape[1], z.itemsize)
    by_chunk = [z[:, j : j + chunk] for j in range(0, z.shape[1], chunk)]
    if chunk < z.shape[1]:  # a row of a chunk ends with a segment; what pads it adds nothing
        by_chunk = [np.pad(part, ((0, 0), (0, -part.shape[1] % SEGMENT))) for part in by_chunk]
    high, low = in_order_of_parts([sum_of_chunk(part) for part in by_chunk])
    return float((high + low) / len(z))


def dense_sigmoid(x: Array, w: Array, b: Array) -> Array:
    return sigmoid(matmul(x, w) + b)


def dense_sigmoid_backward(dz: Array, x: Array, w: Array, y: Array) -> tuple[Array, Array, Array]:
    dy = sigmoid_backward(dz, y)
    ones = np.ones((1, len(x)), x.dtype)
    return matmul(dy, w.T), matmul(x.T, dy), matmul(ones, dy)[0]


def dense_sigmoid_value_and_grad(x: Array, w: Array, b: Array) -> tuple[float, tuple[Array, Array, Array]]:
    y = matmul(x, w) + b
    z = sigmoid(y)
    scale = x.dtype.type(2.0 / len(x))
    return mean_of_squares(z), dense_sigmoid_backward(z * scale, x, w, y)
