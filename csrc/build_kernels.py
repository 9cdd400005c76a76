"""Builds pygrad._kernels with cffi (API mode, out of line). setup.py names `ffibuilder`."""

import os
import shlex
import subprocess
import sys
import sysconfig
from pathlib import Path

from cffi import FFI

FOLDER = Path("csrc")  # relative, as setuptools wants it: setup.py runs in the folder above
SOURCES = sorted(str(path) for path in FOLDER.glob("*.c"))
REST = sorted(str(path) for path in FOLDER.glob("*") if path.suffix in {".h", ".inc", ".py"})

header = (FOLDER / "pygrad.h").read_text(encoding="utf-8")
declarations = "".join(line for line in header.splitlines(keepends=True) if not line.startswith("#"))

# Contraction would fuse a*b + c where the source does not say fma, differently from compiler to compiler.
FLAGS = ["-std=c11", "-O2", "-ffp-contract=off", "-pthread", "-Wall", "-Wextra"]
# Python's own -fwrapv keeps loops from being simplified; sizes and indices of elements do not overflow.
FLAGS += ["-fvisibility=hidden", "-g0", "-fno-asynchronous-unwind-tables", "-fno-wrapv", "-ffunction-sections"]


def what_compiler_says(option: str) -> str:
    """Return what the compiler that setuptools will call prints for an option; nothing if there is none."""
    command = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")
    try:
        return subprocess.run([*command, option], capture_output=True, text=True).stdout
    except OSError:  # setuptools says it better
        return ""


if "Free Software Foundation" in what_compiler_says("--version"):  # GCC; others refuse its optimisation flags
    # Without passes of GCC 12 that make the library 13 percent larger, compressed, and kernels hardly faster. (One of
    # them, for vectors made of scalars, makes layers of few columns a tenth slower; what others move out of loops
    # leaves too few registers to those.)
    FLAGS += ["-fno-tree-pre", "-fno-schedule-insns2", "-fno-caller-saves", "-fno-tree-loop-distribute-patterns"]
    FLAGS += ["-fno-tree-slp-vectorize", "-fno-code-hoisting", "-fno-inline-small-functions", "-fno-tree-loop-im"]
    FLAGS += ["-fno-move-loop-invariants", "-fno-align-jumps", "-fno-align-labels"]
    FLAGS += ["-falign-loops=64"]  # a line of the instruction cache: else the linker decides on 5 percent of a product
    if what_compiler_says("-dumpmachine").startswith("x86_64"):
        FLAGS += ["-mtune=skylake"]  # unlike the default, it keeps hardly any integers in vector registers

ffibuilder = FFI()
ffibuilder.cdef(declarations)
ffibuilder.set_source(
    "pygrad._kernels",
    '#include "pygrad.h"',
    sources=SOURCES,
    depends=REST,  # rebuilds when one changes, and brings them into the sdist
    include_dirs=[str(FOLDER)],
    extra_compile_args=FLAGS if sys.platform != "win32" else [],
    # Without symbols, a fifth of the size. And a function's forms for all ISAs and dtypes lie side by side: alike as
    # they are, they take a fifth less in a wheel, whose compression looks back 32 KB.
    extra_link_args=["-Wl,-s", "-Wl,--sort-section=name"] if sys.platform == "linux" else [],
)
