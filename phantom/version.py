"""The generator's version: raised whenever the same seed gives other recordings.

In a file of its own, so that `make demo` simulates again when it has changed.
"""

VERSION = 11
