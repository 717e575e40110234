"""What tells of people: mailboxes, addresses of machines, numbers of cards, accounts, telephones and persons, places.

Of an address of a machine its class and port stay: whether what refused was public or private decides who must act. Mailboxes
of machine identities (`…gserviceaccount.com`) stay as well.
"""

import ipaddress
import re
from functools import lru_cache

from app.redact.rules import Rule, always, keep_lead

_KEPT_ADDRESSES = {"127.0.0.1", "0.0.0.0", "169.254.169.254", "255.255.255.255"}  # noqa: S104 - compared, not bound


def _email(match: re.Match[str]) -> str | None:
    if match[0] in ("root@localhost", "postgres@localhost") or match[0].startswith("git@"):
        return None
    host = re.split(r"@|%(?:25)*40|\\u0040|&#0*64;|&commat;", match[0].lower())[-1]
    return None if host.endswith("gserviceaccount.com") else "[email]"


@lru_cache(maxsize=4096)
def _ip(text: str) -> str | None:
    if text in _KEPT_ADDRESSES:
        return None
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    if address.is_loopback or address.is_unspecified:
        return None
    # Documentation ranges count as public: `is_private` covers more than what a private network uses.
    private = address.is_link_local or any(address in net for net in _PRIVATE_NETS if net.version == address.version)
    return "[private-ip]" if private else "[public-ip]"


_PRIVATE_NETS = tuple(
    ipaddress.ip_network(net)
    for net in (
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "100.64.0.0/10",
        "169.254.0.0/16",
        "fc00::/7",
        "fe80::/10",
    )
)
_VERSION_WORDS = re.compile(
    r"\b(?:upgrad|downgrad|install|bump|requir|version|release|package|depend|-> ?\d|=>\s?\d)", re.IGNORECASE
)
_VERSION_LOOKS_BACK = 80


def _ipv4(match: re.Match[str]) -> str | None:
    text, start = match.string, match.start()
    before = text[max(0, start - _VERSION_LOOKS_BACK) : start]
    if before and (before[-1].isalnum() or before[-1] == "."):
        return None
    dashed = "-" in match[0]
    parts = match[0].split("-" if dashed else ".")
    if dashed:
        if not (_HOST_LEAD.search(before) or (before[-1:] != "-" and text[match.end() : match.end() + 1] == ".")):
            return None
    elif all(len(part) <= 2 for part in parts) and (
        _VERSION_LEAD.search(before)
        or _VERSION_WORDS.search(before)
        or (parts[0] != "10" and _PRODUCT_LEAD.search(before))
    ):
        # Four small numbers are a version as well as an address; words decide.
        return None
    return _ip(".".join(part.lstrip("0") or "0" for part in parts))


_HOST_LEAD = re.compile(r"(?<![A-Za-z])(?:ip|ec2|host|client|static|dyn|dhcp)-$", re.IGNORECASE)
_PRODUCT_LEAD = re.compile(
    r"\b(?:postgres(?:ql)?|mysql|mariadb|redis|mongo(?:db)?|nginx|envoy|istio|kafka|kernel|ubuntu|debian|alpine|ruby|php|go"
    r"|rust|tomcat|spark|helm|terraform|kubernetes|gke)[ =:/-]v?$",
    re.IGNORECASE,
)
"""Before a version, unless it begins like a private address."""
_VERSION_LEAD = re.compile(
    r"(?:\b(?:version|ver|release|python|protobuf|java|jdk|jre|node|dotnet|chrome|firefox|edge|driver|sdk"
    r"|openssl)[ =:]{0,2}"
    r"|(?:\bv|==|>=|<=|~=) ?|[A-Za-z]/)$",
    re.IGNORECASE,
)


def _ipv6(match: re.Match[str]) -> str | None:
    text = match[0]
    if text.count(":") < 2 or not ("::" in text or any(c.isdigit() for c in text)) or len(text) < 4:
        return None
    return _ip(text)


def _unless_inside(match: re.Match[str]) -> str | None:
    before = match.string[match.start() - 1 : match.start()]
    return None if before.isalnum() or before in ("-", ".", "_") else "[personal-number]"


def _mac(match: re.Match[str]) -> str | None:
    before = match.string[match.start() - 1 : match.start()]
    if before.isalnum() or before in ("-", ":", "_", "."):
        return None
    return None if "." in match[0] and match[0].replace(".", "").isdigit() else "[mac]"


