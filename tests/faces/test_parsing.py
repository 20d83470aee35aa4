"""The face parser: one table of classes, facexlib's own file, views that keep labels on their pixels, and masks that
agree with what people placed by hand."""

import pickle

import cv2
import numpy as np
import pandas as pd
import pytest
import torch
from _files import PHOTOS, needs_photos
from _media import draw, landmarks
from facexlib.parsing import init_parsing_model
from facexlib.parsing.bisenet import BiSeNet

from semdf.errors import DataError, MissingError, ParameterError
from semdf.faces.crops import REGION_BITS, Face, crop, placement
from semdf.faces.landmarks import from_tem
from semdf.faces.parsing import CLASSES, FILE, MIRRORED, PARTS, SIZE, Parser, find_weights, part_bits, region_ious
from semdf.params import Parser as Settings
from semdf.pipeline import ROOT
from semdf.pretraining import face_parser
from semdf.pretraining.face_parser import Labelled, cut_face, fit, measure, save
from semdf.pretraining.face_parser_views import augment, classes_of
from semdf.storage.tars import ShardWriter, encode_png

SHIPPED = ROOT / "pretrained" / "parser"
PEOPLE = ROOT / "data" / "people"
needs_shipped = pytest.mark.skipif(not (SHIPPED / FILE).is_file(), reason="pretrained/parser has not been pulled")
NAMES = [name for name, _ in CLASSES]
SETTINGS = {"sizes": [64, 96], "epochs": [1, 1], "batch": 4, "lr": 1e-3, "weight_decay": 0.01, "warmup": 0.1}
SETTINGS |= {"stills": 100, "held_out": 4, "seed": 0, "workers": 2, "threads": 1}


def person(seed: int = 0, size: int = 160) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A drawn picture with the region bits that rendered people carry, and its landmarks."""
    points = landmarks((size / 2 + seed, size / 2), 0.55 * size, 4 * seed)
    regions = np.zeros((size, size), np.uint8)
    cv2.rectangle(regions, (0, int(0.85 * size)), (size, size), REGION_BITS["other"], -1)
    skin = cv2.convexHull(points.astype(np.int32))
    cv2.fillPoly(regions, [skin], 1)
    for part, bits in ((slice(36, 42), 3), (slice(42, 48), 3), (slice(48, 60), 1 | 16 | 32), (slice(60, 68), 33)):
        cv2.fillPoly(regions, [points[part].astype(np.int32)], bits)
    for part in (points[17:22], points[22:27]):
        cv2.polylines(regions, [part.astype(np.int32)], False, 5, 3)
    cv2.fillPoly(regions, [points[[27, 31, 35]].astype(np.int32)], 9)
    return draw(points, size, seed), regions, points.astype(np.float32)


@pytest.fixture(scope="session")
def stills(tmp_path_factory):
    """A folder as `people.benchmarks.stills` writes it: ten pictures, six of them for training."""
    root = tmp_path_factory.mktemp("stills")
    rows = []
    with ShardWriter(root / "stills.tar") as tar:
        for i in range(10):
            image, regions, points = person(i)
            tar.add(f"{i}.jpg", cv2.imencode(".jpg", image[:, :, ::-1])[1].tobytes())
            tar.add(f"{i}.regions.png", encode_png(regions))
            split = "train" if i < 6 else "test"
            rows.append({"id": str(i), "identity": i, "split": split, "landmarks": points.ravel()})
    pd.DataFrame(rows).to_parquet(root / "manifest.parquet")
    return root


@pytest.fixture(scope="session")
def weights(tmp_path_factory):
    """facexlib's network with random weights, stored as the stage stores them."""
    torch.manual_seed(0)
    return save(BiSeNet(len(CLASSES)), tmp_path_factory.mktemp("weights") / FILE)


def test_the_table_covers_facexlib_s_classes_and_every_region():
    assert len(CLASSES) == 19 and len(set(NAMES)) == 19
    assert {region for _, regions in CLASSES for region in regions} == set(REGION_BITS)
    swapped = [n.replace("left", "?").replace("right", "left").replace("?", "right") for n in NAMES]
    assert [NAMES[i] for i in MIRRORED] == swapped
    assert all(CLASSES[i][1] == CLASSES[j][1] for i, j in enumerate(MIRRORED))


