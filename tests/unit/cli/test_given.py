from pathlib import Path

from posta_cli.given import has, read_given


def test_the_environment_wins_over_the_env_file(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("POSTA_A=file\nPOSTA_B='from file'\n# POSTA_C=comment\n")
    assert read_given({"POSTA_A": "env"}, tmp_path) == {"POSTA_A": "env", "POSTA_B": "from file"}


def test_a_missing_env_file_is_no_error(tmp_path: Path) -> None:
    assert read_given({"X": "1"}, tmp_path) == {"X": "1"}


def test_a_secret_from_a_file_counts_as_set() -> None:
    assert has({"POSTA_DATABASE__URL_FILE": "/x"}, "POSTA_DATABASE__URL")
    assert not has({"POSTA_DATABASE__URL": ""}, "POSTA_DATABASE__URL")
