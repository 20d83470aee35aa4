"""Faces: finders behind one protocol, and crops that move landmarks and regions with the pixels."""

import pickle
import warnings
import zipfile

import cv2
import numpy as np
import pandas as pd
import pytest
from _files import PHOTOS, WEIGHTS, needs_photos, needs_weights
from _media import draw, landmarks

from semdf.errors import DataError, MissingError, ParameterError
from semdf.extraction.extract import extract
from semdf.faces.crops import NATIVE_SPAN, rescale
from semdf.faces.finders import Annotated, Face, FaceFinder, RetinaFace, Templates, Whole, crop, find_weights, placement
from semdf.faces.landmarks import TEMPLATE, five, read_tem, similarity, span
from semdf.faces.tracking import area, largest, main_track
from semdf.storage.tars import encode_png

LONDON = PHOTOS / "london"


def face_of(points, regions=None):
    return Face(np.concatenate([points.min(0), points.max(0)]), points, 1.0, regions)


def photo(name):
    return np.ascontiguousarray(cv2.imread(str(LONDON / name))[:, :, ::-1])


def test_similarity_recovers_a_known_map(random):
    points = random.normal(size=(5, 2)) * 30
    turn = 1.7 * np.array([[0.8, -0.6], [0.6, 0.8]])
    found = similarity(points, points @ turn.T + [3, -4])
    np.testing.assert_allclose(found, np.column_stack([turn, [3, -4]]), atol=1e-9)


def test_similarity_never_reflects(random):
    points = random.normal(size=(6, 2))
    assert np.linalg.det(similarity(points, points * [-1, 1])[:, :2]) > 0
    with pytest.raises(DataError, match="coincide"):
        similarity(np.ones((5, 2)), points[:5])


def test_native_crops_move_whole_pixels():
    points = landmarks((90, 100), 80)
    frame = draw(points, 192)
    regions = (frame[:, :, 0] > 128).astype(np.uint8)
    cut = crop(frame, face_of(points, regions), 128, 1.3, "native")
    dx, dy = np.round(cut.landmarks[0] - points[0]).astype(int)
    np.testing.assert_allclose(cut.landmarks - points, np.tile([dx, dy], (68, 1)), atol=1e-4)
    np.testing.assert_array_equal(cut.image, frame[-dy : 128 - dy, -dx : 128 - dx])
    np.testing.assert_array_equal(cut.regions, regions[-dy : 128 - dy, -dx : 128 - dx])


def test_native_crops_repeat_the_border():
    points = landmarks((20, 20), 80)
    frame = draw(points, 64)
    cut = crop(frame, face_of(points), 128, 1.3, "native")
    assert cut.image.shape == (128, 128, 3) and (cut.image[0, 0] == frame[0, 0]).all()


@pytest.mark.parametrize("size", [112, 224, 317])
def test_the_five_points_go_to_the_template(size):
    points = landmarks((90, 100), 80, 12)
    where = TEMPLATE * 0.6 + 30  # exactly similar to the template
    cut = crop(draw(points, 192), face_of(where), size, 1.3, "similarity")
    np.testing.assert_allclose(cut.landmarks, TEMPLATE * size / 317, atol=1e-2)


def test_a_larger_margin_shows_more():
    points = landmarks((90, 100), 80)
    scales = [np.linalg.det(placement(face_of(points), 128, m, "similarity")[:, :2]) for m in (1.0, 1.3, 2.0)]
    assert scales == sorted(scales, reverse=True) and scales[0] / scales[2] == pytest.approx(4)


def test_landmarks_follow_the_pixels():
    """A dot drawn at a landmark is found where the crop says the landmark is."""
    points = landmarks((90, 100), 80, 10)
    frame = np.zeros((192, 192, 3), np.uint8)
    cv2.circle(frame, tuple(points[30].round().astype(int)), 2, (255, 255, 255), -1)
    cut = crop(frame, face_of(points), 160, 1.3, "similarity")
    rows, columns = np.nonzero(cut.image[:, :, 0] > 128)
    np.testing.assert_allclose([columns.mean(), rows.mean()], cut.landmarks[30], atol=1.0)