def test_classes_of_one_part_share_their_probability():
    logits = torch.full((1, 19, 1, 1), -20.0)
    logits[0, NAMES.index("upper lip")] = logits[0, NAMES.index("lower lip")] = 0.0
    logits[0, NAMES.index("skin")] = 0.5
    assert part_bits(logits).item() == 1 | 16 | 32
    assert set(PARTS) == {0, 1, 5, 3, 128, 9, 33, 49, 64}


def test_ious_of_regions():
    found, truth = np.zeros((4, 4), np.uint8), np.zeros((4, 4), np.uint8)
    found[:2], truth[1:] = 3, 3
    truth[0, 0] = 64
    shares = region_ious(found, truth)
    assert shares["skin"] == shares["eye"] == 4 / 16 and shares["hair"] == 0 and np.isnan(shares["nose"])


def test_facexlib_s_own_loader_takes_the_file(weights):
    assert weights.stat().st_size <= 30e6
    network = init_parsing_model("bisenet", device="cpu", model_rootpath=str(weights.parent))
    mine = Parser(weights.parent).network.state_dict()
    for name, value in network.state_dict().items():
        assert value.dtype == mine[name].dtype and torch.equal(value, mine[name])
    assert network.cp.resnet.conv1.weight.dtype == torch.float32


def test_equal_weights_make_equal_bytes_and_infinite_ones_are_refused(weights, tmp_path):
    torch.manual_seed(0)
    network = BiSeNet(len(CLASSES))
    assert save(network, tmp_path / "other.pth").read_bytes() == weights.read_bytes()
    network.cp.resnet.bn1.running_var += 1e6
    with pytest.raises(DataError, match="running_var"):
        save(network, tmp_path / "wide.pth")


def test_pictures_of_any_size_get_maps_of_their_size(weights, random):
    parser = pickle.loads(pickle.dumps(Parser(weights, size=64, batch=2)))
    images = [random.integers(0, 255, s, dtype=np.uint8) for s in ((40, 60, 3), (40, 60, 3), (70, 50, 3), (16, 16, 3))]
    maps = parser.parse(images)
    assert [m.shape for m in maps] == [i.shape[:2] for i in images]
    assert all(m.dtype == np.uint8 and set(np.unique(m)) <= set(PARTS) for m in maps)
    for image, together in zip(images, maps, strict=True):
        assert (parser.parse([image])[0] == together).mean() > 0.99
    assert parser.parse([]) == []


def test_the_map_of_a_mirrored_picture_is_the_mirrored_map(weights, random):
    image = cv2.GaussianBlur(random.integers(0, 255, (64, 64, 3), dtype=np.uint8), (0, 0), 3)
    one, other = Parser(weights, size=64).parse([image, np.ascontiguousarray(image[:, ::-1])])
    assert (one == other[:, ::-1]).mean() > 0.999


def test_official_weights_come_first(weights, tmp_path, monkeypatch):
    monkeypatch.setenv("SEMDF_WEIGHTS", str(weights.parent))
    assert Parser().file == weights and find_weights() == weights and Parser().size == 512
    assert find_weights(tmp_path) is None
    monkeypatch.delenv("SEMDF_WEIGHTS")
    assert Parser(weights).size == SIZE
    assert Parser(weights).fingerprint() != Parser(weights, size=64).fingerprint()


def test_what_cannot_be_parsed_with_is_named(weights, tmp_path):
    with pytest.raises(MissingError, match=FILE):
        Parser(tmp_path)
    (tmp_path / FILE).write_bytes(b"no weights")
    with pytest.raises(DataError, match="BiSeNet"):
        Parser(tmp_path).parse([np.zeros((8, 8, 3), np.uint8)])
    for settings in ({"size": 100}, {"size": 32}, {"batch": 0}):
        with pytest.raises(ParameterError, match=next(iter(settings))):
            Parser(weights, **settings)
    for image in (np.zeros((8, 8), np.uint8), np.zeros((8, 8, 3)), np.zeros((0, 8, 3), np.uint8)):
        with pytest.raises(DataError, match="picture"):
            Parser(weights).parse([image])


