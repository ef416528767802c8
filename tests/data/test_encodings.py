"""Encodings recognised by their bytes alone, in short texts."""

from __future__ import annotations

import pytest

from labelaudit.data.encodings import recognise
from labelaudit.data.sources import load_dataset

TEXTS = {
    "Japanese": ("これは良い映画です,良い\nこれは悪い映画です,悪い\n", ["cp932", "euc_jp"]),
    "Korean": ("이 영화는 정말 재미있었다,좋음\n이 영화는 너무 지루했다,나쁨\n", ["cp949"]),
    "Chinese": ("这部电影很好,好\n这部电影很坏,坏\n", ["gb18030"]),
    "Taiwanese": ("這部電影很好,好\n這部電影很壞,壞\n", ["big5"]),
    "Russian": ("привет мир это текст,да\nхлеб и соль тут,нет\n", ["cp1251", "koi8_r", "iso8859_5"]),
    "Polish": ("źdźbło żółć łąka,świetny\nzażółć gęślą jaźń,zły\n", ["cp1250"]),
    "Czech": ("příliš žluťoučký kůň úpěl,ano\nďábelské ódy náš svět,ne\n", ["cp1250"]),
    "Greek": ("καλημέρα κόσμε και χαρά,ναι\nψωμί και αλάτι στο τραπέζι,όχι\n" * 5, ["cp1253"]),
    "French": ("le garçon a mangé en été,été\nl’œuvre – « déjà vue »,hiver\n", ["cp1252"]),
    "Spanish": ("¿Qué tal el niño? 5 m³,sí\nmañana será otro día,no\n", ["cp1252"]),
    "Danish": ("smørrebrød på åen,god\nrød grød med fløde,dårlig\n", ["cp1252"]),
    "German": ("Grüße aus München,schön\nöffentliche Übung,schlecht\n", ["cp1252", "latin-1"]),
    "labels alone": ("1.5,été\n2.5,hiver\n" * 30, ["cp1252"]),
    "single letters": ("1.5,à\n2.5,é\n" * 30, ["cp1252"]),
    "English": ("plain words and more,a\n" * 9 + "one naïve word in all,b\n", ["cp1252", "latin-1"]),
}


@pytest.mark.parametrize(
    ("text", "encoding"), [(text, encoding) for text, encodings in TEXTS.values() for encoding in encodings]
)
def test_encodings_by_their_letters(text, encoding):
    content = ("text,label\n" + text).encode(encoding)
    assert content.decode(recognise(content)) == "text,label\n" + text


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_unicode_in_all_forms(tmp_path, encoding):
    content = "".join(f"a few words of text {n};{'Größe' if n % 2 else 'no'}\n" for n in range(6))
    (tmp_path / "t.csv").write_bytes(("text;label\n" + content).encode(encoding))
    dataset = load_dataset(tmp_path / "t.csv")
    assert dataset.content.values[1] == "a few words of text 1"
    assert dataset.classes == ("Größe", "no")
