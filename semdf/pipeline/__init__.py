"""The checkout: notebooks as stages, their products and pages, and work in shards. No other room knows it.

It may use all other rooms.
"""

from pathlib import Path

#: The root of the checkout: notebooks use it to find data and products wherever they are started.
ROOT = Path(__file__).resolve().parents[2]
