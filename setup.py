"""What pyproject.toml cannot say: the cffi build script, the stable ABI, and that the sdist carries all of tests."""

import sysconfig
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildPyWithTests(build_py):  # type: ignore[misc]
    """Counts all files of tests as sources, which is what an sdist is made of."""

    def get_source_files(self) -> list[str]:
        return [*super().get_source_files(), *sorted(str(path) for path in Path("tests").glob("*.*"))]


# cffi builds for the stable ABI, except where there is no GIL.
stable_abi = {} if sysconfig.get_config_var("Py_GIL_DISABLED") else {"bdist_wheel": {"py_limited_api": "cp311"}}

setup(cffi_modules=["csrc/build_kernels.py:ffibuilder"], cmdclass={"build_py": BuildPyWithTests}, options=stable_abi)
