"""LESER: fine-tune a language model to expand search queries, with your own search engine as the teacher."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("leser")
except PackageNotFoundError:  # a source tree that was never installed
    __version__ = "0+unknown"
