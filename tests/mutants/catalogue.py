"""All mutants, in the order in which they are tried."""

from __future__ import annotations

from .classics import CLASSICS
from .mechanisms import MECHANISMS
from .mutant import Mutant
from .promises import PROMISES
from .proof import PROOF
from .review import REVIEW
from .scenarios import SCENARIOS

ALL: tuple[Mutant, ...] = (*SCENARIOS, *CLASSICS, *PROMISES, *PROOF, *MECHANISMS, *REVIEW)
