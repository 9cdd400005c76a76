"""What runs: the version, the instruction set chosen when pygrad is imported, and where to ask for them."""

import os
import sys
from typing import TypedDict

import numpy as np

try:
    from pygrad._kernels import ffi, lib
except ModuleNotFoundError as error:
    raise ImportError(
        f"the C kernels are not in {os.path.dirname(__file__)}: in a source folder, build them there with "
        "'pip install -e .'; to use an installed pygrad, start Python in another folder"
    ) from error

__all__ = ["ISAS_BUILT", "ISAS_USABLE", "KERNELS", "config", "ffi", "isa", "lib", "show_config", "use_isa"]

__version__ = "0.1.0"


def _text(chars: object) -> str:
    return str(ffi.string(chars).decode())


ISAS_BUILT = tuple(_text(lib.pg_isas_built()).split())
"""Names of the instruction sets that kernels were built for, best first."""

ISAS_USABLE = tuple(isa for isa in ISAS_BUILT if lib.pg_isa_runs(isa.encode()))
"""Those of them that this CPU and operating system run."""

KERNELS = tuple(_text(lib.pg_kernel_names()).split())
"""Names of the kernels, each built for every instruction set in float32 and float64."""


def isa() -> str:
    """Return the name of the instruction set whose kernels are in use."""
    return _text(lib.pg_isa())


def use_isa(name: str) -> None:
    """Use the kernels of the instruction set ``name`` from now on, in all threads.

    Raises
    ------
    ValueError
        If pygrad was not built for it, or this machine does not run it.
    """
    if lib.pg_use_isa(os.fsencode(name)) != 0:
        why = "this machine does not run it" if name in ISAS_BUILT else "there is no such instruction set"
        raise ValueError(f"{name!r}: {why}; valid here: {', '.join(ISAS_USABLE)}")


def _choose_isa() -> None:
    name = os.environ.get("PYGRAD_ISA")
    try:
        use_isa(ISAS_USABLE[0] if name is None else name)
    except ValueError as error:
        raise ValueError(f"PYGRAD_ISA={error}; or unset PYGRAD_ISA to have the best one chosen") from None


_choose_isa()


class Config(TypedDict):
    """What `config` returns."""

    version: str
    isa: str
    isas_usable: list[str]
    isas_built: list[str]
    threads: int
    compiler: str
    numpy: str
    python: str


def config() -> Config:
    """Return what runs, as a dictionary."""
    return {
        "version": __version__,
        "isa": isa(),
        "isas_usable": list(ISAS_USABLE),
        "isas_built": list(ISAS_BUILT),
        "threads": int(lib.pg_num_threads()),
        "compiler": _text(lib.pg_compiler()),
        "numpy": np.__version__,
        "python": sys.version.split()[0],
    }


def show_config() -> None:
    """Print version, instruction sets, threads, compiler, NumPy and Python."""
    for name, value in config().items():
        text = " ".join(value) if isinstance(value, list) else str(value)
        print(f"{name.replace('_', ' '):12} {text}")
