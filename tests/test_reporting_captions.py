"""captions.md: what it says of each figure, and that texts of data cannot leave their place."""

import json

from analysis.reporting.captions import caption_sections, python_line, write_captions

HOSTILE = "a\n\n## 09_x\n<script>`alert(1)`</script>\x1b[2J ```"


def write(folder, name, caption="A caption.", alt="An alt text."):
    file = folder / f"{name}.json"
    file.write_text(json.dumps({"caption": caption, "alt": alt}), encoding="utf-8")
    return file


def test_a_figure_has_its_words_and_its_line(tmp_path):
    sections = caption_sections([write(tmp_path, "01_a")], "svg", {"width": "column"})
    said = write_captions(tmp_path, sections).read_text(encoding="utf-8")
    assert said.startswith("# Figures\n\n## 01_a\n\n[01_a.svg](01_a.svg)\n")
    for line in ("A caption.", "An alt text."):
        assert f"\n    {line}\n" in said
    assert "\n    import analysis; analysis.draw('01_a', width='column')\n" in said


def test_sections_of_other_figures_stay_and_the_same_are_the_same_bytes(tmp_path):
    first, second = (caption_sections([write(tmp_path, n)], "png", {}) for n in ("02_b", "01_a"))
    write_captions(tmp_path, first)
    file = write_captions(tmp_path, second)
    both = file.read_bytes()
    assert both.index(b"## 01_a") < both.index(b"## 02_b")
    assert write_captions(tmp_path, first).read_bytes() == both
    changed = caption_sections([write(tmp_path, "01_a", "Another.")], "png", {})
    said = write_captions(tmp_path, changed).read_text()
    assert said.count("## 01_a") == 1
    assert "Another." in said


def test_hostile_words_stay_in_their_line(tmp_path):
    sections = caption_sections([write(tmp_path, "01_a", HOSTILE, HOSTILE)], "svg", {})
    said = write_captions(tmp_path, sections).read_text(encoding="utf-8")
    assert [line for line in said.splitlines() if line.startswith("#")] == ["# Figures", "## 01_a"]
    assert all(line.startswith("    ") for line in said.splitlines() if "script" in line)
    assert "\x1b" not in said


def test_the_line_says_what_was_asked_for():
    options = {"style": "dark", "data": "a 'b'.jsonl", "trust_remote_code": True}
    asked = {}
    line = python_line("01_a", options).removeprefix("import analysis; analysis.")
    exec(line, {"draw": lambda *names, **given: asked.update(given, names=names)})
    assert asked == {"names": ("01_a",), **options}
