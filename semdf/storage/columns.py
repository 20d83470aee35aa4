"""The columns of the tables that stages hand on: each column once, with its kind and meaning, then every table.

A table is a tuple of names, in the order in which they are written. The columns `p_<node>` of scores are not listed:
they hold the probability of each node of the hierarchy.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

__all__ = [
    "COLUMNS",
    "CROP",
    "EXTRACTION_INPUT",
    "FACE_PARSER_STILLS",
    "FORGERY",
    "FORGING_INPUT",
    "FRAME_SCORES",
    "LAYOUT",
    "MEASURED_ITEM",
    "MEMBERS",
    "PROBED_FORGERY",
    "PROVENANCE",
    "SCORED_CROP",
    "SCORE_COLUMNS",
    "SCORING_INPUT",
    "STILLS",
    "STILL_COLUMNS",
    "TRAINING_INPUT",
    "VIDEO",
    "VIDEO_KEY",
    "Column",
    "Kind",
    "kind_of",
]

#: What a cell holds. "text" is never missing, "points" are x and y of one point after the other.
Kind = Literal["text", "texts", "whole number", "number", "points", "truth value"]


class Column(NamedTuple):
    """One column: what its cells hold, and what they mean."""

    kind: Kind
    meaning: str


#: The columns of layouts and manifests. Tables of scores keep some of them. A cell of such a column is always of its
#: kind: `semdf.artifacts.checked` refuses others, whichever table they are in.
COLUMNS = {
    # a video or picture of a data set
    "dataset": Column("text", "Name of the data set, such as faceforensics++."),
    "manipulation": Column("text", "Name of the forgery method, or of a kind of real videos, such as original."),
    "video": Column("text", "Unique key of the video or picture: <data set>/<manipulation>/<name>, in every layout."),
    "path": Column("text", "Path of the file below the data set's folder, with the separator /."),
    "label": Column("text", "Name of a label row, which every hierarchy of the package has; real for untouched faces."),
    "split": Column("text", "train, val, test, or empty where the data set names none."),
    "target": Column("text", "Identity of the person whose body is seen; empty where unknown."),
    "source": Column("text", "Identity of the person whose face was pasted; empty where there is none or unknown."),
    "pristine": Column("text", "Key of the untouched video with the same frames; empty for reals and where unknown."),
    "compression": Column("text", "Name of the video's compression, such as c23; empty where there is one only."),
    "status": Column("text", "ok, or why there is nothing to use: no file, no crop or no forgery."),
    # a crop of a frame
    "frame": Column("whole number", "Number of the frame from 0 on; -1 in the one row of a video without any frame."),
    "sample": Column("text", "Unique key of the crop: <video>/<frame, four digits>; the video's without a frame."),
    "shard": Column("text", "Path of the tar, below the manifest's folder, that holds the crop; empty without a crop."),
    "member": Column("text", "Name of the crop's picture in the tar; empty without a crop."),
    "regions_member": Column("text", "Name of the crop's region map in the tar; empty without one."),
    "box": Column("points", "Box of the face in the frame, pixels: x0, y0, x1, y1; empty without a face."),
    "landmarks": Column("points", "5, 68 or 189 landmarks of the face in the crop, pixels; empty without a face."),
    "score": Column("number", "Confidence of the face finder, 0 to 1; 0 without a face."),
    # a forged crop
    "mask_member": Column("text", "Name of the picture of the blending mask in the tar; empty without one."),
    "donor": Column("text", "Sample of the crop that the forged region was taken from; empty without one."),
    "provenance": Column("text", "JSON of what was drawn for the forgery or compressed copy; empty without one."),
}

#: What tables of scores have besides: of videos, of several trainings, and of distorted crops.
SCORE_COLUMNS = {
    "frames": Column("whole number", "How many frames of the video have a score."),
    "fake": Column("whole number", "1 for fakes, 0 for reals."),
    "run": Column("text", "Name of the training."),
    "seed": Column("whole number", "Seed of the training."),
    "distortion": Column("text", "Name of the distortion; none for undistorted crops."),
    "level": Column("whole number", "Strength of the distortion, 1 to 5; 0 for undistorted crops."),
}

#: What is known of a still, a rendered picture that encoders and parsers learn from; more columns say what it shows.
STILL_COLUMNS = {
    "id": Column("text", "Unique key of the still: its picture is the member <id>.jpg of stills.tar."),
    "identity": Column("whole number", "Number of the person."),
    "caption": Column("text", "One sentence that describes the still."),
    "captions": Column("texts", "Several such sentences, the caption first."),
    "split": Column("text", "train, val or test: a person is in one of them."),
    "landmarks": Column("points", "68 landmarks of the face in the still, pixels."),
}

#: What is known of a rendered item of the embedded data. Some names mean something else here than above.
PROVENANCE = {
    "dataset": Column("text", "Name of the data set, such as faceforensics++."),
    "path": Column("text", "Path of the file below data/."),
    "manipulation": Column("text", "Name of the forgery method; empty for reals."),
    "fake": Column("truth value", "Whether the item is forged."),
    "target": Column("text", "<domain>/<identity>/<clip>, which draw the person and the clip together with the seed."),
    "source": Column("text", "The same of the clip that was pasted or shown; empty for reals."),
    "seed": Column("whole number", "Seed of the data."),
    "donor": Column("text", "How the forgery's donor is made; empty for reals."),
    "trace": Column("text", "Name of the trace that the forgery leaves; empty for reals."),
    "area": Column("text", "Name of the area that is forged; empty for reals."),
    "blend": Column("text", "Name of the blending; empty for reals and where the whole picture is forged."),
    "settings": Column("text", "JSON of the forgery's settings; empty for reals."),
    "codec": Column("text", "JSON of how the item was stored."),
    "age": Column("number", "Age of the person in `person`, 0 to 1."),
    "gender": Column("number", "Gender of the same person, 0 to 1."),
    "melanin": Column("number", "Melanin of the same person, 0 to 2."),
    "person": Column("text", "JSON of the person that was rendered for this item: the real one, or a forgery's donor."),
    "scene": Column("text", "JSON of the rest of the rendered scene, at the first frame."),
}

#: A row a video or picture: what every layout returns.
LAYOUT = (
    "dataset",
    "manipulation",
    "video",
    "path",
    "label",
    "split",
    "target",
    "source",
    "pristine",
    "compression",
    "status",
)
#: What names a video, and the place of its crops.
VIDEO_KEY = ("dataset", "manipulation", "video")
#: What extraction needs of a layout's table.
EXTRACTION_INPUT = (*VIDEO_KEY, "path")

#: A row a crop or failure: a manifest has these after the layout's columns (`status` moves to the end).
CROP = ("frame", "sample", "shard", "member", "regions_member", "box", "landmarks", "score", "status")
#: What expansion needs of a manifest.
FORGING_INPUT = (
    *VIDEO_KEY,
    "label",
    "split",
    "target",
    "source",
    "frame",
    "sample",
    "shard",
    "member",
    "regions_member",
    "landmarks",
    "status",
)
#: What an expanded manifest has after the columns of the manifest that it was made from.
FORGERY = ("mask_member", "donor", "provenance")
#: The columns that name members of a tar.
MEMBERS = ("member", "regions_member", "mask_member")
#: What training needs of a manifest.
TRAINING_INPUT = (*VIDEO_KEY, "frame", "sample", "label", "split", "pristine", "shard", "member", "status")
#: What scoring needs of a manifest.
SCORING_INPUT = (*TRAINING_INPUT, "target")
#: What the test of the explanations needs of an expanded manifest.
PROBED_FORGERY = ("sample", "label", "split", "status", "shard", "member", "mask_member", "landmarks")

#: What tables of scores and of numbers say of a video.
VIDEO = (*VIDEO_KEY, "target", "pristine", "label", "split")
#: A row a frame: what a table of scores keeps of the manifest, before `p_<node>`.
SCORED_CROP = (*VIDEO_KEY, "target", "pristine", "frame", "label", "split", "status")
#: What the evaluation needs of a table of scores.
FRAME_SCORES = (*VIDEO, "frame", "status", "p_fake")

#: What the pretraining of an encoder needs of the stills.
STILLS = ("id", "identity", "split", "caption", "captions", "landmarks")
#: What the training of the face parser needs of the stills.
FACE_PARSER_STILLS = ("id", "identity", "split", "landmarks")
#: What tables of measured shortcuts keep of the provenance.
MEASURED_ITEM = ("path", "dataset", "manipulation", "fake", "target", "source")


def kind_of(column: str) -> Kind | None:
    """What the cells of a column of `COLUMNS` hold, and of the columns `p_<node>`; None for other columns."""
    if column.startswith("p_"):
        return "number"
    return COLUMNS[column].kind if column in COLUMNS else None
