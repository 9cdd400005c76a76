"""What pyproject.toml cannot say: the cffi build script, and that the sdist carries all of tests."""

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildPyWithTests(build_py):  # type: ignore[misc]
    """Counts all files of tests as sources, which is what an sdist is made of."""

    def get_source_files(self) -> list[str]:
        return [*super().get_source_files(), *sorted(str(path) for path in Path("tests").glob("*.*"))]


setup(cffi_modules=["csrc/build_kernels.py:ffibuilder"], cmdclass={"build_py": BuildPyWithTests})
