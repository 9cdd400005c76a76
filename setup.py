"""What pyproject.toml cannot say: the cffi build script, and that the sdist carries all of tests."""

from pathlib import Path

from setuptools import setup
from setuptools.command.sdist import sdist


class SdistWithTests(sdist):  # type: ignore[misc]
    """An sdist from which the tests run."""

    def add_defaults(self) -> None:
        super().add_defaults()
        self.filelist.extend(sorted(str(path) for path in Path("tests").glob("*.*")))


setup(cffi_modules=["csrc/build_kernels.py:ffibuilder"], cmdclass={"sdist": SdistWithTests})
