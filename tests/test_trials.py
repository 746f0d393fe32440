import random
import signal
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from postgres import binaries, server

from edgekd.contracts.errors import ConfigError, DataError, EdgekdError
from edgekd.search.artifacts import Artifacts
from edgekd.search.trials import Trials, answering, sqlite_url

WANTED = 40
WORKER = f"""
import sys, time
from edgekd.search.trials import Trials
trials = Trials(sys.argv[1], "study", heartbeat=1, grace=3)
names = [f"one{{n}}" for n in range({WANTED})]
with trials.alive():
    while len(trials.results()) < len(names):
        trials.free()
        trials.offer({{name: {{}} for name in names}})
        for name in names:
            if trials.claim(name):
                print("claimed", name, flush=True)
                time.sleep(0.1)
                trials.tell(name, [float(name[3:])], {{"by": sys.argv[2]}})
"""


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return sqlite_url(tmp_path / "study.db")
    return str(request.getfixturevalue("postgresql"))


def test_a_name_is_claimed_once_and_told_once(url: str) -> None:
    ours, theirs = (Trials(url, "once", choices={"kind": ["gru", "mlp"]}) for _ in range(2))
    ours.offer({"a": {"kind": "gru"}, "b": {}})
    theirs.offer({"a": {"kind": "gru"}, "c": {}})
    assert ours.claim("a") and not theirs.claim("a") and not ours.claim("a")
    assert ours.mine("a") and not theirs.mine("a")
    assert not ours.claim("unknown")
    assert ours.results() == {}
    assert ours.tell("a", [1.0], {"mae": 0.5})
    assert not theirs.tell("a", [2.0], {"mae": 0.7})
    assert {name: one.found for name, one in theirs.results().items()} == {"a": {"mae": 0.5}}
    assert not theirs.claim("a")
    assert theirs.offered() == {"a", "b", "c"}
    assert [t.params for t in ours.study.trials if t.values == [1.0]] == [{"kind": "gru"}]


def test_of_two_trials_with_one_name_the_first_counts(url: str) -> None:
    ours, theirs = Trials(url, "twice"), Trials(url, "twice")
    seen = theirs._live
    theirs._live = lambda: {}  # type: ignore[method-assign]  # it looked before the other offered
    ours.offer({"a": {}})
    theirs.offer({"a": {}})
    theirs._live = seen  # type: ignore[method-assign]
    assert theirs.claim("a") and not ours.claim("a")
    assert theirs.tell("a", [1.0], {})
    assert Counter(trial.state.name for trial in ours.study.trials) == {"COMPLETE": 1, "FAIL": 1}


def test_what_a_worker_leaves_undone_is_given_back(url: str) -> None:
    ours, theirs = Trials(url, "back"), Trials(url, "back")
    ours.offer({"a": {}, "b": {}})
    with pytest.raises(RuntimeError, match="stopped"), ours.alive():
        assert ours.claim("a")
        raise RuntimeError("stopped")
    theirs.offer({"a": {}, "b": {}})
    assert theirs.claim("a")
    theirs.free()
    assert not ours.claim("a")  # its worker is not silent yet
    ours.free(everything=True)
    ours.offer({"a": {}})
    assert ours.claim("a")


def test_what_is_forgotten_is_offered_again(url: str) -> None:
    trials = Trials(url, "forget")
    trials.offer({"a": {}})
    assert trials.claim("a") and trials.tell("a", [1.0], {"made": 1})
    trials.forget(["a"])
    assert trials.results() == {}
    trials.offer({"a": {}})
    assert trials.claim("a") and trials.tell("a", [1.0], {"made": 2})
    assert trials.results()["a"].found == {"made": 2}


def test_names_keep_the_order_in_which_they_were_first_offered(url: str) -> None:
    trials = Trials(url, "order")
    trials.offer({"b": {}, "a": {}})
    assert trials.claim("b")
    trials.free(everything=True)
    trials.offer({"b": {}, "a": {}})
    for name in ("a", "b"):
        assert trials.claim(name) and trials.tell(name, [0.0], {})
    assert list(trials.results()) == ["b", "a"]