@pytest.mark.parametrize("height", [30, 70, 80, 300])
def test_faces_of_any_scale_fit_native_crops(height):
    points = landmarks((1.2 * height, 1.2 * height), height)
    image, face = rescale(draw(points, int(2.4 * height)), face_of(points), 128)
    assert 0.8 <= span(face.landmarks) / (NATIVE_SPAN * 128) <= 1.25
    cut = crop(image, face, 128, 1.3, "native")
    assert cut.landmarks.min() > 0 and cut.landmarks.max() < 128
    assert max(image.shape) <= 3 * 128


@pytest.mark.parametrize("settings", [(4, 1.3, "native"), (64, 0, "native"), (64, 1.3, "affine")])
def test_crop_refuses_senseless_settings(settings):
    with pytest.raises(ParameterError):
        crop(np.zeros((64, 64, 3), np.uint8), face_of(landmarks()), *settings)


def test_annotated_faces(tmp_path):
    points = np.stack([landmarks((60 + i, 60), 70) for i in range(3)]).astype(np.float32)
    points[1] = np.nan
    np.savez(tmp_path / "a.npz", **{"x/y/landmarks": points, "x/y/regions": np.full((3, 8, 8), 3, np.uint8)})
    finder = pickle.loads(pickle.dumps(Annotated(tmp_path / "a.npz")))
    frames = [np.zeros((8, 8, 3), np.uint8)] * 3
    first, second, beyond = finder.find(frames, "x/y", [2, 1, 7])
    np.testing.assert_array_equal(first.landmarks, points[2])
    assert (first.regions == 3).all() and second is None and beyond is None
    assert finder.find(frames, "x/z", [0, 1, 2]) == [None] * 3
    assert finder.locate(tmp_path / "x" / "y.mp4") == "x/y"
    with pytest.raises(DataError, match="z.mp4"):
        finder.locate(tmp_path / "z.mp4")


def test_annotations_must_be_there_and_be_an_npz(tmp_path):
    with pytest.raises(MissingError, match="a.npz"):
        Annotated(tmp_path / "a.npz")
    (tmp_path / "b.npz").write_text("no zip")
    with pytest.raises(DataError, match="b.npz"):
        Annotated(tmp_path / "b.npz").find([], "x", [])


def test_the_whole_frame_as_a_face():
    frame = draw(landmarks((64, 64), 80), 128)
    (face,) = Whole().find([frame], "", [0])
    np.testing.assert_allclose(crop(frame, face, 128, 1.3, "similarity").image, frame, atol=1)
    (face,) = Whole().find([np.zeros((100, 200, 3), np.uint8)], "", [0])
    assert face.box.tolist() == [50, 0, 150, 100]


def test_missing_weights_name_the_file(tmp_path):
    with pytest.raises(MissingError, match="detection_mobilenet0.25_Final.pth"):
        RetinaFace(tmp_path, "retinaface_mobile0.25")
    with pytest.raises(ParameterError, match="retinaface_resnet50"):
        RetinaFace(tmp_path, "retinaface")
    assert find_weights(tmp_path) is None
    (tmp_path / "detection_Resnet50_Final.pth").write_bytes(b"no weights")
    assert find_weights(tmp_path) == ("retinaface_resnet50", tmp_path / "detection_Resnet50_Final.pth")
    with pytest.raises(DataError, match="must hold weights"):
        RetinaFace(tmp_path).find([np.zeros((64, 64, 3), np.uint8)], "", [0])


@needs_photos
def test_tem_files_are_read_as_68_points():
    points = read_tem(LONDON / "001_03.tem")
    left, right, nose, *mouth = five(points)
    assert points.shape == (68, 2) and left[0] < nose[0] < right[0]
    assert max(left[1], right[1]) < nose[1] < min(m[1] for m in mouth) < points[8, 1]
    assert points[36:42, 1].max() < points[27:36, 1].max()


