"""What makes a run repeat itself: threads, seeds and algorithms are set here and nowhere else.

The same code, versions, data, seed and number of threads give the same bits on one machine. Another number of threads
or processes, another processor or another build of torch adds up in another order: the numbers then differ by
rounding, and training makes such differences grow.
"""

import os

import cv2
import torch

__all__ = ["fix"]


def fix(seed: int, threads: int) -> None:
    """Fix what training draws and in which order it adds up, for this process.

    Args:
        seed: Of torch's global generator. NumPy's global one is not used: whoever draws has a generator of its own.
        threads: Of torch. OpenCV gets one, because its work on one picture is too little to share.
    """
    torch.manual_seed(seed)
    torch.set_num_threads(threads)
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # without it torch refuses cuBLAS
    torch.use_deterministic_algorithms(True)
    cv2.setNumThreads(1)
