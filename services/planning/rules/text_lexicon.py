"""The words that rules on texts look for. A lexicon cannot understand; it is strict where a wrong word does harm.

What an entry of the task library says itself may be said of it again, whatever stands here.
"""

import re

ANY_CASE = re.IGNORECASE

MEDICAL = re.compile(
    r"\b(?:diagnos\w*|diseases?|disorders?|syndromes?|illness(?:es)?|infections?|insomnia|apno?ea|apnoea|depress(?:ion|ed|ive)"
    r"|hypertension|diabet\w+|arrhythmia\w*|fibrillation|covid\w*|cancer|strokes?|heart attacks?|adhd"
    r"|cur(?:e|es|ed|ing)|heal(?:s|ed)?|remed(?:y|ies)|therap\w+|prescri\w+|medicat\w+|medicines?|medicinal|drugs?|dos(?:e|es|age)"
    r"|pills?|tablets?|antibiotic\w*|ibuprofen|aspirin|paracetamol|acetaminophen|melatonin|insulin|statins?|steroids?"
    r"|supplements?|vitamin\w*|magnesium|creatine|treat(?:s|ed|ing|ments?)|symptom\w*|clinical\w*|medical\w*|patients?"
    r"|cholesterol|cortisol|blood (?:pressure|sugar)|immune system|detox\w*|metabolism|burn\w* (?:\w+ )?fat|weight[- ]loss"
    r"|los(?:e|ing) weight|calories?|kcal)\b",
    ANY_CASE,
)
"""Diagnosis, treatment, substances and promises of effect: a wellness plan makes none of them."""

HARMFUL = re.compile(
    r"\b(?:fasting|skip(?:ping)? (?:your |the |a )?(?:breakfast|lunch|dinner|meals?|eating|sleep|water|rest)"
    r"|(?:do not|don't|without) (?:eat|drink|sleep)\w*|all[- ]nighter|stay(?:ing)? (?:up|awake) (?:all|late|through)|sleep less"
    r"|hold(?:ing)? your breath|ice baths?|cold (?:plunges?|showers?)|saunas?|alcohol\w*|wine|beer|vodka|whisk(?:e)?y|cigarett\w+"
    r"|smok\w+"
    r"|push(?:ing)? (?:on )?through|ignore (?:the |your |any )?(?:pain|doctor|body|signs?|dizz\w+)|no pain,? no gain"
    r"|until (?:you |it )?(?:collapse|vomit|drop|hurts?|fail\w*)|purg(?:e|ing)|vomit\w*|starv\w+|self[- ]harm|suicid\w+"
    r"|kill (?:yourself|him|her)"
    r"|stop taking|instead of (?:a|your) doctor)\b",
    ANY_CASE,
)

CAFFEINE = re.compile(r"\b(?:coffees?|espressos?|caffein\w*|energy drinks?|pre[- ]workout)\b", ANY_CASE)

HARD_EFFORT = re.compile(
    r"\b(?:sprint\w*|hiit|intervals?|all[- ]out|max(?:imal|imum)? (?:effort|out|weights?|heart rate|intensity)|max out"
    r"|as (?:hard|fast|heavy) as you can|to failure|personal (?:best|record)"
    r"|heav(?:y|ier|iest) (?:weights?|lift\w*|squats?|load\w*)"
    r"|deadlifts?|one[- ]rep|burpees?|exhaustion|breathless|out of breath|your limits?|go hard)\b",
    ANY_CASE,
)
MODERATE_EFFORT = re.compile(
    r"\b(?:go(?:ing)? (?:for )?(?:a |an )?(?:\w+ )?run|running (?!late|water|list|through)|jog\w*|weight(?:s|lifting)"
    r"|dumbbells?|barbells?"
    r"|squats?|push[- ]?ups?|pull[- ]?ups?|lunges?|planks?|vigorous\w*|intens(?:e|ity|ive)|work(?:ing)?[- ]?outs?|cardio|sweat\w*"
    r"|jump\w*|marathons?|climb\w*|gym)\b",
    ANY_CASE,
)
ANY_EFFORT = re.compile(
    r"\b(?:brisk\w*|walk(?:s|ing)?|stroll\w*|cycl(?:e|es|ing)|swim\w*|danc(?:e|ing)|exercis\w+|stairs|hik(?:e|ing)|yoga)\b",
    ANY_CASE,
)
"""On a day without exertion not even this is suggested."""

PRAISE = re.compile(
    r"\b(?:well[- ]rested|fully (?:recovered|charged|rested)"
    r"|(?:great|good|excellent|strong|high|solid|top|superb) (?:readiness|recovery|sleep|night|score|shape)"
    r"|slept (?:well|great|soundly|deeply|enough)|(?:body|you) (?:is|are) ready for|plenty of (?:sleep|energy)|energy is high)\b",
    ANY_CASE,
)
TIRED = re.compile(
    r"\b(?:(?:low|poor|bad|weak|little) (?:readiness|recovery|sleep|night|energy)|sleep[- ]deprived|exhausted|worn out"
    r"|run[- ]down"
    r"|short(?:er)? night|slept (?:badly|poorly|too little|little)|energy is low)\b",
    ANY_CASE,
)

NIGHT_TYPES = frozenset(
    {"sleep_start_time", "sleep_end_time", "sleep_duration", "sleep_in_bed_duration", "sleep"}
    | {"sleep_deep_duration", "sleep_rem_duration", "sleep_awake_duration", "sleep_efficiency"}
)
VARIABILITY_TYPES = frozenset({"heart_rate_variability", "heart_rate_variability_rmssd", "heart_rate_variability_sdnn"})
RECOVERY_TYPES = NIGHT_TYPES | VARIABILITY_TYPES | {"readiness", "sleep_debt"}
ANYTHING: frozenset[str] = frozenset()
"""Any reading at all will do."""

