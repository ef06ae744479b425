"""TREC's SGML corpora and topics: whole documents and whole titles, without tags, entities decoded; streamed."""

from __future__ import annotations

import gzip
from itertools import islice
from pathlib import Path

import pytest

from leser.errors import LeserError
from leser.formats.sgml import sgml_corpus
from leser.formats.topics import read_topics


def documents(tmp_path: Path, text: str) -> list[tuple[str, dict[str, str]]]:
    path = tmp_path / "corpus.trec"
    path.write_bytes(text.encode())
    return [(document.id, dict(document.fields)) for document in sgml_corpus(path)]


@pytest.mark.parametrize(
    ("inside", "fields"),
    [
        ("<TEXT>one</TEXT><TEXT>two</TEXT>", {"text": "one two"}),
        ("<TEXT><P>R&amp;D</P><p>AT&T a &lt;b&gt; &#8217;s&nbsp;&#xe9;&EACUTE;</p></TEXT>", {"text": "R&D AT&T a <b> ’s éé"}),
        ("<text>x &amp;lt; &hyph; &foo; y</text>", {"text": "x &lt; - &foo; y"}),
        ("<TEXT>H<sub>2</sub>O <B>bo</B>ld<BR>new<br/>line</TEXT>", {"text": "H2O bold new line"}),
        ("<TEXT>a < b, 3<4, c++ vector<int> t, x <y@z.org> w</TEXT>", {"text": "a < b, 3<4, c++ vector<int> t, x <y@z.org> w"}),
        ("<TEXT>a <int>b</int> c <F P=100>d</F></TEXT>", {"text": "a b c d"}),
        ("<TEXT>a <![CDATA[<b> &amp; c]]> <!-- gone <P> --> d</TEXT>", {"text": "a <b> &amp; c d"}),
        ("<TEXT>a <TEXT>b</TEXT> c</TEXT><DATE>\n<P>\nJan 1\n</P>\n</DATE>", {"text": "a b c", "date": "Jan 1"}),
        ('<HEADLINE lang="en">h</HEADLINE>\r\n<TEXT>\r\na\r\n\r\nb</TEXT>', {"headline": "h", "text": "a b"}),
        ("words of <b>no</b> element<TITLE>t</TITLE> at all", {"title": "t", "text": "words of no element at all"}),
        ("<BODY>\n<HEADLINE>h</HEADLINE><TEXT>t<P>u</TEXT></BODY>", {"headline": "h", "text": "t u"}),
        ("<BODY>only</BODY><HEAD>he</HEAD>", {"body": "only", "head": "he"}),
        ("<TITLE>no end\n<TEXT>t</TEXT>", {"title": "no end", "text": "t"}),
        ("\n<DATE>85\n<TITLE>a title\n<TEXT>t", {"date": "85", "title": "a title", "text": "t"}),
        ("<TITLE></TITLE><TEXT> </TEXT>", {}),
        (
            "<DOCHDR>\nhttp://x.org <a@b>\n</DOCHDR>\n<!DOCTYPE html><html><head><title>T &copy 1</title><style>p {}</style>"
            '</head><body><font color=red>hi<center>you <script>if (a<b) "</p>"</script><a href="x>y">li</a>nk</body></html>',
            {"dochdr": "http://x.org <a@b>", "title": "T © 1", "text": "hi you link"},
        ),
    ],
)  # fmt: skip
def test_fields_are_text_without_tags(tmp_path: Path, inside: str, fields: dict[str, str]) -> None:
    assert documents(tmp_path, f"<DOC>\n<DOCNO> A1 </DOCNO>{inside}\n</DOC>\n") == [("A1", fields)]


def test_documents_are_kept_apart_however_their_lines_are_broken(tmp_path: Path) -> None:
    text = (
        '<?xml version="1.0"?><ROOT>\n<DOC><DOCNO>A</DOCNO><TITLE>t</TITLE><TEXT>x</TEXT></DOC> <DOC type="story"><DOCNO>B'
        '</DOCNO><TEXT>y</TEXT></DOC>\n<doc\n  type="other">\n<docno>C</docno>\n<text>z</text></doc ><DOC id="D_1" type="x">'
        "<TEXT>w</TEXT></DOC></ROOT>"
    )
    assert documents(tmp_path, text) == [
        ("A", {"title": "t", "text": "x"}),
        ("B", {"text": "y"}),
        ("C", {"text": "z"}),
        ("D_1", {"text": "w"}),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<DOC>\n<DOCNO>A</DOCNO></DOC>\n\n<DOC>\n<DOCNO>B</DOCNO>\n<TEXT>x\n", "line 4: a <DOC> without </DOC>: the file ends"),
        ("<DOC>\n<DOCNO>A</DOCNO>\n<DOC>\n<DOCNO>B</DOCNO></DOC>\n", "line 1: a <DOC> without </DOC>: .* begins in line 3"),
        ("<DOCNO>A</DOCNO>\n</DOC>\n", "line 2: </DOC> without a <DOC>"),
        ("\n<DOC><TEXT>x</TEXT></DOC>", "line 2: a <DOC> without <DOCNO>"),
        ("<DOC><DOCNO> </DOCNO></DOC>", "line 1: a <DOC> without <DOCNO>"),
        ("<DOC><DOCNO>A</DOCNO><DOCNO>B</DOCNO></DOC>", "line 1: a <DOC> with two <DOCNO>, A and B"),
        ("no documents\n", "holds no <DOC>"),
        ("", "holds no <DOC>"),
    ],
)  # fmt: skip
def test_a_broken_corpus_is_an_error_with_file_and_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(LeserError, match=rf"corpus\.trec.*{message}"):
        documents(tmp_path, text)


