"""The errors of the sigmoid and of its derivative: sigmoid_errors.c, and the scalar model where the arithmetic is hard.

``pytest -m exhaustive`` looks at all 2**32 arguments in float32, on every instruction set of this machine.
"""

import os
import subprocess
from decimal import Decimal

import model
import numpy as np
import pytest
from programs import build
from table import same_bits

from pygrad import config, kernels, saturation

# Where sigmoid and its derivative come nearest to a tie, 2**-55 to 2**-48 of their size: found by the exhaustive run
NEAREST_TIES = [
    float.fromhex(y)
    for y in (
        "-0x1.250c02p-10", "0x1.437902p-5", "-0x1.2082e0p-3", "0x1.250c08p-9", "-0x1.32c9a0p-1", "0x1.d13002p-11",
        "-0x1.46c7e8p-4", "-0x1.c9bb96p+3", "0x1.1bff5ep-2", "-0x1.caa048p-5", "0x1.659370p-2", "-0x1.acf776p-5",
        "0x1.2a9e3cp+1", "0x1.e9f666p-2", "0x1.3988e2p-11", "0x1.20d886p+2", "0x1.43f180p-4", "0x1.beb094p+1",
        "0x1.1bcf52p-6", "0x1.d5dc32p+3", "0x1.1dfc9ap-4", "0x1.f5760cp-6", "0x1.f82fd6p-3", "0x1.d00746p+1",
    )
]  # fmt: skip


@pytest.fixture(scope="module")
def program(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Return a command that runs sigmoid_errors: on this machine, or on an emulated AArch64."""
    machine = {"native": ("gcc", ()), "AArch64": ("aarch64-linux-gnu-gcc", ("qemu-aarch64",))}[request.param]
    return build("sigmoid_errors.c", tmp_path_factory.mktemp("sigmoid_errors"), *machine)


def _results(lines: list[str]) -> dict[tuple[str, str], tuple[int, int, float]]:
    """Return count, number misrounded and largest error in ULP, by instruction set and function."""
    found: dict[tuple[str, str], tuple[int, int, float]] = {}
    for line in lines:
        isa, function, *numbers = line.split()
        before = found.get((isa, function), (0, 0, 0.0))
        count, misrounded, worst = int(numbers[0]), int(numbers[1]), float(numbers[2])
        found[isa, function] = (before[0] + count, before[1] + misrounded, max(before[2], worst))
    isas = {isa for isa, _ in found}
    assert isas in (set(config.ISAS_USABLE), {"neon", "portable"})
    return found


@pytest.mark.parametrize(
    ("program", "step"),
    [("native", 997), ("AArch64", 997), pytest.param("native", 1, marks=pytest.mark.exhaustive)],
    indirect=["program"],
)
def test_float32_is_correctly_rounded(step: int, program: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """One argument in ``step``: all of them on this machine; under emulation they would take hours."""
    parts = os.cpu_count() or 1
    commands = [[*program, "float32", str(part), str(parts), str(step)] for part in range(parts)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for command in commands]
    lines = [line for process in running for line in process.communicate()[0].splitlines()]
    assert all(process.returncode == 0 for process in running)  # 1: the reference could not decide
    ties = [line.split()[1:] for line in lines if line.startswith("tie")]
    for function, y, z in ties:  # decided once more, to 60 digits
        exact = model.exact(float.fromhex(y))[("sigmoid", "slope").index(function)]
        rounded = np.float32(float.fromhex(z))
        for direction in (-1, 2):
            neighbour = np.nextafter(rounded, np.float32(direction))
            assert abs(exact - Decimal(float(rounded))) < abs(exact - Decimal(float(neighbour)))
    results = _results([line for line in lines if not line.startswith("tie")])
    for (isa, function), (count, misrounded, worst) in results.items():
        if step == 1:
            with capsys.disabled():
                print(
                    f"\n{isa} {function}: {count} arguments, {misrounded} misrounded, at most {worst:.6f} ULP", end=""
                )
            assert count == 2**32
            assert len(ties) > 100
        assert misrounded == 0
        assert worst <= 0.500001


@pytest.mark.parametrize("program", ["native"], indirect=True)
def test_float64_is_within_one_ulp(program: list[str]) -> None:
    done = subprocess.run([*program, "float64"], check=True, capture_output=True, text=True)
    for (_, function), (count, _, worst) in _results(done.stdout.splitlines()).items():
        assert count >= 10**7
        # The derivative is the product of two numbers, each within an ULP, 2 u at most: 5 u, 5 ULP of one just below a
        # power of two. But no argument has all of these at once.
        assert worst <= {"sigmoid": 1, "slope": 3}[function]


def test_float32_is_the_rounded_exact_value_at_hard_spots(isa: str) -> None:
    limits = [2.0**-11, 2.0**-10, 17.3287, 87.3365, 88.0297, 103.2789, 103.9721, 104.0]
    spots = [0.0, *limits, *np.log(2) * np.arange(0.5, 151), *NEAREST_TIES]
    near = np.array(spots, np.float32).view(np.int32)[:, None] + np.arange(-150, 150, dtype=np.int32)
    ties = np.arange(1, 1000, 2) * 2.0**-24  # of 1/2 + y/4
    y = np.concatenate([near.view(np.float32).ravel(), ties.astype(np.float32), [2.0**30, np.inf]]).astype(np.float32)
    y = np.concatenate([y, -y])
    y = y[~np.isnan(y)]
    assert same_bits(kernels.sigmoid(y), model.sigmoid(y))
    assert same_bits(kernels.sigmoid_backward(np.ones_like(y), y), model.sigmoid_backward(np.ones_like(y), y))


def test_gradients_keep_their_digits_in_saturation(isa: str) -> None:
    results = saturation.saturation()
    assert [result.y for result in results] == [-85, -60, -20, -8, 8, 20, 60, 85]
    for result in results:
        assert result.agrees, result
        # z (1 - z) from a rounded z is off by 2**-25 exp(y) times what its rounding took, and by all of it from 17.4 on
        if result.torch is not None and result.y > 0:
            assert min(result.torch) > 20 * max(result.pygrad)
