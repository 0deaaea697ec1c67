"""Kernels computed from the formula itself: Taylor arithmetic on wide numbers.

A formula is evaluated on power series in one of its variables, so that the chain,
product and quotient rules give the derivatives as they go.  The coefficients are wide:
a pair of floats, good to some ten bits more than one, times a power of two of its own,
so that nothing overflows, underflows or is rounded before the end.

That is no match in speed for a kernel made by hand, but right without one, as long as
the formula does not subtract what is nearly equal.  Where it is usual to write it so,
`log(1 + u)`, `exp(u) - 1` and `1 + tanh(u)` are read as what they mean.
"""

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from . import _numerics as num
from . import _polynomials as poly
from ._pairs import Pair, constant, integer_like, pair, upper_half

_ARGUMENT = 2.0**15  # exponentials of larger ones count as infinite or 0
_BEYOND = 3200  # infinity is taken for 2**3200
# powers of two of what is no number: a zero, and exponentials of large arguments, of
# which the small ones win
_NONE, _TINY, _HUGE = -(2**27), -(2**26), 2**22


class Wide(NamedTuple):
    """A pair times 2**power."""

    pair: Pair
    power: Any  # an array of integers, or 0

    def __add__(self, other: "Wide") -> "Wide":  # type: ignore[override]
        a, b = self, other
        if isinstance(a.power, int) and isinstance(b.power, int):
            return Wide(_sum(a.pair, b.pair), 0)
        # a zero must not keep what is added to it from being tiny, but keeps its power
        # beside another, for what may be differentiated further
        given = jnp.maximum(_integers(a), _integers(b))
        powers = (_select(w.pair.head == 0, _NONE, _integers(w)) for w in (a, b))
        power = jnp.maximum(*powers)
        power = jnp.where(power == _NONE, given, power)
        return Wide(_sum(a.shifted(power), b.shifted(power)), power)

    def shifted(self, power: Array | int) -> Pair:
        """The pair that goes with another power, not less than its own or of a 0.

        A 0 is moved as well, for what may be differentiated further.
        """
        top = jnp.finfo(self.pair.head.dtype).maxexp - 1
        moved = jnp.clip(_integers(self) - power, -top, top)
        return self.pair.times(num.power_of_two(moved, self.pair.head))

    def __neg__(self) -> "Wide":
        return Wide(-self.pair, self.power)

    def __sub__(self, other: "Wide") -> "Wide":
        return self + -other

    def __mul__(self, other: "Wide") -> "Wide":  # type: ignore[override]
        return Wide(self.pair * other.pair, self.power + other.power)

    def __truediv__(self, other: "Wide") -> "Wide":
        return Wide(self.pair / other.pair, self.power - other.power)

    def value(self) -> Array:
        """The number as one float; infinite or 0 where it has to be."""
        mantissa = self.pair.value()
        if isinstance(self.power, int):
            return mantissa
        top = jnp.finfo(mantissa.dtype).maxexp - 1
        near = jnp.clip(self.power, 1 - top, top)
        far = jnp.clip(self.power - near, 1 - top, top)
        first, last = (num.power_of_two(k, mantissa) for k in (near, far))
        return mantissa * first * last

    def bounded(self, limit: float) -> Pair:
        """The number as a pair; the limit where it is larger."""
        if isinstance(self.power, int):
            return self.pair
        top = jnp.finfo(self.pair.head.dtype).maxexp - 1
        # of a small limit no more than is needed: a product would overflow
        most = top if limit > 2.0 ** (top // 2) else top // 2 + 1
        whole = self.pair.times(
            num.power_of_two(jnp.clip(self.power, -top, most), self.pair.head)
        )
        head = jnp.clip(whole.head, -limit, limit)
        if whole.rest is None:
            return Pair(head, None)
        return Pair(head, jnp.where(jnp.abs(head) < limit, whole.rest, 0))


def _integers(a: Wide) -> Array:
    return jnp.asarray(a.power, integer_like(a.pair.head))


def _sum(a: Pair, b: Pair) -> Pair:
    """a + b, without loss where they cancel."""
    if a.rest is None or b.rest is None:
        return Pair(a.value() + b.value(), None)
    total = a.head + b.head
    first = jnp.abs(a.head) > jnp.abs(b.head)
    large, small = jnp.where(first, a.head, b.head), jnp.where(first, b.head, a.head)
    return _normal(total, (small - (total - large)) + (a.rest + b.rest))


def _normal(total: Array, rest: Array) -> Pair:
    head = upper_half(total + rest)
    return Pair(head, (total - head) + rest)


def wide(x: Array) -> Wide:
    """A float as a number between 1 and 2 and its power."""
    info = jnp.finfo(x.dtype)
    bits = lax.bitcast_convert_type(x, integer_like(x))
    stored = (bits >> info.nmant) & (2 * info.maxexp - 1)
    top = info.maxexp - 2
    power = jnp.clip(stored - (info.maxexp - 1), -top, top)
    power = jnp.where(x == 0, 0, power)  # a slope through 2**-top would underflow
    mantissa = x * num.power_of_two(-power, x)
    far = num.infinite(x)
    mantissa = jnp.where(far, num.sign(x), mantissa)
    return Wide(pair(mantissa), jnp.where(far, _BEYOND, power))


def _exact(number: Fraction | float, like: Array) -> Wide:
    """A constant, with a power if products of some would overflow without."""
    number = Fraction(number)
    power = math.frexp(float(number))[1]
    if abs(power) <= 16:
        power = 0
    number *= Fraction(2) ** -power
    head = float(number)
    exact = constant(head, float(number - Fraction(head)), like=like)
    return Wide(exact, power and jnp.asarray(power, integer_like(like)))


def _select(test: Any, a: Any, b: Any) -> Any:
    """`jnp.where`, decided here if the test is of a constant."""
    return jnp.where(test, a, b) if isinstance(test, Array) else a if test else b


def _cut(u: Wide) -> Wide:
    """The same, computed in a loop of its own.

    From jax 0.12 on XLA for CPU may take minutes to compile all in one.
    """
    if jax.__version_info__ < (0, 12):
        return u
    power = None if isinstance(u.power, int) else u.power
    # elsewhere, as inside a Pallas kernel, there is no such trouble, or no barrier
    head, rest, power = lax.platform_dependent(
        u.pair.head,
        u.pair.rest,
        power,
        cpu=lambda *v: lax.optimization_barrier(v),
        default=lambda *v: v,
    )
    return Wide(Pair(head, rest), u.power if power is None else power)


def _where(test: Array, a: Wide, b: Wide) -> Wide:
    power: Array | int = 0
    if not (isinstance(a.power, int) and isinstance(b.power, int)):
        power = jnp.where(test, _integers(a), _integers(b))
    if a.pair.rest is None or b.pair.rest is None:
        return Wide(Pair(jnp.where(test, a.pair.value(), b.pair.value()), None), power)
    return Wide(
        Pair(
            jnp.where(test, a.pair.head, b.pair.head),
            jnp.where(test, a.pair.rest, b.pair.rest),
        ),
        power,
    )


def _wide_exp(u: Wide) -> Wide:
    argument = u.bounded(_ARGUMENT)
    if argument.rest is not None and argument.head.dtype.itemsize == 8:
        # the exponential of an exponential multiplies its error, here by up to 700
        k = num.nearest(argument.value() * (1 / math.log(2)))
        times = Wide(pair(k.astype(argument.head.dtype)), 0)
        left = Wide(argument, 0) - times * _exact(_LN2, argument.head)
        _, eighth = _exp_parts(Wide(left.pair.times(1 / 8), 0))
        mantissa = _normal(eighth.head, jnp.asarray(eighth.rest))
        for _ in range(3):
            mantissa = mantissa * mantissa
        return Wide(mantissa, _beyond(argument.value(), k))
    k, mantissa = _exp_parts(u)
    if mantissa.rest is not None:
        mantissa = _normal(mantissa.head, mantissa.rest)
    return Wide(mantissa, k)


def _exp_parts(u: Wide) -> tuple[Array, Pair]:
    """The power of two of an exponential, and its mantissa: 1 and more is the head."""
    argument = u.bounded(_ARGUMENT)
    x = argument.value()
    if argument.rest is None:
        k, mantissa = num.exp_parts(x)
        mantissa = Pair(mantissa.value(), None)
    else:
        k, mantissa = num.exp_parts(x, (argument.head - x) + argument.rest, 7)
    return _beyond(x, k), mantissa


def _beyond(x: Array, k: Array) -> Array:
    """The power of two of exp(x), or one that counts as 0 or infinity."""
    return jnp.where(jnp.abs(x) < _ARGUMENT, k, jnp.where(x < 0, _TINY, _HUGE))


def _wide_expm1(u: Wide) -> Wide:
    k, e = _exp_parts(u)
    one = _exact(1, e.head)
    if e.rest is None:
        # a series near 0, where the exponential is rounded
        x = jnp.clip(u.bounded(1.0).head, -0.34, 0.34)
        bent = u * Wide(Pair(1 + x * num.polynomial(poly.EXPM1_TAIL, x), None), 0)
        return _where(jnp.abs(u.bounded(1.0).value()) < 0.34, bent, Wide(e, k) - one)
    # where 1 and the head, of half a mantissa, overlap, taking 1 from it is exact
    top = jnp.finfo(e.head.dtype).nmant // 2
    whole = e.times(num.power_of_two(jnp.clip(k, -top, top), e.head))
    near = Wide(_normal(whole.head - 1, jnp.asarray(whole.rest)), 0)
    large = Wide(_normal(e.head, e.rest), k) - one
    result = _where(jnp.abs(k) < top, near, large)
    least = float(jnp.finfo(e.head.dtype).eps) / 8
    small = jnp.abs(u.bounded(1.0).value()) < least
    return _where(small, u, result)


def _wide_exp_bend(u: Wide) -> Wide:
    """exp(u) - 1 - u, which is u**2 / 2 near 0."""
    x = jnp.clip(u.bounded(1.0).value(), -0.34, 0.34)
    half, *more = num.coefficients(poly.EXPM1_TAIL, x)
    near = u * u * (_exact(half, x) + Wide(pair(x * num.horner(more, x)), 0))
    small = jnp.abs(u.bounded(1.0).value()) < 0.34
    return _where(small, near, _wide_expm1(u) - u)


def _wide_log1p(u: Wide) -> Wide:
    """log(1 + u) of u from 0 to 1, as 2 atanh(u / (2 + u)) of a u up to 0.42."""
    one = _exact(1, u.pair.head)
    upper = u.bounded(1.0).value() > 0.414
    u = _where(upper, _half(u - one), u)  # log(2) less
    v = u / (_twice(one) + u)
    square = jnp.clip((v * v).bounded(1.0).value(), 0, 0.0295)
    tail = Wide(pair(num.polynomial(poly.ATANH_TAIL, square)), 0)
    near = _twice(v + v * v * v * tail)
    return _where(upper, near + _exact(_LN2, u.pair.head), near)


def _wide_softplus(u: Wide) -> Wide:
    bend = _wide_log1p(_wide_exp(-_positive(u)))
    return _where(u.pair.head < 0, bend, u + bend)


def _positive(u: Wide) -> Wide:
    return _where(u.pair.head < 0, -u, u)


def _wide_log(u: Wide) -> Wide:
    mantissa = wide(u.pair.value())
    m = u.pair.times(num.power_of_two(-_integers(mantissa), u.pair.head))
    power = (_integers(u) + _integers(mantissa)).astype(m.head.dtype)
    one = _exact(1, m.head)
    return Wide(pair(power), 0) * _exact(_LN2, m.head) + _wide_log1p(Wide(m, 0) - one)


def _wide_sqrt(u: Wide) -> Wide:
    if isinstance(u.power, int):
        return Wide(u.pair.sqrt(), 0)
    odd = (u.power & 1) > 0
    root = Wide(u.pair.times(jnp.where(odd, 2.0, 1.0).astype(u.pair.head.dtype)), 0)
    return Wide(root.pair.sqrt(), u.power >> 1)


def _wide_tanh(u: Wide) -> Wide:
    down = _twice(-_positive(u))
    one = _exact(1, u.pair.head)
    size = -_wide_expm1(down) / (one + _wide_exp(down))
    return _where(u.pair.head < 0, -size, size)


def _wide_tanh_lag(u: Wide) -> Wide:
    """tanh(u) - u * (1 - tanh(u)**2), which is 2/3 u**3 near 0."""
    square = jnp.minimum((u * u).bounded(1.0).value(), 0.5)
    near = u * u * u * Wide(pair(num.polynomial(poly.TANH_LAG, square)), 0)
    size, one = _positive(u), _exact(1, u.pair.head)
    e = _wide_exp(_twice(-size))
    d = one + e
    far = (one - e * e - _twice(_twice(size * e))) / (d * d)
    return _where(square < 0.5, near, _where(u.pair.head < 0, -far, far))


def _wide_tanh_slope(u: Wide) -> Wide:
    one, e = _exact(1, u.pair.head), _wide_exp(_twice(-_positive(u)))
    d = one + e
    return _twice(_twice(e)) / (d * d)


def _half(u: Wide) -> Wide:
    return Wide(u.pair.times(0.5), u.power)


def _twice(u: Wide) -> Wide:
    return Wide(u.pair.times(2.0), u.power)


def _wide_erfc(u: Wide) -> Wide:
    """The complementary error function of u >= 0."""
    root = _exact(_SQRT2, u.pair.head)
    a = (u * root).bounded(_ARGUMENT)
    size = jnp.clip(a.value(), 1, num.gauss_limit(u.pair.head))
    tail = num.polynomial(poly.GELU_TAIL, num.far(size, 1.5625))
    far = _wide_exp(-(u * u)) * Wide(_over(2 * tail, size), 0)
    return _where(a.value() < 1, _exact(1, u.pair.head) - _near_erf(u), far)


def _over(a: Array, b: Array) -> Pair:
    return pair(a) / pair(b)


def _near_erf(u: Wide) -> Wide:
    """The error function of u below sqrt(1/2)."""
    square = jnp.minimum((u * u).bounded(1.0).value(), 0.5)
    bend = square * num.polynomial(poly.ERF_MIDDLE, square)
    return u * (_exact(_ERF_SLOPE, bend) + Wide(pair(bend), 0))


_LN2 = Fraction("0.693147180559945309417232121458176568")
_SQRT2 = Fraction("1.41421356237309504880168872420969808")
_ERF_SLOPE = Fraction("1.12837916709551257389615890312154517")


def _wide_erf(u: Wide) -> Wide:
    a = _positive(u)
    one = _exact(1, u.pair.head)
    near = a.bounded(_ARGUMENT).value() < 0.7
    size = _where(near, _near_erf(a), one - _wide_erfc(a))
    return _where(u.pair.head < 0, -size, size)


def _by_slope(
    at: Callable[[Array], Array], slope: Callable[[Array], Array]
) -> Callable[[Wide], Wide]:
    """A function that is known at floats; the rest of a pair moves it by its slope."""

    def wide(u: Wide) -> Wide:
        whole = u.bounded(float(jnp.finfo(u.pair.head.dtype).max))
        if whole.rest is None:
            return Wide(Pair(at(whole.head), None), 0)
        x = whole.value()
        rest = (whole.head - x) + whole.rest
        return Wide(_normal(at(x), slope(x) * rest), 0)

    return wide


def _minus_sin(x: Array) -> Array:
    return -jnp.sin(x)


def _atan_slope(x: Array) -> Array:
    return 1 / (1 + x * x)


class Taylor:
    """A power series: a value and what follows it, `None` for a term that is 0."""

    def __init__(self, *terms: Wide | None) -> None:
        """A series of these coefficients."""
        self.terms = terms

    @property
    def first(self) -> Wide:
        """The value."""
        assert self.terms[0] is not None
        return self.terms[0]

    def __add__(self, other: "Taylor") -> "Taylor":
        return Taylor(*map(_plus, self.terms, other.terms))

    def __neg__(self) -> "Taylor":
        return Taylor(*(a and -a for a in self.terms))

    def __sub__(self, other: "Taylor") -> "Taylor":
        return self + -other

    def __mul__(self, other: "Taylor") -> "Taylor":
        a, b = self.terms, other.terms
        return Taylor(*(_dot(a[: n + 1], b[n::-1]) for n in range(len(a))))

    def __truediv__(self, other: "Taylor") -> "Taylor":
        bottom = other.first
        terms: list[Wide | None] = []
        for n, a in enumerate(self.terms):
            left = _minus(a, _dot(terms, other.terms[n:0:-1]))
            terms.append(left and left / bottom)
        return Taylor(*terms)

    def __pow__(self, n: int) -> "Taylor":
        if n == 0:
            return constant_like(1, self)
        if n < 0:
            return constant_like(1, self) / self**-n
        half = self ** (n // 2)
        return (
            half * half * self if n % 2 and n > 1 else self if n == 1 else half * half
        )

    def __lt__(self, other: "Taylor") -> Array:
        return (self.first - other.first).pair.value() < 0

    def __gt__(self, other: "Taylor") -> Array:
        return other < self

    def shorter(self) -> "Taylor":
        """The same to one order less."""
        return Taylor(*self.terms[:-1])

    def followed(self, value: Wide, slope: Callable[["Taylor"], "Taylor"]) -> "Taylor":
        """A function of the series: its value, and its derivative as a function."""
        value = _cut(value)
        if not any(self.terms[1:]):
            return Taylor(value, *(None for _ in self.terms[1:]))
        moved = [a and _times(a, n) for n, a in enumerate(self.terms)][1:]
        terms = (slope(self.shorter()) * Taylor(*moved)).terms
        return Taylor(
            value, *(a and _over_integer(a, n + 1) for n, a in enumerate(terms))
        )

    def derivative(self, order: int) -> Array:
        """What the coefficient of this order says of the derivative."""
        wide, like = self.terms[order], self.first.pair.head
        factorial = int(np.prod(range(1, order + 1)))
        return jnp.zeros_like(like) if wide is None else _times(wide, factorial).value()


def _plus(a: Wide | None, b: Wide | None) -> Wide | None:
    return a + b if a and b else a or b


def _minus(a: Wide | None, b: Wide | None) -> Wide | None:
    return a - b if a and b else a or (b and -b)


def _dot(a: Any, b: Any) -> Wide | None:
    total = None
    for one, other in zip(a, b, strict=True):
        total = _plus(total, one and other and one * other)
    return total


def _times(a: Wide, n: int) -> Wide:
    if n & (n - 1) == 0:
        return Wide(a.pair.times(float(n)), a.power)
    return a * _exact(n, a.pair.head)


def _over_integer(a: Wide, n: int) -> Wide:
    if n & (n - 1) == 0:
        return Wide(a.pair.times(1 / n), a.power)
    return a * _exact(Fraction(1, n), a.pair.head)


def constant_like(number: Fraction | float, u: Taylor) -> Taylor:
    """A constant beside a series."""
    one = _exact(number, u.first.pair.head)
    return Taylor(one, *(None for _ in u.terms[1:]))


def _solve(
    u: Taylor,
    slopes: Callable[..., tuple[Taylor, ...]],
    *values: Callable[[], Wide],
) -> Taylor:
    """The first of functions of a series, whose slopes are functions of them all."""
    if not any(u.terms[1:]):
        return Taylor(_cut(values[0]()), *u.terms[1:])
    moved = [a and _times(a, n) for n, a in enumerate(u.terms)][1:]
    functions: list[list[Wide | None]] = [[_cut(value())] for value in values]
    for n in range(len(moved)):
        series = slopes(*(Taylor(*f) for f in functions))
        for f, slope in zip(functions, series, strict=True):
            total = _dot(slope.terms, moved[n::-1])
            f.append(total and _over_integer(total, n + 1))
    return Taylor(*functions[0])


def exp(u: Taylor) -> Taylor:
    """The exponential."""
    first, moved = (
        _wide_exp(u.first),
        [a and _times(a, n) for n, a in enumerate(u.terms)],
    )
    terms: list[Wide | None] = [first]
    for n in range(1, len(u.terms)):
        total = _dot(moved[1 : n + 1], terms[::-1])
        terms.append(total and _over_integer(total, n))
    return Taylor(*terms)


def expm1(u: Taylor) -> Taylor:
    """exp(u) - 1."""
    return u.followed(_wide_expm1(u.first), exp)


def exp_bend(u: Taylor) -> Taylor:
    """exp(u) - 1 - u."""
    return u.followed(_wide_exp_bend(u.first), expm1)


def log1p(u: Taylor) -> Taylor:
    """log(1 + u) of u from 0 to 1, and of others as the logarithm of the sum."""
    value, one = u.first.value(), constant_like(1, u)
    near = (value >= 0) & (value <= 1)
    first = _where(near, _wide_log1p(u.first), _wide_log((one + u).first))
    return u.followed(first, lambda u: constant_like(1, u) / (constant_like(1, u) + u))


def sigmoid(u: Taylor) -> Taylor:
    """1 / (1 + exp(-u))."""
    one, e = _exact(1, u.first.pair.head), _wide_exp(-_positive(u.first))
    d = one + e
    return _solve(
        u,
        lambda s, ds, t: (ds, -(ds * t), _twofold(ds)),
        lambda: _where(u.first.pair.head < 0, e, one) / d,
        lambda: e / (d * d),
        lambda: _wide_tanh(_half(u.first)),
    )


def falling_sigmoid(u: Taylor) -> Taylor:
    """1 / (1 + exp(u))."""
    return sigmoid(-u)


def softplus(u: Taylor) -> Taylor:
    """log(1 + exp(u))."""
    return u.followed(_wide_softplus(u.first), sigmoid)


def log(u: Taylor) -> Taylor:
    """The natural logarithm."""
    return u.followed(_wide_log(u.first), lambda u: constant_like(1, u) / u)


def sqrt(u: Taylor) -> Taylor:
    """The square root."""
    return u.followed(_wide_sqrt(u.first), lambda u: constant_like(0.5, u) / sqrt(u))


def tanh(u: Taylor) -> Taylor:
    """The hyperbolic tangent."""
    return _solve(
        u,
        lambda t, dt: (dt, -_twofold(t * dt)),
        lambda: _wide_tanh(u.first),
        lambda: _wide_tanh_slope(u.first),
    )


def tanh_lag(u: Taylor) -> Taylor:
    """tanh(u) - u * (1 - tanh(u)**2)."""

    def slopes(_: Taylor, t: Taylor, dt: Taylor, v: Taylor) -> tuple[Taylor, ...]:
        return _twofold(v * t * dt), dt, -_twofold(t * dt), constant_like(1, v)

    return _solve(
        u,
        slopes,
        lambda: _wide_tanh_lag(u.first),
        lambda: _wide_tanh(u.first),
        lambda: _wide_tanh_slope(u.first),
        lambda: u.first,
    )


def _twofold(u: Taylor) -> Taylor:
    return Taylor(*(a and _twice(a) for a in u.terms))


def magnitude(u: Taylor) -> Taylor:
    """|u|, with the slope 1 at 0."""
    return where(u.first.pair.head < 0, -u, u)


def _bell(u: Taylor) -> Taylor:
    """The derivative of the error function."""
    return constant_like(_ERF_SLOPE, u) * exp(-(u * u))


def erf(u: Taylor) -> Taylor:
    """The error function."""
    return u.followed(_wide_erf(u.first), _bell)


def erfc(u: Taylor) -> Taylor:
    """1 - erf(u)."""
    one, size = _exact(1, u.first.pair.head), _positive(u.first)
    far = _wide_erfc(size)
    value = _where(u.first.pair.head < 0, _twice(one) - far, far)
    return u.followed(value, lambda u: -_bell(u))


def sin(u: Taylor) -> Taylor:
    """The sine."""
    return u.followed(_by_slope(jnp.sin, jnp.cos)(u.first), cos)


def cos(u: Taylor) -> Taylor:
    """The cosine."""
    return u.followed(_by_slope(jnp.cos, _minus_sin)(u.first), lambda u: -sin(u))


def atan(u: Taylor) -> Taylor:
    """The arc tangent."""
    value = _by_slope(jnp.arctan, _atan_slope)(u.first)
    return u.followed(
        value, lambda u: constant_like(1, u) / (constant_like(1, u) + u * u)
    )


def where(test: Array, a: Taylor, b: Taylor) -> Taylor:
    """`jnp.where` of series."""
    zero = _exact(0, a.first.pair.head)
    terms = zip(a.terms, b.terms, strict=True)
    return Taylor(
        *(_where(test, y or zero, n or zero) if y or n else None for y, n in terms)
    )


def surrogate(f: Taylor, g: Taylor) -> Taylor:
    """The value of one series, the derivatives of another."""
    return Taylor(f.first, *g.terms[1:])


def larger(a: Taylor, b: Taylor) -> Taylor:
    """The larger of two, the first of equal ones."""
    return where((a.first - b.first).pair.head >= 0, a, b)


def one_plus_tanh(u: Taylor) -> Taylor:
    """1 + tanh(u)."""
    return _twofold(sigmoid(_twofold(u)))


def tanh_plus(a: Taylor, b: Taylor, u: Taylor) -> Taylor:
    """a * tanh(u) + b."""
    return _plus_limit(a, b, u, tanh(u), one_plus_tanh)


def erf_plus(a: Taylor, b: Taylor, u: Taylor) -> Taylor:
    """a * erf(u) + b."""
    return _plus_limit(a, b, u, erf(u), lambda u: erfc(-u))


def _plus_limit(
    a: Taylor,
    b: Taylor,
    u: Taylor,
    f: Taylor,
    one_plus_f: Callable[[Taylor], Taylor],
) -> Taylor:
    """a * f(u) + b of an odd f that tends to 1, also where b is near a or -a."""
    near, size = a * f + b, _positive(u.first)
    left = a.first * one_plus_f(Taylor(-size)).first
    below, above = (b.first - a.first) + left, (b.first + a.first) - left
    far = _where(u.first.pair.head < 0, below, above)
    first = _where(size.bounded(2.0).value() < 1, near.first, far)
    return Taylor(first, *near.terms[1:])


def one_minus_exp(u: Taylor) -> Taylor:
    """1 - exp(u)."""
    return -expm1(u)


def sign(u: Taylor) -> Taylor:
    """-1 below 0, else 1."""
    one = constant_like(1, u)
    return where(u.first.pair.head < 0, -one, one)
