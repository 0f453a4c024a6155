"""Wrong and other right answers of the family `regularization`, from all modules here."""

from autograder.misconceptions.records import collected

MISCONCEPTIONS, VARIANTS, EQUIVALENT = collected(__name__, __path__)
