"""The functions of torch that the benchmark can be run beside."""

import importlib
import os
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import numpy as np

from ..frameworks import theirs
from ._functions import refuse


def require_torch() -> Any:
    """The module, or exit status 2."""
    # its idle threads would else spin on, and take a core from what is timed next
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        return importlib.import_module("torch")
    except ImportError as error:
        refuse(f"--torch: {error}; install it with: pip install torch")


def torch_call(
    torch: Any, name: str, mode: str, x: jax.Array
) -> Callable[[], Any] | None:
    """The same work done by torch's function of this name, if it has one."""
    f = _function(torch, name)
    if f is None:
        return None
    a = torch.from_numpy(np.array(x, np.float32)).to(getattr(torch, x.dtype.name))
    ones = torch.ones_like(a)

    def forward() -> Any:
        with torch.no_grad():
            return f(a)

    def jvp() -> Any:
        return torch.func.jvp(f, (a,), (ones,))

    def vjp(create_graph: bool = False) -> Any:
        v = a.detach().requires_grad_()
        y = f(v)
        return y, torch.autograd.grad(y, v, ones, create_graph=create_graph)[0], v

    def second() -> Any:
        _, slope, v = vjp(create_graph=True)
        return torch.autograd.grad(slope, v, ones)

    return {"forward": forward, "vjp": vjp, "jvp": jvp, "second": second}[mode]


def _function(torch: Any, name: str) -> Callable[..., Any] | None:
    functional = torch.nn.functional
    name = name.rpartition(":")[2]
    for called, chosen in theirs("torch", name).items():
        if f := getattr(functional, called, None):
            return partial(f, **chosen)
    return getattr(functional, name, None)