@needs_photos
def test_a_broken_tem_file_is_named(tmp_path):
    for content in ("", "5\n1 2\n", "x", "2\n1 2\n3\n"):
        (tmp_path / "a.tem").write_text(content)
        with pytest.raises(DataError, match="a.tem"):
            Templates(tmp_path).find([np.zeros((8, 8, 3), np.uint8)], "a", [0])


@needs_photos
@needs_weights
def test_retinaface_finds_the_face_where_people_placed_it():
    """Hand-placed landmarks are the oracle: every point within an eighth of the face's span."""
    finder = RetinaFace(WEIGHTS, "retinaface_mobile0.25")
    names = [f"{i:03d}_03" for i in (1, 5, 10, 15)]
    frames = [photo(f"{name}.jpg") for name in names if (LONDON / f"{name}.tem").is_file()]
    truth = [read_tem(LONDON / f"{name}.tem") for name in names if (LONDON / f"{name}.tem").is_file()]
    assert len(frames) >= 2
    for face, points in zip(finder.find(frames, "", range(len(frames))), truth, strict=True):
        assert face.score > 0.8 and face.landmarks.shape == (5, 2)
        assert np.linalg.norm(face.landmarks - five(points), axis=1).max() < span(points) / 8


@needs_photos
@needs_weights
def test_retinaface_is_the_same_in_batches_and_takes_the_largest_face():
    finder = RetinaFace(WEIGHTS, "retinaface_mobile0.25", batch=3)
    large, small = photo("001_03.jpg"), cv2.resize(photo("002_03.jpg"), None, fx=0.4, fy=0.4)
    both = large.copy()
    both[: small.shape[0], : small.shape[1]] = small
    frames = [large, both, np.zeros_like(large), small]
    faces = finder.find(frames, "", range(4))
    assert faces[2] is None
    np.testing.assert_allclose(faces[0].landmarks, finder.find([large], "", [0])[0].landmarks, atol=1e-2)
    assert np.linalg.norm(faces[1].landmarks - faces[0].landmarks, axis=1).max() < 10


@needs_weights
def test_retinaface_finds_nothing_in_noise_and_specks(random):
    finder = RetinaFace(WEIGHTS, "retinaface_mobile0.25")
    frames = [random.integers(0, 255, (64, 96, 3), dtype=np.uint8), np.zeros((1, 1, 3), np.uint8)]
    assert finder.find(frames, "", [0, 1]) == [None, None]


def at(x, y, side):
    """A face whose box has this centre and side."""
    return Face(np.array([x - side / 2, y - side / 2, x + side / 2, y + side / 2]), np.zeros((5, 2)))


def test_the_track_stays_with_one_person_where_the_largest_face_does_not():
    """A person is seen throughout; another comes close to the camera in two frames of six."""
    one = [at(100 + 10 * t, 80, 50) for t in range(6)]
    two = {2: at(260, 90, 60), 3: at(262, 88, 70)}
    found = [[face, two[t]][:: (-1) ** t] if t in two else [face] for t, face in enumerate(one)]
    assert main_track(found) == one
    assert largest(found) == [two.get(t, face) for t, face in enumerate(one)]


def test_tracks_cross_gaps_and_leave_them_empty():
    found = [[at(50, 50, 40)], [], [at(60, 52, 42)], [at(300, 50, 44)]]
    assert main_track(found) == [found[0][0], None, found[2][0], None]
    assert main_track([[], []]) == [None, None] == largest([[], []]) and main_track([]) == []


def test_two_people_keep_apart_whatever_the_order_of_detection(random):
    for _ in range(20):
        big = [at(100 + random.normal(0, 8), 100, 60 + random.normal(0, 4)) for _ in range(8)]
        small = [at(190 + random.normal(0, 8), 100, 48 + random.normal(0, 4)) for _ in range(8)]
        found = [list(random.permutation(np.array([a, b], object))) for a, b in zip(big, small, strict=True)]
        assert main_track(found) == (big if sum(map(area, big)) > sum(map(area, small)) else small)


