"""Compiled drawing: triangles, strands, noise textures and what a surface point is."""
