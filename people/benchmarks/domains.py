"""The domains of the benchmarks: who is in them, which cameras saw them, which codec stored them."""

from dataclasses import dataclass, replace

import numpy as np

from people.benchmarks.pictures import decode_jpeg, encode_jpeg
from people.body.parameters import Person, Scene, triple
from people.forging.forgeries import Shown
from people.rendering.camera import develop
from people.rendering.render import Window, render
from people.scenes.casting import draw_camera, draw_person
from people.scenes.motion import Clip, draw_clip

__all__ = [
    "CLIPS",
    "CODECS",
    "DOMAINS",
    "FRAMES",
    "PEOPLE",
    "SETTINGS",
    "Codec",
    "Domain",
    "draw_target",
    "draw_who",
    "seed_words",
    "show",
]

FRAMES = 8  # of a video
#: Words of the seeds: equal numbers never mean the same person, clip or forgery in two domains.
PEOPLE, CLIPS, SETTINGS, CODECS = range(4)
Range = tuple[float, float]


@dataclass(frozen=True)
class Domain:
    """Where the pictures of a data set come from. All ranges are ours.

    `crf` and `quality` are drawn once for a pristine item and kept for its forgeries.
    """

    word: int  # of the seeds
    noise: Range  # of the camera, as are blur and cast
    blur: Range
    cast: float
    crf: tuple[int, int] = (18, 18)  # H.264 quality factors, of videos
    quality: tuple[int, int] | None = None  # JPEG quality, of pictures
    chroma: str = "420"  # JPEG subsampling
    phone: tuple[int, int] | None = None  # quality of the JPEG that the camera itself writes before anything is forged
    exposure: Range = (1.0, 1.0)  # factor of the light
    key: Range = (1.0, 1.0)  # factor of the key light
    zoom: Range = (1.0, 1.0)  # factor
    edge: int = 0  # pixels cut off each side

    @property
    def still(self) -> bool:
        """Whether the domain is of pictures, not of videos."""
        return self.quality is not None


DOMAINS: dict[str, Domain] = {
    "FaceForensics++": Domain(1, (0.003, 0.008), (0.3, 0.75), 0.04),
    "Celeb-DF-v2": Domain(2, (0.004, 0.010), (0.4, 0.95), 0.07, (20, 20)),
    "YouTube-real": Domain(3, (0.004, 0.010), (0.4, 0.95), 0.07, (20, 20)),
    "DFDC": Domain(
        4,
        (0.006, 0.016),
        (0.35, 1.1),
        0.10,
        (17, 21),
        phone=(82, 95),
        exposure=(0.5, 1.0),
        key=(0.4, 1.3),
        zoom=(0.86, 1.0),
    ),
    "DeeperForensics-1.0": Domain(5, (0.002, 0.004), (0.3, 0.45), 0.02),  # actors in a studio; targets are others
    "FFSC": Domain(6, (0.002, 0.006), (0.3, 0.8), 0.05, quality=(84, 92), zoom=(1.0, 1.08), edge=16),
    "DiFF": Domain(7, (0.002, 0.008), (0.3, 0.95), 0.06, quality=(88, 95), zoom=(0.94, 1.06)),
    "DiffusionFace": Domain(8, (0.002, 0.006), (0.3, 0.8), 0.05, quality=(86, 93), zoom=(1.0, 1.06), edge=16),
}


@dataclass(frozen=True)
class Codec:
    """How a pristine item and all that is made of it are stored."""

    crf: int  # of videos
    quality: int  # of pictures, as are chroma and edge
    chroma: str
    edge: int  # pixels cut off each side


def seed_words(domain: str, seed: int, kind: int, *numbers: int) -> tuple[int, ...]:
    """What seeds one random thing; `kind` is PEOPLE, CLIPS, SETTINGS or CODECS."""
    return (seed, kind, DOMAINS[domain].word, *numbers)


def draw_who(domain: str, seed: int, identity: int) -> Person:
    """A person of a domain."""
    return draw_person(np.random.default_rng(seed_words(domain, seed, PEOPLE, identity)))


def draw_target(domain: str, seed: int, identity: int, clip: int) -> Clip:
    """A clip of a person of a domain; one frame where the domain is of pictures."""
    place = DOMAINS[domain]
    rng = np.random.default_rng(seed_words(domain, seed, CLIPS, identity, clip))
    camera = draw_camera(rng, noise=place.noise, blur=place.blur, cast=place.cast)
    drawn = draw_clip(rng, 1 if place.still else FRAMES, camera, draw_who(domain, seed, identity))
    exposure, key, zoom = (float(rng.uniform(*span)) for span in (place.exposure, place.key, place.zoom))
    strength = triple(part * key for part in drawn.light.key)
    light = replace(drawn.light, exposure=drawn.light.exposure * exposure, key=strength)
    return replace(drawn, light=light, poses=tuple(replace(pose, zoom=pose.zoom * zoom) for pose in drawn.poses))


def show(domain: str, scene: Scene, frame: int, window: Window | None = None) -> Shown:
    """What the domain's camera makes of a scene; only the window is rendered."""
    picture = render(scene, window)
    image = develop(picture.light, scene.camera, frame)
    clean = develop(picture.light, replace(scene.camera, noise=0.0), frame).astype(np.float32)
    phone = DOMAINS[domain].phone
    if phone:
        low, high = phone
        quality = int(np.random.default_rng(scene.camera.seed).integers(low, high + 1))
        image = decode_jpeg(encode_jpeg(image, quality))
    return Shown(image, picture.regions, picture.landmarks, clean)
