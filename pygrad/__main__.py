"""The command line: ``pygrad``, or ``python -m pygrad``.

Alone, or with ``verify FILE.npz``, ``saturation``, ``info`` or ``bench``.
"""

import argparse
import json
import math
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from pygrad import bench, config, saturation, verification
from pygrad.verification import BadInputError, Verification


def _table(result: Verification, dtype: str, expected: str | None) -> str:
    """Return the comparisons as text; ``expected`` heads the column for figures from elsewhere."""
    head = ["array", "shape", "max ULP", "of bound", *([expected] if expected else []), "verdict"]
    rows = [head]
    for c in result.comparisons:
        figures = [f"{c.ulp:.3g}", f"{c.of_bound:.1%}"]
        if expected:
            figures.append("" if c.of_expected is None else f"{c.of_expected:.3g}")
        rows.append([c.name, str(c.shape), *figures, "ok" if c.agrees else "DIFFERS"])
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    lines = [f"pygrad {config.__version__}, {config.isa()} kernels, {dtype}", ""]
    for row in rows:
        cells = [
            cell.ljust(w) if i in (0, 1) else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    lines.append("")
    if result.fused_is_unfused is not None:
        lines.append(f"fused kernels give the bits of the unfused: {'yes' if result.fused_is_unfused else 'NO'}")
    unbounded = sum(c.unbounded for c in result.comparisons)
    if unbounded:
        lines.append(f"{unbounded} elements not judged: something that they are computed from may overflow {dtype}")
    agreeing = sum(c.agrees for c in result.comparisons)
    lines.append(f"{agreeing} of {len(result.comparisons)} arrays agree")
    return "\n".join(lines)


def _as_json(result: Verification, dtype: str, **more: object) -> str:
    return json.dumps(
        {
            "version": config.__version__,
            "isa": config.isa(),
            "dtype": dtype,
            "agrees": result.agrees,
            "fused_is_unfused": result.fused_is_unfused,
            "arrays": [{k: _finite(v) for k, v in vars(c).items()} for c in result.comparisons],
            **more,
        },
        indent=2,
    )


def _finite(value: object) -> object:
    """Return a value that JSON has: it knows no infinity."""
    return "Infinity" if value == math.inf else value


def _seed(arguments: argparse.Namespace) -> int:
    result = verification.verify_seed()
    if arguments.json:
        print(_as_json(result, "float32"))
    else:
        print(_table(result, "float32", "vs printed"))
        print("max ULP, of bound: difference from NumPy in float64, in units in the last place, and as a part of the")
        print(
            "bound of the rounding error. vs printed: difference from PyTorch's figures, in units of their last digit"
        )
        print("(2 allowed).")
    return 0 if result.agrees else 1


def _verify(arguments: argparse.Namespace) -> int:
    try:
        inputs, expected, unused = verification.load(arguments.file)
        result = verification.verify(inputs, expected)
    except (BadInputError, MemoryError) as error:
        name = " ".join(str(arguments.file).splitlines())
        print(f"pygrad verify: {name}: {error or 'not enough memory'}", file=sys.stderr)
        return 2
    dtype = str(inputs.X.dtype)
    if arguments.json:
        print(_as_json(result, dtype, file=str(arguments.file), unused=unused))
    else:
        print(_table(result, dtype, "vs file" if expected else None))
        if expected:
            print("vs file: difference from the file's array, as a part of both roundings' bounds (1 allowed).")
        if unused:
            print(f"not used: {', '.join(unused)}")
    return 0 if result.agrees else 1


def _saturation(arguments: argparse.Namespace) -> int:
    results = saturation.saturation()
    agrees = all(result.agrees for result in results)
    if arguments.json:
        print(json.dumps({"agrees": agrees, "errors": [vars(result) for result in results]}, indent=2))
        return 0 if agrees else 1
    libraries = ["pygrad"] if results[0].torch is None else ["pygrad", "PyTorch"]
    print("largest relative error of the gradients of sigmoid(x w + b) in float32\n")
    print("  y" + "".join(f"  {f'{library} {name}':>10}" for library in libraries for name in saturation.GRADIENTS))
    for result in results:
        errors = (*result.pygrad, *(result.torch or ()))
        print(f"{result.y:3}" + "".join(f"  {error:10.1e}" for error in errors))
    print(f"\npygrad's are rounding errors of the sums: {'yes' if agrees else 'NO'}")
    return 0 if agrees else 1


def _info(arguments: argparse.Namespace) -> int:
    if arguments.json:
        print(json.dumps(config.config(), indent=2))
    else:
        config.show_config()
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status: 0 if all agree, 1 if not, 2 for arguments that make no sense."""
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="print JSON, for programs")
    parser = argparse.ArgumentParser(
        prog="pygrad",
        parents=[shared],
        description="Without a command: compute the notebook's layer with the C kernels, and compare it with NumPy and "
        "with the figures that PyTorch printed. Exit status 0 if all agree, 1 if not, 2 for bad input.",
    )
    parser.add_argument("--version", action="version", version=f"pygrad {config.__version__}")
    parser.set_defaults(run=_seed)
    commands = parser.add_subparsers(metavar="COMMAND")
    verify = commands.add_parser("verify", parents=[shared], help="the same for your own arrays")
    verify.description = "Compute sigmoid(X W + A B), its mean-square loss and gradients, and compare them with NumPy."
    verify.add_argument(
        "file",
        metavar="FILE.npz",
        type=Path,
        help="arrays X, W, B, float32 or float64; also A (a column of ones if it is not there), and any of "
        f"{', '.join(verification.NAMES)} to compare with",
    )
    verify.set_defaults(run=_verify)
    saturated = commands.add_parser("saturation", parents=[shared], help="digits that gradients keep far from y = 0")
    saturated.description = "Compute gradients of a saturated layer by pygrad, and by PyTorch where it is installed."
    saturated.set_defaults(run=_saturation)
    info = commands.add_parser("info", parents=[shared], help="version, instruction set, threads, compiler, NumPy")
    info.set_defaults(run=_info)
    bench.add_command(commands)
    parsed = parser.parse_args(arguments)
    parsed.json = getattr(parsed, "json", False)
    try:
        status: int = parsed.run(parsed)
        sys.stdout.flush()
    except BrokenPipeError:  # who reads has had enough, as in `pygrad | head -1`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return status


if __name__ == "__main__":
    sys.exit(main())
