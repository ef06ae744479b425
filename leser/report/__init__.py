"""The report of a run: one HTML file that needs nothing else, neither a network nor JavaScript."""

from leser.report.page import render_report, write_report

__all__ = ["render_report", "write_report"]
