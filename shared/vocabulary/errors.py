"""A refusal: a sentence for the person who sent the value, a code for the machine."""

from inspect import cleandoc
from typing import ClassVar


class Refused(ValueError):
    """{value!r} cannot be used. {remedy}"""

    code: ClassVar[str] = "refused"

    def __init__(self, **told: object) -> None:
        self.told = told
        super().__init__(cleandoc(type(self).__doc__ or "{told}").format(told=told, **told))
