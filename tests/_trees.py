"""Tiny trees of the official shapes. Files hold one byte where nobody looks into them."""

from __future__ import annotations

import json
from pathlib import Path

FORGED = ("Deepfakes", "Face2Face", "FaceSwap", "NeuralTextures")


def touch(root: Path, *names: str) -> Path:
    """Files of one byte; with an ending a name is taken as it is, without one it is an mp4."""
    for name in names:
        path = root / (name if Path(name).suffix in (".mp4", ".png", ".jpg", ".txt", ".part") else f"{name}.mp4")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return root


def write(root: Path, name: str, content: object) -> Path:
    """A list file: text, or anything else as JSON."""
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return root


def faceforensics(root: Path, count: int = 6, forged: tuple[str, ...] = FORGED, compression: str = "c23") -> Path:
    """`count` identities in pairs of neighbours; of each 10 identities 7.2 train and 1.4 validate, at least a pair."""
    pairs = [[f"{i:03d}", f"{i + 1:03d}"] for i in range(0, count, 2)]
    held_out = max(1, round(0.07 * count))  # pairs of a split that is no training split
    train, val, test = pairs[: -2 * held_out], pairs[-2 * held_out : -held_out], pairs[-held_out:]
    parts = {"train": train, "val": val, "test": test}
    for split, content in parts.items():
        write(root, f"{split}.json", content)
    touch(root, *(f"original_sequences/youtube/{compression}/videos/{one}" for pair in pairs for one in pair))
    for name in forged:
        top = f"manipulated_sequences/{name}/{compression}/videos"
        touch(root, *(f"{top}/{a}_{b}" for pair in pairs for a, b in (pair, pair[::-1])))
    return root


def celeb(root: Path) -> Path:
    touch(root, "Celeb-real/id0_0000", "Celeb-real/id1_0000", "Celeb-synthesis/id0_id1_0000", "YouTube-real/00000")
    return write(root, "List_of_testing_videos.txt", "1 Celeb-real/id1_0000.mp4\n0 Celeb-synthesis/id0_id1_0000.mp4\n")


def dfdc(root: Path) -> Path:
    """Two test videos and a training part with a real and its fake."""
    touch(root, "test/videos/aalscayrfi", "test/videos/bbhtdfuqxq")
    write(root, "test/labels.csv", "filename,label\naalscayrfi.mp4,1\nbbhtdfuqxq.mp4,0\n")
    said = {
        "aalscayrfi.mp4": {"is_fake": 1, "augmentations": {}},
        "bbhtdfuqxq.mp4": {"is_fake": 0, "augmentations": {}},
    }
    write(root, "test/metadata.json", said)
    touch(root, "train/dfdc_train_part_0/owxbbpjpch", "train/dfdc_train_part_0/wynotylpnm")
    metadata = {
        "owxbbpjpch.mp4": {"label": "FAKE", "split": "train", "original": "wynotylpnm.mp4"},
        "wynotylpnm.mp4": {"label": "REAL", "split": "train"},
    }
    return write(root, "train/dfdc_train_part_0/metadata.json", metadata)


def preview(root: Path) -> Path:
    real = "original_videos/643049/643049_A_001.mp4"
    fake = "method_A/643049/643049_A/643049_1061493_A_001.mp4"
    entry = {"set": "test", "target_id": "643049", "augmentations": []}
    touch(root, real, fake)
    listed = {
        real: entry | {"label": "real", "swapped_id": None},
        fake: entry | {"label": "fake", "swapped_id": "1061493", "source_video": real},
    }
    return write(root, "dataset.json", listed)


def deeperforensics(root: Path, targets: tuple[str, ...] = ("000", "002", "004")) -> Path:
    """A fake a split."""
    for split, target in zip(("train", "val", "test"), targets, strict=True):
        touch(root, f"manipulated_videos/end_to_end/{target}_M101")
        write(root, f"lists/splits/{split}.txt", f"{target}_M101.mp4\n")
    return root


FILM, OTHER = "_-926WzaH2A", "pNqmJjTr2PA"


