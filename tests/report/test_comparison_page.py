"""The page of a comparison: self-contained, with what the records have, and in order in a real browser."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html import escape, unescape
from pathlib import Path

import pytest
from run_folders import write_run

from signbit.compare import compare, find_runs, read_record
from signbit.report.comparison_page import comparison_page

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
DEPLOYED = {"bytes": 1000, "float_bytes": 9000, "packed_layers": 3, "float_layers": 2, "argmax_agreement": 1.0,
            "native_ms": 0.1, "isa": "avx2", "threads": 1, "repeats": 5}  # fmt: skip
WIDTHS = (400, 1600)
FRAME = '<iframe style="border: 0; width: {width}px; height: 900px" srcdoc="{page}"></iframe>'
MEASURE = """<!doctype html><meta name="color-scheme" content="light dark"><body>{frames}<script>
onload = () => {{ document.title = JSON.stringify([...document.querySelectorAll('iframe')].map(frame => {{
  const page = frame.contentDocument, seen = [...page.querySelectorAll('body *')];
  const box = element => element.getBoundingClientRect();
  return {{
    width: frame.contentWindow.innerWidth,
    dark: frame.contentWindow.matchMedia('(prefers-color-scheme: dark)').matches,
    paper: getComputedStyle(page.body).backgroundColor,
    outside: seen.filter(e => !e.closest('.scroll, pre, svg') && box(e).right > frame.contentWindow.innerWidth).length,
    narrow: seen.filter(e => e.matches('figure svg') && box(e).width < 280).length,
    inked: new Set(seen.filter(e => e.matches('figure svg path')).map(e => getComputedStyle(e).stroke)).size,
  }};
}})); }};
</script>"""
"""Frames, because a browser's window has a least width that no telephone has."""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Three methods, three seeds, everything that a record can hold."""
    out = tmp_path_factory.mktemp("page")
    for seed in range(3):
        for method, part in (("float", 0.05), ("cyclebnn", 0.02), ("sfao", 0.03)):
            flips = (None, None) if method == "float" else (0.2, 0.0)
            run = write_run(out / f"{method}-{seed}", 0.9 + part / (1 + seed), flips=flips, method=method, seed=seed)
            (run / "deployment.json").write_text(json.dumps(DEPLOYED))
    rows = (out / "sfao-0" / "metrics.csv").read_text().splitlines()
    (out / "sfao-0" / "metrics.csv").write_text(f"{rows[0]},frozen_layers\n{rows[1]},0.0\n{rows[2]},0.5\n")
    return comparison_page(compare([read_record(run) for run in find_runs([out])]), "Digits <&> friends").html()


def test_the_page_needs_no_network(page: str) -> None:
    assert not re.search(r"(src|href)=.https?:|url\(http|@import|<script|<link", page)
    assert "Digits &lt;&amp;&gt; friends" in page


def test_the_page_has_what_the_records_have(page: str) -> None:
    titles = re.findall(r"<h2>(.*?)</h2>", page)
    assert titles == [
        "Results", "Accuracy against cost", "Learning curves", "Sign flips, layer by layer", "Precision schedule",
        "Frozen layers, resting weights", "The exported files", "Pair by pair", "Do it again", "Environment",
    ]  # fmt: skip
    assert page.count("<svg") == 1 + 3 + 3 + 2 + 2 + 1 + 2
    assert page.count("signbit train ") == 9
    assert not re.search(r"#1f77b4|#ff7f0e|#000000", page), "charts take their colours from the page's theme"


def test_a_page_of_one_bare_run(tmp_path: Path) -> None:
    run = write_run(tmp_path / "a", method="float", flips=(None,))
    page = comparison_page(compare([read_record(run)]), "One").html()
    assert "nothing to compare" in page
    assert "Sign flips" not in page
    assert "exported files" not in page


def test_a_page_of_two_data_sets_names_both(tmp_path: Path) -> None:
    runs = [write_run(tmp_path / data, data=data, flips=(0.1,)) for data in ("digits", "mnist")]
    page = comparison_page(compare([read_record(run) for run in runs]), "Two").html()
    assert "on digits, mnist: " in page
    assert "no two settings have a data set and a seed in common" in page
    assert "Not one protocol: these settings differ between rows: data: digits, mnist" in page


@pytest.mark.skipif(BROWSER is None, reason="no chromium on PATH; apt install chromium")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_in_a_browser(page: str, tmp_path: Path, scheme: str) -> None:
    """No console errors, charts drawn and legible in the theme's colours; only tables and code scroll sideways."""
    assert BROWSER is not None
    file = tmp_path / "page.html"
    frames = "".join(FRAME.format(width=width, page=escape(page)) for width in WIDTHS)
    file.write_text(MEASURE.format(frames=frames))
    done = subprocess.run(
        [BROWSER, "--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}/profile",
         "--window-size=1800,2000", f"--blink-settings=preferredColorScheme={int(scheme == 'light')}",
         "--enable-logging=stderr", "--v=0", "--dump-dom", file.as_uri()],
        capture_output=True, text=True, timeout=200, check=True,
    )  # fmt: skip
    assert "CONSOLE" not in done.stderr
    title = re.search(r"<title>(.*?)</title>", done.stdout)
    assert title is not None
    for seen, width in zip(json.loads(unescape(title[1])), WIDTHS, strict=True):
        assert seen["width"] == width
        assert seen["dark"] == (scheme == "dark")
        assert seen["paper"] == ("rgb(20, 24, 29)" if scheme == "dark" else "rgb(255, 255, 255)")
        assert (seen["outside"], seen["narrow"]) == (0, 0)
        assert seen["inked"] >= 4, "each setting has its colour, axes have theirs"
