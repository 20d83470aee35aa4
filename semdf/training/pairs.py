"""Which pristine picture shares a batch with a fake: that of its own frame, or else the nearest one of its source.

Frames are spread over each video's own length. A manipulation that is shorter than its originals, as FaceSwap and
NeuralTextures of the real FaceForensics++ are, then shares few frames with them or none.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import torch

from semdf.training.datasets import Samples

__all__ = ["nearest_frames", "partners"]


def nearest_frames(samples: Samples) -> Samples:
    """Pair the fakes whose pristine video is there, but not in their frame, with its nearest frame (ours).

    A weaker pair: another picture of the same person and scene. It serves manipulations that are shorter than their
    originals, so that frames spread over either's length do not meet; `partners` counts such pairs.
    """
    rows, partner = samples.rows, samples.partner.numpy().copy()
    lost = (partner < 0) & (samples.targets[:, 0] > 0.5).numpy() & (rows["pristine"] != "").to_numpy()
    table = pd.DataFrame({"video": rows["video"], "frame": rows["frame"], "at": np.arange(len(rows))})
    asked = table[lost].assign(video=rows.loc[lost, "pristine"]).sort_values("frame")
    sources = table.rename(columns={"at": "source"}).sort_values(["frame", "source"])
    found = pd.merge_asof(asked, sources, on="frame", by="video", direction="nearest").dropna(subset="source")
    partner[found["at"].to_numpy(int)] = found["source"].to_numpy(int)
    return replace(samples, partner=torch.from_numpy(partner))


def partners(samples: Samples) -> pd.DataFrame:
    """What paired training makes of the fakes, a row a manipulation: how many there are, how many are paired with their
    pristine source in the `same_frame` or in an `other_frame`, and how many are `left_out`.
    """
    fakes = samples.fakes.numpy()
    rows, partner = samples.rows.iloc[fakes], samples.partner.numpy()[fakes]
    same = (partner >= 0) & (rows["frame"].to_numpy() == samples.rows["frame"].to_numpy()[partner])
    columns = {"fakes": True, "same_frame": same, "other_frame": (partner >= 0) & ~same, "left_out": partner < 0}
    return pd.DataFrame(columns, index=rows["manipulation"]).groupby(level=0).sum()
