from posta_cli.llm_table import lines

WINDOWS = [
    {"window": "rpm", "used": 8, "limit": 8, "frees_in_s": 3.2},
    {"window": "tpm", "used": 900, "limit": None, "frees_in_s": 3.2},
    {"window": "rpd", "used": 80, "limit": 14400, "frees_in_s": 900.0},
    {"window": "tpd", "used": 9000, "limit": None, "frees_in_s": 900.0},
]
FULL = {
    "id": "main", "room_in_s": 3.2, "circuit": "closed", "circuit_opens_in_s": 0.0, "in_flight": 2,
    "windows": WINDOWS,
}  # fmt: skip
ILL = {**FULL, "id": "other", "room_in_s": 88.0, "circuit": "open", "circuit_opens_in_s": 88.0}
REPORT = {
    "summary": "Questions wait for room at an LLM, the next in 3.2 s.",
    "models": [FULL, ILL],
    "waiting": {
        "urgent": 1, "standard": 40, "longest_s": 61.0, "by_reason": {"main: rpm": 40, "other: circuit": 1},
    },
    "waiting_elsewhere": 7,
    "holds": [{"why": "llm", "since": "2026-01-02T03:04:05Z"}],
    "claims_live": 2,
    "claims_orphaned": 1,
}  # fmt: skip


def test_the_first_line_says_why_questions_wait():
    assert lines(REPORT)[0] == REPORT["summary"]


def test_each_model_has_a_row_with_its_room_circuit_and_limits():
    said = lines(REPORT)
    assert "in 3.2 s" in said[3]
    assert "8/8" in said[3]
    assert "900/-" in said[3]
    assert "open, 88 s more" in said[4]


def test_below_stands_who_waits_for_what():
    said = "\n".join(lines(REPORT)[5:])
    for part in (
        "waiting here: 1 with a deadline, 40 without, the longest for 61 s",
        "  40 for main: rpm",
        "waiting in other workers: 7",
        "intake is held by llm since",
        "1 claims of workers that died",
    ):
        assert part in said


def test_when_all_is_well_little_is_said():
    nobody = {"urgent": 0, "standard": 0, "by_reason": {}, "longest_s": 0}
    well = [{**FULL, "room_in_s": 0.0}]
    calm = {"waiting": nobody, "waiting_elsewhere": 0, "holds": [], "claims_orphaned": 0, "models": well}
    said = lines({**REPORT, **calm})
    assert len(said) == 4
    assert "now" in said[3]
