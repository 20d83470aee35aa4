"""Tables of a small ablation: faces of FaceForensics++ and FaceShifter, and forgeries of eyes and noses."""

import pandas as pd

FFPP = ("Deepfakes", "Face2Face")


def rows_of(split: str, people: range, dataset: str, kinds: dict[str, str], frames: int) -> list[dict]:
    """Rows of a manifest. kinds: manipulation -> label."""
    rows = []
    for kind, label in kinds.items():
        for i in people:
            video = {
                "dataset": dataset,
                "manipulation": kind,
                "label": label,
                "split": split,
                "video": f"{dataset}/{kind}/{i:03d}",
                "target": f"{i:03d}",
                "source": "" if label == "real" else f"{i + 1:03d}",
                "pristine": "" if label == "real" else f"FaceForensics++/original/{i:03d}",
                "status": "ok",
            }
            for frame in range(frames):
                rows.append({**video, "frame": frame, "sample": f"{video['video']}/{frame}"})
    return rows


def table(people: int = 3, frames: int = 2) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Faces of FaceForensics++ and FaceShifter, and forgeries of eyes and noses."""
    official = {"original": "real", **{name: name for name in FFPP}}
    forged = {f"expanded-{name}": name for name in ("eyes", "nose")}
    faces, expanded = [], []
    for k, split in enumerate(("train", "val", "test")):
        some = range(k * people, (k + 1) * people)
        faces += rows_of(split, some, "FaceForensics++", official, frames)
        expanded += rows_of(split, some, "FaceForensics++", forged, frames)
    faces += rows_of("test", range(2 * people, 3 * people), "FaceShifter", {"FaceShifter": "FaceShifter"}, frames)
    return pd.DataFrame(faces), pd.DataFrame(expanded)
