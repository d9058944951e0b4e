"""recommendation: cut in time, learnt from any feedback, whatever is odd with a user said."""

import json
import math

import numpy
import pytest
import torch

from lamina import histories, verbs
from lamina.errors import UserError
from lamina.media.interactions import Thing
from lamina.tasks.recommendation import Recommendation, Settings


def written(folder, rows, header="user,item,rating,time"):
    path = folder / "ratings.csv"
    path.write_text("\n".join([header, *(",".join(map(str, row)) for row in rows)]) + "\n")
    return path


def shelves(users=24, length=8, rating=lambda user, step: 1 + (user + step) % 5):
    return [(f"u{user}", f"i{(user + step) % 16}", rating(user, step), 100 * user + step)
            for user in range(users) for step in range(length)]


def read(path, **settings):
    return Recommendation(Settings(**settings)).read(path)


@pytest.fixture(scope="module")
def trained(tmp_path_factory, samples):
    run = tmp_path_factory.mktemp("runs") / "run"
    return verbs.train("recommendation", samples("recommendation"), steps="60", run=run,
                       say=lambda line: None)


# ---- the split ----------------------------------------------------------------------------------

def test_the_last_tenth_in_time_is_tested_and_the_tenth_before_validates(tmp_path):
    rows = [("ann", f"i{step}", 3 + step % 2, 1000 - step) for step in range(20)]
    data = read(written(tmp_path, rows))
    order = [f"i{step}" for step in range(19, -1, -1)]
    assert list(data.train[0].input.items) == order[:16] == list(data.validation[0].input.items)
    assert list(data.validation[0].target.items) == order[16:18]
    assert list(data.test[0].input.items) == order[:18]
    assert list(data.test[0].target.items) == order[18:]
    assert data.how.startswith("by time, user by user")


def test_equal_times_are_not_ordered_by_item(tmp_path):
    data = read(written(tmp_path, [("ann", step, 3 + step % 2, 7) for step in range(200)]))
    tested = [int(item) for item in data.test[0].target.items]
    assert min(tested) < 60  # the file's order would give 180 to 199


def test_without_times_the_order_is_said(tmp_path):
    def how(items, **settings):
        rows = [(user, item, 3 + item % 2) for user in "abcde" for item in items]
        return read(written(tmp_path, rows, "user,item,rating"), **settings).how

    assert how([3, 1, 2, 9, 4, 7]).startswith("by the order of the rows, for there are no times")
    assert how([1, 2, 3, 4, 7, 9]).startswith("by chance")  # the file is sorted by item
    assert how([1, 2, 3, 4, 7, 9], order="rows").startswith("by the order of the rows")
    with pytest.raises(UserError, match="no column of times"):
        how([1, 2, 3], order="time")


# ---- what is odd --------------------------------------------------------------------------------

def test_users_with_one_interaction_are_learnt_from_and_counted(tmp_path):
    data = read(written(tmp_path, [*shelves(), ("shy", "i1", 4, 1)]))
    assert len(data.train) == len(data.test) + 1
    assert any("1 users have fewer than 3" in note for note in data.notes)
    with pytest.raises(UserError, match="none of 1 users has 3 interactions"):
        read(written(tmp_path, [("shy", "i1", 4, 1)]))


def test_of_duplicates_the_latest_counts_and_they_are_named(tmp_path):
    data = read(written(tmp_path, [*shelves(), ("u0", "i0", 5, 9999)]))
    known = {**dict(zip(data.train[0].input.items, data.train[0].input.ratings, strict=True))}
    assert "i0" not in known and data.test[0].target.items == ("i0",)
    assert any("1 interactions repeat" in note and "user u0, item i0" in note
               for note in data.notes)


def test_ratings_that_are_all_the_same_are_implicit_feedback(tmp_path):
    data = read(written(tmp_path, shelves(rating=lambda *_: 5)))
    assert any("all ratings are 5 and say nothing" in note for note in data.notes)
    assert all(math.isnan(rating) for rating in data.train[0].input.ratings)
    task = Recommendation(Settings())
    task.facts = task.study(data.train)
    assert [metric.name for metric in task.metrics] == ["ndcg", "recall", "coverage"]


def test_a_rating_that_is_no_number_is_named(tmp_path):
    data = read(written(tmp_path, [*shelves(), ("u0", "i15", "great", 1)]))
    assert any("1 rows are damaged" in note and "got 'great'" in note for note in data.notes)


def test_items_of_the_list_that_nobody_knows_and_cold_ones_are_counted(tmp_path):
    written(tmp_path, [*shelves(), ("u0", "new", 3, 10**6)])
    (tmp_path / "items.csv").write_text("item,title\ni1,First\nghost,Never seen\n")
    notes = "\n".join(read(tmp_path).notes)
    assert "cold items: 1 items" in notes and "count as missed: new" in notes
    assert "1 items of the list of items were never taken; they cannot be recommended: Never seen" \
        in notes
    assert "16 items are not in the list of items" in notes


def test_items_of_one_title_are_told_apart():
    things = {"1": Thing("Emma"), "2": Thing("Emma"), "3": Thing("Heat")}
    assert histories.titles(["1", "2", "3"], things) == ("Emma [1]", "Emma [2]", "Heat")


