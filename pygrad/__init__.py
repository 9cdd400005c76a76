"""A dense sigmoid layer and its gradients, at the speed of the machine.

``pygrad.kernels`` computes with NumPy arrays in C; ``pygrad.reference`` has the same functions in plain NumPy.
"""

from pygrad import kernels, reference
from pygrad.config import __version__, show_config

__all__ = ["__version__", "kernels", "reference", "show_config"]
