"""The sections of the page as Markdown: headings, paragraphs, lists, tables; no drawings."""

from html.parser import HTMLParser

from lamina.report.markup import safe, table

HEADINGS = {"h2": "## ", "h3": "### ", "h4": "#### "}
BLOCKS = {**HEADINGS, "p": "", "li": "- ", "dt": "- **", "dd": ": ", "pre": "", "figcaption": "**",
          "summary": "**", "caption": "**", "blockquote": ""}
APART = ("div", "section", "figure", "ul", "ol", "dl", "details", "br", "span", "bdi", "b")
VOID = ("img", "br", "hr", "input", "meta", "link", "wbr", "col")
LONGEST_BLOCK = 1000  # characters
MOST_BLOCKS = 80  # of a section; the rest is on the page
MOST_ROWS = 40  # of a table


def to_plain(html: str) -> str:
    """The Markdown of a section of the page; what is hidden from readers' ears is left out."""
    reader = Reader()
    reader.feed(html)
    reader.close()
    reader.end_block()
    blocks = reader.blocks
    if len(blocks) > MOST_BLOCKS:
        blocks = [*blocks[:MOST_BLOCKS], "More is on the page, report.html."]
    text = ""
    for before, block in zip(["", *blocks], blocks, strict=False):
        together = block.startswith("- ") and before.startswith("- ")
        text += ("\n" if together else "\n\n") * bool(text) + block
    return text


class Reader(HTMLParser):
    """Collects blocks of Markdown. Hidden parts, legends and drawings without a name give none."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks: list[str] = []
        self.words: list[str] = []
        self.start = ""  # what the block at hand begins with
        self.hidden: list[str] = []  # open tags within a hidden one
        self.rows: list[list[str]] | None = None
        self.headed = False

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        known = dict(attributes)
        if self.hidden or known.get("aria-hidden") == "true" or tag in ("svg", "style", "script") \
                or known.get("class") == "legend":
            if not self.hidden and known.get("aria-label") and tag == "svg":
                self.end_block()
                self.add("Drawn: " + known["aria-label"])
            if tag not in VOID:
                self.hidden.append(tag)
        elif tag == "table":
            self.end_block()
            self.rows, self.headed = [], False
        elif self.rows is not None:
            self.headed |= tag == "thead"
            if tag == "tr":
                self.rows.append([])
            elif tag in ("th", "td"):
                self.words = []
        elif tag in BLOCKS:
            self.end_block()
            self.start = BLOCKS[tag]
        if tag == "img" and not self.hidden:
            self.words.append(f" ({known.get('alt') or 'a picture'}) ")
        elif tag == "small" or (tag == "span" and self.start == "**"):
            self.words.append(" (")
        elif tag in APART:
            self.words.append(" ")

    def handle_endtag(self, tag: str) -> None:
        if self.hidden:
            self.hidden.pop()
        elif tag == "table" and self.rows is not None:
            self.end_table()
        elif tag == "small" or (tag == "span" and self.start == "**"):
            self.words.append(")")
        elif self.rows is not None:
            if tag in ("th", "td") and self.rows:
                self.rows[-1].append(
                    " ".join("".join(self.words).replace(" ()", "").split()))
                self.words = []
        elif tag in BLOCKS:
            self.end_block()

    def handle_data(self, data: str) -> None:
        if not self.hidden:
            self.words.append(data)

    def end_block(self) -> None:
        """Write down the block at hand, if it says anything."""
        text = "".join(self.words).replace("( ", "(").replace(" ()", "")
        self.words, start, self.start = [], self.start, ""
        if not text.strip():
            return
        if start.endswith("**"):
            self.blocks.append(f"{start}{safe(text, LONGEST_BLOCK)}**")
        elif start == ": " and self.blocks and self.blocks[-1].endswith("**"):
            self.blocks[-1] += start + safe(text, LONGEST_BLOCK)
        else:
            self.add(text, start.replace(": ", ""))

    def add(self, text: str, start: str = "") -> None:
        self.blocks.append(start + safe(text, LONGEST_BLOCK))

    def end_table(self) -> None:
        """Write down the table at hand; its first row is the heads, or there are none."""
        rows = [row for row in self.rows or () if row]
        self.rows, self.words = None, []
        if not rows:
            return
        width = max(map(len, rows))
        heads = rows.pop(0) if self.headed else []
        left_out = len(rows) - MOST_ROWS
        body = [row + [""] * (width - len(row)) for row in rows[:MOST_ROWS]]
        self.blocks.append(table(heads + [""] * (width - len(heads)), body))
        if left_out > 0:
            self.blocks.append(f"and {left_out:,} more rows in report.json")