def test_a_large_packed_corpus_is_read_as_a_stream(tmp_path: Path) -> None:
    path = tmp_path / "corpus.gz"
    with gzip.open(path, "wt") as file:
        for number in range(20_000):
            file.write(f"<DOC>\n<DOCNO>D{number}</DOCNO>\n<TEXT>text {number}</TEXT>\n</DOC>\n")
        file.write("<DOC>\n")
    stream = sgml_corpus(path)
    assert [document.id for document in islice(stream, 3)] == ["D0", "D1", "D2"]
    with pytest.raises(LeserError, match="line 80001: a <DOC> without </DOC>"):
        list(stream)


def topics(tmp_path: Path, text: str) -> dict[str, str]:
    path = tmp_path / "topics.txt"
    path.write_bytes(text.encode())
    return read_topics(path)


@pytest.mark.parametrize(
    ("title", "query"),
    [
        (" red couch <80 cm and depth >40 cm\n", "red couch <80 cm and depth >40 cm"),
        ("c++ vector<int> table</title>", "c++ vector<int> table"),
        ("a < b && c > d\n", "a < b && c > d"),
        (" html <head> element\n", "html <head> element"),
        (" the <title> tag, the <time> tag</title>", "the <title> tag, the <time> tag"),
        (" the html <title> tag\n", "the html <title> tag"),
        ("<b>bold</b>\r\n", "<b>bold</b>"),
        (" R&amp;D &lt;80 AT&T\n", "R&D <80 AT&T"),
        ("<![CDATA[x <y> &amp;]]></title>", "x <y> &amp;"),
        (" Topic:  two\r\n\r\n lines\n", "two lines"),
        (" number: theory\n", "number: theory"),
    ],
)
@pytest.mark.parametrize("after", ["<desc> Description:\nless\n", "\n<dom> Domain: x\n", "<narr>more</narr>", ""])
def test_titles_are_whole(tmp_path: Path, title: str, query: str, after: str) -> None:
    text = f'<top lang="en">\n<num> Number: 301\n<title>{title}{after}</top>\n<TOP><NUM>2</NUM><TITLE>x</TITLE></TOP>\n'
    assert topics(tmp_path, text) == {"301": query, "2": "x"}


def test_titles_of_lines_and_of_topics_in_one_line(tmp_path: Path) -> None:
    assert topics(tmp_path, "1\tred couch <80 cm &amp; <title>\r\n2\tvector<int>\n") == {
        "1": "red couch <80 cm &amp; <title>",
        "2": "vector<int>",
    }
    line = "<top> <num> Number: 1 <title> red <desc> d <narr> n </top><top><num>2 <title>blue</top>"
    assert topics(tmp_path, line) == {"1": "red", "2": "blue"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<top>\n<num>1\n<title>a\n\n<top>\n<num>2\n<title>b\n</top>\n", "line 1: a <top> without </top>: .* begins in line 5"),
        ("<top>\n<num>1\n<title>a\n</top>\n<top>\n<num>2\n<title>b\n", "line 5: a <top> without </top>: the file ends"),
        ("<top>\n<num>1\n<title>a\n</top>\n</top>\n", "line 5: </top> without a <top>"),
        ("<top>\n<num>1\n<title>\n<desc>x\n</top>\n", "line 1: a topic without <num> or <title>"),
        ("<top>\n<num>1\n<title lang='en'>a</title>\n<title lang='de'>b</title>\n</top>\n", "line 1: a topic with two <title>"),
        ("<top><num>1<title>a</top>\n<top><num>1<title>b</top>\n", "line 2: a second query with the id 1"),
    ],
)  # fmt: skip
def test_broken_topics_are_errors_with_file_and_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(LeserError, match=rf"topics\.txt, {message}"):
        topics(tmp_path, text)
