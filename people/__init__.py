"""Rendered people and the miniature benchmarks made of them; needs `semdf[people]` to render anew.

A room imports rooms above it in this list alone:

- `drawing`: compiled loops that fill pixels (triangles, strands, noise, depth maps), and what they take.
- `body`: parameters of a person and their checks, the head's mesh, its expressions, the shape of hair.
- `skin`: layers painted on the skin, and the shading of skin, cloth, eyes and hats.
- `hair`: what grows on a head or is worn there, as strands and meshes.
- `rendering`: a scene to linear light, regions and landmarks, and the camera that makes a picture of it.
- `scenes`: random people, clothes, light and motion, sentences that describe them, and a contact sheet.
- `forging`: how a frame is forged: methods, traces of generators, blends. It knows pictures, not scenes.
- `benchmarks`: plans, jobs, files and lists of the data sets, and single pictures of people.
- `audit`: whether anything but the face tells real from forged, and whether rendered data are those that are shipped.
"""