def _luhn(digits: str) -> bool:
    total = 0
    for i, c in enumerate(reversed(digits)):
        d = int(c)
        if i % 2:
            d = d * 2 - 9 if d > 4 else d * 2
        total += d
    return total % 10 == 0


def _card(match: re.Match[str]) -> str | None:
    before = match.string[match.start() - 1 : match.start()]
    before_it = match.string[max(0, match.start() - 3) : match.start()].lower()
    escaped = before_it in ("%3d", "%20", "%22") or before_it.endswith("%b")
    if not escaped and (before.isalnum() or before in ("-", ".")):
        return None
    digits = re.sub(r"\D", "", match[0])
    # Only the oldest cards have 13 digits, and one number in ten has the sum of a card.
    least = 13 if digits[0] in "34" else 16
    return "[card]" if least <= len(digits) <= 19 and _luhn(digits) else None


_IBAN_COUNTRIES = (
    "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DK18 DO28 EE20 EG29 ES24 FI18 FO18 FR27 "
    "GB22 GE22 GI23 GL18 GR27 GT28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 LB28 LC32 LI21 LT20 LU20 LV21 LY25 MC27 "
    "MD24 ME22 MK19 MR27 MT31 MU30 NL18 NO15 PK24 PL28 PS29 PT25 QA29 RO24 RS22 SA24 SC31 SD18 SE24 SI19 SK24 SM27 ST25 SV28 "
    "TL23 TN24 TR26 UA29 VA22 VG24 XK20"
)
_IBAN_LENGTHS = {country[:2]: int(country[2:]) for country in _IBAN_COUNTRIES.split()}
"""How long an account number of each country is."""


def _iban(match: re.Match[str]) -> str | None:
    if match.string[match.start() - 1 : match.start()].isalnum():
        return None
    text = re.sub(r"[ -]", "", match[0]).upper()
    length = _IBAN_LENGTHS.get(text[:2], 0)
    if not length or len(text) < length:
        return None
    number = "".join(str(int(c, 36)) for c in text[4:length] + text[:4])
    return "[iban]" if int(number) % 97 == 1 else None


_IP_PART = r"(?:25[0-5]|2[0-4]\d|[01]?\d?\d)"

NUMBERS_BY_NAME = (
    Rule(
        "personal number",
        ("ssn", "sin", "nino", "national", "cpf", "cnpj", "aadhaar", "aadhar", "pan", "dni", "nie", "codice",
         "nir", "bsn", "tfn", "pesel", "passport", "tax", "steuer", "date", "birth", "dob", "driv", "ein",
         "nhs", "medicare", "id", "curp", "rut", "personnummer", "social"),
        re.compile(
            r"((?<![a-z])(?:ssn|sin|nino|national[ _-]?(?:insurance|id)|cpf|cnpj|aadhaar|aadhar|pan|dni|nie"
            r"|codice[ _-]?fiscale|nir|bsn|tfn|pesel"
            r"|passport|tax[ _-]?id|steuer[ _-]?id|date[ _-]?of[ _-]?birth|birth[ _-]?(?:date|day)|dob"
            r"|driv\w{2,4}(?:'s)?[ _-]?licen[sc]e|ein|nhs|medicare|id[ _-]?number"
            r"|curp|rut|personnummer|social[ _-]?security(?:[ _-]?number)?)(?:[ _-]?(?:number|no|nr"
            r"|num)\.?)?[\\\"']{0,3}\s{0,2}[:=# ]\s{0,2}[\\\"']{0,3})"
            r"(?=(?:[ ./-]?[A-Z0-9]){0,12}\d(?:[ ./-]?[A-Z0-9]){0,6}\d(?:[ ./-]?[A-Z0-9]){0,6}\d)"
            r"[A-Z0-9](?:[ ./-]?[A-Z0-9]){5,24}(?![A-Za-z0-9])",
            re.IGNORECASE,
        ),
        keep_lead("[personal-number]"),
        begins=True,
    ),
)  # fmt: skip

