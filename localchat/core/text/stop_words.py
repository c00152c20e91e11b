"""Words that say nothing in a search, by language: articles, pronouns, prepositions, forms of “to
be”, and what makes a sentence a question.
"""

from __future__ import annotations

from functools import cache

from localchat.core.text.forms import letters, plain

_ANYWHERE = """
    a an the of and or to in on at by for from with as is are was were be been being am do does
    did has have had this that these those it its he she they them his her their we our you your i
    me my what which who whom whose when where why how there here not no than then so such can could
    will would shall should may might must about into over under between if but also any some each
    der das und ist sind ein eine einer eines dem den des zu im von mit auf wie was wer
    wo wann warum welche welcher welches nicht auch
    el la los las un una y o de del en que es por para con qué cómo cuál quién dónde cuándo
    le les des du et ou est sont dans pour sur avec que qui quoi comment quel quelle pourquoi
    """
"""Left out of every text. Without those that mean something in another language: "die", "war",
"son", and "für", which folds to an English word."""

_BY_LANGUAGE = {
    "de": """
        die einem einen für an am als aus bei beim bis durch er es sie ich wir ihr ihm ihn ihnen
        ihre ihrer ihrem ihren sein seine seiner seinem seinen man mich mir dich dir sich uns euch
        nach noch nur ob oder aber denn dass daß wenn weil vom vor um über unter zum zur sowie war
        waren wird werden wurde wurden worden hat haben hatte hatten kann können muss müssen soll
        sollen darf dürfen gibt welchem welchen wessen wem wen womit wofür wodurch woher wohin
        wieso weshalb dieser diese dieses diesem diesen""",
    "es": """
        a al ante como cuales cuáles cuanto cuánto cuantos cuántos cuanta cuánta cuantas cuántas
        cuyo donde quien quiénes lo se su sus le les me te nos ya e u ni si sí no pero más muy sin
        sobre entre hasta desde durante ese esa eso esos esas este esta esto estos estas aquel
        ella ellos ellas él yo tú ha han había haber hay fue fueron era eran ser son está están
        estaba sea tiene tienen tenía puede pueden debe""",
    "fr": """
        a à au aux ce cet cette ces c elle elles il ils on je tu nous vous se sa ses leur leurs
        lui mais ni ne pas plus par sans sous entre vers chez depuis pendant si y en un une dont
        où quels quelles combien quand lequel laquelle lesquels était étaient être a ont avait
        avaient avoir fut furent sera peut peuvent doit comme aussi cela ça son mon ton la de d l
        qu""",
    "it": """
        a ad al allo alla ai agli alle da dal dallo dalla dai dagli dalle del dello della dei
        degli delle di in nel nello nella nei negli nelle su sul sullo sulla sui sugli sulle con
        per tra fra il lo gli i le un uno una e ed o ma se che chi cui come dove quando quanto
        quanta quanti quante quale quali perché cosa non più è sono era erano fu furono essere
        stato stata stati ha hanno aveva avevano avere si ci vi ne questo questa questi queste
        quello quella può deve""",
    "pt": """
        a ao aos à às ante até após com como contra da das do dos de desde e é em entre era eram
        essa esse esta este isso isto eu ela elas ele eles foi foram há já lhe mais mas me na nas
        no nos não nem o os ou para pela pelas pelo pelos por porque porquê qual quais quando
        quanto quantos quanta quantas que quem onde se sem ser seu seus sua suas são sobre só
        também tem têm tinha um uma uns umas está estão pode podem deve""",
    "nl": """
        de het een van en in is dat die dit deze op te zijn met voor niet aan er om of maar als
        bij door naar uit over tot wat wie waar wanneer waarom hoe hoeveel welk welke ik je jij
        hij zij ze we wij u hem haar hun ons onze mijn jouw ook nog al dan was waren wordt worden
        werd werden geworden heeft hebben had hadden kan kunnen moet moeten zal zullen geen""",
    "sv": """
        och i att det som en ett den de på är av för med till inte om var vad vem när hur varför
        vilken vilket vilka har hade kan ska blev från så eller men sig sin sitt sina han hon vi
        ni jag man""",
    "da": """
        og i at det som en et den de på er af for med til ikke om var hvad hvem hvor hvornår
        hvordan hvorfor hvilken hvilket hvilke har havde kan skal blev fra så eller men sig sin
        sit sine han hun vi jeg man""",
    "no": """
        og i at det som en et ei den de på er av for med til ikke om var hva hvem hvor når hvordan
        hvorfor hvilken hvilket hvilke har hadde kan skal ble fra så eller men seg sin sitt sine
        han hun vi jeg man""",
    "pl": """
        i w we na z ze do o od po za przy przez dla jest są był była było były być nie się to ten
        ta te tego tej tych co kto kogo kiedy gdzie jak jaki jaka jakie ile dlaczego czy który
        która które których a ale oraz lub jego jej ich""",
    "tr": """
        ve bir bu şu o da de ile için mi mı mu mü ne kim kimin nerede nereye nasıl neden niçin
        hangi kaç ama veya olarak olan olduğu gibi daha çok en değil var""",
    "ru": """
        и в во не что он на я с со как а то все она так его но да ты к у же вы за бы по ее её мне
        было вот от меня о об из ему когда был была были быть ли если или для до при это этот эта
        эти этого этой где кто кого чей чья который которая которое которые какой какая какое
        какие каких сколько почему зачем чем чего чему куда откуда мы они их им нас есть также
        только""",
    "ar": """
        في من على إلى عن مع هذا هذه ذلك تلك الذي التي الذين هو هي هم أن إن أنه كان كانت يكون تكون
        قد لقد لا ما ماذا متى أين كيف لماذا لم لن كم هل أي أية أو ثم بين عند كل بعد قبل و يوجد
        توجد هناك لماذا بماذا لمن""",
    "fa": """
        و در به از که این آن را با برای است بود شد هم یک تا یا بر چه چی کی کجا چگونه چطور چرا چند
        کدام آیا شده می هستند بودند""",
    "el": """
        ο η το οι τα του της των τον την τους τις και να με σε στο στη στον στην στα για από που
        πού πώς πως τι ποιος ποια ποιο ποιοι πότε γιατί πόσο πόσα είναι ήταν δεν θα ένα ένας μια""",
    "he": """
        של את על עם אל מה מי מתי איפה היכן איך כיצד למה מדוע כמה האם זה זו זאת הוא היא הם הן לא או
        גם כי אם יש אין היה הייתה היו""",
    "hi": """
        का के की को में से पर ने और है हैं था थे थी एक यह वह ये वे इस उस इन उन क्या कब कहाँ कहां
        कौन किस किसने किसे कैसे क्यों कितना कितने कितनी कौनसा नहीं या भी हो जो तो तक लिए द्वारा""",
    "ja": "何 誰 何時 何処",
}
_SCRIPTS_OF_THEIR_OWN = ("ru", "ar", "fa", "el", "he", "hi")


@cache
def stop_words(language: str) -> frozenset[str]:
    """The words that are left out of a text in ``language`` (ISO 639-1), as ``forms.plain`` makes
    them. Languages with a script of their own count in every text."""
    lists = [_ANYWHERE, _BY_LANGUAGE.get(language, "")]
    lists += [_BY_LANGUAGE[other] for other in _SCRIPTS_OF_THEIR_OWN]
    return frozenset(plain(word) for text in lists for word in letters(text).split())
