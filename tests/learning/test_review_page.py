"""The page of the review in a browser of a phone's width, without any network."""

import datetime

import pytest
from browsing import chromium, faults_of, needs_chromium
from site_server import served

from autograder import expectations, misconceptions
from autograder.exercises import find
from autograder.learning.history import History
from autograder.learning.review import Review, boxes_in, link_of
from autograder.learning.review_page import page_of, write_for_all

pytestmark = [pytest.mark.slow, needs_chromium]

EXERCISE = find("normalization.batchnorm_forward")
WIDTH = 390


@pytest.fixture
def tab():
    with chromium() as browser:
        opened = browser.new_page(viewport={"width": WIDTH, "height": 844})
        faults = faults_of(opened, "file:", "http://127.0.0.1", "about:")
        yield opened
        assert not faults


def test_the_page_asks_and_counts_as_the_terminal_does(tab, tmp_path):
    now = datetime.datetime.now()
    names = [record.name for record in misconceptions.of(EXERCISE.id)[:7]]
    entry = {"exercise": EXERCISE.id, "score": 0, "points": 1, "names": names}
    review = Review()
    review.add(History((entry,)), expectations.live(expectations.public_seed), now)
    path = tmp_path / "review.html"
    path.write_text(page_of(review), encoding="utf-8")
    tab.goto(path.as_uri())
    for number, (key, item) in enumerate(review.due(now)):
        assert tab.inner_text("#now h2") == item["title"]
        assert tab.locator("#now button").all_inner_texts() == item["choices"]
        assert tab.evaluate("document.documentElement.scrollWidth") <= WIDTH
        heights = [box.bounding_box()["height"] for box in tab.locator("button").all()]
        assert min(heights) >= 44
        right = item["right"][0]
        choice = right if number % 2 == 0 else (right + 1) % len(item["choices"])
        review.answer(key, choice, now)
        tab.locator("#now button").nth(choice).click()
        assert ("Right." in tab.inner_text("#now")) == (choice == right)
        assert (item["why"] in tab.inner_text("#now")) == (choice != right)
        tab.get_by_role("button", name="Next").click()
    assert "Nothing more is due today." in tab.inner_text("#now")
    carried = boxes_in(tab.get_attribute("#link", "href"))
    assert {k: (b.box, b.due) for k, b in carried.items()} == {
        k: (b.box, b.due) for k, b in review.boxes.items()
    }
    tab.reload()
    assert "Nothing more is due today." in tab.inner_text("#now")  # the browser remembers


def test_a_link_carries_the_boxes_of_another_device(tab, tmp_path):
    now = datetime.datetime.now()
    name = misconceptions.of(EXERCISE.id)[0].name
    entry = {"exercise": EXERCISE.id, "score": 0, "points": 1, "names": [name]}
    review = Review()
    review.add(History((entry,)), expectations.live(expectations.public_seed), now)
    path = tmp_path / "review.html"
    path.write_text(page_of(review), encoding="utf-8")
    ((key, item),) = review.due(now)
    review.answer(key, item["right"][0], now)
    tab.goto(f"{path.as_uri()}#{link_of(review.boxes)}")
    assert "Nothing more is due today." in tab.inner_text("#now")


def test_the_page_for_everybody_needs_no_network_on_the_second_visit(tab, tmp_path):
    """It holds the questions on all mistakes; whose boxes they are, the link says."""
    now = datetime.datetime.now()
    name = misconceptions.of(EXERCISE.id)[0].name
    entry = {"exercise": EXERCISE.id, "score": 0, "points": 1, "names": [name]}
    review, provider = Review(), expectations.live(expectations.public_seed)
    review.add(History((entry,)), provider, now)
    write_for_all(tmp_path, provider, [EXERCISE])
    with served(tmp_path) as (address, _):
        tab.goto(f"{address}/")
        assert "Your past mistakes come here" in tab.inner_text("#now")
        tab.wait_for_function("navigator.serviceWorker.ready.then((kept) => kept.active)")
        tab.context.set_offline(True)
        tab.goto("about:blank")
        tab.goto(f"{address}/#{link_of(review.boxes)}")
        ((_, item),) = review.due(now)
        assert tab.inner_text("#now h2") == item["title"]
        tab.locator("#now button").nth(item["right"][0]).click()
        assert "Right." in tab.inner_text("#now")
