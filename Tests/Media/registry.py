"""The variants, by root."""

from dataclasses import dataclass


@dataclass
class Variant:
    root: str
    name: str
    extension: str
    make: object


ALL = []


def variant(root, name, extension):
    """Registers what makes a file: it gets a Maker and returns what is right."""
    def register(make):
        whole = f"{root}_{name}_{extension}"
        assert all(one.name != whole for one in ALL), whole
        ALL.append(Variant(root, whole, extension, make))
        return make
    return register
