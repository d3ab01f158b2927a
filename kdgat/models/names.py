"""Names of models: a family and a role. Imports nothing of the project, so that every package can use it."""

from __future__ import annotations

from dataclasses import dataclass

ROLES = ("teacher", "student", "baseline")
#: the roles that a family of networks is trained in, in this order: the student learns from the teacher
DISTILLATION_ROLES = ("teacher", "student")


@dataclass(frozen=True, order=True)
class ModelName:
    """A model's name, written `<family>-<role>`, for instance `fusion-dqn-student`.

    Attributes:
        family: what is trained: vgae, gat, fusion-dqn, gbm, …
        role: one of `ROLES`.
    """

    family: str
    role: str

    def __str__(self) -> str:
        """Give the name as it stands in every table."""
        return f"{self.family}-{self.role}"

    @staticmethod
    def parse(name: str) -> ModelName:
        """Read a name as it stands in a table.

        Raises:
            ValueError: it does not end in one of `ROLES`, or has no family.
        """
        family, _, role = name.rpartition("-")
        if not family or role not in ROLES:
            raise ValueError(f"{name!r} is no model's name: <family>-<role>, with a role of {', '.join(ROLES)}")
        return ModelName(family, role)
