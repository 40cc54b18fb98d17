"""Equations in LaTeX -> MathML, when the site is built: browsers show it by themselves, without scripts or fonts."""

from __future__ import annotations

import html
import re

from latex2mathml.converter import convert

_EQUATION = re.compile(r'<(?P<tag>span|div) class="arithmatex">\\[(\[](?P<latex>.*?)\\[)\]]</(?P=tag)>', re.DOTALL)


def to_mathml(page: str) -> str:
    """The HTML of a page with what ``pymdownx.arithmatex`` marked as LaTeX replaced.

    Errors: ValueError for LaTeX that cannot be converted whole.
    """
    return _EQUATION.sub(_mathml, page)


def _mathml(equation: re.Match[str]) -> str:
    latex = html.unescape(equation["latex"]).strip()
    block = equation["tag"] == "div"
    made = convert(latex, display="block" if block else "inline")
    if unknown := re.findall(r"<m[oi]>\\\w*</m[oi]>", made):
        raise ValueError(f"no MathML for {unknown[0]} in the equation {latex}")
    return f'<div class="equation">{made}</div>' if block else made
