"""Doctor: tries out a backend by its contract alone, and says what to do where it is not fit to learn from."""

from leser.doctor.examination import examine
from leser.doctor.finding import Finding, exit_code

__all__ = ["Finding", "examine", "exit_code"]