def test_a_face_that_jumps_or_grows_is_another():
    assert main_track([[at(50, 50, 40)], [at(95, 50, 40)]])[1] is None
    assert main_track([[at(50, 50, 40)], [at(88, 50, 40)]])[1] is not None
    assert main_track([[at(50, 50, 40)], [at(50, 50, 90)]])[0] is None


@needs_photos
@needs_weights
def test_retinaface_says_what_facexlib_says():
    """The oracle is facexlib's own loop, without fused layers, kept prior boxes or early choice of the sure ones."""
    import torch
    from facexlib.detection.retinaface import RetinaFace as Network

    finder = RetinaFace(WEIGHTS, "retinaface_mobile0.25", confidence=0.5, batch=2)
    network = Network("mobile0.25", device=torch.device("cpu"))
    state = torch.load(finder.file, map_location="cpu", weights_only=True)
    network.load_state_dict({name.removeprefix("module."): value for name, value in state.items()})
    sheet = np.hstack([photo("001_03.jpg"), photo("002_03.jpg")])[::2, ::2]
    with torch.inference_mode():
        truth = network.eval().detect_faces(sheet[:, :, ::-1], conf_threshold=0.5)
    for found in finder.candidates([sheet, sheet, sheet]):
        assert len(found) == len(truth) >= 2
        for face, row in zip(sorted(found, key=lambda f: -f.score), truth, strict=True):
            np.testing.assert_allclose([*face.box, face.score], row[:5], atol=1e-2)
            np.testing.assert_allclose(face.landmarks.ravel(), row[5:], atol=1e-2)


@needs_photos
@needs_weights
def test_retinaface_follows_a_person():
    """Two people side by side; in one frame the second is nearer."""
    one, two = photo("001_03.jpg")[::2, ::2], photo("002_03.jpg")[::2, ::2]
    near = np.ascontiguousarray(np.hstack([one, cv2.resize(two, None, fx=1.3, fy=1.3)[38:294, 38:294]]))
    frames = [np.hstack([one, np.zeros_like(two)]), near, np.hstack([one, np.zeros_like(two)])]
    tracked, large = (
        RetinaFace(WEIGHTS, "retinaface_mobile0.25", face=face).find(frames, "", range(3))
        for face in ("track", "largest")
    )
    assert all(face.box[2] < 256 for face in tracked) and large[1].box[0] > 256
    with pytest.raises(ParameterError, match="largest, track"):
        RetinaFace(WEIGHTS, "retinaface_mobile0.25", face="all")


@needs_weights
def test_the_network_is_loaded_once_a_process(monkeypatch):
    from semdf.faces import retinaface

    calls = []
    monkeypatch.setattr(retinaface, "_load", lambda *a, load=retinaface._load: calls.append(a) or load(*a))
    finder = RetinaFace(WEIGHTS, "retinaface_mobile0.25")
    for _ in range(3):
        finder.find([np.zeros((64, 64, 3), np.uint8)], "", [0])
    assert len(calls) == 1
    assert "_network" not in pickle.loads(pickle.dumps(finder)).__dict__


def test_damaged_annotations_are_named(tmp_path):
    path = tmp_path / "people.npz"
    np.savez_compressed(path, **{"a/landmarks": np.random.default_rng(0).normal(size=(4, 68, 2))})
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(DataError, match="a/landmarks of people.npz must be whole"):
        Annotated(path).find([np.zeros((8, 8, 3), np.uint8)], "a", [0])
    path.write_bytes(b"PK\x03\x04 no archive")
    with pytest.raises(DataError, match="must be an npz file"):
        Annotated(path).find([np.zeros((8, 8, 3), np.uint8)], "a", [0])


