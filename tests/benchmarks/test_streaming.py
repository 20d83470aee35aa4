"""The made-up crops of the benchmark of streams: pairs, however often a manifest names the same pictures."""

import os

from benchmarks.streaming import KINDS, manifest, proportional, write_tars
from semdf.artifacts import write_table
from semdf.method import hierarchy
from semdf.training.datasets import load
from semdf.training.pairs import partners


def test_every_fake_of_the_benchmark_has_its_source_in_a_tar(tmp_path):
    write_tars(tmp_path, pictures=2 * len(KINDS))
    path = write_table(manifest(50 * len(KINDS), pictures=2 * len(KINDS)), tmp_path / "manifest.parquet")
    samples = load([path], hierarchy.load("ffpp"), ["train"], reading="stream")
    assert len(samples) == 48 * len(KINDS)
    found = partners(samples)
    assert (found["same_frame"] == 48).all() and not found["left_out"].any()
    assert samples.images[:3].shape == (3, 224, 224, 3)


def test_memory_is_counted_over_processes_that_were_started():
    """Of this one at least the interpreter."""
    assert proportional(os.getpid()) > 10e6
