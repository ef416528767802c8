"""The store of features: what is read, what is removed, and several processes at once."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from typer.testing import CliRunner

from labelaudit import InputError
from labelaudit.audit import feature_cache
from labelaudit.audit.feature_cache import (
    FeatureCache,
    cache_limit,
    cached_networks,
    clear_cache,
    keep_within_limit,
)
from labelaudit.cli.app import app
from labelaudit.config import ModelConfig
from labelaudit.runtime.tensor_files import load_tensors, save_tensors
from tests.support.progress import Notes

WIDTH, SMALL = 3, (1, 2, 2)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("LABELAUDIT_CACHE", str(tmp_path / "cache"))
    return FeatureCache.of(ModelConfig(name="some_network", pretrained=True), 32)


def features(*names):
    return {name: (np.full(WIDTH, ord(name[0]), np.float32), np.full(SMALL, ord(name[0]), np.uint8)) for name in names}


def loaded(cache, wanted, progress=None):
    kept = {}

    def keep(name, values, thumbnail):
        kept[name] = values
        assert (thumbnail == ord(name[0])).all()

    found = cache.load(wanted, WIDTH, SMALL, progress or Notes(), keep)
    assert found == set(kept)
    return {name: values.tolist() for name, values in kept.items()}


def files(tmp_path):
    return sorted((tmp_path / "cache" / "features").glob("*/*.safetensors"))


def test_only_files_with_wanted_images_are_read(cache, monkeypatch, tmp_path):
    cache.add(features("a", "b"))
    cache.add(features("c"))
    read = []
    monkeypatch.setattr(feature_cache, "load_tensors", lambda path: read.append(path) or load_tensors(path))
    assert loaded(cache, ["b", "z"]) == {"b": [98.0] * WIDTH}
    assert len(read) == 1
    assert loaded(cache, ["z"]) == {}
    assert len(read) == 1
    assert cache.known(["a", "c", "z"]) == {"a", "c"}
    assert len(files(tmp_path)) == 2


def test_random_weights_are_not_cached(cache, tmp_path):
    nothing = FeatureCache.of(ModelConfig(name="some_network"), 32)
    nothing.add(features("a"))
    assert loaded(nothing, ["a"]) == {}
    assert nothing.known(["a"]) == set()
    assert files(tmp_path) == []


def test_other_weights_and_sizes_have_a_cache_of_their_own(cache):
    cache.add(features("a"))
    assert loaded(FeatureCache.of(ModelConfig(name="some_network", pretrained=True), 64), ["a"]) == {}
    assert loaded(FeatureCache.of(ModelConfig(name="another", pretrained=True), 32), ["a"]) == {}


def test_files_without_thumbnails_are_used_all_the_same(cache, tmp_path):
    cache.add(features("a"))
    (file,) = files(tmp_path)
    tensors, metadata = load_tensors(file)
    save_tensors(file, {"features": tensors["features"]}, metadata)
    kept = []
    assert cache.load(["a"], WIDTH, SMALL, Notes(), lambda *found: kept.append(found)) == {"a"}
    assert kept[0][0] == "a"
    assert kept[0][2] is None


def test_several_may_add_at_once(cache):
    names = [f"{letter}{number}" for letter in "abcdefgh" for number in range(5)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda start: cache.add(features(*names[start : start + 10])), range(0, 35, 5)))
    assert set(loaded(cache, names)) == set(names)
    assert {len(values) for values in loaded(cache, names).values()} == {WIDTH}


def test_a_file_that_another_process_removes_is_no_damage(cache, monkeypatch):
    cache.add(features("a"))

    def gone(path):
        path.unlink()
        return load_tensors(path)

    monkeypatch.setattr(feature_cache, "load_tensors", gone)
    notes = Notes()
    assert loaded(cache, ["a"], notes) == {}
    assert notes.notes == []


def test_what_was_used_least_recently_goes_first(cache, monkeypatch, tmp_path):
    for name in "abc":
        cache.add(features(name))
    for age, path in enumerate(files(tmp_path)):
        os.utime(path, (1000 + age, 1000 + age))
    oldest = cache_content(cache)[0]
    loaded(cache, [oldest])  # and so it is no longer
    size = files(tmp_path)[0].stat().st_size
    monkeypatch.setenv("LABELAUDIT_CACHE_LIMIT", str(2 * size / 1e9))
    notes = Notes()
    keep_within_limit(notes)
    assert oldest in cache.known("abc")
    assert len(cache.known("abc")) == 2
    assert len(notes.notes) == 1
    assert "of cached features removed, those used least recently" in notes.notes[0]
    keep_within_limit(notes)
    assert len(notes.notes) == 1


def cache_content(cache):
    """The images by the age of their files."""
    (folder,) = {path.parent for path in feature_cache._features_folder().glob("*/*")}
    paths = sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime)
    return [feature_cache._hashes_in(path)[0] for path in paths]


@pytest.mark.parametrize("text", ["much", "-1", "nan", "inf"])
def test_a_limit_that_is_no_size_is_refused(text, monkeypatch):
    monkeypatch.setenv("LABELAUDIT_CACHE_LIMIT", text)
    with pytest.raises(InputError, match=f"LABELAUDIT_CACHE_LIMIT is '{text}': give a number of GB"):
        cache_limit()


def test_info_and_clear(cache, tmp_path):
    run = CliRunner().invoke
    cache.add(features("a", "b"))
    files(tmp_path)[0].with_name("damaged.safetensors").write_bytes(b"nothing")
    (network,) = cached_networks()
    assert (network.network, network.images) == ("some_network, 32 px", 2)
    shown = run(app, ["cache"])
    assert shown.exit_code == 0
    assert "some_network, 32 px: 2 images" in shown.stdout
    assert "of at most 10.0 GB" in shown.stdout
    assert '"images": 2' in run(app, ["cache", "info", "--json"]).stdout
    cleared = run(app, ["cache", "clear"])
    assert cleared.exit_code == 0
    assert files(tmp_path) == []
    assert cached_networks() == []
    assert clear_cache() == 0
    assert loaded(cache, ["a"]) == {}
