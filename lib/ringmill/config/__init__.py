"""One frozen model per stage, and the YAML loader."""

from ringmill.config.clean import Clean
from ringmill.config.gates import Gate
from ringmill.config.load import load
from ringmill.config.models import (
    Config,
    Features,
    Generate,
    Report,
    Score,
)
from ringmill.config.raw import Raw
from ringmill.config.rfm import Rfm, Segment
from ringmill.config.rules import Rule, Section
from ringmill.config.train import Train

__all__ = [
    "Clean",
    "Config",
    "Features",
    "Gate",
    "Generate",
    "Raw",
    "Report",
    "Rfm",
    "Rule",
    "Score",
    "Section",
    "Segment",
    "Train",
    "load",
]
