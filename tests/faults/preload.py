"""What a kernel reads at its first use: imported by the process from which kernels are forked, once for all of them."""

from faults.shapes import SHAPES

import seedance_nb as sd

for shape in SHAPES:
    sd.spec(shape.model)