def test_classes_of_a_rendered_person():
    image, regions, points = person()
    regions[:20], regions[20:24] = REGION_BITS["hair"], REGION_BITS["other"]
    regions[66:70, 30:130] = np.where(regions[66:70, 30:130] & 1, 128, regions[66:70, 30:130])  # over the eyes
    found = classes_of(image, regions, points)
    names = {NAMES[c] for c in np.unique(found)}
    wanted = {"skin", "left brow", "right brow", "left eye", "right eye", "nose", "upper lip", "lower lip", "glasses"}
    assert (
        wanted | {"hat"} <= names
        and (found[:20] == NAMES.index("hair")).all()
        and found[-1, 0] == NAMES.index("clothes")
    )
    for one, two, axis in (("left eye", "right eye", 1), ("left brow", "right brow", 1), ("upper lip", "lower lip", 0)):
        places = [np.argwhere(found == NAMES.index(name))[:, axis].mean() for name in (one, two)]
        assert places[0] < places[1]
    crop_bits = cut_face(image, found, points, 160, 1.3).regions
    assert set(np.unique(crop_bits)) <= set(PARTS)
    with pytest.raises(DataError, match="landmarks"):
        classes_of(image, regions, points[:5])


def test_a_neck_is_told_from_clothes_by_the_skin_s_colour():
    image, regions, points = person()
    image[regions > 0] = (200, 140, 110)
    image[140:, 80:] = (40, 60, 160)
    found = classes_of(image, regions, points)
    assert NAMES[found[150, 20]] == "neck" and NAMES[found[150, 140]] == "clothes"


def test_views_depend_on_the_generator_alone_and_keep_labels_on_their_pixels():
    image, regions, points = person()
    classes = classes_of(image, regions, points)
    for seed in range(20):
        one, two = (augment(image, classes, points, 96, np.random.default_rng(seed)) for _ in range(2))
        assert all(np.array_equal(a, b) for a, b in zip(one, two, strict=True))
        view, labels = one
        assert view.shape == (96, 96, 3) and view.dtype == labels.dtype == np.uint8
        assert set(np.unique(labels)) <= set(np.unique(classes)) | set(MIRRORED[np.unique(classes)])
        left, right = (np.argwhere(labels == NAMES.index(f"{side} brow"))[:, 1] for side in ("left", "right"))
        assert not len(left) or not len(right) or left.mean() < right.mean()


def test_moving_takes_picture_and_classes_along():
    _, regions, points = person()
    classes = classes_of(np.zeros((160, 160, 3), np.uint8), regions, points)
    from semdf.pretraining.face_parser_views import _move

    shown = np.repeat((classes > 0).astype(np.uint8)[..., None] * 255, 3, 2)
    for seed in range(10):
        view, labels = _move(shown, classes, points, 96, np.random.default_rng(seed))
        assert ((view[..., 0] > 127) == (labels > 0)).mean() > 0.97


def test_stills_are_read_by_split(stills):
    assert len(Labelled(stills)) == 6 and len(Labelled(stills, ("train", "test"), most=4)) == 4
    image, classes, points = Labelled(stills, ("test",)).read(0)
    assert image.shape == (160, 160, 3) and classes.shape == (160, 160) and points.shape == (68, 2)
    with pytest.raises(DataError, match="val"):
        Labelled(stills, ("val",))
    with pytest.raises(MissingError):
        Labelled(stills.parent / "nowhere")


def test_training_resumes_to_the_same_bits(stills, tmp_path, monkeypatch):
    settings = Settings(**SETTINGS)
    whole = fit(Labelled(stills), settings)
    assert whole.history["size"].iloc[-1] == 96 and np.isfinite(whole.history["loss"]).all()
    write = face_parser.keep

    def killed(folder, stateful, history):
        write(folder, stateful, history)
        if len(history) == 1:
            raise KeyboardInterrupt

    monkeypatch.setattr(face_parser, "keep", killed)
    with pytest.raises(KeyboardInterrupt):
        fit(Labelled(stills), settings, checkpoints=tmp_path)
    monkeypatch.undo()
    again = fit(Labelled(stills), settings.model_copy(update={"workers": 1}), checkpoints=tmp_path)
    pd.testing.assert_frame_equal(again.history, whole.history)
    for name, value in again.network.state_dict().items():
        assert torch.equal(value, whole.network.state_dict()[name]), name


