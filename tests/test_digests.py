"""The same bits on every instruction set, machine and compiler: digests of all kernels' results against a golden file.

digests.c is run natively and, where Debian's cross compiler and qemu-user are installed, on an emulated AArch64 (NEON),
an x86 without AVX (Nehalem: no instruction may leak out of its file) and one without AVX-512 (Haswell).
"""

import subprocess
from pathlib import Path

import pytest
from programs import TESTS, build

GOLDEN = dict(line.rsplit(" ", 1) for line in (TESTS / "digests.txt").read_text(encoding="utf-8").splitlines())
NO_SUMS = ("add", "sigmoid", "sigmoid_backward")

# compiler, emulator, the instruction sets that must have run
MACHINES = {
    "native, gcc": ("gcc", (), None),
    "native, clang": ("clang", (), None),
    "Nehalem": ("x86_64-linux-gnu-gcc", ("qemu-x86_64", "-cpu", "Nehalem"), {"portable"}),
    "Haswell": ("x86_64-linux-gnu-gcc", ("qemu-x86_64", "-cpu", "Haswell"), {"portable", "avx2"}),
    "AArch64": ("aarch64-linux-gnu-gcc", ("qemu-aarch64",), {"portable", "neon"}),
}


@pytest.mark.parametrize("machine", MACHINES)
def test_golden_digests(machine: str, tmp_path: Path) -> None:
    compiler, emulator, isas = MACHINES[machine]
    program = build("digests.c", tmp_path, compiler, emulator)
    lines = []
    for threads in ("1",) if emulator else ("1", "2", "3", "8"):
        done = subprocess.run([*program, threads], check=True, capture_output=True, text=True)
        lines += [line.split() for line in done.stdout.splitlines()]
    ran = {isa for isa, *_ in lines}
    assert isas is None or ran == isas
    assert {f"{dtype} {kernel}" for _, dtype, kernel, _ in lines} == set(GOLDEN)
    for isa, dtype, kernel, digest in lines:
        if isa != "portable" or "neon" in ran or kernel in NO_SUMS:  # portable code on x86 rounds products in sums
            assert digest == GOLDEN[f"{dtype} {kernel}"], (isa, dtype, kernel)
