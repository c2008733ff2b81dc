from __future__ import annotations

from pathlib import Path

from flask import Flask

from bench.pages_map import page_rules
from web.pages.registry import blueprints

PAGES = Path(__file__).parents[3] / "docs" / "pages.md"


def test_every_page_stands_in_the_documents_by_its_section() -> None:
    app = Flask(__name__)
    for blueprint in blueprints():
        app.register_blueprint(blueprint)
    documented = PAGES.read_text(encoding="utf-8")
    sections = {"/".join(rule.split("/")[: 3 if rule.startswith("/settings") else 2]) for rule in page_rules(app).values()}
    missing = [section for section in sorted(sections) if section not in ("/", "/sso") and f"`{section}`" not in documented]
    assert missing == []
