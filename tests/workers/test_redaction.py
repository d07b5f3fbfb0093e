"""What is no secret stays, and the longest texts take no time."""

import time

import pytest

from advcore.workers.redaction import plain_without_secrets, restored, shortened, without_secrets

WORD = "planted"


@pytest.mark.parametrize(
    "text",
    [
        "models:/plain@champion",
        "checkpoint models:/plain@champion, and runs:/0af/model/data",
        "s3://bucket/a@b/c.safetensors",
        "http://host:8080/users/me@here?x=1",
        "git@github.com:name/repository",
        "someone@host",
        "file:///home/me@work/x",
        "sqlite:////tmp/a@b/mlflow.db",
        "name@alias",
        'File "/a/b.py", line 3, in f: @property',
    ],
)
def test_names_with_an_at_are_no_users(text):
    assert without_secrets(text, {}) == text
    assert plain_without_secrets({"a": [text]}, {}) == {"a": [text]}


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (f"https://me:{WORD}@host/a@b", "https://***@b"),
        (f"https://me:{WORD}/with#signs?@host/a", "https://***@host/a"),
        (f"https://{WORD}@host", "https://***@host"),
        (f"uri='postgresql://me:{WORD}@host:5/db'", "uri='postgresql://***@host:5/db'"),
        (f"a://me:{WORD}@x,b://me:{WORD}@y", "a://***@x,b://***@y"),
        (f"me:{WORD}@host:6379", "***@host:6379"),
        (f"/a/https:/me:{WORD}@host/b", "/a/https://***@host/b"),
    ],
)
def test_users_leave_whatever_signs_their_passwords_have(text, left):
    assert without_secrets(text, {}) == left


@pytest.mark.parametrize(
    "piece", [":/a", "a:", "a:@", "://", "?key", "&key", "x", "@", "://u:p@h", "'", "token=", "/"]
)
def test_a_text_of_a_megabyte_takes_no_longer_for_its_length(piece):
    """A pattern that looks back over the text from each place would take minutes for the first, and
    hours for the second.
    """

    def seconds(length):
        text = piece * (length // len(piece)) + "@host"
        start = time.process_time()
        without_secrets(text, {"A_TOKEN": "abcdefgh", "PROXY": "http://me:password@host"})
        return time.process_time() - start

    assert seconds(3_000_000) < 60  # minutes where it grows with the square


def test_long_texts_are_shortened_in_the_middle():
    text = "begin " + 30_000_000 * "x" + " end"
    short = shortened(text, 1000)
    assert short.startswith("begin xx")
    assert short.endswith("xx end")
    assert "29999010 characters left out" in short
    assert len(short) < 1100
    assert shortened("short", 5) == "short"


def test_what_was_written_without_credentials_is_as_it_was_where_it_is_read_again():
    own = {
        "model": {"checkpoint": "models:/plain@champion", "url": f"s3://me:{WORD}@host/x"},
        "steps": [1, "a"],
        "more": None,
    }
    told = plain_without_secrets(own)
    assert WORD not in str(told)
    assert restored(told, own) == own
    assert restored({**told, "steps": [2, "b"]}, own) == {**own, "steps": [2, "b"]}


def test_a_variable_that_is_called_a_token_takes_no_plain_word_out_of_settings():
    environment = {"NEXT_TOKEN": "digits", "API_KEY": "4f-secret"}
    settings = {"data": {"name": "digits"}, "x": "4f-secret"}
    assert plain_without_secrets(settings, environment) == {"data": {"name": "digits"}, "x": "***"}