POINTS = np.stack([landmarks((4 + i, 4), 6) for i in range(3)]).astype(np.float32)
MAPS = np.full((3, 8, 8), 3, np.uint8)
FRAMES = [np.zeros((8, 8, 3), np.uint8)] * 3
WRONG = {
    "a scalar": (np.float32(3), MAPS, r"a/landmarks of x.npz must be real numbers \[T, 68, 2\], found float32 \[\]"),
    "text": (np.array(["a"] * 3), MAPS, "a/landmarks .* found <U1"),
    "flat": (np.zeros((1, 136)), MAPS, r"a/landmarks .* found float64 \[1, 136\]"),
    "five points": (POINTS[:, :5], MAPS, r"a/landmarks .* found float32 \[3, 5, 2\]"),
    "complex": (POINTS + 1j, MAPS, "a/landmarks .* found complex64"),
    "truth": (POINTS > 0, MAPS, "a/landmarks .* found bool"),
    "infinite": (POINTS * np.inf, MAPS, "frame 0 of a in x.npz: landmarks must be finite"),
    "partly unknown": (np.where(np.arange(68)[:, None] < 3, np.nan, POINTS), MAPS, r"finite .* found \[nan, nan\]"),
    "far": (POINTS * 1e9, MAPS, "finite and below 1e"),
    "too few maps": (POINTS, MAPS[:1], r"a/regions of x.npz must be uint8 \[3, H, W\], found uint8 \[1, 8, 8\]"),
    "too many maps": (POINTS, np.repeat(MAPS, 2, 0), r"a/regions .* found uint8 \[6, 8, 8\]"),
    "one map": (POINTS, MAPS[0], r"a/regions .* found uint8 \[8, 8\]"),
    "maps of numbers": (POINTS, MAPS.astype(float), "a/regions .* found float64"),
    "larger maps": (POINTS, MAPS.repeat(2, 1), r"regions must have \[8, 8\] pixels, as the frame, found \[16, 8\]"),
}


@pytest.mark.parametrize("case", WRONG)
def test_annotations_of_another_form_are_refused(tmp_path, case):
    points, regions, said = WRONG[case]
    np.savez(tmp_path / "x.npz", **{"a/landmarks": points, "a/regions": regions})
    with pytest.raises(DataError, match=said):
        Annotated(tmp_path / "x.npz").find(FRAMES, "a", [0, 1, 2])


def test_the_size_of_annotations_is_limited_and_the_limit_can_be_raised(tmp_path):
    """What an archive inflates to is what counts, whatever the header of the array in it claims."""
    path = tmp_path / "x.npz"
    np.savez_compressed(path, **{"a/landmarks": np.zeros((4000, 68, 2)), "b/landmarks": POINTS.astype(np.int16)})
    with pytest.raises(DataError, match="a/landmarks of x.npz must have at most 10000 bytes, the limit set, found 43"):
        Annotated(path, 10_000).find(FRAMES, "a", [0, 1, 2])
    assert Annotated(path, 5_000_000).find(FRAMES[:1], "a", [0]) != [None]
    assert Annotated(path, 10_000).find(FRAMES[:1], "b", [0])[0].landmarks.shape == (68, 2)
    assert Annotated(path, 10_000).fingerprint() != Annotated(path).fingerprint(), "what was refused is tried again"
    assert pickle.loads(pickle.dumps(Annotated(path, 10_000))).largest == 10_000
    with pytest.raises(ParameterError, match="largest"):
        Annotated(path, 0)
    header = {"descr": "<f4", "fortran_order": False, "shape": (10**9, 68, 2)}
    with zipfile.ZipFile(path, "w") as archive, archive.open("a/landmarks.npy", "w") as file:
        np.lib.format.write_array_header_1_0(file, header)
    with pytest.raises(DataError, match="a/landmarks of x.npz must be whole"):
        Annotated(path).find(FRAMES[:1], "a", [0])


