"""`eventlog erase`: what it removes, what it leaves, and the proof that it hands back."""

import json
import shutil

import pytest
import structlog

from services.cli.app import main
from services.contracts import layout
from services.control.report.mend import reports_naming
from services.lake.erasures import record_erasure
from services.lake.local import LocalStore
from tests.drops import NEXT_WEEK, WEEK, assert_follows_reference, ev, row, table


@pytest.fixture
def cli(capsys):
    """Runs `eventlog` with these arguments: exit code, stdout, stderr."""

    def call(*arguments):
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        return ended.value.code, *capsys.readouterr()

    yield call
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def events(tag, *seconds, pn="I13", cat="Error"):
    return [row(tag, pn=pn, cat=cat, ev=ev(TimeStamp=f"2024-05-08T10:00:{s:02}Z", EventId=s)) for s in seconds]


# The device's rows come last in each file, so that the drops without them number the others alike.
OTHERS = {
    WEEK: {"a.parquet": [*events("T2", 1, 2, 2), *events("T3", 3, pn=None)], "b.parquet": events("T2", 1)},
    NEXT_WEEK: {"a.parquet": events("T3", 5, 6, cat="Warning")},
    "2024-05-24": {"a.parquet": events("T2", 9)},
}
ERASED = {WEEK: {"a.parquet": events("GONE77", 1, 1, 4), "b.parquet": events("GONE77", 4, pn="L7")}}
ERASED[NEXT_WEEK] = {"a.parquet": events("GONE77", 7)}


def drops(*parts):
    found = {}
    for week, files in OTHERS.items():
        rows = {name: [r for part in parts for r in part.get(week, {}).get(name, [])] for name in files}
        found[week] = {name: table(*of) for name, of in rows.items()}
    return found


@pytest.fixture
def lake(chain):
    """Three weeks; the device is in two of them."""
    for week, files in drops(OTHERS, ERASED).items():
        chain.drop(files, week)
    chain.run(*OTHERS)
    return chain


@pytest.fixture
def places(chain):
    return "--source", chain.root / "source", "--lake", chain.lake


pytestmark = pytest.mark.usefixtures("no_waiting_for_the_disk")


def test_what_is_left_is_what_the_reference_makes_of_the_drops_without_the_device(cli, lake, places):
    code, out, _ = cli("erase", "--service-tag", "GONE77", *places)
    assert code == 0
    assert "0 left" in out
    # The reference knows nothing of erasing: it is given drops in which the device never was.
    weeks = drops(OTHERS)
    cleans = {week: lake.rows("clean", week) for week in weeks}
    assert all("GONE77" not in rows["service_tag"].to_pylist() for rows in cleans.values())
    ledgers = {week: lake.manifest("ingest", week).ledger for week in weeks}
    assert [ledger["erased_rows"] for ledger in ledgers.values()] == [4, 1, 0]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tests.drops._assert_manifests", lambda *_: None)  # they count the drop as it came
        assert_follows_reference(lake, weeks)


def test_a_week_without_the_device_keeps_every_byte_and_its_generation(cli, lake, places):
    before = {key: h for key, h in lake.published().items() if "2024-05-24" in key}
    cli("erase", "--service-tag", "GONE77", *places)
    assert {key: h for key, h in lake.published().items() if "2024-05-24" in key} == before
    assert [lake.manifest("ingest", week).generation for week in OTHERS] == [2, 2, 1]


def test_nothing_is_to_be_done_afterwards_and_the_device_does_not_come_back(cli, lake, places):
    cli("erase", "--service-tag", "GONE77", *places)
    before = lake.published()
    _, out, _ = cli("plan", *places, "--json")
    assert json.loads(out)["run"] == []
    code, out, _ = cli("run", *places, "--json")
    assert (code, {r["outcome"] for r in json.loads(out)["results"]}) == (0, {"unchanged"})
    _, out, _ = cli("status", *places[2:], "--json")
    states = json.loads(out)
    assert {week[stage]["state"] for week in states["weeks"] for stage in ("ingest", "clean")} == {"published"}
    assert states["feature"]["state"] == "published"
    assert lake.published() == before
    # The drop of a new week holds it once more, and an old one is sent again.
    lake.drop({"a.parquet": table(*events("GONE77", 1), *events("T2", 2))}, "2024-05-31")
    lake.drop(drops(OTHERS, ERASED)[NEXT_WEEK] | {"more.parquet": table(*events("GONE77", 9))}, NEXT_WEEK)
    code, out, _ = cli("run", *places)
    assert code == 0
    assert "2024-05-31 erased: 1 rows" in out
    for week in (*OTHERS, "2024-05-31"):
        assert "GONE77" not in lake.rows("ingest", week)["service_tag"].to_pylist()


