"""The core: how an activation is declared, and the rule that JAX sees.

- `definition`: what the decorators saw of an activation, and how it is found again.
- `call`: the arguments of a call, as the rule takes them, or what is wrong with them.
- `tangents`: tangents that are computed late, so that little is kept for them.
- `values`: values with derivatives that are not theirs.
- `rule`: the `jax.custom_jvp` of a call: dtypes, rounding, derivatives of every order.
- `kinks`: the slope of an activation where its slope jumps, if one is chosen.
- `declare`: the decorators.
- `types`: how an activation is called, for type checkers.
"""

from .call import plain_axis as plain_axis
from .declare import (
    activation as activation,
    definition_of as definition_of,
    derivative_of as derivative_of,
    pushforward_of as pushforward_of,
    spelled as spelled,
)
from .definition import (
    MARK as MARK,
    Defined as Defined,
    Definition as Definition,
    choosers as choosers,
    chooses as chooses,
    definitions as definitions,
    describe as describe,
    formula_world as formula_world,
    is_number as is_number,
    is_option as is_option,
    kernel_of as kernel_of,
    kernels_of as kernels_of,
    lookup as lookup,
    signature_of as signature_of,
    usage as usage,
)
from .types import Activation as Activation, Parameter as Parameter
