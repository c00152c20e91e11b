"""Questions find their documents by words alone, in many languages, in other forms of the words."""

from __future__ import annotations

import math

import pytest

from localchat.core.text.words import question_terms, words

DOCUMENTS = {
    "de": [  # German
        "Der Leuchtturm am Nordkap wurde 1892 erbaut. Seine Lampe ist bei klarem Wetter "
        "vierzig Kilometer weit zu sehen.",
        "Die alten Häuser am Hafen stehen unter Denkmalschutz. Ihre Dächer sind mit Schiefer "
        "gedeckt.",
        "Der Mietvertrag kann mit einer Frist von drei Monaten gekündigt werden. Die "
        "Kündigung muss schriftlich erfolgen.",
        "Die Stadtbücherei öffnet dienstags um zehn Uhr. Bücher dürfen vier Wochen "
        "ausgeliehen werden.",
        "Grüner Tee wird nach der Ernte gedämpft, damit die Blätter nicht oxidieren.",
        "Die Maschinen in der Werkstatt werden jeden Freitag gewartet und geölt.",
        "Bienen sammeln Nektar und bestäuben dabei die Blüten der Obstbäume.",
        "Das GPU-Modul des Servers Orion-7 verbraucht im Leerlauf zwölf Watt.",
    ],
    "es": [  # Spanish
        "El faro fue construido en 1892 sobre una roca. Su luz se ve desde cuarenta kilómetros.",
        "Las casas antiguas del puerto tienen tejados de pizarra y están protegidas.",
        "El contrato de alquiler puede rescindirse con tres meses de antelación y por escrito.",
        "La biblioteca municipal abre los martes a las diez. Los libros se prestan cuatro semanas.",
        "El té verde se cuece al vapor después de la cosecha para que las hojas no se oxiden.",
        "Las máquinas del taller se revisan y engrasan cada viernes.",
        "Las abejas recogen néctar y polinizan las flores de los árboles frutales.",
        "Cómo funciona la calefacción: el agua caliente circula por los radiadores de cada "
        "habitación.",
    ],
    "ru": [  # Russian
        "Маяк построили в 1892 году на скале. Его свет виден за сорок километров.",
        "Старые дома у гавани находятся под охраной. Их крыши покрыты сланцем.",
        "Договор аренды можно расторгнуть за три месяца, уведомление подаётся письменно.",
        "Городская библиотека открывается по вторникам в десять часов. Книги выдают на четыре "
        "недели.",
        "Зелёный чай после сбора пропаривают, чтобы листья не окислялись.",
        "Станки в мастерской каждую пятницу осматривают и смазывают.",
        "Пчёлы собирают нектар и опыляют цветы плодовых деревьев.",
        "Снежный барс живёт высоко в горах Средней Азии и охотится ночью.",
    ],
    "ar": [  # Arabic
        "بُنيت المنارة عام ١٨٩٢ فوق صخرة، ويُرى ضوؤها من مسافة أربعين كيلومترا.",
        "البيوت القديمة قرب الميناء محمية، وسقوفها مغطاة بالأردواز.",
        "يمكن إنهاء عقد الإيجار قبل ثلاثة أشهر، ويجب أن يكون الإنهاء كتابيا.",
        "تفتح المكتبة العامة أبوابها يوم الثلاثاء في الساعة العاشرة، وتعار الكتب أربعة أسابيع.",
        "يُبخَّر الشاي الأخضر بعد الحصاد حتى لا تتأكسد أوراقه.",
        "تُفحص الآلات في الورشة كل يوم جمعة وتُزيَّت.",
        "يجمع النحل الرحيق ويلقّح أزهار أشجار الفاكهة.",
        "المدرسة الابتدائية في القرية بناها المعلم أحمد مع الأهالي.",
    ],
    "ja": [  # Japanese
        "灯台は1892年に岩の上に建てられた。その光は四十キロ先から見える。",
        "港の古い家々は保護されている。屋根はスレートで葺かれている。",
        "賃貸契約は三か月前に書面で通知すれば解約できます。",
        "市立図書館は火曜日の十時に開館します。本は四週間借りられます。",
        "緑茶は収穫後すぐに蒸して、葉の酸化を防ぐ。",
        "工場の機械は毎週金曜日に点検し、油を差す。",
        "ミツバチは花の蜜を集め、果樹の受粉を助ける。",
        "りんごジュースは冷蔵庫で三日間保存できます。",
        "コンピューターの電源を切る前にデータを保存してください。",
        "会議室のプリンターは二階にあります。",
    ],
    "ko": [  # Korean
        "등대는 1892년에 바위 위에 세워졌다. 그 불빛은 사십 킬로미터 밖에서도 보인다.",
        "항구의 오래된 집들은 보호를 받고 있다. 지붕은 점판암으로 덮여 있다.",
        "임대 계약은 석 달 전에 서면으로 통지하면 해지할 수 있습니다.",
        "시립 도서관은 화요일 열 시에 문을 엽니다. 책은 사 주 동안 빌릴 수 있습니다.",
        "녹차는 수확한 뒤 바로 쪄서 잎이 산화되지 않게 한다.",
        "작업장의 기계는 매주 금요일에 점검하고 기름을 친다.",
        "꿀벌은 꿀을 모으면서 과일나무의 꽃가루받이를 돕는다.",
        "고양이가 지붕에서 떨어져도 다치지 않는 이유는 몸을 돌리기 때문이다.",
        "컴퓨터를 끄기 전에 데이터를 저장하십시오.",
    ],
    "th": [  # Thai
        "ประภาคารสร้างขึ้นเมื่อปี พ.ศ. 2435 บนโขดหิน แสงของมันมองเห็นได้ไกลสี่สิบกิโลเมตร",
        "บ้านเก่าริมท่าเรือได้รับการอนุรักษ์ หลังคามุงด้วยหินชนวน",
        "สัญญาเช่าบอกเลิกได้ล่วงหน้าสามเดือนโดยต้องทำเป็นหนังสือ",
        "ห้องสมุดประชาชนเปิดวันอังคารเวลาสิบนาฬิกา ยืมหนังสือได้สี่สัปดาห์",
        "ชาเขียวถูกนึ่งทันทีหลังเก็บเกี่ยวเพื่อไม่ให้ใบชาเกิดการออกซิเดชัน",
        "เครื่องจักรในโรงงานได้รับการตรวจและหยอดน้ำมันทุกวันศุกร์",
        "ผึ้งเก็บน้ำหวานและช่วยผสมเกสรดอกไม้ของไม้ผล",
        "เสือดาวหิมะอาศัยอยู่บนภูเขาสูงในเอเชียกลาง",
    ],
    "fr": [  # French
        "Le phare a été construit en 1892 sur un rocher. Sa lumière se voit à quarante kilomètres.",
        "Les vieilles maisons du port sont protégées et leurs toits sont couverts d'ardoise.",
        "Le contrat de location peut être résilié par écrit trois mois à l'avance.",
        "La bibliothèque municipale ouvre le mardi à dix heures. Les livres sont prêtés "
        "quatre semaines.",
        "Le thé vert est étuvé après la récolte pour que les feuilles ne s'oxydent pas.",
        "Les journaux locaux paraissent chaque vendredi.",
    ],
    "it": [  # Italian
        "Il faro fu costruito nel 1892 su una roccia e la sua luce si vede a quaranta chilometri.",
        "Le vecchie case del porto sono protette e hanno tetti di ardesia.",
        "Il contratto di affitto può essere disdetto per iscritto con tre mesi di preavviso.",
        "La biblioteca comunale apre il martedì alle dieci. I libri si prestano per quattro "
        "settimane.",
    ],
    "pt": [  # Portuguese
        "O farol foi construído em 1892 sobre uma rocha e a sua luz vê-se a quarenta quilómetros.",
        "As construções antigas do porto estão protegidas e têm telhados de ardósia.",
        "O contrato de arrendamento pode ser rescindido por escrito com três meses de "
        "antecedência.",
        "A biblioteca municipal abre às terças-feiras às dez. Os livros são emprestados por "
        "quatro semanas.",
    ],
    "nl": [  # Dutch
        "De vuurtoren werd in 1892 op een rots gebouwd en zijn licht is veertig kilometer ver "
        "te zien.",
        "De oude huizen aan de haven zijn beschermd en hebben leien daken.",
        "Het huurcontract kan schriftelijk worden opgezegd met drie maanden termijn.",
        "De bibliotheek opent op dinsdag om tien uur. Boeken worden vier weken uitgeleend.",
    ],
    "hi": [  # Hindi
        "प्रकाशस्तंभ 1892 में चट्टान पर बनाया गया था। इसकी रोशनी चालीस किलोमीटर दूर से दिखती है।",
        "बंदरगाह के पुराने घरों की छतें स्लेट से ढकी हैं।",
        "पुस्तकालय मंगलवार को दस बजे खुलता है। किताबें चार सप्ताह के लिए मिलती हैं।",
        "मधुमक्खियाँ फूलों का रस इकट्ठा करती हैं।",
    ],
    "el": [  # Greek
        "Ο φάρος χτίστηκε το 1892 πάνω σε έναν βράχο και το φως του φαίνεται από σαράντα "
        "χιλιόμετρα.",
        "Τα παλιά σπίτια του λιμανιού έχουν στέγες από σχιστόλιθο.",
        "Η βιβλιοθήκη ανοίγει κάθε Τρίτη στις δέκα. Τα βιβλία δανείζονται για τέσσερις εβδομάδες.",
        "Οι μέλισσες μαζεύουν νέκταρ από τα λουλούδια.",
    ],
    "he": [  # Hebrew
        "המגדלור נבנה בשנת 1892 על סלע, ואורו נראה ממרחק ארבעים קילומטר.",
        "הבתים הישנים ליד הנמל מוגנים וגגותיהם מכוסים צפחה.",
        "הספרייה העירונית נפתחת ביום שלישי בשעה עשר. אפשר לשאול ספרים לארבעה שבועות.",
    ],
    "zh": [  # traditional Chinese, also asked in simplified
        "燈塔於1892年建在岩石上，四十公里外都能看見它的光。",
        "港口的老房子受到保護，屋頂鋪著石板。",
        "租賃合約可在三個月前以書面通知解除。",
        "市立圖書館星期二上午十點開門，書籍可借四週。",
        "綠茶採摘後立即蒸青，以免葉子氧化。",
        "車間的機器每週五檢查並上油。",
        "蜜蜂採集花蜜，並為果樹的花授粉。",
        "電腦關機以前請先儲存資料。",
    ],
}
QUESTIONS = {
    "de": [
        ("Wann wurden Leuchttürme gebaut?", 0),
        ("Welches Haus steht am Hafen?", 1),
        ("Wie kündige ich Mietverträge?", 2),
        ("Warum dämpft man grünen Tee?", 4),
        ("Wartung der Maschine", 5),
        ("Wer bestäubt den Obstbaum?", 6),
        ("Stromverbrauch orion7", 7),
        ("What does the Orion-7 server use when idle?", 7),
        ("wieviele haeuser stehen unter denkmalschutz", 1),
        ("hauser am hafen", 1),
    ],
    "es": [
        ("¿Cuándo se construyó el faro?", 0),
        ("casa antigua con tejado de pizarra", 1),
        ("¿Cómo rescindo contratos de alquiler?", 2),
        ("¿Cuántas semanas presta libros la biblioteca?", 3),
        ("como funcionan los radiadores de las habitaciones", 7),
        ("revision de la maquina", 5),
        ("¿Qué poliniza la abeja?", 6),
        ("¿Por qué se cuecen las hojas de té?", 4),
        ("arbol frutal", 6),
    ],
    "ru": [
        ("Когда построен маяк?", 0),
        ("Какие крыши у старого дома?", 1),
        ("Как расторгнуть договоры аренды?", 2),
        ("Когда открыта библиотека?", 3),
        ("Почему пропаривают зеленые чаи?", 4),
        ("смазка станка", 5),
        ("Что опыляет пчела?", 6),
        ("Где живут снежные барсы?", 7),
    ],
    "ar": [
        ("متى بنيت المنارات؟", 0),
        ("ما هو سقف البيت القديم؟", 1),
        ("كيف أنهي عقود الإيجار؟", 2),
        ("متى تفتح المكتبات؟", 3),
        ("لماذا نبخر شايا أخضر؟", 4),
        ("فحص آلة الورشة", 5),
        ("ماذا تلقح النحلة؟", 6),
        ("من بنى مدرسه القرية؟", 7),
        ("1892", 0),
    ],
    "ja": [
        ("灯台はいつ建てられましたか？", 0),
        ("家の屋根は何でできていますか？", 1),
        ("契約を解約するにはどうすればいいですか", 2),
        ("図書館は何時に開きますか", 3),
        ("なぜ緑茶を蒸すのですか", 4),
        ("機械の点検はいつですか", 5),
        ("みつばちは何を集めますか？花の蜜", 6),
        ("りんごジュースはどのくらい保存できますか", 7),
        ("コンピュータのデータの保存", 8),
        ("プリンタはどこにありますか", 9),
    ],
    "ko": [
        ("등대가 언제 세워졌습니까?", 0),
        ("집의 지붕은 무엇으로 덮여 있나요?", 1),
        ("임대 계약을 해지하려면 어떻게 해야 합니까?", 2),
        ("도서관에서 책을 얼마나 빌릴 수 있나요?", 3),
        ("녹차를 왜 찌나요?", 4),
        ("기계를 언제 점검합니까?", 5),
        ("꿀벌이 무엇을 모으나요?", 6),
        ("고양이는 왜 다치지 않나요?", 7),
        ("책", 3),
        ("데이터 저장", 8),
    ],
    "th": [
        ("ประภาคารสร้างเมื่อไร", 0),
        ("หลังคาบ้านเก่ามุงด้วยอะไร", 1),
        ("บอกเลิกสัญญาเช่าอย่างไร", 2),
        ("ห้องสมุดเปิดเมื่อไหร่", 3),
        ("ทำไมต้องนึ่งชาเขียว", 4),
        ("ตรวจเครื่องจักรวันไหน", 5),
        ("ผึ้งเก็บอะไร", 6),
        ("เสือดาวหิมะอยู่ที่ไหน", 7),
        ("พ.ศ. ๒๔๓๕", 0),
    ],
    "fr": [
        ("Quand les phares ont-ils été construits ?", 0),
        ("Quelle maison du port est protégée ?", 1),
        ("comment resilier un contrat", 2),
        ("quand ouvrent les bibliotheques", 3),
        ("Pourquoi étuver la feuille de thé ?", 4),
        ("journal local", 5),
    ],
    "it": [
        ("Quando furono costruiti i fari?", 0),
        ("casa vecchia con tetto di ardesia", 1),
        ("Come disdire i contratti?", 2),
        ("Quando aprono le biblioteche?", 3),
    ],
    "pt": [
        ("Quando foram construídos os faróis? luz", 0),
        ("construção antiga", 1),
        ("construcao antiga", 1),
        ("contratos rescindidos", 2),
        ("livro emprestado", 3),
    ],
    "nl": [
        ("Wanneer zijn de vuurtorens gebouwd?", 0),
        ("oud huis aan de haven", 1),
        ("huurcontracten opzeggen schriftelijk", 2),
        ("boek uitlenen", 3),
    ],
    "hi": [
        ("प्रकाशस्तंभ कब बनाया गया?", 0),
        ("पुराना घर", 1),
        ("किताब कब मिलती है", 2),
        ("मधुमक्खी क्या इकट्ठा करती है?", 3),
        ("१८९२", 0),
    ],
    "el": [
        ("Πότε χτίστηκαν οι φάροι;", 0),
        ("παλιο σπιτι στο λιμανι", 1),
        ("Πότε ανοίγουν οι βιβλιοθήκες;", 2),
        ("μέλισσα λουλούδι", 3),
    ],
    "he": [
        ("מתי נבנה המגדלור?", 0),
        ("הבתים ליד הנמל", 1),
        ("מתי נפתחת הספרייה?", 2),
    ],
    "zh": [
        ("灯塔建于哪一年？", 0),
        ("屋顶铺着什么？", 1),
        ("怎样解除租赁合约？", 2),
        ("图书馆什么时候开门？", 3),
        ("绿茶为什么要蒸青？", 4),
        ("机器什么时候检查？", 5),
        ("蜜蜂采集什么？", 6),
        ("儲存資料", 7),
        ("储存资料", 7),
    ],
}
"""By language: what is asked, and the number of the document that answers."""


def best(question: str, language: str) -> int:
    """The document with the most of the question's words, rarer ones counting more."""
    documents = [set(words(text)) for text in DOCUMENTS[language]]
    scores = [0.0] * len(documents)
    for term in question_terms(question, [language]):
        holders = [n for n, found in enumerate(documents) if not found.isdisjoint(term)]
        for number in holders:
            scores[number] += math.log(1 + len(documents) / len(holders))
    assert max(scores) > 0, "no word of it is in any document"
    return scores.index(max(scores))


@pytest.mark.parametrize(
    ("language", "question", "answer"),
    [(language, *asked) for language, all_asked in QUESTIONS.items() for asked in all_asked],
)
def test_a_question_finds_its_document_by_words(language: str, question: str, answer: int) -> None:
    assert best(question, language) == answer
