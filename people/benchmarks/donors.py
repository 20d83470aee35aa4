"""What a manipulation wants to show: the target's scene with one thing changed (a counterfactual render)."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from people.body.parameters import Person, Scene
from people.scenes.motion import Clip

__all__ = ["DONORS", "donor_scene"]

Donor = Callable[[Clip, Clip, int, np.random.Generator], Scene]


def donor_scene(kind: str, target: Clip, source: Clip, frame: int, seed: int) -> Scene:
    """The scene of a donor picture: through the target's camera, with other noise.

    kind: a key of `DONORS`; seed: of what the change leaves open, the same for all frames of a video.
    """
    scene = DONORS[kind](target, source, frame, np.random.default_rng(seed))
    return replace(scene, camera=replace(target.camera, seed=target.camera.seed + 1))


def _swapped(target: Clip, source: Clip) -> Person:
    """The source's face below the target's hair, behind the target's glasses."""
    own = target.person
    return replace(source.person, hair=own.hair, clothes=own.clothes, glasses=own.glasses)


def _identity(target: Clip, source: Clip, frame: int, rng: np.random.Generator) -> Scene:
    """Another person with the target's expression, pose and light."""
    return target.scene(frame, person=_swapped(target, source))


def _lit(target: Clip, source: Clip, frame: int, rng: np.random.Generator) -> Scene:
    """Another person; a graphics pipeline knows how strong the light is, not where it comes from."""
    light = replace(target.light, direction=source.light.direction, shadow=0.5 * target.light.shadow)
    return target.scene(frame, person=_swapped(target, source), light=light)


def _head(target: Clip, source: Clip, frame: int, rng: np.random.Generator) -> Scene:
    """Another person, hair and all, in the target's place."""
    return target.scene(frame, person=replace(source.person, clothes=target.person.clothes))


def _expression(target: Clip, source: Clip, frame: int, rng: np.random.Generator) -> Scene:
    return target.scene(frame, expression=source.expressions[frame])


def _mood(name: str, alike: tuple[str, ...]) -> Donor:
    """An expression put on, or taken off where the target has it (or one like it) already."""

    def donor(target: Clip, source: Clip, frame: int, rng: np.random.Generator) -> Scene:
        own = target.expressions[frame]
        main = own.name if own.strength >= own.other_strength else own.other
        wanted, strength = ("neutral", 0.0) if main in alike else (name, rng.uniform(0.9, 1.1))
        shown = replace(own, name=wanted, strength=float(strength), other="neutral", other_strength=0.0, speech=0.0)
        return target.scene(frame, expression=replace(shown, blink=min(own.blink, 0.1)))

    return donor


def _age(target: Clip, source: Clip, frame: int, rng: np.random.Generator) -> Scene:
    """The same person decades older, or younger when old already."""
    person = target.person
    older = person.years < 48
    age = rng.uniform(0.82, 1.0) if older else rng.uniform(0.6, 0.74)
    hair = replace(person.hair, grey=float(rng.uniform(0.5, 1.0)) if older else 0.0)
    return target.scene(frame, person=replace(person, age=float(age), hair=hair))


def _gender(target: Clip, source: Clip, frame: int, rng: np.random.Generator) -> Scene:
    """The same person as the other gender; the hair stays."""
    person = target.person
    changes = dict(gender=1 - person.gender, beard=0.0, makeup=0.3, lip_redness=0.6)
    if person.gender > 0.5:
        changes = dict(changes, beard=float(rng.uniform(0, 0.8)), makeup=0.0, lip_redness=0.4)
    return target.scene(frame, person=replace(person, **changes))


def _pose(target: Clip, source: Clip, frame: int, rng: np.random.Generator) -> Scene:
    """The head turned to the other side."""
    pose = target.poses[frame]
    yaw = -np.sign(pose.yaw or 1.0) * rng.uniform(0.2, 0.45)
    return target.scene(frame, pose=replace(pose, yaw=float(yaw), pitch=pose.pitch + float(rng.uniform(-0.1, 0.1))))


def _similar(target: Clip, source: Clip, frame: int, rng: np.random.Generator) -> Scene:
    """The same scene with a person who is partly somebody else: what a picture-guided generator makes."""
    share = rng.uniform(0.2, 0.5)
    pairs = zip(target.person.local, source.person.local, strict=True)
    local = tuple(float((1 - share) * own + share * other) for own, other in pairs)
    return target.scene(frame, person=replace(target.person, local=local))


def _scene(target: Clip, source: Clip, frame: int, rng: np.random.Generator) -> Scene:
    """Another person in another place: what a generator makes of a text or of nothing."""
    return source.scene(frame)


def _same(target: Clip, source: Clip, frame: int, rng: np.random.Generator) -> Scene:
    return target.scene(frame)


DONORS: dict[str, Donor] = {
    "identity": _identity,
    "lit": _lit,
    "expression": _expression,
    "swap": _head,
    "smile": _mood("smile", ("smile", "laugh")),
    "surprise": _mood("surprise", ("surprise", "fear")),
    "age": _age,
    "gender": _gender,
    "pose": _pose,
    "similar": _similar,
    "scene": _scene,
    "same": _same,
}
