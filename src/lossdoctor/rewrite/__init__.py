"""Mends: what to write instead, as text edits on the user's lines. The engine applies and re-examines them."""

from lossdoctor.rewrite.proposal import Proposal as Proposal
from lossdoctor.rewrite.propose import propose as propose
from lossdoctor.rewrite.text import Change as Change
from lossdoctor.rewrite.text import Source as Source
