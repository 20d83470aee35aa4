"""How a frame is forged: the traces of generators, areas and blends."""
