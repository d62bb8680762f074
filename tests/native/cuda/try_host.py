"""Makes and runs one convolution in a process of its own, and prints what the library says.

python -m tests.native.cuda.try_host LIBRARY DRIVER [DEVICE]
"""

from __future__ import annotations

import sys

from tests.native.cuda.device_cases import Spec
from tests.native.cuda.host import CudaConv, Gpu
from tests.native.native_binding import Arguments, NativeError

if __name__ == "__main__":
    library, driver, *device = sys.argv[1:]
    case = Spec("float16", (1, 6, 12, 12), 10, block=(4, 1)).draw()
    arguments = Arguments.of(case.packed, case.bias, **case.geometry, **case.clip)
    try:
        CudaConv(Gpu(library, driver), arguments, int(device[0]) if device else 0).run(case.x)
    except NativeError as error:
        print(error)
    else:
        print("done")
