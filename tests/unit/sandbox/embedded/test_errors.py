import errno
from pathlib import Path

import pytest

from posta_sandbox.embedded.errors import HomeUnusable, home_errors


@pytest.mark.parametrize(
    ("number", "says"),
    [(errno.ENOSPC, "disk .* is full"), (errno.EACCES, "choose a folder"), (errno.EROFS, "choose")],
)
def test_a_refusal_while_writing_names_the_folder_and_what_to_do(number, says):
    with pytest.raises(HomeUnusable, match=f"/some/home: .*{says}"), home_errors(Path("/some/home")):
        raise OSError(number, "refused")