PEOPLE = (
    Rule(
        "e-mail",
        ("@", "%40", "%2540", "&#", "\\u0040", "&commat"),
        re.compile(
            r"(?:\"[^\"\n@]{1,64}\"|(?<![\w.+'-])[\w.!#$&*+'/=?^{|}~-]{1,64}(?<!['/=|{}?&#!])|(?<=[/="
            r"|{}?&#!'])[\w.+~-]{1,64})"
            r"(?:@|%(?:25){0,3}40|\\u0040|&#0{0,3}64;|&#x40;|&commat;)(?:(?:[\w-]{1,63}\.){1,8}[^\W\d_]{2,24}|localhost)\b",
            re.IGNORECASE,
        ),
        _email,
        shape=re.compile(r"(?:@|40|64;|commat;)(?:[\w-]{1,63}\.|localhost)", re.IGNORECASE),
        near=70,
    ),
    Rule(
        "e-mail",
        (" dot ", "[at]", "(at)", "{at}"),
        re.compile(
            r"(?<![\w.+-])[\w.+-]{1,64}\s?(?:\[at\]|\(at\)|\{at\}"
            r"| at (?=[\w-]{1,60} dot ))\s?[\w-]{1,63}(?:\s?(?:\.|\[dot\]|\(dot\)| dot )\s?[\w-]{2,24}){1,4}",
            re.IGNORECASE,
        ),
        _email,
    ),
    Rule(
        "address",
        (".",),
        re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?![A-Za-z0-9]|\.\d)"),
        _ipv4,
        shape=re.compile(r"\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]"),
    ),
    Rule(
        "address",
        ("-",),
        re.compile(r"[0-9]{1,3}(?:-[0-9]{1,3}){3}(?![A-Za-z0-9-])"),
        _ipv4,
        shape=re.compile(r"-[0-9]{1,3}-[0-9]{1,3}-[0-9]"),
    ),
    Rule(
        "address",
        (":",),
        re.compile(
            r"(?:(?<![\w:.])|(?<=[A-Za-z]{5}:)|(?<=[G-Zg-z]:))(?:[0-9A-Fa-f]{0,4}:){2,7}(?:[0-9A-Fa-f]{0,4}"
            r"|" + _IP_PART + r"(?:\." + _IP_PART + r"){3})(?![\w:])"
        ),
        _ipv6,
        shape=re.compile(r":(?::|[0-9A-Fa-f]{1,4}(?::[0-9A-Fa-f]{1,4}){4})"),
    ),
    Rule(
        "address",
        ("ipv6-literal", "ip6.arpa"),
        re.compile(
            r"(?<![\w-])(?:[0-9a-f]{0,4}-){2,7}[0-9a-fs]{1,8}(?=\.ipv6-literal)"
            r"|(?:[0-9a-f]\.){16,32}(?=ip6\.arpa)", re.IGNORECASE),
        always("[public-ip]"),
    ),
    Rule(
        "mac",
        (":", "-"),
        re.compile(r"[0-9A-Fa-f]{2}(?:[:-][0-9A-Fa-f]{2}){5}(?:(?:[:-][0-9A-Fa-f]{2}){2,6})?(?![\w:-])"),
        _mac,
        shape=re.compile(r"[:-][0-9A-Fa-f]{2}[:-][0-9A-Fa-f]{2}[:-]"),
    ),
    Rule(
        "mac",
        (".",),
        re.compile(r"[0-9a-f]{4}\.[0-9a-f]{4}\.[0-9a-f]{4}(?![\w.])"),
        _mac,
        shape=re.compile(r"\.[0-9a-f]{4}\.[0-9a-f]{4}"),
    ),
    Rule(
        "mac",
        ("mac", "ether", "hwaddr", "bssid"),
        re.compile(
            r"(\b(?:mac(?:[ _-]?addr(?:ess)?)?|ether|hwaddr|bssid)[\"']?\s{0,2}[:= ]\s{0,2}[\"']?)(?:[0-9a-f]{12}"
            r"|[0-9a-f]{4}\.[0-9a-f]{4}\.[0-9a-f]{4})(?!\w)", re.IGNORECASE),
        keep_lead("[mac]"),
        begins=True,
    ),
    Rule(
        "card",
        (),
        re.compile(
            r"[2-6]\d{3}(?:([ .-]?)\d{4})(?:\1\d{4})\1?\d{1,7}(?![A-Za-z0-9]|-\d|\.\d)"
            r"|3\d{3}[ -]?\d{6}[ -]?\d{4,5}(?![A-Za-z0-9]|-\d|\.\d)"),
        _card,
    ),
    Rule(
        "iban",
        (),
        re.compile(r"[A-Za-z]{2}\d{2}(?:[ -]?[A-Za-z0-9]{4}){2,7}(?:[ -]?[A-Za-z0-9]{1,3})?(?![A-Za-z0-9])"),
        _iban,
        shape=re.compile(r"\d{2}(?:[ -]?[A-Za-z0-9]{4}){2}"),
    ),
    Rule(
        "personal number",
        ("-",),
        re.compile(
            r"[0-9]{3}(?:-\d{2}-\d{4}|\.\d{3}\.\d{3}-\d{2})(?![\w-])|[0-9]{2}\.\d{3}\.\d{3}/\d{4}-\d{2}(?![\w-])"),
        _unless_inside,
    ),
    Rule(
        "personal number",
        (),
        re.compile(r"[A-Z]{2}(?:(?: ?\d{2}){3} ?[A-D]|[A-Z]{4}\d{2}[A-EHLMPRST]\d{2}[A-Z]\d{3}[A-Z])(?![\w-])"),
        _unless_inside,
    ),
    Rule(
        "phone",
        ("+", "%2b", "00", "8 (", "8("),
        re.compile(
            r"(?<![\w.+-])(?:\+|%2B|00(?=[1-9]\d{0,2}[ -])|8 ?(?=\(\d{3}\)))"
            r"(?:\d{1,3}[ .-]?)?(?:\(\d{1,4}\)[ .-]?)?\d{1,5}(?:[ ./-]?\d{2,5}){2,4}(?![\w-]|\.\d)",
            re.IGNORECASE,
        ),
        always("[phone]"),
        begins=True,
    ),
    Rule(
        "phone",
        (),
        re.compile(
            r"(?<![\w.+-])(?:1[ .-])?(?:\([2-9]\d\d\) ?|[2-9]\d\d[.-])[2-9]\d\d[ .-]\d{4}(?![\w-]|\.\d)"),
        always("[phone]"),
        shape=re.compile(r"[.) -][2-9]\d\d[ .-]\d{4}"),
    ),
    Rule(
        "phone",
        ("phone", "tel", "mobile", "sms", "call", "fax", "msisdn", "whatsapp", "handy", "cell", "dial"),
        re.compile(
            r"((?:phone(?:[ _-]?(?:number|no))?|\b(?:tel|telephone|mobile(?:[ _-]?(?:number|no))?|sms(?: to)?"
            r"|call(?:ing|ed)?|fax|msisdn|whatsapp|handy|cell|dial(?:ing|ed)?))"
            r"(?: (?:to|from|number|user))?[\\\"']{0,3}\s{0,2}[:= ]\s{0,2}[\\\"']{0,3})(?:\+"
            r"|00)?\(?\d(?:[ ()./-]{0,3}\d){7,14}(?![\w]|\.\d)",
            re.IGNORECASE,
        ),
        keep_lead("[phone]"),
        begins=True,
    ),
    Rule(
        "place",
        ("lat", "lon", "lng", "@", "coord", "geo", "gps", "ll", "location", "position", "point", "at"),
        re.compile(
            r"((?<![a-z])(?:lat(?:itude)?|lon(?:gitude)?"
            r"|lng)[\\\"']{0,3}\s{0,2}[:= ]\s{0,2}[\\\"']{0,3})-?\d{1,3}\.\d{2,}"
            r"|(@(?=-?\d)|(?<![a-z])(?:coord\w{0,8}|geo\w{0,10}|gps|latlo?ng|ll|location|position|point"
            r"|at)[\\\"']{0,3}\s{0,2}[:=( ]\s{0,2}[\[(\\\"']{0,3})"
            r"-?\d{1,3}\.\d{4,},? ?-?\d{1,3}\.\d{4,}",
            re.IGNORECASE,
        ),
        lambda m: (m[1] or m[2]) + "[place]",
        shape=re.compile(r"\.\d\d"),
        begins=True,
    ),
    Rule(
        "place",
        ("°",),
        re.compile(r"\d{1,3}° ?\d{1,2}['′] ?\d{1,2}(?:\.\d+)?[\"″]? ?[NSEWO]"),
        always("[place]"),
    ),
)  # fmt: skip
