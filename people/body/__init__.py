"""The body: parameters of a person, the head's mesh, its expressions and the shape of hair."""
