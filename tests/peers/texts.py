"""Texts that tokenizers may take differently."""

import random
from collections.abc import Iterator

SCRIPTS = (
    "The rain fell all night, and in the morning the river stood at the doors.",
    "Der Regen fiel die ganze Nacht; am Morgen stand der Fluß vor den Türen – überall!",
    "La pluie est tombée toute la nuit, l'eau était déjà là où l'on dormait.",
    "Llovió toda la noche. ¿Dónde está el puente? ¡Aquí, señor!",
    "Całą noc padał deszcz, a źródło przelało się przez próg.",
    "Celou noc pršelo a potok se přelil přes břeh.",
    "Egész éjjel esett az eső, és reggelre megáradt a folyó.",
    "Koko yön satoi, ja aamulla joki tulvi yli äyräidensä.",
    "Bütün gece yağmur yağdı, ırmak kıyıyı aştı.",
    "Mưa suốt đêm, sáng ra nước sông đã lên đến cửa.",
    "Όλη τη νύχτα έβρεχε και το πρωί το ποτάμι είχε φουσκώσει.",
    "Всю ночь шёл дождь, а утром река вышла из берегов.",
    "Усю ніч ішов дощ, і вранці їхня річка вийшла з берегів.",
    "მთელი ღამე წვიმდა.",
    "Ամբողջ գիշեր անձրև էր գալիս։",
    "כל הלילה ירד גשם, ובבוקר עלה הנהר.",
    "هطل المطر طوال الليل، وفي الصباح فاض النهر.",
    "تمام شب باران بارید و صبح رودخانه بالا آمده بود.",
    "रात भर बारिश हुई और सुबह नदी चढ़ आई।",
    "সারা রাত বৃষ্টি হয়েছে।",
    "இரவு முழுவதும் மழை பெய்தது.",
    "రాత్రంతా వర్షం కురిసింది.",
    "ฝนตกทั้งคืน ตอนเช้าน้ำก็ท่วม",
    "ຝົນຕົກຕະຫຼອດຄືນ",
    "ភ្លៀងធ្លាក់ពេញមួយយប់។",
    "တစ်ညလုံး မိုးရွာခဲ့တယ်။",
    "ሌሊቱን ሙሉ ዘነበ።",
    "下了一整夜的雨,早上河水漫到了门口。",
    "一晩中雨が降り、朝には川があふれていた。カタカナも。",
    "밤새 비가 내렸고 아침에는 강물이 불어났다.",
    "Шөнөжин бороо оров.",
    "ᚱᛖᚷᚾ 𐍂𐌹𐌲𐌽 𓈗 𝔯𝔞𝔦𝔫",
)
"""The same thing said in many scripts."""

ODDITIES = (
    "I'll, you've, they're, he'd, I'm, it's; I'LL, YOU'VE, ’s and 's",
    "1234567890 3.14159 1,000,000 ½ ² ١٢٣ १२३ Ⅷ ㊿ 2nd",
    "def f(x):\n\treturn [i ** 2 for i in range(x)]  # squares\n\n\n",
    "   three before, three after   ",
    "a  b   c    d\t\te\n \n  f\r\n\r\n",
    "\n",
    " ",
    "\u00a0\u2003\u3000\u200b\u2028\u0085\ufeff",
    "<|endoftext|> is text here, <|endoftext|>",
    "👩‍👩‍👧‍👦 🏳️‍🌈 👍🏽 🇪🇺 😀😀",
    "e\u0301 n\u0303 a\u0308\u0304 \u0344 \u1e9b\u0323",
    "x\x00y\x01z\x1b[31m\x7f",
    "\U0010ffff\ue000\ufffd\ufffe",
    "#$%&*()_+-=[]{}|\\;:\"',.<>/?`~§±",
    "https://example.org/a_b?c=d&e=f#g",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
)
"""Spaces, digits, marks and what else pre-tokenizers split at."""

_RANGES = (
    *((0x20, 0x7E), (0x00, 0xFF), (0x100, 0x24F), (0x300, 0x52F), (0x590, 0x6FF)),
    *((0x900, 0xE7F), (0x1200, 0x137F), (0x2000, 0x2BFF), (0x3000, 0x30FF)),
    *((0x4E00, 0x9FFF), (0xAC00, 0xD7A3), (0x1F300, 0x1FAFF)),
)


def random_texts(count: int, seed: int = 0) -> Iterator[str]:
    """Yield short texts of characters from up to three ranges, with spaces between some."""
    source = random.Random(seed)
    for _ in range(count):
        ranges = source.sample(_RANGES, source.randint(1, 3))
        characters = [chr(source.randint(*source.choice(ranges))) for _ in range(20)]
        yield "".join(" " if source.random() < 0.15 else c for c in characters)
