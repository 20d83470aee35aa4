"""CLIP ViT-L/14 of which only the layer norms were tuned, with a linear layer on its class token.

Source: Yermakov et al., "Unlocking the Hidden Potential of CLIP in Generalizable Deepfake Detection", arXiv 2503.19683;
weights `model.ckpt` of `yermandy/deepfake-detection` on huggingface.co (MIT), a checkpoint of Lightning. The norms are
in it twice, as the package PEFT keeps them: CLIP's own (`base_layer`), and the tuned ones, which count.

`hyper_parameters.head` says whether the class token is brought to length 1, as in the paper, or not ("linear").
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from semdf.artifacts import read_tensors
from semdf.errors import DataError
from semdf.evaluation.outside import Adapter
from semdf.evaluation.outside._probe import ENCODER, Probe, probe

__all__ = ["ADAPTER"]

#: What a checkpoint puts into the names of tuned norms, and into those of the norms that they replace.
TUNED = ".ln_tuning_layers.default."
REPLACED = ".base_layer."


def network(path: Path, encoder: str = ENCODER) -> Probe:
    """The network of a checkpoint.

    Raises:
        DataError: It is no such checkpoint; code in it is not run.
    """
    content = read_tensors(path)
    weights = content.get("state_dict")
    if not isinstance(weights, Mapping):
        raise DataError(f"{path.name} must have its weights under 'state_dict', found {', '.join(map(str, content))}")
    state = {name.replace(TUNED, "."): value for name, value in weights.items() if REPLACED not in name}
    settings = content.get("hyper_parameters")
    head = settings.get("head") if isinstance(settings, Mapping) else None
    names = {"tower": "feature_extractor.base_model.model.vision_model.", "head": "model.linear."}
    return probe(state, path, normalised=head != "linear", encoder=encoder, **names)


ADAPTER = Adapter(network=network, file="lnclip.ckpt")
