"""The looks of surfaces: painted skin, cloth, eyes and teeth, and the shading loop."""
