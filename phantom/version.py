"""The generator's version: raised whenever the same seed gives other recordings.

It stands in a file of its own, so that `make demo` simulates again when it has changed; `phantom/CHANGELOG.md`
says what each version changed.
"""

VERSION = 1