def test_the_proof_says_what_was_there_what_went_and_what_is_left(cli, lake, places):
    code, out, err = cli("erase", "--service-tag", " GONE77 ", *places, "--json")
    proof = json.loads(out)
    assert (code, proof["exit_code"], proof["left"], proof["holding"]) == (0, 0, 0, [])
    assert proof["objects"] == sum(1 for key in lake.published())
    zones = {(z["week"], z["zone"]): (z["rows_before"], z["rows_of_device"], z["rows_after"]) for z in proof["zones"]}
    assert zones == {
        (WEEK, "raw"): (9, 4, 5),
        (WEEK, "clean"): (5, 2, 3),
        (WEEK, "quarantine"): (0, 0, 0),
        (NEXT_WEEK, "raw"): (3, 1, 2),
        (NEXT_WEEK, "clean"): (3, 1, 2),
        (NEXT_WEEK, "quarantine"): (0, 0, 0),
        ("2024-05-24", "raw"): (1, 0, 1),
        ("2024-05-24", "clean"): (1, 0, 1),
        ("2024-05-24", "quarantine"): (0, 0, 0),
        (None, "feature"): (10, 4, 6),
    }
    assert proof["source"]["files"] == [
        [f"{WEEK}/a.parquet", 3],
        [f"{WEEK}/b.parquet", 1],
        [f"{NEXT_WEEK}/a.parquet", 1],
    ]
    assert "GONE77" not in out + err
    assert not [path for path in lake.lake.rglob("*") if path.is_file() and b"GONE77" in path.read_bytes()]


def test_a_report_that_names_the_device_by_its_hash_is_made_anew(cli, lake, places):
    lake.drop({"a.parquet": table(*events("GONE77", *range(20)), *events("T2", 2))}, "2024-05-31")
    assert cli("run", *places)[0] == 0
    store = LocalStore(lake.lake)
    assert {layout.week_of_report(key) for key in reports_naming(store, "GONE77")} == {"2024-05-31"}
    # As of a later week, the report of the one before still says what was known then.
    lake.drop({"a.parquet": table(*events("T2", 2))}, "2024-06-07")
    assert cli("run", *places)[0] == 0
    assert reports_naming(store, "GONE77")
    code, out, _ = cli("erase", "--service-tag", "GONE77", *places, "--json")
    assert (code, json.loads(out)["holding"]) == (0, [])
    assert reports_naming(store, "GONE77") == []
    assert len(store.objects(layout.REPORTS)) >= 8


def test_a_dry_run_reads_and_writes_nothing(cli, lake, places):
    before = {path: path.stat().st_mtime_ns for path in lake.lake.rglob("*")}
    code, out, _ = cli("erase", "--service-tag", "GONE77", *places, "--dry-run")
    assert code == 0
    assert "Nothing was changed" in out
    assert {path: path.stat().st_mtime_ns for path in lake.lake.rglob("*")} == before


def test_the_drops_may_be_gone(cli, lake, places):
    shutil.rmtree(lake.root / "source")
    code, out, _ = cli("erase", "--service-tag", "GONE77", *places)
    assert code == 0
    assert "0 left" in out
    assert "there is no such folder" in out


def test_a_source_file_that_cannot_be_read_is_named(cli, lake, places):
    (lake.root / "source" / WEEK / "bad.parquet").write_bytes(b"PAR1 rubbish")
    code, out, _ = cli("erase", "--service-tag", "GONE77", *places)
    assert code == 0
    assert f"not looked into: {WEEK}/bad.parquet" in out


