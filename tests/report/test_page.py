"""Opens the HTML report in headless Chromium and checks what it shows.

A copy of the page gets a script that clicks and writes down what it sees; the program itself never puts one there. Skipped
where no Chromium is installed. The programs are taken from QUANTPRESS_BINARY and CHROMIUM.
"""

import html
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT / "tests/cli"))
import models  # noqa: E402  (the path above is for it)

BINARY = os.environ.get("QUANTPRESS_BINARY", str(ROOT / "build/release/tools/quantpress"))
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
HOSTILE = "</script><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">&amp;\u202e|x"

# Runs in the page. `note(name, value)` keeps something for the test.
PROBE = """
<script>
'use strict';
const notes = {};
const note = (name, value) => { notes[name] = value; };
const all = (selector, root = document) => [...root.querySelectorAll(selector)];
const texts = selector => all(selector).map(element => element.textContent);
const firstCells = () => all('#table tbody tr').map(row => row.cells[0].textContent);
const click = element => element.dispatchEvent(new MouseEvent('click', {bubbles: true}));
try {
%s
} catch (error) { note('error', String(error)); }
document.body.setAttribute('data-notes', JSON.stringify(notes));
</script>
"""

LOOK = """
note('title', document.title);
note('heading', texts('h1'));
note('cards', all('#summary .card').map(card => card.textContent));
note('names', firstCells());
note('sizes', all('#sizes .bars button').map(button => button.title));
note('errors', all('#errors .bars button').map(button => button.title));
note('chosen', document.querySelector('#detail select').selectedOptions[0].textContent);
note('figures', texts('#detail figcaption'));
note('bars', all('#detail svg').map(svg => all('rect', svg).length));
note('elements', all('img, iframe, script[src], link, object, embed').length);
note('scripts', all('script').length);
note('wider', document.documentElement.scrollWidth > document.documentElement.clientWidth);
note('colour', getComputedStyle(document.body).backgroundColor);
const headers = all('#table th button');
const sqnr = headers.find(header => header.textContent === 'SQNR');
click(sqnr);
note('best', firstCells());
note('sort', sqnr.parentElement.getAttribute('aria-sort'));
click(sqnr);
note('worst', firstCells());
click(all('#table tbody tr')[0]);
note('chosenByRow', document.querySelector('#detail select').selectedOptions[0].textContent);
click(all('#sizes .bars button')[0]);
note('chosenByBar', document.querySelector('#detail select').selectedOptions[0].textContent);
note('pressed', all('.bars button[aria-pressed=true]').map(button => button.title));
const filter = document.querySelector('#table input');
filter.value = 'CONV_B';
filter.dispatchEvent(new Event('input'));
note('filtered', firstCells());
"""


