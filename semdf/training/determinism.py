"""What makes a run repeat itself: threads, seeds and algorithms are set here and nowhere else.

The same code, versions, data, seed and number of threads give the same bits on one machine. Another number of threads
or processes, another processor or another build of torch adds up in another order: the numbers then differ by
rounding, which training carries on.
"""

import os

import cv2
import torch

__all__ = ["fix"]


def fix(seed: int, threads: int) -> None:
    """Fix what training draws and in which order it adds up, for this process.

    seed: of torch's global generator. NumPy's global one is not used: whoever draws has a generator of its own.
    threads: of torch; OpenCV gets one, because what it does to a picture is too little to share.
    """
    torch.manual_seed(seed)
    torch.set_num_threads(threads)
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # or else torch refuses cuBLAS
    torch.use_deterministic_algorithms(True)
    cv2.setNumThreads(1)