def ffsc(root: Path) -> Path:
    """One picture a method, by the README's examples."""
    clip, by = f"{FILM}_215", f"{OTHER}_107"
    for top in ("Train", "Val"):
        touch(
            root,
            f"{top}/Real/AVSpeech/{clip}/0037.png",
            f"{top}/Real/CDF-youtube/00000/0078.png",
            f"{top}/BlendFace/{clip}_0037_by_{by}_0069.png",
            f"{top}/diffae-age/{clip}/0037.png",
            f"{top}/diffae-gender/Male/{clip}_0037_Male_-0.2.png",
            f"{top}/fomm-expr/{clip}_0037_surprised.png",
            f"{top}/fomm-pose/{clip}_0037_pose_fr100.png",
            f"{top}/fsgan/{FILM}_168.766667_176.933333/0011.png",
            f"{top}/simswap/{clip}_2_{by}/0037.png",
            f"{top}/StyleGAN2_dis-gender/{clip}_0037_gender.png",
            f"{top}/StyleRes-age/{clip}/0037.png",
            f"{top}/StyleRes-expr/{clip}/0037.png",
            f"{top}/TPS-pose/pose/{clip}_0037_pose_fr100.png",
        )
    clip = "_wKUEOeAnFI_60"
    touch(
        root,
        f"Test/Real/AVSpeech/{clip}/0018.png",
        f"Test/Protocol-1/FNeVR/{clip}_0018_pose_fr15.png",
        f"Test/Protocol-1/HFGI-age/{clip}/0018.png",
        f"Test/Protocol-1/HFGI-smile/{clip}/0018.png",
        f"Test/Protocol-1/InfoSwap/{clip}_To_00168/0165_gen.png",
        f"Test/Protocol-1/StyleCLIP-gender/{clip}_0018.png",
    )
    return root


def diff(root: Path) -> Path:
    touch(root, "DiFF_real/test/p1_0.jpg", "DiFF_real/val/p2_0.jpg")
    return touch(
        root,
        "test/FS/DiffFace/p1_p3_0.png",
        "test/FE/Imagic/p1_0.png",
        "test/T2I/SDXL/9/p1_0.jpg",
        "val/I2I/LoRA/1.png",
    )


def diffusionface(root: Path) -> Path:
    touch(root, "Real/17.jpg", "Real/23.jpg", "DiffSwap/a/00017.png", "Inpaint/images/17.png", "SDv15_DS0.3/17.png")
    touch(root, "stable_diffusion_v_2_1_text2img_p0g5/aligned/1.png", "ADM/1.png", "Wild/images_256/1.png")
    return write(root, "DiffSwap/target_source.csv", "image,target,source\na/00017.png,17.jpg,23.jpg\n")


#: Layout -> the tree of its release.
OFFICIAL = {
    "faceforensics++": faceforensics,
    "celeb-df-v2": celeb,
    "dfdc": dfdc,
    "dfdc-preview": preview,
    "deeperforensics-1.0": deeperforensics,
    "ffsc": ffsc,
    "diff": diff,
    "diffusionface": diffusionface,
}


def bench(root, prefix=""):
    """A list with the level of compressions and Windows paths, as the authors publish them."""
    real = prefix + "FaceForensics++\\original_sequences\\youtube\\c23\\frames\\000\\012.png"
    fake = prefix + "FaceForensics++/manipulated_sequences/Deepfakes/c23/frames/000_003/012.png"
    listed = {
        "FF-real": {"test": {"c23": {"000": {"label": "FF-real", "frames": [real]}}, "c40": {}}, "val": {"c23": {}}},
        "FF-DF": {"test": {"c23": {"000_003": {"label": "FF-DF", "frames": [fake]}}}},
    }
    return write(root, "FF-DF.json", {"FF-DF": listed})


def own_table(root: Path) -> Path:
    """A table of one's own with a real and a fake."""
    text = "path,label\nfilms/a.mp4,real\nfilms/b.mp4,Deepfakes\n"
    return write(touch(root, "films/a", "films/b"), "videos.csv", text)


#: Layout -> what makes a tiny tree of it, and one of its lists.
PLACES = {
    "faceforensics++": (faceforensics, "train.json"),
    "dfdc": (dfdc, "train/dfdc_train_part_0/metadata.json"),
    "dfdc-preview": (preview, "dataset.json"),
    "deepfakebench": (bench, "FF-DF.json"),
    "celeb-df-v2": (celeb, "List_of_testing_videos.txt"),
    "ffsc": (lambda root: write(ffsc(root), "Val.txt", "Val/Real/x/1.png 000000000000"), "Val.txt"),
    "deeperforensics-1.0": (deeperforensics, "lists/splits/val.txt"),
}
