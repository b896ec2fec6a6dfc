"""A refusal: a sentence for the person who sent the value, a code for the machine."""

from collections.abc import Mapping
from inspect import cleandoc
from typing import Any, ClassVar


class Refused(ValueError):
    """{value!r} cannot be used. {remedy}"""

    code: ClassVar[str] = "refused"

    def __init__(self, **told: object) -> None:
        self.told = told
        super().__init__(cleandoc(type(self).__doc__ or "{told}").format(told=told, **told))


class Coded(Exception):
    """
    What cannot be, by its code and the *values* that its sentence names in every language.

    *key* is the code, or `code/case` where the sentence is of one case of it: both are keys of
    shared/problems.json. A value may be `Coded` itself: a sentence within the sentence. *more* are
    members that an answer tells beside the sentence.
    """

    def __init__(
        self, key: str, /, *, more: Mapping[str, Any] | None = None, **values: Any
    ) -> None:
        super().__init__(key)
        self.key, self.values, self.more = key, values, dict(more or {})

    @property
    def code(self) -> str:
        """The stable code, for programs."""
        return self.key.partition("/")[0]

    def __str__(self) -> str:
        told = ", ".join(f"{name}={value}" for name, value in self.values.items())
        return f"{self.key}: {told}" if told else self.key


class NotFitting(Coded, ValueError):
    """A field, or fields together, that do not fit: for validators, which take a `ValueError`."""
