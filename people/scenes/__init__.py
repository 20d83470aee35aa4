"""Random people, clothes, light and motion, and sentences that describe them."""
