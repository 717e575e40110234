"""In which order the rules are applied: blocks before the tokens in them, tokens before the names that announce them.

What is random without any sign of what it is comes last, so that the tally can say more of all the rest.
"""

from app.redact.named import NAMED
from app.redact.people import NUMBERS_BY_NAME, PEOPLE
from app.redact.places import HEADERS, PLACES
from app.redact.rules import Rule, Scan
from app.redact.shapes import BLOCKS, OPAQUE, SHAPES

RULES: tuple[Rule | Scan, ...] = (
    *BLOCKS,
    *SHAPES,
    *HEADERS,
    *NUMBERS_BY_NAME,
    *NAMED,
    *PLACES,
    *PEOPLE,
    *OPAQUE,
)
