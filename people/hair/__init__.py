"""What grows on a head or is worn there: hair, brows, beards, glasses and hats."""