def test_data_without_ratings_are_judged_by_a_model_of_ratings(trained, tmp_path):
    rows = [(f"u{user}", f"book {(user + step) % 48}") for user in range(24) for step in range(12)]
    found = {score["name"]: score["value"] for score in verbs.evaluate(
        trained.folder, written(tmp_path, rows, "user,item"))}
    assert found["ndcg"] > 0 and math.isnan(found["rmse"])


# ---- learning -----------------------------------------------------------------------------------

def test_cut_gives_what_was_before_and_what_followed():
    whole = torch.tensor([[0, 0, 1, 2, 3, 4], [0, 0, 0, 0, 0, 5]])
    batch = {"items": whole, "ratings": whole.float()}
    for seed in range(8):
        torch.manual_seed(seed)
        found = histories.cut(batch, 3, 0.3)
        before, after = (found[name][0][found[name][0] > 0].tolist() for name in ("items",
                                                                                  "future"))
        assert 1 <= len(before) < 4 and (before + after) == [1, 2, 3, 4][: len(before) + 3]
        assert found["items"][0, -1] == before[-1]
        assert found["items"][1].sum() == 0 and found["future"][1].tolist() == [5, 0, 0]


@pytest.mark.parametrize("net", ["factorisation", "neural", "transformer"])
def test_every_net_learns_to_follow_a_shelf(net, samples, tmp_path):
    """Item-kNN ranks at 0.38 on the sample, popularity at 0.10."""
    made = verbs.train("recommendation", samples("recommendation"), steps="60", net=net,
                       run=tmp_path / net, say=lambda line: None)
    assert made.scores["ndcg"] >= 0.42
    assert made.scores["rmse"] <= 0.85


def test_implicit_feedback_is_learnt_from(tmp_path):
    rows = [row[:2] for row in shelves()]
    made = verbs.train("recommendation", written(tmp_path, rows, "user,item"), steps="20",
                       run=tmp_path / "run", say=lambda line: None)
    assert set(made.scores) == {"ndcg", "recall", "coverage"}
    assert all(one.rating is None for one in next(iter(verbs.predict(made.folder, ["u3"]))).items)


# ---- answers ------------------------------------------------------------------------------------

def test_a_known_user_is_recommended_what_they_did_not_take(trained, samples):
    [answer] = verbs.predict(trained.folder, ["user 3"])
    data = read(samples("recommendation"))
    known = next(one.input for one in data.train if one.input.user == "user 3")
    assert f"from {len(known.items)} interactions of the training part" in answer.note
    assert len(answer.items) == 10 and not {one.item for one in answer.items} & set(known.items)
    assert answer.items[0].because and all(1 <= one.rating <= 5 for one in answer.items)
    json.dumps(answer.to_json())


def test_a_new_user_gets_what_is_popular_and_it_is_said(trained, samples):
    [answer] = verbs.predict(trained.folder, ["nobody"])
    counts = {}
    for example in read(samples("recommendation")).train:
        for item in example.input.items:
            counts[item] = counts.get(item, 0) + 1
    assert "a new user" in answer.note and "popular" in answer.note
    assert counts[answer.items[0].item] == max(counts.values())
    assert not any(one.because for one in answer.items)


def test_a_new_history_is_answered_and_unknown_items_are_counted(trained, tmp_path):
    path = tmp_path / "histories.jsonl"
    path.write_text(json.dumps({"user": "zoe", "items": ["book 1", "book 2", "atlantis"]}) + "\n")
    [answer] = verbs.predict(trained.folder, [str(path)])
    assert answer.user == "zoe" and "1 items of the history are not read" in answer.note
    assert answer.items[0].title.startswith("cooking")
    [again] = verbs.predict(trained.folder, ['{"items": ["book 1", "book 2"], "ratings": [5, 4]}'])
    assert [one.item for one in again.items] == [one.item for one in answer.items]


@pytest.mark.parametrize("given,why", [
    ('{"items": "book 1"}', "expected a list"), ('{"items": ["a"], "ratings": ["good"]}', "number"),
    ('{"items": ["a"], "ratings": []}', "one for each item"), ("{}", "a user's name"),
    ("missing.csv", "there is no file missing.csv")])
def test_what_cannot_be_asked_is_said(trained, given, why):
    with pytest.raises(UserError, match=why):
        list(verbs.predict(trained.folder, [given]))


def test_answers_are_saved_as_table_and_page(trained, tmp_path):
    [answer] = verbs.predict(trained.folder, ["user 3"])
    answer.save(tmp_path / "a.csv")
    assert len((tmp_path / "a.csv").read_text().splitlines()) == 11
    answer.save(tmp_path / "a.html")
    assert answer.items[0].title in (tmp_path / "a.html").read_text()


def test_explanations_name_items_of_the_history(trained):
    [found] = verbs.explain(trained.folder, ["user 3"])
    assert any(token.startswith(("cooking", "sailing", "history", "poems"))
               for token in found.tokens)
    assert numpy.isfinite(found.weights).all() and abs(found.weights).max() > 0
    with pytest.raises(UserError, match="nothing to explain"):
        list(verbs.explain(trained.folder, ["nobody"]))


def test_attack_says_that_it_knows_no_way(trained):
    with pytest.raises(UserError, match="cannot be attacked"):
        verbs.attack(trained.folder)
