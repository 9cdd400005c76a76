"""C programs of the tests, built from a file here and the sources of csrc, for this machine or an emulated one."""

import shutil
import subprocess
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
CSRC = TESTS.parent / "csrc"
DEBIAN = {
    "gcc": "gcc", "clang": "clang", "x86_64-linux-gnu-gcc": "gcc-x86-64-linux-gnu",
    "aarch64-linux-gnu-gcc": "gcc-aarch64-linux-gnu", "qemu-x86_64": "qemu-user", "qemu-aarch64": "qemu-user",
}  # fmt: skip


def build(source: str, folder: Path, compiler: str = "gcc", emulator: tuple[str, ...] = (), *flags: str) -> list[str]:
    """Return the command that runs ``source``, built in ``folder``; under an ``emulator`` it is linked statically.

    Skips the test where a tool is missing, never where our sources do not compile or link.
    """
    for tool in (compiler, *emulator[:1]):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool}, needed to build and run {source}, is not installed (Debian: {DEBIAN[tool]})")
    flags = (*flags, "-static") if emulator else flags
    program, empty = folder / "program", folder / "empty.c"
    empty.write_text("int main(void) { return 0; }\n", encoding="ascii")
    if subprocess.run([compiler, *flags, empty, "-o", program], capture_output=True).returncode != 0:
        pytest.skip(f"{compiler} has no library to link an empty program with {' '.join(flags)}")
    options = ["-std=c11", "-O2", "-ffp-contract=off", "-pthread", f"-I{CSRC}"]
    sources = [TESTS / source, *sorted(CSRC.glob("*.c"))]
    subprocess.run([compiler, *options, *flags, *sources, "-lm", "-o", program], check=True)
    return [*emulator, str(program)]
