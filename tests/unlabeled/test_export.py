"""Results as files for notebooks: what is written reads back equal."""

import io
import json
import sys

import pandas
import pytest
from toys import Loudness

import unlabeled
from unlabeled.errors import UnlabeledError, WrongCall
from unlabeled.export import export


@pytest.fixture
def frame():
    return pandas.DataFrame(
        {
            "method": ["svm_mfcc", 'quoted, "é"'],
            "seed": [0, 11],
            "value": [2 / 3, None],
            "n": [400, None],
        }
    )


def test_csv_is_text_without_an_index(frame):
    text = export(frame, "csv", None)
    assert text.splitlines()[:2] == ["method,seed,value,n", "svm_mfcc,0,0.6666666666666666,400.0"]
    pandas.testing.assert_frame_equal(pandas.read_csv(io.StringIO(text)), frame)


def test_json_is_one_object_a_row(frame):
    assert json.loads(export(frame, "json", None)) == [
        {"method": "svm_mfcc", "seed": 0, "value": 2 / 3, "n": 400},
        {"method": 'quoted, "é"', "seed": 11, "value": None, "n": None},
    ]


def test_no_rows_are_still_a_table(frame):
    assert json.loads(export(frame[:0], "json", None)) == []
    assert export(frame[:0], "csv", None) == "method,seed,value,n\n"


@pytest.mark.parametrize("format", ["csv", "json"])
def test_a_file_holds_what_the_screen_would(frame, format, tmp_path):
    out = tmp_path / "new" / f"results.{format}"
    assert export(frame, format, out) == ""
    assert out.read_text(encoding="utf-8") == export(frame, format, None)
    assert list(out.parent.iterdir()) == [out]


def test_results_of_a_store(nano, store):
    record = unlabeled.evaluate(Loudness(), "esc10", data=nano, preset="nano", store=store)
    (row,) = json.loads(export(unlabeled.results(store), "json", None))
    assert row["id"] == record.id and row["value"] == record.scores["accuracy"]["value"]


def test_parquet_without_a_library_says_what_to_install(frame, tmp_path, monkeypatch):
    for name in ("pyarrow", "fastparquet"):
        monkeypatch.setitem(sys.modules, name, None)
    out = tmp_path / "results.parquet"
    with pytest.raises(UnlabeledError, match="pip install pyarrow"):
        export(frame, "parquet", out)
    assert not out.exists()


def test_parquet_reads_back(frame, tmp_path):
    export(frame, "parquet", tmp_path / "results.parquet")
    pandas.testing.assert_frame_equal(pandas.read_parquet(tmp_path / "results.parquet"), frame)


def test_wrong_calls(frame, tmp_path):
    with pytest.raises(WrongCall, match="--out FILE"):
        export(frame, "parquet", None)
    with pytest.raises(WrongCall, match="csv, json or parquet"):
        export(frame, "xlsx", None)
    (tmp_path / "file").write_text("")
    with pytest.raises(UnlabeledError, match="cannot write"):
        export(frame, "csv", tmp_path / "file" / "results.csv")
