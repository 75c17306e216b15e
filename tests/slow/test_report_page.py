"""The report page in a browser, as wide as a phone."""

import json
import re
import shutil
import subprocess
from html import escape

import pytest

from steerlm_jobs.evaluation.page.render import report_page
from tests.unit.evaluation.measured import measured
from tests.unit.evaluation.page_facts import some_facts

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars")
LONG = "averylongwordthatnobodycanbreak" * 12
HOSTILE = "<img src=x onerror=\"parent.document.body.className='run'\"><script>alert(1)</script>"
MEASURE = """
const page = document.querySelector("iframe").contentDocument;
page.querySelectorAll("details").forEach(details => details.open = true);
const root = page.documentElement;
const wide = [...page.querySelectorAll("main *")].filter(element =>
  element.getBoundingClientRect().right > root.clientWidth + 1 &&
  !element.closest(".scroll, .columns, svg, .unseen"));
document.title = JSON.stringify([root.clientWidth, root.scrollWidth,
  wide.map(element => element.className || element.tagName), document.body.className]);
"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason="no chromium or google-chrome on this machine"),
]


def measured_in_browser(folder, page, width):
    """Return (width, scroll width, what sticks out, marks of code that ran) of a page."""
    frame = (
        f'<iframe width="{width}" height="800" frameborder="0" srcdoc="{escape(page)}"></iframe>'
    )
    script = f"<script>window.onload = () => {{ {MEASURE} }}</script>"
    file = folder / "frame.html"
    file.write_text(f"<!doctype html><meta charset=utf-8><body>{frame}{script}", encoding="utf-8")
    command = [BROWSER, *FLAGS, f"--user-data-dir={folder}", "--dump-dom", file.as_uri()]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120)
    return tuple(json.loads(re.search("<title>(.*?)</title>", done.stdout)[1]))


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("text", ["plain", LONG, HOSTILE])
def test_nothing_sticks_out_of_the_page_and_no_code_in_it_runs(tmp_path, width, text):
    found = measured(models=(text, "train-acsft"), prompts=(text, "Why?"), answer=text)
    page = report_page(some_facts(found, text))
    assert measured_in_browser(tmp_path, page, width) == (width, width, [], "")