@pytest.mark.heavy
def test_workers_killed_at_any_time_lose_nothing_and_count_nothing_twice(url: str) -> None:
    rng = random.Random(0)
    command = [sys.executable, "-c", WORKER, url]
    workers = [subprocess.Popen([*command, str(n)], stdout=subprocess.DEVNULL) for n in range(3)]
    started = len(workers)
    for _ in range(20):
        time.sleep(rng.uniform(0.05, 0.5))
        victim = rng.randrange(len(workers))
        workers[victim].send_signal(signal.SIGKILL)
        workers[victim].wait()
        workers[victim] = subprocess.Popen([*command, str(started)], stdout=subprocess.DEVNULL)
        started += 1
    assert [one.wait(timeout=120) for one in workers] == [0, 0, 0]
    trials = Trials(url, "study")
    done = [trial for trial in trials.study.trials if trial.state.name == "COMPLETE"]
    assert sorted(int(trial.values[0]) for trial in done) == list(range(WANTED))
    assert sorted(trials.results()) == sorted(f"one{n}" for n in range(WANTED))
    assert not [trial for trial in trials.study.trials if trial.state.name in ("RUNNING", "WAITING")]


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql://me:secret@127.0.0.1:1/none", "cannot open the storage postgresql://me:...@127.0.0.1:1/none"),
        ("nonsense", "cannot open the storage nonsense"),
        ("nosuchdatabase://host/name", "cannot open the storage nosuchdatabase"),
    ],
)
def test_a_storage_that_cannot_be_opened_is_named_without_its_password(url: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Trials(url, "study")
    assert said in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.skipif(not binaries(), reason="postgresql is not installed")
def test_workers_may_all_begin_with_an_empty_database_at_once() -> None:
    with server() as url, ThreadPoolExecutor(6) as pool:
        found = list(pool.map(lambda n: Trials(url, f"study{n % 2}"), range(6)))
        found[0].offer({"a": {}})
        assert found[2].offered() == found[4].offered() == {"a"}
        assert found[1].offered() == set()


@pytest.mark.skipif(not binaries(), reason="postgresql is not installed")
def test_a_storage_that_goes_away_is_no_bug() -> None:
    with server() as url:
        trials = Trials(url, "study")
        trials.offer({"a": {}})
    with pytest.raises(EdgekdError, match=r"the storage postgresql://.* does not answer: .*connection"), answering(url):
        trials.results()


def test_a_folder_comes_back_from_the_store_as_it_was(tmp_path: Path) -> None:
    folder, back = tmp_path / "model", tmp_path / "back"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "score.json").write_text("{}")
    (folder / "cell.tflite").write_bytes(bytes(range(256)))
    back.mkdir()
    trials = Trials(sqlite_url(tmp_path / "study.db"), "study")
    store = Artifacts(str(tmp_path / "store"))
    name = store.put(folder, trials.study)
    Artifacts(str(tmp_path / "store")).get(name, back)
    assert {p.relative_to(back): p.read_bytes() for p in back.rglob("*") if p.is_file()} == {
        p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()
    }
    with pytest.raises(DataError, match="does not hold"):
        store.get("nothing", back)


def test_a_folder_comes_back_from_a_bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import boto3
    from moto import mock_aws

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "score.json").write_text("{}")
    (tmp_path / "back").mkdir()
    with mock_aws():
        boto3.client("s3").create_bucket(Bucket="models")
        store = Artifacts("s3://models")
        store.get(
            store.put(tmp_path / "model", Trials(sqlite_url(tmp_path / "study.db"), "study").study), tmp_path / "back"
        )
        with pytest.raises(DataError, match="does not hold"):
            store.get("nothing", tmp_path / "back")
    assert (tmp_path / "back" / "score.json").read_text() == "{}"


def test_a_store_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="--artifacts .*file"):
        Artifacts(str(tmp_path / "file"))
