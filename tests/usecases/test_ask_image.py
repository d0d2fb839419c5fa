"""Questions about pictures, from the person's side: what is asked of whom, what is shown, what leaves."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from tests.asking_made import ADA, PIXELS, Beholder, Experts, Shelf, a_picture, asking
from tests.case_made import made_by
from workbench.domain.case import Visitor
from workbench.domain.dialogue import Finish, Sampling, Token, Turn
from workbench.domain.errors import (
    Cancelled,
    ConsentNeeded,
    InvalidRequest,
    NimRejected,
    NimUnavailable,
    NotFound,
    PurposeRefused,
)
from workbench.domain.experts import BadTrigger, Expert, Trigger
from workbench.domain.image_dialogue import Begun, ImageAnswer, ImageAnswered, ImageEvent, ImageQuestion, SentAs
from workbench.domain.nim import Mode, State
from workbench.domain.picture import Modality
from workbench.domain.progress import Progress
from workbench.domain.provenance import Origin
from workbench.domain.records import Operator, Purpose
from workbench.usecases.ask_image import AskImage
from workbench.usecases.consent import Consents, Leaving
from workbench.usecases.expert_offer import Behind
from workbench.usecases.image_talk import MOST_HISTORY_CHARACTERS, MOST_TURNS


@pytest.fixture
def beholder() -> Beholder:
    return Beholder()


def asked(use: AskImage, text: str = "Which organs are visible?", **more: Any) -> list[ImageEvent]:
    question = ImageQuestion(text=text, picture_id="picture1", **more)
    return list(use.ask(ADA, question, asks_consent=False))


def answer_of(events: Sequence[ImageEvent]) -> ImageAnswer:
    last = events[-1]
    assert isinstance(last, ImageAnswered)
    return last.answer


def test_events_come_in_their_order_and_end_with_the_whole_answer(tmp_path, beholder):
    events = asked(asking(tmp_path, beholder))

    assert [type(each) for each in events] == [Begun, Token, Token, ImageAnswered]
    answer = answer_of(events)
    assert answer.text == "The liver is on this slice."
    assert (answer.finish, answer.sent_as, answer.trigger, answer.offer) == (Finish.STOP, SentAs.INLINE, None, "")
    assert answer.prompt == "[picture] Which organs are visible?"
    assert not answer.is_mock


def test_the_model_is_given_the_very_picture_with_what_is_known_of_it(tmp_path, beholder):
    talk = (Turn(role="user", text="What is this?"), Turn(role="assistant", text="A slice."))
    sampling = Sampling(temperature=0.4, top_p=0.5, max_tokens=64, seed=3)

    asked(asking(tmp_path, beholder), history=talk, sampling=sampling)

    (given,) = beholder.given
    assert given.picture.encoded == PIXELS
    assert (given.modality, given.has_volume, given.expert) == (Modality.CT, True, None)
    assert (given.history, given.sampling) == (talk, sampling)


def test_the_persons_word_for_what_made_the_picture_goes_before_what_is_known(tmp_path, beholder):
    asked(asking(tmp_path, beholder), modality=Modality.CXR)

    assert beholder.given[0].modality is Modality.CXR


def test_an_answer_is_pinned_to_its_picture_and_its_provenance_holds_no_word_of_the_question(tmp_path, beholder):
    answer = answer_of(asked(asking(tmp_path, beholder), "Is the zebra fish visible?", sampling=Sampling(seed=7)))

    made = answer.provenance.to_json()
    pinned = made["parameters"]["picture"]
    assert pinned["sha256"] == a_picture().facts.sha256 == answer.picture.sha256
    assert (pinned["plane"], pinned["slices"], pinned["center"], pinned["width"]) == ("axial", {"axial": 30}, 50, 400)
    assert pinned["overlay"] is False
    assert made["parameters"]["sent_as"] == "inline"
    assert made["parameters"]["mode"] == "local"
    assert made["parameters"]["seed"] == 7
    assert made["parameters"]["review_record"]
    assert [each["model"] for each in made["inputs"]] == ["workbench"]
    assert "zebra" not in json.dumps(made)


@pytest.mark.parametrize(("origin", "synthetic"), [(Origin.MOCK, False), (Origin.UPLOAD, True)])
def test_an_answer_about_an_invented_picture_is_as_invented_as_the_picture(tmp_path, beholder, origin, synthetic):
    made = made_by(Origin.LOCAL, "workbench", made_by(origin, "a CT", synthetic=synthetic))
    shelf = Shelf()
    shelf.put(a_picture(made=made))

    answer = answer_of(asked(asking(tmp_path, beholder, shelf=shelf)))

    assert answer.provenance.origin is Origin.LOCAL
    assert (answer.is_mock, answer.is_synthetic) == (origin is Origin.MOCK, synthetic)


def test_the_line_in_the_run_log_names_the_picture_by_its_digest_and_nothing_else(tmp_path, beholder):
    use = asking(tmp_path, beholder)
    asked(use, "Is the zebra fish visible?")

    (line,) = (tmp_path / "records" / "runs.jsonl").read_text().splitlines()
    kept = json.loads(line)
    assert (kept["service"], kept["outcome"], kept["origin"]) == ("vila_m3", "done", "local")
    assert kept["input_sha256"] == a_picture().facts.sha256
    assert kept["review_record"]
    assert "zebra" not in line


@pytest.mark.parametrize("text", ["", "  \n"])
def test_an_empty_question_is_refused(tmp_path, beholder, text):
    with pytest.raises(InvalidRequest, match="empty"):
        asked(asking(tmp_path, beholder), text)


def test_a_question_of_five_thousand_characters_is_refused_with_the_limit_and_four_thousand_are_taken(
    tmp_path, beholder
):
    with pytest.raises(InvalidRequest, match="4,000"):
        asked(asking(tmp_path, beholder), "x" * 5_000)
    assert beholder.given == []
    asked(asking(tmp_path, beholder), "x" * 4_000)
    assert len(beholder.given[0].question) == 4_000


def test_an_unknown_picture_and_somebody_elses_are_told_in_the_same_words(tmp_path, beholder):
    use = asking(tmp_path, beholder)
    question = ImageQuestion(text="What is this?", picture_id="picture1")

    with pytest.raises(NotFound) as of_others:
        use.ask(Visitor(owner="ben"), question, asks_consent=False)
    with pytest.raises(NotFound) as of_nobody:
        use.ask(ADA, replace(question, picture_id="nothing"), asks_consent=False)
    assert of_others.value.message == of_nobody.value.message


def test_a_purpose_that_the_operator_does_not_allow_is_refused_before_anything_else(tmp_path, beholder):
    use = asking(tmp_path, beholder, operator=Operator(purposes={"vila_m3": (Purpose.CHAT,)}))

    with pytest.raises(PurposeRefused, match="VILA-M3"):
        use.ask(ADA, ImageQuestion(text="What is this?", picture_id="nothing"), asks_consent=False)


def test_what_came_before_a_broken_stream_was_passed_on(tmp_path, beholder):
    beholder.breaks = NimRejected("VILA-M3 broke off.")
    events: list[ImageEvent] = []

    with pytest.raises(NimRejected):
        events.extend(
            asking(tmp_path, beholder).ask(
                ADA, ImageQuestion(text="What is this?", picture_id="picture1"), asks_consent=False
            )
        )

    assert "".join(each.text for each in events if isinstance(each, Token)) == "".join(beholder.says)
    assert beholder.closed >= 1


def test_stopping_lets_go_of_the_model_and_ends_as_stopped(tmp_path, beholder):
    under_way = asking(tmp_path, beholder).ask(
        ADA, ImageQuestion(text="What is this?", picture_id="picture1"), asks_consent=False
    )
    events = iter(under_way)
    while not isinstance(next(events), Token):
        pass
    under_way.stop()

    with pytest.raises(Cancelled):
        list(events)
    assert beholder.closed >= 1


def test_stopping_before_the_first_word_ends_the_wait(tmp_path, beholder):
    waiting = threading.Event()

    def wait(progress: Progress) -> None:
        waiting.set()
        while True:
            progress.stage("waiting for the first word")

    beholder.waits = wait
    under_way = asking(tmp_path, beholder).ask(
        ADA, ImageQuestion(text="What is this?", picture_id="picture1"), asks_consent=False
    )
    stopper = threading.Thread(target=lambda: (waiting.wait(60), under_way.stop()))
    stopper.start()

    with pytest.raises(Cancelled):
        list(under_way)
    stopper.join(60)
    assert beholder.given == []


@pytest.mark.parametrize("ends", [Finish.CUT, Finish.LENGTH])
def test_an_answer_that_is_not_whole_says_so(tmp_path, beholder, ends):
    beholder.ends = ends

    assert answer_of(asked(asking(tmp_path, beholder))).finish is ends


def test_a_long_talk_is_handed_on_from_its_last_questions_and_says_so(tmp_path, beholder):
    turns = tuple(Turn(role="user" if at % 2 == 0 else "assistant", text=str(at)) for at in range(MOST_TURNS + 5))

    answer = answer_of(asked(asking(tmp_path, beholder), history=turns))

    kept = beholder.given[0].history
    assert kept == turns[-len(kept) :]
    assert MOST_TURNS - 1 <= len(kept) <= MOST_TURNS
    assert kept[0].role == "user"
    assert any(f"last {len(kept)} of {len(turns)} turns" in each for each in answer.notices)


def test_a_turn_of_too_many_characters_is_not_handed_on(tmp_path, beholder):
    long = Turn(role="assistant", text="x" * (MOST_HISTORY_CHARACTERS + 1))
    last = (Turn(role="user", text="And now?"), Turn(role="assistant", text="Still."))

    asked(asking(tmp_path, beholder), history=(Turn(role="user", text="What?"), long, *last))

    assert beholder.given[0].history == last


def test_nothing_is_sent_to_the_catalogue_before_the_person_agreed(tmp_path, beholder):
    beholder.state, beholder.origin = State.CLOUD, Origin.CLOUD
    consents = Consents()
    use = asking(tmp_path, beholder, consents=consents, mode=Mode.CLOUD, leaves_for="https://hosted.example/v1")
    question = ImageQuestion(text="What is this?", picture_id="picture1")

    with pytest.raises(ConsentNeeded, match="outside this machine") as needed:
        use.ask(ADA, question, asks_consent=True)
    assert (needed.value.what, needed.value.where) == ("image", "https://hosted.example/v1")
    assert beholder.given == []
    consents.say(ADA, Leaving.IMAGE, granted=True)

    assert answer_of(list(use.ask(ADA, question, asks_consent=True))).provenance.origin is Origin.CLOUD


def test_a_catalogue_that_looks_down_is_asked_consent_for_too(tmp_path, beholder):
    """It may be up again when the request is sent a moment later."""
    beholder.state = State.MOCK
    use = asking(tmp_path, beholder, mode=Mode.CLOUD, leaves_for="https://hosted.example/v1")

    with pytest.raises(ConsentNeeded):
        use.ask(ADA, ImageQuestion(text="What is this?", picture_id="picture1"), asks_consent=True)


def test_declining_to_send_means_a_mock_that_says_so(tmp_path, beholder):
    consents = Consents()
    consents.say(ADA, Leaving.IMAGE, granted=False)
    use = asking(tmp_path, beholder, consents=consents, mode=Mode.CLOUD, leaves_for="https://hosted.example/v1")

    answer = answer_of(
        list(use.ask(ADA, ImageQuestion(text="What is this?", picture_id="picture1"), asks_consent=True))
    )

    assert beholder.given == []
    assert answer.is_mock
    assert "declined" in (answer.provenance.stands_in_because or "")
    assert answer.provenance.parameters["mode"] == "cloud"


def test_declining_where_no_mock_may_stand_in_is_an_error(tmp_path, beholder):
    consents = Consents()
    consents.say(ADA, Leaving.IMAGE, granted=False)
    use = asking(
        tmp_path, beholder, consents=consents, mode=Mode.CLOUD, allows=False, leaves_for="https://hosted.example/v1"
    )

    with pytest.raises(NimUnavailable, match="declined"):
        use.ask(ADA, ImageQuestion(text="What is this?", picture_id="picture1"), asks_consent=True)
    assert beholder.given == []


def test_scripts_consent_by_running_in_cloud_mode(tmp_path, beholder):
    beholder.state = State.CLOUD
    use = asking(tmp_path, beholder, mode=Mode.CLOUD, leaves_for="https://hosted.example/v1")

    assert answer_of(asked(use)).text


def test_a_call_for_an_expert_is_offered_and_the_models_words_stay_as_they_are(tmp_path, beholder):
    beholder.says = ("I need a segmentation: ", "<VISTA3D(hepatic tumor)>")
    experts = Experts()

    answer = answer_of(asked(asking(tmp_path, beholder, experts=experts)))

    assert answer.text == "I need a segmentation: <VISTA3D(hepatic tumor)>"
    assert answer.trigger == Trigger(expert=Expert.VISTA3D, argument="hepatic tumor", labels=(1, 26))
    assert (answer.offer, answer.can_run) == ("Segment hepatic tumor with VISTA-3D?", True)
    assert experts.asked == [], "nothing runs by itself"


@pytest.mark.parametrize(
    ("says", "behind", "tells"),
    [
        ("<VISTA3D(everything)>", Behind.NOTHING, "No volume lies behind this picture"),
        ("<VISTA3D(everything)>", Behind.GONE, "gone"),
        ("<CXR()>", Behind.VOLUME, "not deployed here"),
        ("<BRATS()>", Behind.VOLUME, "not deployed here"),
        ("<VISTA2D()>", Behind.VOLUME, "not deployed here"),
    ],
)
def test_a_call_that_cannot_be_followed_is_explained(tmp_path, beholder, says, behind, tells):
    beholder.says = (says,)

    answer = answer_of(asked(asking(tmp_path, beholder, experts=Experts(is_behind=behind))))

    assert isinstance(answer.trigger, Trigger)
    assert not answer.can_run
    assert tells in answer.offer


@pytest.mark.parametrize(
    ("says", "tells"),
    [
        ("<VISTA3D(liver)> and <CXR()>", "several experts"),
        ("<VISTA3D(the moon)>", "does not know"),
        ("<CXR(heart)>", "takes none"),
        ("<VISTA3D(liver", "did not finish"),
    ],
)
def test_a_malformed_call_is_told_and_nothing_is_run(tmp_path, beholder, says, tells):
    beholder.says = (says,)

    answer = answer_of(asked(asking(tmp_path, beholder)))

    assert isinstance(answer.trigger, BadTrigger)
    assert tells in answer.offer
    assert "Nothing was run." in answer.offer
    assert not answer.can_run


def test_prose_about_an_expert_is_no_call(tmp_path, beholder):
    beholder.says = ("VISTA3D could segment this, and p < 0.05 > 0.01.",)

    answer = answer_of(asked(asking(tmp_path, beholder)))

    assert (answer.trigger, answer.offer) == (None, "")
