from __future__ import annotations

from labelaudit.report.wording import accuracy_in_words


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
