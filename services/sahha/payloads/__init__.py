"""Sahha's JSON to the product's own objects: strict about what a row must have, tolerant of every form that was ever seen.

Nothing is dropped in silence: a row comes out as an object, with missing timestamps filled in and marked, or as a `Rejection`.
Types, categories, periodicities, units and states are open sets; fields that are not known are kept as text beside the row.
"""

from services.sahha.payloads.account import AccountToken, SahhaProfile, parse_profile, parse_token
from services.sahha.payloads.archetypes import ParsedArchetypes, parse_archetypes
from services.sahha.payloads.biomarkers import ParsedBiomarkers, parse_biomarkers
from services.sahha.payloads.rows import Rejection
from services.sahha.payloads.scores import ParsedScores, parse_scores

__all__ = [
    "AccountToken",
    "ParsedArchetypes",
    "ParsedBiomarkers",
    "ParsedScores",
    "Rejection",
    "SahhaProfile",
    "parse_archetypes",
    "parse_biomarkers",
    "parse_profile",
    "parse_scores",
    "parse_token",
]
