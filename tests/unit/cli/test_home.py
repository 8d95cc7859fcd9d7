import json
import os
import stat
from pathlib import Path

import pytest

from posta_cli import home as state_folder
from posta_cli.credentials import api_keys_value, generate, load_or_generate
from posta_cli.errors import UnusableHomeError
from posta_cli.home import Home, locate, prepare, read_ports, save_ports, wipe


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path / "state")
    prepare(made)
    return made


def test_the_home_is_dot_posta_unless_named() -> None:
    assert locate({}).root == Path.cwd() / ".posta"
    assert locate({"POSTA_HOME": "/srv/posta"}).root == Path("/srv/posta")


def test_ports_are_kept_for_the_next_run(home: Home) -> None:
    save_ports(home, {"kafka": 21_000})
    prepare(home)
    assert read_ports(home) == {"kafka": 21_000}


def test_secrets_are_made_once_and_only_their_owner_reads_them(home: Home) -> None:
    first = load_or_generate(home)
    assert load_or_generate(home) == first
    assert stat.S_IMODE(home.secrets_file.stat().st_mode) == 0o600
    assert stat.S_IMODE(home.root.stat().st_mode) == 0o700


def test_secrets_never_show_in_a_repr() -> None:
    secret = generate()
    assert secret.admin_key not in repr(secret)


def test_what_the_services_get_of_the_keys_are_hashes() -> None:
    secret = generate()
    value = api_keys_value(secret)
    assert secret.admin_key not in value
    name, _, rest = value.split(",")[0].partition(":")
    scopes, _, digest = rest.rpartition(":")
    assert (name, scopes, len(digest)) == ("scripts", "events:publish", 64)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"scripts_key": "x"}', '{"strange": 1}'])
def test_damaged_secrets_are_not_replaced_silently(home: Home, content: str) -> None:
    home.secrets_file.write_text(content)
    with pytest.raises(UnusableHomeError, match=r"secrets\.json is damaged"):
        load_or_generate(home)
    assert home.secrets_file.read_text() == content


@pytest.mark.parametrize("content", ["", "{", "[]", '{"layout": "x", "ports": {}}'])
def test_a_damaged_state_file_is_named(home: Home, content: str) -> None:
    home.state_file.write_text(content)
    with pytest.raises(UnusableHomeError, match=r"state\.json is damaged"):
        read_ports(home)


def test_a_home_of_another_layout_is_refused(home: Home) -> None:
    home.state_file.write_text(json.dumps({"layout": 99, "ports": {}}))
    with pytest.raises(UnusableHomeError, match="layout 99"):
        read_ports(home)


def test_a_folder_with_other_things_in_it_is_refused_untouched(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    for verb in (prepare, wipe):
        with pytest.raises(UnusableHomeError, match=r"thesis\.txt"):
            verb(Home(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_wiping_takes_away_what_posta_made_and_nothing_else(home: Home) -> None:
    (home.root / "kafka").mkdir()
    (home.root / "notes.txt").write_text("mine")
    wipe(home)
    assert [path.name for path in home.root.iterdir()] == ["notes.txt"]


def test_wiping_removes_the_folder_when_nothing_else_is_in_it(home: Home) -> None:
    wipe(home)
    assert not home.root.exists()


def test_a_full_disk_is_refused_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(UnusableHomeError, match=r"MiB left"):
        prepare(Home(tmp_path / "state"), min_free_bytes=2**60)
    assert not (tmp_path / "state").exists()


def test_a_disk_that_fills_up_while_writing_is_named(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_space(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(state_folder.os, "fsync", no_space)
    with pytest.raises(UnusableHomeError, match="is full"):
        save_ports(home, {"kafka": 1})
    assert read_ports(home) == {}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_an_unwritable_place_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(UnusableHomeError, match="cannot be used"):
        prepare(Home(tmp_path / "state"))