class Page(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory()
        cls.folder = pathlib.Path(cls.temporary.name)

    @classmethod
    def tearDownClass(cls):
        cls.temporary.cleanup()

    def convert(self, name, data, *options):
        """Writes the model and converts it. -> the page and the JSON report"""
        source = self.folder / f"{name}.onnx"
        source.write_bytes(data)
        page, numbers = self.folder / f"{name}.html", self.folder / f"{name}.json"
        subprocess.run(
            [BINARY, "convert", f"--modelFile={source}", f"--MNNModel={self.folder / name}.mnn", "--quiet",
             f"--report={page}", f"--report={numbers}", *options],
            check=True,
        )
        return page, json.loads(numbers.read_text(encoding="utf-8"))

    def look(self, page, script, *options):
        """Opens a copy of the page that has the probe in it. -> what the probe noted"""
        copy = self.folder / "probed.html"
        text = page.read_text(encoding="utf-8")
        self.assertEqual(text.count("</body>"), 1)
        copy.write_text(text.replace("</body>", PROBE % script + "</body>"), encoding="utf-8")
        done = subprocess.run(
            [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={self.folder / 'profile'}",
             "--virtual-time-budget=5000", "--window-size=1200,900", *options, "--dump-dom", copy.as_uri()],
            capture_output=True, text=True, check=True, timeout=120,
        )
        found = re.search(r'data-notes="([^"]*)"', done.stdout)
        self.assertIsNotNone(found, done.stdout[-2000:] + done.stderr[-2000:])
        notes = json.loads(html.unescape(found.group(1)))
        self.assertNotIn("error", notes)
        return notes

    def test_shows_what_the_report_says(self):
        page, report = self.convert("tiny", models.convolutions(), "--weightQuantBits=4", "--hqq")
        seen = self.look(page, LOOK)
        names = [layer["layer"] for layer in report["layers"]]
        self.assertEqual(names, ["conv_a.y", "conv_b.y", "conv_c.y"])
        by_error = sorted(report["layers"], key=lambda layer: layer["errors"]["sqnr_db"])
        worst_first = [layer["layer"] for layer in by_error]
        self.assertEqual(seen["title"], "tiny.mnn \u2013 quantpress report")
        self.assertEqual(seen["heading"], ["tiny.mnn"])
        times = report["source_bytes"] / report["output_bytes"]
        self.assertIn(f"{times:.2f} times smaller", seen["cards"][0])
        self.assertIn("21\u202f984", seen["cards"][1])
        self.assertIn("3 quantized", seen["cards"][1])
        self.assertIn(f"SQNR {report['totals']['sqnr_db']:.1f} dB", seen["cards"][2])
        self.assertEqual(seen["names"], names)
        self.assertEqual(seen["sizes"], names)  # the first layer is the largest, the last the smallest
        self.assertEqual(seen["errors"], worst_first)
        self.assertEqual(seen["chosen"], worst_first[0])
        self.assertEqual(seen["figures"], ["Weights before (bars) and after (line)", "Codes"])
        self.assertEqual(seen["bars"], [64, 16])
        self.assertEqual(seen["elements"], 0)
        self.assertFalse(seen["wider"])
        self.assertEqual(seen["best"], worst_first[::-1])
        self.assertEqual(seen["sort"], "descending")
        self.assertEqual(seen["worst"], worst_first)
        self.assertEqual(seen["chosenByRow"], worst_first[0])
        self.assertEqual(seen["chosenByBar"], "conv_a.y")
        self.assertEqual(seen["pressed"], ["conv_a.y", "conv_a.y"])
        self.assertEqual(seen["filtered"], ["conv_b.y"])

    def test_names_of_the_model_are_only_text(self):
        weights = [models.tensor("w", (4, 32, 1, 1), models.floats(models.numbers(128, 1)))]
        nodes = [models.node("Conv", "conv", ["x", "w"], [HOSTILE], kernel_shape=[1, 1])]
        data = models.model(nodes, weights, [models.value_info("x", [1, 32, 8, 8])],
                            [models.value_info(HOSTILE, [1, 4, 8, 8])])
        page, report = self.convert("hostile", data, "--weightQuantBits=8")
        self.assertEqual([layer["layer"] for layer in report["layers"]], [HOSTILE])
        seen = self.look(page, "note('title', document.title); note('names', firstCells()); note('images', all('img').length);"
                               "note('scripts', all('script').length); note('label', texts('#sizes .label'));")
        self.assertEqual(seen["title"], "hostile.mnn \u2013 quantpress report")
        self.assertEqual(seen["names"], [HOSTILE])
        self.assertEqual(seen["label"], [HOSTILE])
        self.assertEqual(seen["images"], 0)
        self.assertEqual(seen["scripts"], 3)  # data, program, probe

    def test_float_and_kept_layers(self):
        page, report = self.convert("plain", models.convolutions())
        self.assertEqual({layer["storage"] for layer in report["layers"]}, {"float32"})
        seen = self.look(page, "note('cards', texts('#summary .card')); note('errors', texts('#errors')); note('figures', texts('figcaption'));"
                               "note('reasons', all('#table tbody tr').map(row => row.cells[11].textContent));")
        self.assertIn("none", seen["cards"][2])
        self.assertIn("No layer was quantized", seen["errors"][0])
        self.assertEqual(seen["figures"], ["Weights"])
        self.assertEqual(seen["reasons"], ["no quantization asked"] * 3)

    def test_dark_and_light(self):
        page, _ = self.convert("colours", models.convolutions(), "--weightQuantBits=4")
        script = "note('dark', matchMedia('(prefers-color-scheme: dark)').matches); note('colour', getComputedStyle(document.body).backgroundColor);"
        light = self.look(page, script, "--blink-settings=preferredColorScheme=1")
        dark = self.look(page, script, "--blink-settings=preferredColorScheme=0")
        self.assertEqual((light["dark"], dark["dark"]), (False, True))
        self.assertEqual(light["colour"], "rgb(245, 246, 248)")
        self.assertEqual(dark["colour"], "rgb(18, 21, 27)")

    def test_fits_a_phone(self):
        page, _ = self.convert("phone", models.convolutions(), "--weightQuantBits=4")
        frame = self.folder / "frame.html"
        # Chromium's window has a smallest width; a frame has none.
        probe = page.read_text(encoding="utf-8").replace(
            "</body>", PROBE % "note('wider', document.documentElement.scrollWidth > innerWidth); note('width', innerWidth);" + "</body>")
        (self.folder / "inner.html").write_text(probe, encoding="utf-8")
        frame.write_text('<body><iframe src="inner.html" style="width:360px;height:800px;border:0"></iframe><script>'
                         "onmessage = e => document.body.setAttribute('data-notes', e.data);</script></body>", encoding="utf-8")
        inner = self.folder / "inner.html"
        inner.write_text(inner.read_text(encoding="utf-8").replace(
            "document.body.setAttribute('data-notes', JSON.stringify(notes));", "parent.postMessage(JSON.stringify(notes), '*');"),
            encoding="utf-8")
        done = subprocess.run([CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={self.folder / 'profile'}",
                               "--virtual-time-budget=5000", "--dump-dom", frame.as_uri()],
                              capture_output=True, text=True, check=True, timeout=120)
        found = re.search(r'data-notes="([^"]*)"', done.stdout)
        self.assertIsNotNone(found, done.stdout[-2000:])
        notes = json.loads(html.unescape(found.group(1)))
        self.assertEqual(notes, {"wider": False, "width": 360})


if __name__ == "__main__":
    if CHROMIUM is None:
        print("skipped: no chromium")
        sys.exit(77)
    unittest.main()
