"""Data that was collected before: files of transitions, and Minari datasets."""

from rlcore.offline.files import load_traces, save_traces
from rlcore.offline.minari_dataset import load_minari

__all__ = ["load_minari", "load_traces", "save_traces"]
