"""Each Dockerfile copies what exists, runs what exists, as nobody, and says when it is not well."""

import json
import re
from importlib.util import find_spec
from pathlib import Path

import pytest
from support.compose_file import PUBLIC_KEY, ROOT

from posta.settings import load
from posta_cli.reference.services import all_services
from posta_cli.reference.variables import variables

SERVICES = {service.name: service.settings for service in all_services()}
FILES = {name: ROOT / "services" / name / "Dockerfile" for name in SERVICES} | {
    "setup": ROOT / "deploy" / "setup.Dockerfile"
}


def instructions(name):
    """The file's instructions as (word, rest), with continued lines joined."""
    text = re.sub(r"\\\n\s*", "", FILES[name].read_text(encoding="utf-8"))
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in lines)]


def every(name, word):
    return [rest for one, rest in instructions(name) if one == word]


def environment(name):
    return dict(pair.split("=", 1) for line in every(name, "ENV") for pair in line.split())


def copied(name):
    """What is copied from the repository, without what one stage takes from another."""
    return [line.split()[:-1] for line in every(name, "COPY") if not line.startswith("--from=")]


@pytest.mark.parametrize("name", FILES)
def test_what_is_copied_exists_and_is_not_kept_from_the_build(name):
    ignored = (ROOT / ".dockerignore").read_text().split()
    for source in [source for sources in copied(name) for source in sources]:
        assert (ROOT / source).exists(), source
        assert Path(source).parts[0] not in ignored, source


@pytest.mark.parametrize("name", FILES)
def test_an_image_holds_the_library_and_one_service_at_most(name):
    sources = {source for sources in copied(name) for source in sources}
    expected = {"requirements-services.txt", "libs/common"}
    if name != "setup":
        expected |= {f"services/{name}", "deploy/config"}
    assert sources == expected


@pytest.mark.parametrize("name", FILES)
def test_dependencies_are_installed_from_the_lock_with_hashes(name):
    runs = " && ".join(every(name, "RUN"))
    assert "--require-hashes -r requirements-services.txt" in runs
    assert "--no-deps --no-build-isolation ./libs/common" in runs


@pytest.mark.parametrize("name", FILES)
def test_the_command_names_a_module_that_exists(name):
    (command,) = every(name, "CMD")
    python, flag, module = json.loads(command)
    assert (python, flag) == ("python", "-m")
    spec = find_spec(module)
    assert spec is not None
    if spec.submodule_search_locations is not None:
        assert find_spec(f"{module}.__main__") is not None
    assert module == ("posta.setup" if name == "setup" else name.replace("-", "_"))


@pytest.mark.parametrize("name", FILES)
def test_it_runs_as_a_numeric_user_without_rights(name):
    (user,) = every(name, "USER")
    uid, gid = map(int, user.split(":"))
    assert uid > 0
    assert gid > 0
    words = [word for word, _ in instructions(name)]
    assert words.index("USER") < words.index("CMD")


@pytest.mark.parametrize("name", SERVICES)
def test_its_health_is_asked_where_the_service_answers(name):
    (check,) = every(name, "HEALTHCHECK")
    port = environment(name)["POSTA_HTTP__PORT"]
    assert f"http://127.0.0.1:{port}/health/live" in check
    assert every(name, "EXPOSE") == [port]


@pytest.mark.parametrize("name", SERVICES)
def test_its_variables_are_ones_the_service_reads(name):
    given = {one: value for one, value in environment(name).items() if one.startswith("POSTA_")}
    assert given.keys() <= variables(SERVICES[name]).keys()
    required = {
        one.name: {"POSTA_DISCORD__PUBLIC_KEYS": PUBLIC_KEY, "POSTA_MAIL__ADDRESS": "a@b"}.get(one.name, "x")
        for one in variables(SERVICES[name]).values()
        if one.is_required
    }
    settings = load(SERVICES[name], given | required)
    assert (settings.http.host, settings.http.port) == ("0.0.0.0", 8080)  # noqa: S104 - inside a container


@pytest.mark.parametrize("name", SERVICES)
def test_the_rules_are_where_the_service_looks_for_them(name):
    assert f"deploy/config {environment(name)['POSTA_CONFIG_DIR']}" in every(name, "COPY")


@pytest.mark.parametrize("name", SERVICES)
def test_the_folder_for_state_belongs_to_the_user(name):
    folder, (user,) = environment(name)["POSTA_STATE_DIR"], every(name, "USER")
    assert f"mkdir -p {folder} && chown {user} {folder}" in every(name, "RUN")


def test_the_services_images_differ_in_nothing_but_their_service():
    def neutral(name):
        text = FILES[name].read_text(encoding="utf-8")
        return text.replace(name.replace("-", "_"), "SERVICE").replace(name, "SERVICE")

    assert len({neutral(name) for name in SERVICES}) == 1


def test_neither_secrets_nor_state_get_into_a_build():
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert {".env", ".env.*", ".git", ".posta", ".venv"} <= set(ignored)