def test_training_learns_one_picture(stills, tmp_path):
    settings = Settings(**SETTINGS | {"sizes": [64], "epochs": [12], "lr": 2e-3})
    record = fit(Labelled(stills, ("test",), most=2), settings)
    assert record.history["loss"].iloc[-1] < 0.7 * record.history["loss"].iloc[0]
    save(record.network, tmp_path / FILE)
    table = measure(Parser(tmp_path, size=64), Labelled(stills, ("test",), most=2), size=64)
    assert list(table.columns) == ["region", "iou", "pixels"] and table["iou"].dropna().between(0, 1).all()


def test_sizes_and_epochs_go_together(stills):
    with pytest.raises(ParameterError, match="equally long"):
        fit(Labelled(stills), Settings(**SETTINGS | {"epochs": [1]}))


@needs_shipped
@pytest.mark.skipif(not (PEOPLE / "stills.tar").is_file(), reason="data/people has not been pulled")
def test_shipped_masks_of_unseen_rendered_people_agree_with_the_exact_ones():
    table = measure(Parser(SHIPPED), Labelled(PEOPLE, ("test",), most=48)).set_index("region")["iou"]
    floors = {"skin": 0.85, "eye": 0.5, "eyebrow": 0.45, "nose": 0.7, "lip": 0.5, "hair": 0.7, "other": 0.7}
    assert all(table[region] >= floor for region, floor in floors.items()), table.to_dict()


#: Outlines of the 189-point template: what lies inside is the region.
OUTLINES = {
    "eye": ((18, 19, 20, 21, 22, 30, 29, 28), (23, 24, 25, 26, 27, 33, 32, 31)),
    "eyebrow": ((71, 72, 73, 74, 75, 76, 84, 83), (77, 78, 79, 80, 81, 82, 86, 85)),
    "mouth": ((*range(87, 94), *range(108, 103, -1)),),
    "nose": ((50, 61, 62, 63, 64, 55, 69, 68, 67, 66, 56),),
    "skin": ((*range(134, 145), 112, 187, 113, 188, 114, *range(133, 124, -1), 111, 186, 110, 185, 109),),
}
#: The least mean agreement on the first photographs.
FLOORS = {"eye": 0.4, "eyebrow": 0.35, "mouth": 0.55, "nose": 0.5, "skin": 0.75}


@pytest.fixture(scope="module")
def agreement() -> dict[str, float]:
    """Mean intersection over union with the outlines of each region on the first photographs."""
    ears = ((109, *range(115, 120), 111), (112, *range(120, 125), 114))
    images, points = [], []
    for path in sorted((PHOTOS / "london").glob("*.tem"))[:12]:
        placed = np.array([line.split() for line in path.read_text().splitlines()[1:190]], float)
        face = Face(np.zeros(4), from_tem(placed))
        image = cv2.imread(str(path.with_suffix(".jpg")))[:, :, ::-1]
        matrix = placement(face, 256, 1.6, "similarity")
        images.append(crop(image, face, 256, 1.6, "similarity").image)
        points.append(placed @ matrix[:, :2].T + matrix[:, 2])
    shares = {region: [] for region in OUTLINES}
    for found, placed in zip(Parser(SHIPPED).parse(images), points, strict=True):
        for region, outlines in OUTLINES.items():
            truth = _filled(placed, outlines)
            seen = ((found & REGION_BITS[region]) > 0) & ~_filled(placed, ears if region == "skin" else ())
            shares[region].append((seen & truth).sum() / (seen | truth).sum())
    return {region: float(np.mean(values)) for region, values in shares.items()}


#: The shipped weights draw lips and mouth too wide on photographs: not fit to forge them with.
WIDE = pytest.mark.xfail(strict=True, reason="the mouth of photographs comes out too wide with the shipped weights")


@needs_shipped
@needs_photos
@pytest.mark.parametrize("region", ["eye", "eyebrow", "nose", "skin", pytest.param("mouth", marks=WIDE)])
def test_masks_of_photographs_agree_with_outlines_placed_by_hand(agreement, region):
    assert agreement[region] >= FLOORS[region], agreement


def _filled(points: np.ndarray, outlines: tuple) -> np.ndarray:
    mask = np.zeros((256, 256), np.uint8)
    for outline in outlines:
        cv2.fillPoly(mask, [np.round(points[list(outline)] * 16).astype(np.int32)], 1, shift=4)
    return mask > 0
