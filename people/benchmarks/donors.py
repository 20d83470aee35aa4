"""What a manipulation wants to show: the target's scene with one thing changed (a counterfactual render)."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from people.body.parameters import Person, Scene
from people.scenes.motion import Clip

__all__ = ["DONORS", "Case", "donor_scene"]


class Case(NamedTuple):
    """What a donor picture is made for: one frame of a target, and whose face or motion is wanted."""

    target: Clip
    source: Clip
    frame: int
    rng: np.random.Generator  # of what the change leaves open

    def changed(self, **changes: Any) -> Scene:
        """The target's scene with fields such as `person` or `light` replaced."""
        return self.target.scene(self.frame, **changes)


Donor = Callable[[Case], Scene]


def donor_scene(kind: str, target: Clip, source: Clip, frame: int, seed: int) -> Scene:
    """The scene of a donor picture: through the target's camera, with other noise.

    Args:
        kind: A key of `DONORS`.
        seed: Of what the change leaves open, the same for all frames of a video.
    """
    scene = DONORS[kind](Case(target, source, frame, np.random.default_rng(seed)))
    return replace(scene, camera=replace(target.camera, seed=target.camera.seed + 1))


def _swapped(target: Clip, source: Clip) -> Person:
    """The source's face below the target's hair, behind the target's glasses."""
    own = target.person
    return replace(source.person, hair=own.hair, clothes=own.clothes, glasses=own.glasses)


def _identity(case: Case) -> Scene:
    """Another person with the target's expression, pose and light."""
    return case.changed(person=_swapped(case.target, case.source))


def _lit(case: Case) -> Scene:
    """Another person; a graphics pipeline knows how strong the light is, not where it comes from."""
    own = case.target.light
    light = replace(own, direction=case.source.light.direction, shadow=0.5 * own.shadow)
    return case.changed(person=_swapped(case.target, case.source), light=light)


def _head(case: Case) -> Scene:
    """Another person, hair and all, in the target's place."""
    return case.changed(person=replace(case.source.person, clothes=case.target.person.clothes))


def _expression(case: Case) -> Scene:
    """The source's expression on the target's face."""
    return case.changed(expression=case.source.expressions[case.frame])


def _mood(name: str, alike: tuple[str, ...]) -> Donor:
    """An expression put on, or taken off where the target has it (or one like it) already."""

    def donor(case: Case) -> Scene:
        own = case.target.expressions[case.frame]
        main = own.name if own.strength >= own.other_strength else own.other
        if main in alike:
            shown = replace(own, name="neutral", strength=0.0)
        else:
            shown = replace(own, name=name, strength=float(case.rng.uniform(0.9, 1.1)))
        shown = replace(shown, other="neutral", other_strength=0.0, speech=0.0, blink=min(own.blink, 0.1))
        return case.changed(expression=shown)

    return donor


def _age(case: Case) -> Scene:
    """The same person decades older, or younger when old already."""
    person = case.target.person
    older = person.years < 48
    age = case.rng.uniform(0.82, 1.0) if older else case.rng.uniform(0.6, 0.74)
    hair = replace(person.hair, grey=float(case.rng.uniform(0.5, 1.0)) if older else 0.0)
    return case.changed(person=replace(person, age=float(age), hair=hair))


def _gender(case: Case) -> Scene:
    """The same person as the other gender; the hair stays."""
    person = case.target.person
    if person.gender > 0.5:
        beard = float(case.rng.uniform(0, 0.8))
        other = replace(person, gender=1 - person.gender, beard=beard, makeup=0.0, lip_redness=0.4)
    else:
        other = replace(person, gender=1 - person.gender, beard=0.0, makeup=0.3, lip_redness=0.6)
    return case.changed(person=other)


def _pose(case: Case) -> Scene:
    """The head turned to the other side."""
    pose = case.target.poses[case.frame]
    yaw = -np.sign(pose.yaw or 1.0) * case.rng.uniform(0.2, 0.45)
    pitch = pose.pitch + float(case.rng.uniform(-0.1, 0.1))
    return case.changed(pose=replace(pose, yaw=float(yaw), pitch=pitch))


def _similar(case: Case) -> Scene:
    """The same scene with a person who is partly somebody else: what a picture-guided generator makes."""
    share = case.rng.uniform(0.2, 0.5)
    person = case.target.person
    pairs = zip(person.local, case.source.person.local, strict=True)
    local = tuple(float((1 - share) * own + share * other) for own, other in pairs)
    return case.changed(person=replace(person, local=local))


def _scene(case: Case) -> Scene:
    """Another person in another place: what a generator makes of a text or of nothing."""
    return case.source.scene(case.frame)


def _same(case: Case) -> Scene:
    """The target itself."""
    return case.changed()


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
