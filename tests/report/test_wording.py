from __future__ import annotations

from labelaudit.report.wording import (
    accuracy_in_words,
    precision_in_words,
    promises_in_words,
    range_in_words,
    range_level,
    share_in_words,
)
from tests.support.reports import learnt_nothing, noise_of


def test_accuracy_names_the_classes_that_are_predicted_least():
    accuracy = {
        "overall": 0.86,
        "most_frequent": 0.12,
        "classes": {"shirt": 0.61, "bag": 0.97, "coat": 0.7, "hat": None},
    }
    assert accuracy_in_words(accuracy) == (
        "On rows they were not trained on, the networks agree with 86% of the labels; always naming the most frequent "
        "class would with 12%. They agree least on shirt (61%) and coat (70%)"
    )


def test_two_classes_are_not_listed():
    accuracy = {"overall": 0.86, "most_frequent": 0.5, "classes": {"no": 0.8, "yes": 0.9}}
    assert accuracy_in_words(accuracy).endswith("would with 50%")


def test_the_share_is_a_range_and_a_verdict_and_never_a_bare_point():
    assert share_in_words(noise_of(0.061, 0.02, 0.117)) == (
        "2.0% to 11.7% of the labels look wrong (90% range; best guess 6.1%). The low end contradicts confident "
        "predictions, the high end reaches towards every label the network does not predict; mistakes that the network "
        "has learnt from the labels do not show"
    )
    assert share_in_words(noise_of(0.0, 0.0, 0.05, "none seen")) == (
        "No wrong labels seen; at most 5.0% disagree with the network, on rows it is unsure of"
    )
    assert share_in_words(noise_of(None, 0.0, 0.19, "cannot tell") | {"disagreeing": 0.17}) == (
        "Cannot tell how many labels are wrong: the network disagrees with 17.0% of them, which may be wrong or merely "
        "hard. Thirty rows tell: see the spot check of report.html"
    )
    assert share_in_words(noise_of(None, 0.0, 0.47, "cannot tell") | {"disagreeing": 0.0}) == (
        "Cannot tell how many labels are wrong: of so few rows up to 47.0% may be. Look at all of them"
    )
    weaker = noise_of(None, 0.0, 0.19, "cannot tell", basis="weaker view") | {"disagreeing": 0.17}
    assert "a weaker network, which has learnt fewer of the labellers' habits, disagrees with 17.0%" in share_in_words(
        weaker
    )
    by_rules = share_in_words(noise_of(0.1, 0.05, 0.6, basis="learnt rules"))
    assert by_rules.startswith("5.0% to 60.0% of the labels look wrong (90% range). A weaker network sees more")
    assert "labels may follow rules" in by_rules
    trained_on = share_in_words(noise_of(0.03, 0.01, 1.0, basis="in sample"))
    assert trained_on.startswith("1.0% or more of the labels look wrong. How many are cannot be told: the network was")
    assert share_in_words(noise_of(0.0, 0.0, 1.0, "none seen", basis="in sample")).startswith(
        "No labels are seen to be wrong. How many are"
    )
    assert range_in_words(noise_of(0.03, 0.01, 1.0, basis="in sample")) == "1.0% or more"
    assert share_in_words(learnt_nothing("it guesses")) == "Cannot tell how many labels are wrong: it guesses"


def test_a_range_up_to_all_rows_is_not_taken_for_one_of_rows_that_were_trained_on():
    few = noise_of(0.4, 0.05, 1.0)
    assert share_in_words(few).startswith("5.0% to 100.0% of the labels look wrong (90% range")
    assert range_in_words(few) == "5.0% to 100.0%"


def test_what_decisions_say_is_not_said_to_be_of_the_network():
    by = "by the decisions on some of the rows, and by the scores of the others"
    found = noise_of(0.09, 0.06, 0.15, basis="decisions")
    assert share_in_words(found) == (
        f"Between 6.0% and 15.0% of the labels are wrong (95% range; best guess 9.0%), {by}"
    )
    assert [range_in_words(found), range_level(found), range_level(noise_of())] == ["6.0% to 15.0%", "95%", "90%"]
    none = noise_of(0.0, 0.0, 0.05, "none seen", basis="decisions")
    assert share_in_words(none) == f"No wrong labels seen, by those who looked either; at most 5.0% are, {by}"
    unknown = noise_of(None, 0.0, 0.2, "cannot tell", basis="decisions")
    assert share_in_words(unknown) == (
        f"Cannot tell how many labels are wrong: between 0.0% and 20.0%, {by}. More decisions tell more"
    )


def test_the_range_in_a_few_words():
    assert range_in_words(noise_of(0.061, 0.02, 0.117)) == "2.0% to 11.7%"
    assert range_in_words(noise_of(0.0, 0.0, 0.05, "none seen")) == "none seen (at most 5.0%)"
    assert range_in_words(noise_of(None, 0.0, 0.19, "cannot tell")) == "cannot tell (0.0% to 19.0%)"


def test_a_list_says_how_far_such_figures_were_off_until_somebody_has_looked():
    assert precision_in_words({"mean": 0.81, "low": None, "high": None}).startswith(
        "81% are expected to be wrong (where the truth was known, such figures were off by "
    )
    assert precision_in_words({"mean": 0.81, "low": 0.6, "high": 0.9}) == "81% are expected to be wrong (60% to 90%)"


def test_a_flip_test_says_what_was_said_beside_what_was_planted():
    score = {
        "noise_rate": 0.1,
        "noise_rate_low": 0.05,
        "noise_rate_high": 0.15,
        "noise_rate_held": 2 / 3,
        "noise_rate_measured": 1 / 3,
        "noise_rate_cannot_tell": 2 / 3,
        "suspects": 4.0,
        "suspects_recall": 0.2,
        "noise_rate_estimated": 0.08,
        "suspects_precision_stated": 0.9,
        "suspects_precision": 0.8,
    }
    means = {name: {"mean": value} for name, value in score.items()}
    open_ended = promises_in_words(means | {"noise_rate_high": {"mean": 1.0}}, 3, planted=False)
    assert open_ended[0] == "Wrong labels: 5.0% or more said; 10.0% true, within in 67% of the runs"
    assert promises_in_words(means, 3, planted=True)[:2] == [
        "Wrong labels: 5.0% to 15.0% said, best guess 8.0%; 10.0% planted, within in 67% of the runs",
        "Mistakes that the labels had before count as right here: with some, more is found than this says",
    ]
    assert promises_in_words(means, 3, planted=False) == [
        "Wrong labels: 5.0% to 15.0% said, best guess 8.0%; 10.0% true, within in 67% of the runs",
        "Verdict: measured in 1 of 3 runs, cannot tell in 2, none seen in 0; without a measured share no row is called "
        "a suspect",
        "Suspects: 4, of which 90% were said to be wrong and 80% are; they are 20% of the wrong labels",
    ]
