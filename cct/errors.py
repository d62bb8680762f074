"""Errors that a user can do something about; `cct.cli.main.main` prints them as one line and exits with 2.

* CctError
  x CheckpointError    the file is no model that we can read
  x DataError          the images or labels cannot be used
  x StateError         the saved state of a training is damaged, or another run's
  x RecipeError        a knob has a name or value that does not exist
  x UnsupportedModel   a layer or shape that we do not compress; says which
  x OperatorError      a PatternConv that breaks its specification
  x LibraryError       libcct_ops.so is missing, does not load, or did not run
"""


class CctError(Exception):
    """What is wrong, where, and what to do, in one line."""


class CheckpointError(CctError):
    """The file is no model that we can read."""


class DataError(CctError):
    """The images or labels cannot be used."""


class StateError(CctError):
    """The saved state of a training is damaged, or another run's."""


class RecipeError(CctError):
    """A knob has a name or value that does not exist."""


class UnsupportedModel(CctError):
    """A layer or shape that we do not compress."""


class OperatorError(CctError):
    """A PatternConv that breaks its specification."""


class LibraryError(CctError):
    """The operator library is missing, does not load, or did not run."""
