"""What chance gives, for whoever holds counts against odds."""

import math


def chi_square_tail(*, statistic: float, degrees: int) -> float:
    """Return the chance of a chi-square variable to be at least `statistic`: the regularised upper incomplete gamma function.

    For halves and wholes it is a finite sum of positive terms, exact to rounding, however small it gets.
    """
    half = statistic / 2
    if half <= 0:
        return 1.0
    order, tail = (0.5, math.erfc(math.sqrt(half))) if degrees % 2 else (1.0, math.exp(-half))
    terms = []
    while order < degrees / 2:
        terms.append(math.exp(order * math.log(half) - half - math.lgamma(order + 1)))
        order += 1
    return min(1.0, math.fsum([tail, *terms]))