def test_settings_of_this_shell_reinterpret_nothing(cli, lake, places, monkeypatch):
    before = lake.rows("clean", WEEK)
    monkeypatch.setenv("EVENTLOG_WINDOW_DAYS_BEFORE", "0")  # would take every time away
    monkeypatch.setenv("EVENTLOG_GATE_VALID_TIMESTAMP_COVERAGE", "1")
    monkeypatch.setenv("EVENTLOG_GATE_ERROR_RATIO", "0")
    code, _, _ = cli("erase", "--service-tag", "GONE77", *places)
    assert code == 0
    after = lake.rows("clean", WEEK)
    kept = [r for r in before.to_pylist() if r["service_tag"] != "GONE77"]
    assert after.to_pylist() == kept


def test_a_window_that_leaves_weeks_out_stays_as_it_is(cli, lake, places):
    lake.feature(feature_weeks=1)
    cli("erase", "--service-tag", "GONE77", *places)
    assert lake.manifest("feature", None).window.weeks == ("2024-05-24",)


def test_an_erasure_that_was_only_recorded_shows_in_plan_and_status_and_a_run_finishes_it(cli, lake, places):
    record_erasure(LocalStore(lake.lake), "GONE77", {})
    _, out, _ = cli("status", *places[2:])
    assert out.count("1 erased devices are still to be left out") == 3
    _, out, _ = cli("plan", *places, "--json")
    assert json.loads(out)["run"] == list(OTHERS)
    code, _, _ = cli("run", *places)
    assert code == 0
    assert not [path for path in lake.lake.rglob("*.parquet") if b"GONE77" in path.read_bytes()]


def test_a_week_that_ingest_left_unfinished_is_made_from_its_drop(cli, lake, places):
    claim = lake.lake / layout.claim_key("ingest", WEEK)
    text = claim.read_text().replace('"generation": 1', '"generation": 2')
    claim.write_text(text.replace('"fingerprint": "', '"fingerprint": "0'))
    code, out, _ = cli("erase", "--service-tag", "GONE77", *places)
    assert code == 0
    assert "0 left" in out


def test_a_week_that_only_a_missing_drop_could_mend_is_said_and_the_others_are_done(cli, lake, places):
    claim = lake.lake / layout.claim_key("ingest", WEEK)
    text = claim.read_text().replace('"generation": 1', '"generation": 2')
    claim.write_text(text.replace('"fingerprint": "', '"fingerprint": "0'))
    shutil.rmtree(lake.root / "source")
    code, out, _ = cli("erase", "--service-tag", "GONE77", *places, "--json")
    proof = json.loads(out)
    assert code == proof["exit_code"] == 2  # the source is not there
    assert {z["week"] for z in proof["zones"] if z["left"]} == {WEEK, None}  # the features are over all weeks
    assert proof["holding"]


def test_a_device_that_is_nowhere_is_recorded_all_the_same(cli, lake, places):
    before = lake.published()
    code, out, _ = cli("erase", "--service-tag", "NEVER1", *places)
    assert code == 0
    assert "0 left" in out
    assert lake.published() == before
    assert (lake.lake / layout.ERASURES).is_file()


@pytest.mark.parametrize("tag", ["", "  ", "\u00a0"])
def test_a_blank_tag_is_a_usage_error(cli, lake, places, tag):
    code, _, err = cli("erase", "--service-tag", tag, *places)
    assert code == 2
    assert "name one device" in err


def test_a_lake_that_is_not_there_is_a_usage_error(cli, tmp_path):
    code, _, err = cli("erase", "--service-tag", "T1", "--lake", tmp_path / "nowhere")
    assert code == 2
    assert "there is no such folder" in err


def test_a_stranger_in_a_zone_is_named(cli, lake, places):
    stranger = lake.lake / "raw" / "event_log" / f"week={WEEK}" / "notes.parquet"
    stranger.write_bytes((lake.root / "source" / WEEK / "a.parquet").read_bytes())
    code, out, err = cli("erase", "--service-tag", "GONE77", *places, "--json")
    assert code == 3
    assert "was not written" in err
    assert json.loads(out)["left"]
