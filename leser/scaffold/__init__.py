"""A plugin's first package: an entry point, a module that works, the kit's tests, and how to go on."""

from leser.scaffold.package import KINDS, Package, write_package

__all__ = ["KINDS", "Package", "write_package"]
