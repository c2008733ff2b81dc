from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from web.demo.upstream.projects import Project, ProjectDirectory, ProjectsUnreadable


def test_a_file_may_be_a_list_or_the_demo_s_own_description(tmp_path: Path) -> None:
    path = tmp_path / "projects.json"
    listed = [{"id": "p1", "name": "Sales"}]
    path.write_text(json.dumps(listed))
    assert ProjectDirectory(path=path).all() == (Project("p1", "Sales"),)
    path.write_text(json.dumps({"base_url": "http://localhost:8000", "pid": 1, "projects": listed}))
    assert ProjectDirectory(path=path).all() == (Project("p1", "Sales"),)


def test_a_change_of_the_file_is_seen_and_a_broken_one_leaves_the_last_list(tmp_path: Path) -> None:
    path = tmp_path / "projects.json"
    path.write_text(json.dumps([{"id": "p1", "name": "Sales"}]))
    directory = ProjectDirectory((Project("p0", "Fixed"),), path)
    path.write_text(json.dumps([{"id": "p1", "name": "Shops"}, {"id": "p2", "name": "New"}]))
    os.utime(path, ns=(1, 1))
    expected = (Project("p0", "Fixed"), Project("p1", "Shops"), Project("p2", "New"))
    assert directory.all() == expected
    path.write_text("{")
    assert directory.all() == expected
    path.unlink()
    assert directory.all() == expected


@pytest.mark.parametrize("content", ["", "{}", "[1]", '[{"id": "p1"}]', "[]"])
def test_a_start_without_usable_projects_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "projects.json"
    path.write_text(content)
    with pytest.raises(ProjectsUnreadable):
        ProjectDirectory(path=path)
