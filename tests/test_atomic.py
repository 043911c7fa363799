"""Whether a folder may be made is known, and said, before the work."""

import pytest

from edge.atomic import new_folder, require_new_folder
from edge.errors import CannotCreateError


def test_file_is_not_called_a_folder_that_is_not_empty(tmp_path):
    (tmp_path / "out").write_text("keep")
    for replace in (False, True):
        with pytest.raises(CannotCreateError, match="is a file, expected a folder"):
            require_new_folder(tmp_path / "out", replace=replace)


def test_asking_says_what_making_would_say(tmp_path):
    (tmp_path / "out").mkdir()
    require_new_folder(tmp_path / "out")
    (tmp_path / "out" / "mine").write_text("keep")
    with pytest.raises(CannotCreateError, match="choose another --out or add --force") as asked:
        require_new_folder(tmp_path / "out", hint=" or add --force")
    with pytest.raises(CannotCreateError) as made, new_folder(tmp_path / "out", replace=False):
        pass
    assert str(asked.value) == f"{made.value} or add --force"
    require_new_folder(tmp_path / "out", replace=True)