CLAIMS: tuple[tuple[re.Pattern[str], frozenset[str]], ...] = (
    (
        re.compile(r"\byou(?:'ve|’ve| have)? (?:slept|woke|fell asleep|were in bed)\b|\b(?:last|recorded) night\b", ANY_CASE),
        NIGHT_TYPES,
    ),
    (re.compile(r"\breadiness\b", ANY_CASE), frozenset({"readiness"})),
    (re.compile(r"\bsleep debt\b", ANY_CASE), frozenset({"sleep_debt"})),
    (re.compile(r"\bsleep regularity\b", ANY_CASE), frozenset({"sleep_regularity"})),
    (re.compile(r"\bsleep score\b", ANY_CASE), frozenset({"sleep"})),
    (re.compile(r"\bactivity score\b", ANY_CASE), frozenset({"activity"})),
    (re.compile(r"(?<!mental )\bwellbeing score\b", ANY_CASE), frozenset({"wellbeing"})),
    (re.compile(r"\bmental wellbeing score\b", ANY_CASE), frozenset({"mental_wellbeing"})),
    (re.compile(r"\bheart[- ]rate variability\b|\bhrv\b", ANY_CASE), VARIABILITY_TYPES),
    (re.compile(r"\bresting (?:heart|pulse)\b", ANY_CASE), frozenset({"heart_rate_resting", "resting_heart_rate"})),
    (re.compile(r"\byou (?:have )?(?:walked|took)\b|\bsteps (?:counted|yesterday|so far)\b", ANY_CASE), frozenset({"steps"})),
    (re.compile(r"\bminutes sitting\b|\byou(?:'ve| have)? sat\b", ANY_CASE), frozenset({"activity_sedentary_duration"})),
    (re.compile(r"\byour (?:\w+ )?(?:recovery|sleep|energy) (?:is|was|has been|looks|shows)\b", ANY_CASE), RECOVERY_TYPES),
    (re.compile(r"\byour (?:data|readings?|scores?|metrics|wearable|tracker|watch|vitals)\b", ANY_CASE), ANYTHING),
)
"""What is said of readings, and the types of evidence of which one has to be there."""
ANY_CLAIM = re.compile("|".join(pattern.pattern for pattern, _ in CLAIMS), ANY_CASE)

MARKUP = re.compile(
    r"https?:|www\.|\b[\w-]+\.(?:com|org|net|io|ai|dev|app|info|co|me|ru|cn|xyz)\b|\S@\S|[<>{}\[\]`|\\^~]|\*\*|__|^\s*[#*]|&#?\w+;"
    r"|%[0-9a-f]{2}|\bjavascript:|\+\d[\d ()-]{6,}",
    ANY_CASE,
)
"""Links, addresses, telephone numbers, markup and template syntax."""

MACHINE_TALK = re.compile(
    r"\b(?:as an? (?:ai|language model|assistant)|language models?|chatgpt|openai|gpt|system prompts?"
    r"|prompts?"
    r"|(?:previous|above|these|my|your|all|following) instructions?|ignor(?:e|ing) (?:all|any|previous|the above|every)\w*"
    r"|json|schema|developer mode|jailbreak\w*|api key|password)\b",
    ANY_CASE,
)

WORD_LIST = re.compile(r"\S+")

COMMON = frozenset(
    WORD_LIST.findall(
        "a about after all an and any are as at away be before but by can do down each eat feel few first for from get give go"
        " have if in into is it its keep let like little look make more no not of off on one or out over part put rest so some"
        " something take than that the them then there this time to two up what when where which while with without you your"
        " did does ever every had has here how just last many most much must never next nothing once only other should since"
        " still such their these they those today tomorrow until was were who why will would yesterday yet"
    )
)
"""English that no few sentences do without."""

UNITS: dict[str, str] = {
    word: family
    for family, words in {
        "minute": "minute minutes min mins",
        "hour": "hour hours h hr hrs",
        "second": "second seconds sec secs",
        "millisecond": "ms millisecond milliseconds",
        "beat": "bpm beat beats",
        "percent": "percent %",
        "step": "step steps",
        "set": "set sets",
        "repetition": "rep reps repetition repetitions time times",
        "round": "round rounds lap laps",
        "distance": "km kilometer kilometers kilometre kilometres mile miles meter meters metre metres",
        "mass": "kg kilo kilos kilogram kilograms lb lbs pound pounds gram grams mg g",
        "volume": "liter liters litre litres l ml glass glasses cup cups",
        "energy": "calorie calories kcal",
        "day": "day days week weeks month months",
        "light": "lux",
        "degree": "degree degrees",
    }.items()
    for word in WORD_LIST.findall(words)
}
"""Words that give a number its meaning, by family."""

NUMBER_WORDS: dict[str, str] = {
    word: str(figure)
    for figure, word in (
        *enumerate(WORD_LIST.findall("zero one two three four five six seven eight nine ten eleven twelve")),
        (15, "fifteen"),
        *((tens * 10, word) for tens, word in enumerate(WORD_LIST.findall("twenty thirty forty fifty sixty seventy eighty"), 2)),
        (90, "ninety"),
        (100, "hundred"),
        (1000, "thousand"),
    )
}
