"""What is wrong with the activations of a model: findings from observations.

    out, seen = jaxact.observe(model)(params, x)
    for finding in jaxact.diagnose(seen):
        print(finding)

Every threshold is a parameter of `diagnose`.
"""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from .transforms._figures import turns
from .transforms.observe import Observations, Statistics

__all__ = [  # noqa: RUF022 (in the order of the file)
    "DEAD",
    "SATURATED",
    "VANISHING",
    "EXPLODING",
    "ROUNDED",
    "NOT_FINITE",
    "LINEAR",
    "SHIFTED",
    "Finding",
    "diagnose",
]


def __dir__() -> list[str]:
    return __all__


DEAD = "dead units"
SATURATED = "saturation"
VANISHING = "vanishing gradient"
EXPLODING = "exploding gradient"
ROUNDED = "gradient lost to rounding"
NOT_FINITE = "non-finite values"
LINEAR = "works as linear"
SHIFTED = "mean shift"


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong at a site.

    Attributes:
        kind: what it is, such as "dead units".
        site: the name of the site; of a scan with the turn, "layers/relu[2]".
        severity: from 0 to 1.
        evidence: the figures it rests on.
        reason: what that means, in a sentence.
        advice: what to try.
    """

    kind: str
    site: str
    severity: float
    evidence: Mapping[str, float]
    reason: str
    advice: str

    def __str__(self) -> str:
        figures = ", ".join(f"{n} {v:.3g}" for n, v in self.evidence.items())
        return f"{self.site}: {self.kind} ({figures}). {self.reason} Try {self.advice}."


def diagnose(
    observations: Observations,
    *,
    samples: int = 16,
    dead: float = 0.1,
    saturated: float = 0.8,
    gain: float = 1e-3,
    linear: float = 1e-4,
    shift: float = 5.0,
) -> list[Finding]:
    """The findings about the activations of a model, the worst first.

    The kinds are dead units; saturation; a vanishing or exploding gradient; a gradient
    lost to rounding; values that are not finite, at the first site that has them; an
    activation that works as linear; a mean shift that grows with depth.

    How a gradient changes with depth is measured where there are cotangents
    (`observe_value_and_grad`).  Else it is estimated, for layers that follow one
    another: the mean square of the slopes, times the growth of the variance from the
    output of one activation to the operand of the next (Poole et al. 2016,
    arXiv:1606.05340).  What skips layers, or normalizes, is not in that estimate.

    Args:
        observations: what `observe` has seen, not traced.
        samples: sites with fewer finite samples are looked at for non-finite values
            alone.
        dead: the least share of dead units that is a finding.
        saturated: the least share of samples that are saturated, of the units that are
            not dead.
        gain: the gradient at the first activation over that at the last is less than
            this, or more than its inverse.
        linear: the most that the variance of the slopes may be of their mean square.
        shift: the least size of the means of the operands, in standard deviations, if
            it has doubled with depth.

    Returns:
        A list of `Finding`, empty if nothing is wrong.

    Raises:
        TypeError: the argument is not `Observations`, or they are traced.

    Example:
        >>> x = jnp.full((16, 2), -1.0)
        >>> out, seen = jaxact.observe(jaxact.relu)(x)
        >>> [finding.kind for finding in jaxact.diagnose(seen)]
        ['dead units']
    """
    if not isinstance(observations, Observations):
        raise TypeError(
            f"diagnose: expected Observations, got {type(observations).__name__}; "
            "jaxact.observe returns them second: out, seen = ..."
        )
    if any(isinstance(v, Tracer) for v in jax.tree.leaves(observations)):
        raise TypeError(
            "diagnose: the observations are traced; return them from the compiled "
            "function, and diagnose them outside"
        )
    chains = list(_chains(observations))
    layers = [layer for chain in chains for layer in chain]
    found = list(_not_finite(layers))
    enough = [[v for v in chain if v.samples >= samples] for chain in chains]
    for chain in enough:
        found += _in_depth(chain, gain, shift)
        alone: list[Finding] = []
        for layer in chain:
            alone += _dead(layer, dead)
            alone += _saturated(layer, saturated)
            alone += _rounded(layer, dead)
            alone += _linear(layer, linear)
        found += _worst_of_each(alone)
    return sorted(found, key=lambda f: -f.severity)


class _Layer(NamedTuple):
    """What one activation has seen in one turn, in float64."""

    name: str
    site: Any

    @property
    def samples(self) -> float:
        return float(np.max(self.site.n, initial=0))

    def spread(self, of: str) -> float:
        """The variance over samples, the mean of all units."""
        return float(np.mean(self.site.variance(of)))

    def square(self, of: str) -> float:
        """The mean square."""
        return float(np.mean(self.site.mean_square(of)))


def _chains(observations: Observations) -> Iterator[list[_Layer]]:
    """Layers that follow one another: turns of a scan, or all that is in none."""
    plain = []
    for name, site in observations.items():
        here = {turn: _layer(f"{name}{turn}", part) for turn, part in turns(site)}
        if "" in here:
            plain.append(here[""])
        else:
            yield list(here.values())
    yield plain


def _layer(name: str, site: Statistics) -> _Layer:
    return _Layer(name, jax.tree.map(lambda v: np.asarray(v, np.float64), site))


# --- of one layer ---------------------------------------------------------------------


def _dead(layer: _Layer, least: float) -> Iterator[Finding]:
    gone, units = int(np.sum(layer.site.dead)), layer.site.live.size
    if gone and gone >= least * units:
        yield Finding(
            DEAD,
            layer.name,
            0.4 + 0.5 * gone / units,
            {"dead": gone, "units": units},
            f"{gone} of {units} units had no slope at any sample, so that nothing "
            "before them learns from them.",
            "leaky_relu, elu or gelu, whose slope is not 0, the initializer he_normal "
            "with biases of 0, or a smaller learning rate",
        )


def _saturated(layer: _Layer, least: float) -> Iterator[Finding]:
    site = layer.site
    alive = ~site.dead & (site.n > 0)
    share = float(np.sum(site.saturated[alive]) / max(np.sum(site.n[alive]), 1))
    if share >= least:
        yield Finding(
            SATURATED,
            layer.name,
            0.2 + 0.5 * share,
            {"saturated": share},
            f"{share:.0%} of the samples lie where {site.activation} is nearly flat.",
            "a smaller initializer (lecun_normal for tanh, glorot_normal for sigmoid), "
            "a normalization before it, or silu or gelu",
        )


def _rounded(layer: _Layer, least: float) -> Iterator[Finding]:
    site = layer.site
    if site.slope_m2 is None:
        return
    half = float(jnp.finfo(site.dtype).eps) / 2
    alive = ~site.dead & (site.n > 0)
    size = np.sqrt(site.mean_square("slope"))
    lost, units = int(np.sum(alive & (size < half))), site.live.size
    if lost and lost >= least * units:
        evidence = {"lost": lost, "units": units, "half an ULP": half}
        yield Finding(
            ROUNDED,
            layer.name,
            0.35 + 0.5 * lost / units,
            evidence | {"largest slope": float(np.max(size[alive & (size < half)]))},
            f"The slopes of {lost} of {units} units are below half an ULP of "
            f"{site.dtype}: added to any other gradient they vanish.",
            "float32 for this activation, smaller operands, or silu or gelu",
        )


def _linear(layer: _Layer, most: float) -> Iterator[Finding]:
    site = layer.site
    if site.slope_m2 is None or site.activation == "identity":
        return
    square = layer.square("slope")
    if square and layer.spread("slope") <= most * square:
        yield Finding(
            LINEAR,
            layer.name,
            0.3,
            {"slope": math.sqrt(square), "deviation": math.sqrt(layer.spread("slope"))},
            f"The slope of {site.activation} is the same for all samples: the layers "
            "before and after it are as good as one.",
            "a larger initializer (variance_scaling), a normalization before it, or "
            "inputs of variance 1",
        )


def _worst_of_each(found: Sequence[Finding]) -> list[Finding]:
    """One finding of each kind and site: of a scan that of the worst turn."""
    worst: dict[tuple[str, str], Finding] = {}
    for f in found:
        key = f.kind, f.site.partition("[")[0]
        if key not in worst or f.severity > worst[key].severity:
            worst[key] = f
    return list(worst.values())


# --- of all layers --------------------------------------------------------------------


def _not_finite(layers: Sequence[_Layer]) -> Iterator[Finding]:
    hit = [v for v in layers if np.any(v.site.nonfinite > 0)]
    if hit:
        first = hit[0]
        number = float(np.sum(first.site.nonfinite))
        yield Finding(
            NOT_FINITE,
            first.name,
            1.0,
            {"samples": number, "sites": len(hit)},
            "It is the first site with infinities or NaN: they come from its operand, "
            "or from it.",
            "jax.debug_nans, limits on what comes before it, or float32",
        )
        return
    back = [
        v for v in layers if v.site.g_count is not None and np.any(v.site.g_nonfinite)
    ]
    if back:
        last = back[-1]
        yield Finding(
            NOT_FINITE,
            last.name,
            1.0,
            {"cotangents": float(np.sum(last.site.g_nonfinite)), "sites": len(back)},
            "Its gradient is infinite or NaN, and its values are not: it comes from "
            "what follows it.",
            "jax.debug_nans, loss scaling, or float32 for what follows it",
        )


def _in_depth(chain: Sequence[_Layer], gain: float, shift: float) -> Iterator[Finding]:
    chain = [v for v in chain if v.site.x_m2 is not None]
    if len(chain) < 2:
        return
    yield from _gain(chain, gain)
    yield from _shift(chain, shift)


def _gain(chain: Sequence[_Layer], least: float) -> Iterator[Finding]:
    measured = [v for v in chain if v.site.g_m2 is not None and v.site.g_count > 0]
    if len(measured) > 1:
        first, last = measured[0], measured[-1]
        sizes = [math.sqrt(v.square("g")) for v in (first, last)]
        evidence = {"first": sizes[0], "last": sizes[1]}
        ratio = sizes[0] / sizes[1] if sizes[1] else 1.0
        how = "was measured"
    else:
        first, last = chain[0], chain[-1]
        logs = [_log_gain(*pair) for pair in itertools.pairwise(chain)]
        ratio = math.exp(max(min(sum(logs), 700.0), -700.0))
        evidence = {"ratio": ratio}
        how = "is estimated from slopes and variances"
    evidence["layers"] = len(chain)
    orders = abs(math.log10(ratio)) if ratio else 300.0
    severity = min(0.95, 0.6 + 0.03 * orders)
    between = f"from {last.name} back to {first.name}; that {how}."
    if ratio < least:
        yield Finding(
            VANISHING,
            first.name,
            severity,
            evidence,
            f"The gradient shrinks by a factor of {ratio:.1g} {between}",
            "relu or gelu with the initializer he_normal, tanh with lecun_normal, "
            "residual connections, or a normalization",
        )
    elif ratio > 1 / least:
        yield Finding(
            EXPLODING,
            first.name,
            severity,
            evidence,
            f"The gradient grows by a factor of {ratio:.1g} {between}",
            "a smaller initializer (lecun_normal for tanh, he_normal for relu), a "
            "normalization, or clipping of the gradient",
        )


def _log_gain(here: _Layer, after: _Layer) -> float:
    """The logarithm of the gradient before a layer over that after it, estimated."""
    parts = here.square("slope"), after.spread("x"), here.spread("y")
    if not all(v > 0 and math.isfinite(v) for v in parts):
        return 0.0  # nothing moves here: that is found elsewhere
    slope, operand, output = map(math.log, parts)
    return (slope + operand - output) / 2


def _shift(chain: Sequence[_Layer], least: float) -> Iterator[Finding]:
    sizes = [
        math.sqrt(float(np.mean(v.site.x_mean**2)) / v.spread("x"))
        if v.spread("x") > 0
        else 0.0
        for v in chain
    ]
    if sizes[-1] >= max(least, 2 * sizes[0]):
        yield Finding(
            SHIFTED,
            chain[-1].name,
            0.25,
            {"first": sizes[0], "last": sizes[-1], "layers": len(chain)},
            "The means of its operands have grown with depth to many standard "
            "deviations: all samples look alike to it.",
            "elu, selu or tanh, whose outputs have a mean near 0, or a normalization",
        )
