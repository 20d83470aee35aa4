"""The package's errors. Each message names the thing, the rule and the value found."""


class SemdfError(Exception):
    """The base of every error that semdf raises on purpose; commands print it without a traceback."""


class ParameterError(SemdfError, ValueError):
    """A parameter has the wrong type, is out of range, or names something unknown."""


class DataError(SemdfError, ValueError):
    """Data do not have the form that was promised."""


class MissingError(SemdfError, FileNotFoundError):
    """A file or folder that is needed is not there."""


class WriteError(SemdfError, OSError):
    """A product could not be written: no space, no permission. Nothing half written stays under its name."""