@pytest.mark.parametrize("at, said", [(8, "encrypted"), (10, "compression")])
def test_members_that_cannot_be_inflated_are_named(tmp_path, at, said):
    """Flags and method stand in the central directory and before the member."""
    path = tmp_path / "x.npz"
    np.savez(path, **{"a/landmarks": POINTS})
    data = bytearray(path.read_bytes())
    data[at - 2] |= 0x1 if said == "encrypted" else 0x60
    data[data.rindex(b"PK\1\2") + at] |= 0x1 if said == "encrypted" else 0x60
    path.write_bytes(data)
    with pytest.raises(DataError, match=f"a/landmarks of x.npz must be whole.*{said}"):
        Annotated(path).find(FRAMES[:1], "a", [0])


@pytest.mark.parametrize("spoilt", ["form", "bytes", "coinciding", "template"])
@pytest.mark.parametrize("alignment", ["native", "similarity"])
def test_bad_landmarks_are_a_row_and_the_rest_goes_on(tmp_path, spoilt, alignment):
    points = landmarks((30, 30), 40)
    for name in "abc":
        (tmp_path / f"{name}.png").write_bytes(encode_png(draw(points, 64)))
    row = {"dataset": "d", "manipulation": "m", "label": "real", "split": ""}
    rows = pd.DataFrame([row | {"video": f"d/m/{n}", "path": f"{n}.png"} for n in "abc"])
    arrays = {f"{name}/landmarks": points[None] for name in "abc"}
    if spoilt == "coinciding":
        arrays["b/landmarks"] = np.full((1, 68, 2), 5.0)
    if spoilt == "form":
        arrays["b/landmarks"] = np.zeros((1, 136))
    np.savez(tmp_path / "x.npz", **arrays)
    if spoilt == "bytes":
        data = bytearray((tmp_path / "x.npz").read_bytes())
        data[data.index(b"b/landmarks") + 400] ^= 1
        (tmp_path / "x.npz").write_bytes(data)
    finder: FaceFinder = Annotated(tmp_path / "x.npz")
    if spoilt == "template":
        finder = Templates(tmp_path, finder)
        (tmp_path / "b.tem").write_text("\n".join(["189", *["7 7"] * 189]))
    made = extract(rows, tmp_path, tmp_path / "out", finder, size=32, alignment=alignment)
    assert made["status"].iloc[[0, 2]].tolist() == ["ok", "ok"] and len(made) == 3
    if alignment == "native" and spoilt == "coinciding":  # nothing is resampled: points that coincide do no harm
        assert made["status"].iloc[1] == "ok"
    else:
        assert (
            made["status"].iloc[1].startswith("unreadable landmarks: ") and str(tmp_path) not in made["status"].iloc[1]
        )


def test_templates_that_are_no_numbers_are_refused(tmp_path):
    for word in ("nan", "inf", "1e300"):
        (tmp_path / "a.tem").write_text("\n".join(["189", *["7 8"] * 100, *[f"{word} 7"] * 89]))
        with pytest.raises(DataError, match="a.tem: landmarks must be finite"):
            Templates(tmp_path).find(FRAMES[:1], "a", [0])


@needs_weights
def test_weights_of_another_hash_are_told(tmp_path):
    """One bit of one weight: the file is read as before, and the warning says that it is not the published one."""
    frames = [np.zeros((64, 64, 3), np.uint8)]
    name = "detection_mobilenet0.25_Final.pth"
    data = bytearray((WEIGHTS / name).read_bytes())
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        RetinaFace(WEIGHTS, "retinaface_mobile0.25").find(frames, "", [0])
    data[len(data) // 2] ^= 1
    (tmp_path / name).write_bytes(data)
    with pytest.warns(
        UserWarning, match=rf"{name}: must have the SHA-256 5f88f7957d9eaef8.*found (?!5f88)[0-9a-f]{{64}}"
    ):
        RetinaFace(tmp_path, "retinaface_mobile0.25").find(frames, "", [0])
    (tmp_path / name).write_bytes(b"no weights")
    with pytest.warns(UserWarning, match=name), pytest.raises(DataError, match="must hold weights of this network"):
        RetinaFace(tmp_path, "retinaface_mobile0.25").find(frames, "", [0])
